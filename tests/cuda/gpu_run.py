"""All that needs a GPU, in one command, and a record of it.

examples:
  python -m tests.cuda.gpu_run                                   everything
  python -m tests.cuda.gpu_run --list                            what is here, and what would be skipped
  python -m tests.cuda.gpu_run --only tests,sanitizer --minutes 4
  python -m tests.cuda.gpu_run --only bench --networks resnet18:256 resnet50:128 --add
                                                                 a piece more into today's record of this GPU
  MINICNN_CUDA=emulated python -m tests.cuda.gpu_run --only bench --networks lenet5:1 --folder /tmp/records
                                                                 without a GPU, to see that it runs; it measures nothing

pieces, each with a time limit of its own (--list tells it, --minutes sets another):
  tests       tests/cuda on the GPU
  sanitizer   compute-sanitizer's memcheck, racecheck, initcheck and synccheck over the cases of every operation (every_case.py)
  gradcheck   every operation on device "cuda" against finite differences
  bench       training steps beside PyTorch in NCHW and NHWC, with TF32 and without
  profile     those steps kernel by kernel, with what comes next
  suite       all other tests; they run on the CPU of that machine

compute-sanitizer comes with the CUDA toolkit, or as  pip install nvidia-cuda-sanitizer-api.  The record is written after each command:
tests/records/DATE-GPU.json and .md. Exit status: 0 all passed, 1 some did not, 2 nothing could be run.
"""
import argparse
import importlib.util
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import gpu_record
from .gpu_record import Record, ROOT, Run

PROFILED = ("resnet18:256", "resnet50:128", "vgg16:64", "mobilenet_v1:256")
LINES = 60                               # of the end of an output that the record keeps, where not all of it is a table
GRACE = 30                               # seconds for a program to end when it is told to: a benchmark then shows what it has
DESCRIBE = "import json; from minicnn.kernels.cuda import chip; print(json.dumps(chip.describe()))"
TORCH = ("import json, torch; print(json.dumps({'version': torch.__version__, 'cuda': torch.version.cuda, "
         "'cudnn': torch.backends.cudnn.version(), 'gpu': torch.cuda.is_available()}))")


class Piece(NamedTuple):
    """commands: one after another, in `minutes` together.  needs: names of Machine.missing.  whole: all of the output is kept; data: the
    command takes --json FILE, and what it writes there goes into the record."""
    name: str
    commands: Sequence[Sequence[str]]
    minutes: float
    needs: tuple[str, ...] = ()
    whole: bool = False
    data: bool = False


class Machine(NamedTuple):
    """missing: what is not there -> why; gpu, torch: what they tell of themselves; tools: name -> path."""
    missing: dict[str, str]
    gpu: dict[str, Any]
    torch: dict[str, Any]
    tools: dict[str, str]


def preflight() -> Machine:
    """What is there.  Each is asked in a process of its own, so that none of them keeps memory of the GPU."""
    emulated, missing = os.environ.get("MINICNN_CUDA") in ("emulated", "checked"), {}
    gpu, reason = asked(DESCRIBE)
    if not gpu:
        there = importlib.util.find_spec("cupy") is not None
        missing["gpu"] = f"no GPU: CuPy says {reason}" if there else "CuPy is not installed: pip install 'minicnn-engine[gpu]'"
    torch, reason = asked(TORCH) if importlib.util.find_spec("torch") else ({}, "")
    if not torch:
        missing["torch"] = f"PyTorch: {reason}" if reason else "PyTorch is not installed"
    elif not torch["gpu"] and not emulated:
        missing["torch"] = f"PyTorch {torch['version']} finds no GPU"
    path = sanitizer()
    if emulated:
        missing["sanitizer"] = "compute-sanitizer watches a GPU, and CUDA is emulated"
    elif path is None:
        missing["sanitizer"] = "compute-sanitizer is not there: install the CUDA toolkit, or pip install nvidia-cuda-sanitizer-api"
    tools = {"compute-sanitizer": path or "", "nvidia-smi": shutil.which("nvidia-smi") or "", "ncu": shutil.which("ncu") or ""}
    return Machine(missing, gpu, torch, {name: path for name, path in tools.items() if path})


def asked(program: str) -> tuple[dict[str, Any], str]:
    """What a Python program prints as JSON; {} and the last line of its error where it fails."""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment(), capture_output=True, text=True)
    return (json.loads(done.stdout), "") if done.returncode == 0 else ({}, (done.stderr.strip().splitlines() or ["nothing"])[-1])


def environment() -> dict[str, str]:
    """Of all commands: on the GPU unless it is said otherwise, with this checkout's minicnn."""
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {"MINICNN_CUDA": "gpu", **os.environ, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", "COLUMNS": "160"}


def sanitizer() -> str | None:
    """compute-sanitizer: of the path, of a wheel, or of a toolkit in its usual place."""
    found = shutil.which("compute-sanitizer")
    wheels = sorted(Path(sysconfig.get_paths()["purelib"], "nvidia").glob("*/bin/compute-sanitizer"))
    toolkits = sorted(Path("/usr/local").glob("cuda*/bin/compute-sanitizer"))
    return found or next((str(path) for path in (*wheels, *toolkits) if os.access(path, os.X_OK)), None)


def pieces(machine: Machine, args: argparse.Namespace) -> list[Piece]:
    """All pieces in their order; sanitizer is four."""
    python = [sys.executable, "-m"]
    pytest = [*python, "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-o", "addopts=", "-rfE"]
    watched = [machine.tools.get("compute-sanitizer", "compute-sanitizer"), "--error-exitcode", "9", "--print-limit", "20"]
    cases = [*python, "tests.cuda.every_case", "--cases", str(args.cases)]
    bench = [*python, "minicnn", "bench", *args.networks, "--device", "cuda", "--against", "torch", "--rounds", str(args.rounds)]
    profiled = [word.partition(":") for word in args.networks or PROFILED]
    profile = [[*python, "minicnn", "profile", name, *(["--batch", batch] if batch else []), "--device", "cuda", "--tf32", tf32]
               for name, _, batch in profiled for tf32 in ("on", "off")]
    return [Piece("tests", [[*pytest, "tests/cuda"]], 20, ("gpu",)),
            *(Piece(tool, [[*watched, "--tool", tool, *cases]], 15, ("gpu", "sanitizer"))
              for tool in ("memcheck", "racecheck", "initcheck", "synccheck")),
            Piece("gradcheck", [[*python, "minicnn", "gradcheck", "--device", "cuda", "--quiet"]], 20, ("gpu",), data=True),
            Piece("bench", [bench], 30, ("gpu", "torch"), whole=True, data=True),
            Piece("profile", profile, 10, ("gpu",), whole=True),
            Piece("suite", [[*python, "pytest", "-q", "-p", "no:cacheprovider", "-rfE", "--ignore=tests/cuda", "tests"]], 60, ("gpu",))]


GROUPS = {"sanitizer": ("memcheck", "racecheck", "initcheck", "synccheck")}


def chosen(every: list[Piece], only: str | None) -> list[Piece]:
    """The pieces that --only names.  ValueError for a name that there is not."""
    if only is None:
        return every
    wanted = [name for word in only.split(",") for name in GROUPS.get(word.strip(), (word.strip(),))]
    unknown = [name for name in wanted if name not in {piece.name for piece in every}]
    if unknown:
        names = list(dict.fromkeys([*GROUPS, *(piece.name for piece in every)]))
        raise ValueError(f"--only: there is no piece {unknown[0]!r}; there are {', '.join(names)}")
    return [piece for piece in every if piece.name in wanted]


def told(command: Sequence[str]) -> str:
    """A command line without the folders of this machine."""
    return shlex.join(Path(word).name if Path(word).is_absolute() else word for word in command)


def ran(piece: Piece, command: Sequence[str], seconds: float) -> Run:
    """Run one command.  One that is out of time is interrupted, as by Ctrl-C, and killed if it does not end then."""
    start, words = time.monotonic(), told(command)
    with tempfile.TemporaryFile() as output, tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "data.json")
        try:
            process = subprocess.Popen([*command, *(["--json", str(file)] if piece.data else [])], cwd=ROOT, env=environment(),
                                       stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
        except OSError as error:
            return Run(piece.name, words, f"failed: {error}", date=gpu_record.now())
        outcome = ""
        try:
            status = process.wait(max(1.0, seconds))
            outcome = "passed" if status == 0 else f"failed: exit status {status}"
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
            limit = isinstance(error, subprocess.TimeoutExpired)
            outcome = f"out of time: {seconds:.0f} s" if limit else "stopped by Ctrl-C"
        finally:
            end(process)
        output.seek(0)
        lines = output.read().decode(errors="replace").replace("\r", "\n").strip("\n").splitlines()
        try:
            data = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        except ValueError:                             # it was stopped while it wrote
            data = None
    shown = "\n".join(lines if piece.whole else lines[-LINES:])
    return Run(piece.name, words, outcome, time.monotonic() - start, gpu_record.now(), shown, data)


def end(process: subprocess.Popen) -> None:
    """End a process and those that it started, which are a group of their own."""
    for sent in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is not None:
            return
        os.killpg(process.pid, sent)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            pass


def run(todo: Sequence[Piece], machine: Machine, record: Record, minutes: float | None = None) -> int:
    """Every piece; the record is written after each command.  minutes: of each piece, instead of its own.  The exit status."""
    done: list[Run] = []
    for piece in todo:
        reasons = [machine.missing[need] for need in piece.needs if need in machine.missing]
        if reasons:
            done.append(Run(piece.name, told(piece.commands[0]), f"skipped: {reasons[0]}", date=gpu_record.now()))
            record.add(done[-1])
            print(f"{piece.name}: skipped: {reasons[0]}", flush=True)
            continue
        deadline = time.monotonic() + 60 * (piece.minutes if minutes is None else minutes)
        for command in piece.commands:
            print(f"{piece.name}: {told(command)}, at most {max(0.0, deadline - time.monotonic()) / 60:.1f} minutes", flush=True)
            if deadline <= time.monotonic():
                done.append(Run(piece.name, told(command), "skipped: no time is left for it", date=gpu_record.now()))
            else:
                done.append(ran(piece, command, deadline - time.monotonic()))
            record.add(done[-1])
            print(done[-1].shown, f"{piece.name}: {done[-1].outcome}, {done[-1].seconds:.0f} s", sep="\n", flush=True)
            if done[-1].outcome.startswith("stopped"):
                return 130
    print(f"record: {record.paths[1]}")
    return 0 if all(one.passed or one.outcome.startswith("skipped") for one in done) and any(one.passed for one in done) else 1


def main(words: list[str] | None = None) -> int:
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(prog="python -m tests.cuda.gpu_run", description=summary, epilog=rest,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="PIECE,…", help="some pieces; sanitizer or memcheck, racecheck, initcheck, synccheck")
    parser.add_argument("--minutes", type=float, metavar="N", help="the time limit of each piece")
    parser.add_argument("--networks", nargs="+", default=[], metavar="MODEL[:BATCH]", help="of bench and profile")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="of bench (default 7)")
    parser.add_argument("--cases", type=int, default=3, metavar="N", help="of each operation that the sanitizer watches (default 3)")
    parser.add_argument("--name", help="of the record (default DATE-GPU)")
    parser.add_argument("--folder", type=Path, default=gpu_record.FOLDER, help="where the record goes (default tests/records)")
    parser.add_argument("--add", action="store_true", help="add to the record where there is one; without, it is not touched")
    parser.add_argument("--list", action="store_true", help="the pieces, and what is missing for them; nothing is run")
    args = parser.parse_args(words)
    machine = preflight()
    try:
        todo = chosen(pieces(machine, args), args.only)
        if args.minutes is not None and not args.minutes > 0:
            raise ValueError(f"--minutes: expected a number above 0, got {args.minutes:g}")
        reasons = {piece.name: [machine.missing[need] for need in piece.needs if need in machine.missing] for piece in todo}
        if args.list or all(reasons.values()):
            for piece in todo:
                print(f"{piece.name:11} {'skipped' if reasons[piece.name] else f'at most {piece.minutes:g} minutes'}: "
                      f"{told(piece.commands[0])}{f' and {len(piece.commands) - 1} more' * (len(piece.commands) > 1)}")
            for reason in dict.fromkeys(reason for found in reasons.values() for reason in found):
                print(f"skipped, because: {reason}")
            if not args.list:
                print("gpu_run: nothing can be run here, so there is nothing to record", file=sys.stderr)
            return 0 if args.list else 2
        described = gpu_record.describe(machine.gpu, machine.torch, machine.tools)
        record = gpu_record.opened(args.name or gpu_record.name_of(described["gpu"]), described, args.folder, args.add)
    except (ValueError, FileExistsError) as error:
        print(f"gpu_run: {error}", file=sys.stderr)
        return 2
    return run(todo, machine, record, args.minutes)


if __name__ == "__main__":
    sys.exit(main())
