"""how fast networks and operations are, beside PyTorch or another algorithm

examples:
  minicnn bench --against torch                          nine well-known networks, a training step each
  minicnn bench --against torch resnet18 vgg16:4         these; after the colon the batch size
  minicnn bench --against torch --forward                evaluation of one image
  minicnn bench --against tiled --all --json all.json    every network of the zoo, beside one algorithm of its convolutions
  minicnn bench conv2d                                   convolutions of well-known networks: each direction in each algorithm
  minicnn bench conv2d max_pool2d --against torch --shape ResNet
  minicnn bench lenet5 --rounds 3 --json lenet5.json --chart lenet5.png
  minicnn bench --device cuda --against torch            on a GPU: the nine networks at batches that fill it, with TF32 and without
  minicnn bench resnet18:256 --device cuda --against torch --tf32 on

Each engine has a process of its own, and they take turns. The losses of the first steps are compared; where they differ nothing is measured
and the exit status is 2. "torch" is PyTorch as it comes, "torch tuned" the best of its memory layouts, its optimisers for many tensors and
the allocators that this system has; --no-tuning leaves that out. Other programs on the machine disturb: close what can be closed.
On a GPU PyTorch is measured in NCHW and in channels last, with cudnn.benchmark; MINICNN_CUDA=emulated runs all of it without a GPU, to see
that it runs: its times mean nothing.
"""
import argparse
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ._options import add_threads, whole


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks, as MODEL or MODEL:BATCH, or operations, such as conv2d")
    parser.add_argument("--against", metavar="ENGINE", help="torch, reference, or an algorithm of conv2d for all convolutions")
    parser.add_argument("--all", action="store_true", help="every network of the zoo, at small batches")
    parser.add_argument("--forward", action="store_true", help="a forward in evaluation, of one image, instead of a training step")
    parser.add_argument("--batch", type=whole(1), metavar="N", help="images in the batch of every network that names no other")
    parser.add_argument("--rounds", type=whole(1), default=7, metavar="N", help="turns of each engine; the median counts (default 7)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: a GPU, of networks (default cpu)")
    parser.add_argument("--tf32", choices=("on", "off", "both"), help="on a GPU, whether tensor cores may round factors to TF32, in both "
                        "engines alike (default both, one after the other)")
    parser.add_argument("--no-tuning", action="store_true", help="PyTorch as it comes alone")
    add_threads(parser)
    layers = parser.add_argument_group("operations")
    layers.add_argument("--shape", metavar="WORD", help="only shapes with this in their name")
    layers.add_argument("--algorithm", action="append", metavar="NAME", help="only this algorithm beside the default; can be repeated")
    files = parser.add_argument_group("files")
    files.add_argument("--json", metavar="FILE", help="all that was measured, every round of it")
    files.add_argument("--chart", metavar="FILE", help="a picture of it (.png, .svg, .pdf)")
    files.add_argument("--overwrite", action="store_true", help="replace these files where they exist")


def run(args: argparse.Namespace) -> int:
    from .. import models
    from ..bench import layers, networks, on_gpu, shapes
    operations = [name for name in args.names if name in shapes.operations()]
    check_files(args)
    check_device(args, operations)
    settings = networks.Settings(args.against, not args.forward, args.rounds, not args.no_tuning, args.threads, args.device,
                                 on_gpu.settings_of_tf32(args.tf32 or "both") if args.device == "cuda" else ())
    if operations:
        others = [name for name in args.names if name not in operations]
        if others or args.all or args.forward or args.batch:
            wrong = ", ".join([*others, *["--all"] * args.all, *["--forward"] * args.forward, *["--batch"] * bool(args.batch)])
            raise ValueError(f"{operations[0]} is an operation, {wrong} is for networks; measure them one after the other")
        layers.check(operations, settings, args.algorithm)
        return measure_layers(args, settings, layers.chosen(operations, args.shape))
    if args.shape or args.algorithm:
        raise ValueError(f"{'--shape' if args.shape else '--algorithm'} is for operations, such as minicnn bench conv2d; there are "
                         f"{', '.join(shapes.operations())}")
    (on_gpu if args.device == "cuda" else networks).check(settings)
    if args.all and args.names:
        raise ValueError(f"--all are all networks; leave out {', '.join(args.names)}")
    words = args.names or (models.names() if args.all else list(networks.DEFAULTS))
    return measure_networks(args, settings, jobs(words, args, by_name=bool(args.names)))


def jobs(words: list[str], args: argparse.Namespace, by_name: bool) -> list[tuple[str, int]]:
    """(model, batch) …  ValueError, with what is near, for a name that is neither a model nor an operation."""
    from ..bench import networks, on_gpu, shapes
    batch = args.batch or (1 if args.forward else None)
    usual = on_gpu if args.device == "cuda" else networks
    try:
        return [networks.parsed(word, batch, usual.DEFAULTS, (usual.SMALL, usual.LARGE)) for word in words]
    except ValueError as error:
        if by_name and "there is no model" in str(error) and "did you mean" not in str(error):
            raise ValueError(f"{error}; operations are {', '.join(shapes.operations())}") from None
        raise


def measure_networks(args: argparse.Namespace, settings: Any, todo: list[tuple[str, int]]) -> int:
    from ..bench import chart, gpu_report, networks, on_gpu, report
    results: list[Any] = []
    gpu = settings.device == "cuda"
    table, notes = (gpu_report.gpu_tables, gpu_report.gpu_notes) if gpu else (report.network_table, report.network_notes)
    found = {"flops": float("nan"), "tf32": float("nan"), "bandwidth": float("nan")}
    with progress() as say:
        try:
            found = peaks(say, **{"device": "cuda"} if gpu else {})
            for result in (on_gpu if gpu else networks).compare(todo, settings, say):
                results.append(result)
                write_json(args, report.as_json(command(args), settings, found, results=results))
        finally:                                                         # after Ctrl-C too: what is done is shown
            say("")
            if results:
                print(table(results), end="\n\n")
                print(*notes(results, settings, found), sep="\n")
    if args.chart and any(result.timings for result in results):
        chart.draw_networks(results, Path(args.chart), title(args))
        print(f"chart: {args.chart}")
    different = list(dict.fromkeys(result.model for result in results if result.different))
    if different:
        print(f"minicnn bench: refused, since the engines do not compute the same: {', '.join(different)}", file=sys.stderr)
    return 2 if different or not any(result.timings for result in results) else 0


def measure_layers(args: argparse.Namespace, settings: Any, todo: list[tuple[str, str]]) -> int:
    from ..bench import chart, layers, report
    rows: list[Any] = []
    environments: dict[str, Any] = {}
    found = {"flops": float("nan"), "bandwidth": float("nan")}
    with progress() as say:
        try:
            found = peaks(say)
            for more in layers.compare(todo, settings, args.algorithm, say, environments):
                rows += more
                write_json(args, report.as_json(command(args), settings, found, rows=rows))
        finally:
            say("")
            if rows:
                print(report.layer_table(rows, found), end="\n\n")
                print(*report.layer_notes(rows), *report.machine_notes(environments, found), sep="\n")
    if args.chart:
        chart.draw_layers(rows, found["bandwidth"], Path(args.chart), title(args))
        print(f"chart: {args.chart}")
    return 0


def check_device(args: argparse.Namespace, operations: list[str]) -> None:
    """ValueError for options that do not go with the device."""
    if args.device == "cpu":
        if args.tf32:
            raise ValueError("--tf32 is for --device cuda; a CPU has no TF32")
        return
    if operations:
        raise ValueError(f"{operations[0]} is an operation: with --device cuda networks are measured, and each of their kernels by "
                         "minicnn profile MODEL --device cuda")
    if args.no_tuning:
        raise ValueError("--no-tuning is for the CPU; on a GPU PyTorch is measured in both its layouts, and not tuned further")


def peaks(say: Any, **where: str) -> dict[str, float]:
    """What the machine can do, measured in a process of its own."""
    from ..bench.networks import OURS
    from ..bench.turns import Worker
    say("measuring what the machine can do")
    with Worker(OURS, "minicnn") as worker:
        return worker.ask("peaks", **where)


@contextmanager
def progress() -> Iterator[Any]:
    """say(text): a line that changes on a terminal, a line each time where standard error is none."""
    if not sys.stderr.isatty():
        yield lambda text: print(text, file=sys.stderr, flush=True) if text and not text.partition(": ")[2].startswith("round") else None
        return
    from rich.console import Console
    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(text) if text else status.stop()


def check_files(args: argparse.Namespace) -> None:
    """ValueError, FileExistsError or FileNotFoundError for a file that could not be written in the end."""
    for option, name, suffixes in (("--json", args.json, (".json",)), ("--chart", args.chart, (".png", ".svg", ".pdf"))):
        if name is None:
            continue
        if Path(name).suffix not in suffixes:
            raise ValueError(f"{option} {name}: the name should end in {' or '.join(suffixes)}")
        if Path(name).exists() and not args.overwrite:
            raise ValueError(f"{option} {name}: the file exists; choose another name, or add --overwrite")
        if not Path(name).absolute().parent.is_dir():
            raise ValueError(f"{option} {name}: there is no such folder")


def write_json(args: argparse.Namespace, found: dict[str, Any]) -> None:
    if args.json:
        import json

        from ..io.atomic import write
        write(args.json, (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode())


def command(args: argparse.Namespace) -> str:
    """The command line again, without files."""
    words = [*args.names]
    for option in ("device", "against", "tf32", "batch", "rounds", "threads", "shape"):
        if getattr(args, option) not in (None, {"rounds": 7, "device": "cpu"}.get(option)):
            words += [f"--{option}", str(getattr(args, option))]
    words += [f"--{option.replace('_', '-')}" for option in ("all", "forward", "no_tuning") if getattr(args, option)]
    return shlex.join(["minicnn", "bench", *words, *(word for name in args.algorithm or () for word in ("--algorithm", name))])


def title(args: argparse.Namespace) -> str:
    from ..bench import machine
    return f"{command(args)}\n{machine.processor()}"
