"""The benchmark of networks without PyTorch: what is measured in which order, what is refused, what is written."""
import json
import math
import re
from statistics import median

import numpy as np
import pytest

from minicnn import cli, kernels, models
from minicnn.bench import networks, tuning
from minicnn.bench.networks import Different, Result, Settings, Timing, agree, parsed, take_turns
from minicnn.commands import bench
from minicnn.inspect import summary

ALGORITHM = kernels.algorithms("conv2d")[0] if kernels.names() else ""


def test_names_and_batches():
    assert parsed("resnet18") == ("resnet18", 4) and parsed("vgg16:5") == ("vgg16", 5) and parsed("resnet18:3", 9) == ("resnet18", 3)
    assert parsed("resnet18", 9) == ("resnet18", 9) and parsed("lenet5_textbook") == ("lenet5_textbook", 64)
    assert parsed("efficientnet_b0") == ("efficientnet_b0", networks.LARGE) and parsed("lenet_caffe") == ("lenet_caffe", networks.SMALL)
    assert all(parsed(name)[1] in (networks.SMALL, networks.LARGE, *networks.DEFAULTS.values()) for name in models.names())
    for word, text in (("lenet55", "did you mean 'lenet5'"), ("lenet5:0", "after the colon"), ("lenet5:", "after the colon"),
                       ("lenet5:many", "after the colon")):
        with pytest.raises(ValueError, match=text):
            parsed(word)


def test_all_defaults_are_models():
    assert all(models.info(name) for name in networks.DEFAULTS) and len(networks.DEFAULTS) == 9


class Fake:
    """Stands for a Worker: takes `seconds` a step, and keeps a common diary of who computed."""

    def __init__(self, label, seconds, diary, loss=1.0):
        self.label, self.seconds, self.diary, self.loss, self.idle, self.asleep = label, iter(seconds), diary, loss, 0.0, 1.0

    def ask(self, do, count):
        self.diary.append(self.label)
        return {"seconds": [next(self.seconds)] * count, "loss": self.loss}

    def close(self, kill=False):
        self.diary.append(f"{self.label} closed")


def test_turns_rounds_and_ratios(monkeypatch):
    monkeypatch.setattr(networks, "PAUSE", 0.0)
    diary = []
    engines = [(Fake("a", [9, 1, 2, 6], diary), Timing("a")), (Fake("b", [9, 2, 2, 3], diary), Timing("b"))]
    assert take_turns(engines, 3, 1, lambda text: None, iter([1.0, 10.0, 20.0, 40.0]).__next__) == [10.0, 20.0, 40.0]
    assert diary == ["b", "a", "a", "b", "b", "a", "a", "b"]                # each begins in turn; the first round does not count
    assert engines[0][1].seconds == [1, 2, 6] and engines[1][1].seconds == [2, 2, 3]
    result = Result("m", 1, 120, [timing for _, timing in engines], [10.0, 20.0, 40.0])
    assert result.ratio(1) == median([0.5, 1, 2]) and result.timings[0].median == 2
    assert result.share() == median([120 / 1 / 10, 120 / 2 / 20, 120 / 6 / 40]) and result.share(1) == median([6, 3, 1])
    with pytest.raises(FloatingPointError, match="the loss of c became nan"):
        take_turns([(Fake("c", [1, 1], diary, math.nan), Timing("c"))], 1, 1, lambda text: None, lambda: 1.0)
    assert networks.steps_in_a_turn([(Fake("a", [1e-3] * 2, []), Timing("a")), (Fake("b", [0.05] * 2, []), Timing("b"))]) == 4
    assert networks.steps_in_a_turn([(Fake("a", [3.0] * 2, []), Timing("a"))]) == 1


@pytest.mark.parametrize("theirs, scores, text", [
    ([2.0, 1.9, 1.7], [1.0, 5.0], None),
    ([2.0001, 1.9001, 1.7001], [1.0, 5.004], None),
    ([2.01, 1.91, 1.71], [1.0, 5.0], "the first loss is 2 and 2.01"),
    ([2.0, 1.95, 1.7], [1.0, 5.0], "the loss goes from 2 to 1.9 and to 1.95 in step 2"),
    ([2.0, 1.9, 1.9], [1.0, 5.0], "to 1.7 and to 1.9 in step 3"),
    ([2.0, 1.9, math.nan], [1.0, 5.0], "to 1.7 and to nan in step 3"),
    ([math.nan, 1.9, 1.7], [1.0, 5.0], "the first loss is 2 and nan"),
    ([2.0, 1.9, 1.7], [1.1, 5.0], "the first scores differ by up to 0.1, the largest is 5"),
    ([2.0, 1.9, 1.7], [1.0], "the first scores differ by up to inf"),
])
def test_who_computes_the_same(theirs, scores, text):
    ours = {"losses": [2.0, 1.9, 1.7], "scores": [1.0, 5.0]}
    if text is None:
        agree("m", ours, {"losses": theirs, "scores": scores}, "b")
    else:
        with pytest.raises(Different, match=text):
            agree("m", ours, {"losses": theirs, "scores": scores}, "b")


def test_the_fastest_settings_win(monkeypatch):
    """Of the allocators the second, and of layouts and optimisers channels last with foreach."""
    diary, loaded = [], []
    speed = {"malloc, NCHW, fused SGD": 3, "other, NCHW, fused SGD": 2, "other, NCHW, foreach SGD": 4,
             "other, channels last, fused SGD": 5, "other, channels last, foreach SGD": 1}
    monkeypatch.setattr(tuning, "allocators", lambda: {"malloc": {}, "other": {"A": "B"}})
    monkeypatch.setattr(tuning, "Worker", lambda module, label, environment: Fake(label, [speed[label[7:-1]]] * 10, diary))
    worker, best, tried = tuning.tuned(lambda worker, settings: loaded.append(settings), True, {"threads": 2}, 1, lambda text: None)
    assert best.name == worker.label[7:-1] == "other, channels last, foreach SGD" and best.environment == {"A": "B"}
    assert best.settings == {"threads": 2, "channels_last": True, "optimizer": "foreach"} and len(loaded) == 5
    assert {entry["settings"]: entry["median"] for entry in tried} == speed
    assert {entry["settings"]: entry["relative"] for entry in tried}["malloc, NCHW, fused SGD"] == pytest.approx(1.5)
    closed = {line for line in diary if line.endswith("closed")}
    assert closed == {f"torch ({name}) closed" for name in speed if name != best.name}


def test_what_does_not_fit_into_memory_is_skipped(monkeypatch):
    monkeypatch.setattr(networks, "free_memory", lambda: 1e6)
    result, = networks.compare([("lenet5", 64)], Settings())
    assert result.skipped.startswith("needs about 0.0 GB in 1 processes") and not result.timings


@pytest.fixture
def here(capsys, tmp_path, monkeypatch):
    """`minicnn words…` in this process, which starts others; what the machine can do is not measured."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "peaks", lambda say: {"flops": 2e9, "bandwidth": 1e9})

    def run(*words):
        status = cli.main([str(word) for word in words])
        return status, *capsys.readouterr()
    return run


def test_a_benchmark_from_the_command_line(here, tmp_path):
    """Beside another algorithm of its own, with every file; ratios are whatever they are."""
    status, out, err = here("bench", "lenet5:2", "--against", ALGORITHM, "--rounds", 2, "--json", "found.json", "--chart", "found.png")
    assert status == 0, err
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["command"] == f"minicnn bench lenet5:2 --against {ALGORITHM} --rounds 2" and found["settings"]["rounds"] == 2
    assert found["peaks"] == {"flops": 2e9, "bandwidth": 1e9} and found["machine"]["versions"]["numba"]
    network, = found["networks"]
    assert (network["model"], network["batch"], network["skipped"], network["different"]) == ("lenet5", 2, "", False)
    macs = {row.name: row.macs for row in summary(models.create("lenet5")).rows}
    assert network["flops"] == 2 * 2 * (3 * sum(macs.values()) - macs["stem.c1"])              # the images need no gradient
    ours, other = network["timings"]
    assert [ours["label"], other["label"]] == ["minicnn", ALGORITHM]
    assert all(len(timing["seconds"]) == 2 and min(timing["seconds"]) > 0 and len(timing["losses"]) == 3 for timing in (ours, other))
    assert np.allclose(ours["losses"], other["losses"], rtol=1e-5) and ours["losses"][2] < ours["losses"][0]
    assert network["ratios"] == {ALGORITHM: median(a / b for a, b in zip(ours["seconds"], other["seconds"]))}
    assert found["geometric_means"] == pytest.approx(network["ratios"])
    assert ours["memory"]["arrays"] > 4 * models.info("lenet5").params and ours["environment"]["threads"] >= 1
    assert {"blas", "threading_layer", "environment", "vectors"} <= set(ours["environment"])
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
    assert "lenet5" in out and "÷" in out and "GFLOP/s" in out and "OMP_WAIT_POLICY" in out and "round 1" not in err
    before = (tmp_path / "found.json").read_bytes()
    for option, name in (("--json", "found.json"), ("--chart", "found.png")):
        status, out, err = here("bench", "lenet5:2", option, name)
        assert (status, out) == (2, "") and f"{option} {name}: the file exists; choose another name, or add --overwrite" in err
    assert (tmp_path / "found.json").read_bytes() == before


def test_engines_that_differ_are_refused(here, monkeypatch, tmp_path):
    monkeypatch.setattr(networks, "TORCH", "tests.bench.broken")
    monkeypatch.setattr(networks, "check", lambda settings: None)
    status, out, err = here("bench", "lenet5:2", "--against", "torch", "--no-tuning", "--rounds", 1, "--json", "found.json")
    assert status == 2 and err.endswith("minicnn bench: refused, since the engines do not compute the same: lenet5\n")
    assert "lenet5: minicnn and torch do not compute the same: the first loss is" in out
    network, = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["networks"]
    assert network["different"] and not network["timings"]


def test_evaluation_of_one_image(here, monkeypatch):
    monkeypatch.undo()                                                   # the machine too
    status, out, err = here("bench", "lenet5", "--forward", "--rounds", 1)
    assert status == 0 and re.search(r"lenet5 +1 ", out) and "a forward in evaluation" in out, err
    assert float(re.search(r"([\d.]+) GB/s from and to memory", out)[1]) > 0.1                       # type: ignore[index]


def test_without_pytorch_it_is_said_what_to_install(here, monkeypatch):
    monkeypatch.setattr(networks.importlib.util, "find_spec", lambda name: None if name == "torch" else object())
    status, out, err = here("bench", "--against", "torch")
    assert (status, out) == (2, "")
    assert err.startswith("minicnn bench: --against torch needs PyTorch, which is not installed: python -m pip install torch")
