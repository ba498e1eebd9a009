"""The one command for a GPU, without one: what is skipped and why, outcomes, time limits, the record, and that nothing is written over."""
import json
import re
import sys
from types import SimpleNamespace

import pytest

from minicnn import cli
from minicnn.kernels import cuda

from . import every_case, gpu_record, gpu_run
from .gpu_run import Machine, Piece
from .on_device import needs_cuda, ON_GPU

NOTHING = Machine({"gpu": "no GPU: so it says", "torch": "no PyTorch", "sanitizer": "no sanitizer"}, {}, {}, {})
HERE = Machine({"sanitizer": "no sanitizer"}, {"name": "A GPU", "total": 8 << 30, "cupy": "14.2"}, {"version": "2.13", "cudnn": 91}, {})


def python(program: str, *words: str) -> list[str]:
    return [sys.executable, "-c", program, *words]


PIECES = [Piece("tests", [python("print('3 passed')")], 1, ("gpu",)),
          Piece("memcheck", [python("1 / 0")], 1, ("gpu", "sanitizer")),
          Piece("gradcheck", [python("import sys; print('no'); sys.exit(3)")], 1),
          Piece("bench", [python("import json, sys; print('  a table'); json.dump({'a': 1}, open(sys.argv[-1], 'w'))")], 1, data=True),
          Piece("profile", [python("import time; print('begun', flush=True); time.sleep(60)"), python("print('later')")], 0.05)]


@pytest.fixture
def here(monkeypatch, tmp_path, capsys):
    """gpu_run with these pieces on this machine, and its record in a folder of its own."""
    def run(*words, machine=HERE):
        monkeypatch.setattr(gpu_run, "preflight", lambda: machine)
        monkeypatch.setattr(gpu_run, "pieces", lambda machine, args: PIECES)
        monkeypatch.setattr(gpu_run, "GRACE", 5)
        monkeypatch.setattr(gpu_record, "commit", lambda: "abc")
        status = gpu_run.main([*words, "--folder", str(tmp_path), "--name", "today"])
        return status, *capsys.readouterr()
    return run


def test_where_nothing_is_there_everything_is_skipped_with_its_reason(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_run, "preflight", lambda: NOTHING)
    assert gpu_run.main(["--folder", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    lines = out.strip().splitlines()
    words = [line.split(maxsplit=2) for line in lines[:9]]
    assert [w[0] for w in words] == ["tests", "memcheck", "racecheck", "initcheck", "synccheck", "gradcheck", "bench", "profile", "suite"]
    assert {w[1] for w in words} == {"skipped:"} and "pytest" in words[0][2] and "and 7 more" in words[7][2]
    assert lines[9] == "skipped, because: no GPU: so it says" and "nothing can be run here" in err and not list(tmp_path.iterdir())
    assert gpu_run.main(["--list", "--only", "sanitizer,bench"]) == 0 and capsys.readouterr().out.count("skipped: ") == 5
    assert gpu_run.main(["--only", "test"]) == 2 and "there is no piece 'test'; there are sanitizer, tests" in capsys.readouterr().err
    assert gpu_run.main(["--minutes", "0"]) == 2 and "--minutes: expected a number above 0, got 0" in capsys.readouterr().err


def test_a_record(here, tmp_path):
    status, out, err = here()
    assert status == 1 and "gradcheck: failed: exit status 3" in out
    found = json.loads((tmp_path / "today.json").read_text(encoding="utf-8"))
    assert [found["machine"][key] for key in ("gpu", "CuPy", "cuDNN", "memory")] == ["A GPU", "14.2", 91, "8 GiB"]
    runs = [(r["piece"], r["outcome"]) for r in found["runs"]]
    assert runs == [("tests", "passed"), ("memcheck", "skipped: no sanitizer"), ("gradcheck", "failed: exit status 3"),
                    ("bench", "passed"), ("profile", "out of time: 3 s"), ("profile", "skipped: no time is left for it")]
    assert found["runs"][3]["data"] == {"a": 1} and found["runs"][3]["shown"] == "  a table"
    assert found["runs"][4]["shown"].startswith("begun")
    text = (tmp_path / "today.md").read_text(encoding="utf-8")
    assert "- gpu: A GPU\n" in text and "- commit: abc\n" in text and "```\n  a table\n```" in text
    assert re.search(r"\| tests \| passed \| \d+ s \| .* \| `python\S* -c", text) and sys.executable not in text


def test_a_record_grows_and_is_not_written_over(here, tmp_path):
    assert here("--only", "tests")[0] == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    status, out, err = here("--only", "bench")
    assert status == 2 and "today.json is there and is not written over; --add adds to it" in err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert here("--only", "bench", "--add")[0] == 0 and here("--only", "tests", "--add")[0] == 0
    runs = json.loads((tmp_path / "today.json").read_text(encoding="utf-8"))["runs"]
    assert [r["piece"] for r in runs] == ["tests", "bench", "tests"] and runs[0] == json.loads(before["today.json"])["runs"][0]
    other = HERE._replace(gpu={"name": "another GPU"})
    status, out, err = here("--only", "tests", "--add", machine=other)
    assert status == 2 and "it is of gpu 'A GPU', this is 'another GPU'" in err


def test_only_what_was_skipped_is_no_success(here):
    assert here("--only", "memcheck")[0] == 2
    assert here("--only", "memcheck,tests", "--add")[0] == 0


def test_a_fence_is_longer_than_those_inside():
    record = gpu_record.Record("r", {}, [gpu_record.Run("p", "c", "passed", shown="a ```` b")])
    assert "`````\na ```` b\n`````" in record.markdown()
    assert gpu_record.name_of("NVIDIA H100 80GB HBM3")[10:] == "-nvidia-h100-80gb-hbm3"


def test_the_sanitizer_of_a_wheel_is_found(monkeypatch, tmp_path):
    program = tmp_path / "nvidia" / "cu13" / "bin" / "compute-sanitizer"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setattr(gpu_run.shutil, "which", lambda name: None)
    monkeypatch.setattr(gpu_run.sysconfig, "get_paths", lambda: {"purelib": str(tmp_path)})
    assert gpu_run.sanitizer() != str(program)                    # it cannot be run
    program.chmod(0o755)
    assert gpu_run.sanitizer() == str(program)


@pytest.mark.parametrize("networks", [[], ["resnet18:4", "lenet5"]])
def test_the_commands_exist(networks):
    """Options and arguments are those that minicnn and every_case take."""
    args = SimpleNamespace(networks=networks, rounds=3, cases=2)
    found = {piece.name: piece for piece in gpu_run.pieces(HERE, args)}
    for piece in (found["bench"], found["profile"]):
        for command in piece.commands:
            assert command[:3] == [sys.executable, "-m", "minicnn"]
            parsed = cli.parser(command[3]).parse([*command[4:], *["--json", "a.json"] * piece.data])
            assert parsed.device == "cuda"
    batches = [command[command.index("--batch") + 1] for command in found["profile"].commands if "--batch" in command]
    assert batches == (["4", "4"] if networks else ["256", "256", "128", "128", "64", "64", "256", "256"])
    for tool in gpu_run.GROUPS["sanitizer"]:
        command = found[tool].commands[0]
        assert command[command.index("--tool") + 1:] == [tool, sys.executable, "-m", "tests.cuda.every_case", "--cases", "2"]


@needs_cuda
@pytest.mark.skipif(ON_GPU, reason="it turns CuPy's pool off, for this process")
def test_every_case_runs_each_case_in_each_form(capsys):
    with cuda.emulation("fast"):
        assert every_case.main(["--op", "relu", "--op", "conv2d", "--cases", "2"]) == 0
        out = capsys.readouterr().out.splitlines()
        assert [line.rpartition(",")[0] for line in out[:2]] == ["relu: 4 runs", f"conv2d: {2 * (6 + 5)} runs"]     # tensor cores: float32
        assert out[2] == f"all: {4 + 22} runs of 2 operations"
        with pytest.raises(SystemExit):
            every_case.main(["--op", "rleu"])


@needs_cuda
@pytest.mark.skipif(ON_GPU, reason="it turns CuPy's pool off, for this process")
def test_every_case_tells_which_case_failed(capsys, monkeypatch):
    def broken(subject, dtype, extra):
        raise RuntimeError("an illegal address")
    monkeypatch.setattr(every_case, "run", broken)
    with cuda.emulation("fast"):
        assert every_case.main(["--op", "tanh"]) == 1
    assert re.search(r"every_case: activation/tanh\.[^,]+, float32, as chosen: RuntimeError: an illegal address", capsys.readouterr().err)


def test_every_case_without_a_gpu(monkeypatch, capsys):
    monkeypatch.setattr(every_case.cuda, "available", lambda: False)
    assert every_case.main([]) == 2 and "there is no GPU that CuPy can use" in capsys.readouterr().err
