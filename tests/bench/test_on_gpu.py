"""The benchmark on a GPU, without one: options, what may differ in TF32, and all of it once in the emulator beside PyTorch."""
import json
import re
from importlib.util import find_spec

import numpy as np
import pytest

from minicnn import cli, models
from minicnn.bench import gpu_report, machine, networks, on_gpu
from minicnn.bench.engine import Engine
from minicnn.bench.networks import agree, Different, FLOAT32, parsed, Result, Settings, Timing
from minicnn.commands import bench
from minicnn.kernels import cuda

from ..cuda.on_device import needs_cuda, ON_GPU


@pytest.fixture
def here(capsys, tmp_path, monkeypatch):
    """`minicnn words…` in this process, emulated in those that it starts; what the GPU can do is not measured."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "peaks", lambda say, device: {"flops": 2e9, "tf32": 4e9, "bandwidth": 1e9})
    monkeypatch.setenv("MINICNN_CUDA", "emulated")

    def run(*words):
        with cuda.emulation("fast"):
            status = cli.main([str(word) for word in words])
        return status, *capsys.readouterr()
    return run


@pytest.mark.parametrize("words, text", [
    (["lenet5", "--tf32", "on"], "--tf32 is for --device cuda"),
    (["conv2d", "--device", "cuda"], "conv2d is an operation: with --device cuda networks are measured"),
    (["lenet5", "--device", "cuda", "--no-tuning"], "--no-tuning is for the CPU"),
    (["lenet5", "--device", "cuda", "--against", "reference"], "on a GPU expected torch, or none"),
    (["lenet55", "--device", "cuda"], "did you mean 'lenet5'"),
])
def test_options_that_do_not_go_together(here, words, text):
    status, out, err = here("bench", *words)
    assert (status, out) == (2, "") and text in err and err.count("\n") == 1


@pytest.mark.parametrize("missing, text", [("cupy", "it needs CuPy, which is not installed"),
                                           ("nothing", "CuPy is installed and finds no")])
@pytest.mark.parametrize("command", ["bench", "profile"])
def test_without_a_gpu_it_is_said_why(capsys, monkeypatch, command, missing, text):
    monkeypatch.setattr(on_gpu.cuda, "available", lambda: False)
    monkeypatch.setattr(on_gpu.importlib.util, "find_spec", lambda name: None if name == missing else object())
    assert cli.main([command, "lenet5", "--device", "cuda"]) == 2
    assert f"--device cuda: {text}" in capsys.readouterr().err


def test_batches_fill_a_gpu():
    usual = on_gpu.DEFAULTS, (on_gpu.SMALL, on_gpu.LARGE)
    assert parsed("resnet18", None, *usual) == ("resnet18", 256) and parsed("resnet18:4", None, *usual) == ("resnet18", 4)
    assert parsed("efficientnet_b0", None, *usual)[1] == on_gpu.LARGE and parsed("lenet_caffe", None, *usual)[1] == on_gpu.SMALL
    assert set(on_gpu.DEFAULTS) == set(networks.DEFAULTS) and all(on_gpu.DEFAULTS[n] > networks.DEFAULTS[n] for n in on_gpu.DEFAULTS)
    assert on_gpu.settings_of_tf32("both") == (True, False) and on_gpu.settings_of_tf32("off") == (False,)


def rounded(x):
    """To TF32: 10 bits of the mantissa of float32 stay, half of the last is added before the others go."""
    return ((x.view(np.int32) + (1 << 12)) & ~((1 << 13) - 1)).view(np.float32)


@pytest.mark.parametrize("layers", [1, 4, 16, 50])
def test_what_tf32_may_differ_by_is_what_rounding_makes_of_a_chain_of_layers(layers):
    """Linear layers with ReLU between them, the factors rounded or not: within the tolerance, which is not ten times too wide."""
    rng = np.random.default_rng(layers)
    exact = low = rng.standard_normal((64, 256)).astype(np.float32)
    for _ in range(layers):
        weight = (rng.standard_normal((256, 256)) * np.sqrt(2 / 256)).astype(np.float32)
        exact, low = np.maximum(exact @ weight, 0), np.maximum(rounded(low) @ rounded(weight), 0)
    off, tolerance = np.abs(exact - low).max() / np.abs(exact).max(), on_gpu.tolerance(True, layers)
    assert tolerance.scores / 20 < off < tolerance.scores
    assert on_gpu.tolerance(False, layers) == FLOAT32 and tolerance.scores > FLOAT32.scores


OURS = {"losses": [2.0, 1.98, 1.94], "scores": [1.0, 5.0]}


@pytest.mark.parametrize("losses, scores, text", [
    ([2.002, 1.983, 1.941], [1.02, 5.03], None),                          # as TF32 rounds
    ([2.0, 2.0, 2.0], [1.0, 5.0], "in step 2"),                           # no step at all
    ([2.0, 2.02, 2.06], [1.0, 5.0], "in step 2"),                         # the gradient's sign
    ([2.05, 2.03, 1.99], [1.0, 5.0], "the first loss"),
    ([2.0, 1.98, 1.94], [1.2, 5.0], "first scores differ by up to 0.2"),
])
def test_who_computes_the_same_in_tf32(losses, scores, text):
    tolerance, theirs = on_gpu.tolerance(True, 21), {"losses": losses, "scores": scores}
    if text is None:
        agree("m", OURS, theirs, "b", tolerance)
        with pytest.raises(Different):
            agree("m", OURS, theirs, "b")
    else:
        with pytest.raises(Different, match=text):
            agree("m", OURS, theirs, "b", tolerance)


@needs_cuda
@pytest.mark.skipif(ON_GPU or find_spec("torch") is None, reason="emulated, beside PyTorch on the CPU")
def test_a_network_emulated_beside_pytorch(here, tmp_path):
    """Both settings of TF32: the emulated tensor cores round as real ones."""
    words = "--device", "cuda", "--against", "torch", "--rounds", 1
    status, out, err = here("bench", "lenet5:1", *words, "--threads", 1, "--json", "a.json", "--chart", "a.png")
    assert status == 0, err
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert found["command"].startswith("minicnn bench lenet5:1 --device cuda --against torch")
    assert found["settings"]["tf32"] == [True, False]
    on, off = found["networks"]
    assert (on["tf32"], off["tf32"]) == (True, False) and set(found["geometric_means"]) == {"TF32 on", "TF32 off"}
    for network, tolerance in ((on, on_gpu.tolerance(True, 5).loss), (off, FLOAT32.loss)):
        ours, *others = network["timings"]
        assert [ours["label"], *(t["label"] for t in others)] == ["minicnn", "torch NCHW", "torch NHWC"]
        assert all(ours["losses"] == pytest.approx(t["losses"], rel=tolerance) for t in others) and ours["losses"][2] < ours["losses"][0]
        assert all(len(t["seconds"]) == 1 and t["seconds"][0] > 0 for t in network["timings"]) and network["peaks"][0] > 0
        assert ours["memory"]["peak"] > 8 * models.info("lenet5").params and ours["environment"]["gpu"]["emulated"]
    assert on["timings"][0]["losses"] != off["timings"][0]["losses"] and on["flops"] == off["flops"]
    lines = out.splitlines()
    assert lines.index("TF32 on") < lines.index("TF32 off")
    first = next(i for i, line in enumerate(lines) if line.startswith("no GPU: CUDA emulated on the CPU, PyTorch "))
    assert lines[first + 1].startswith("The emulator says nothing about speed: these times, ratios and peaks mean nothing.")
    assert any(line.startswith("TF32 off: minicnn over the faster of PyTorch's layouts: geometric mean") for line in lines)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@needs_cuda
@pytest.mark.skipif(ON_GPU, reason="emulated")
@pytest.mark.slow
def test_an_engine_that_differs_is_refused_in_tf32_too(here, monkeypatch, tmp_path):
    """One weight of the other is half as large again (broken.py)."""
    monkeypatch.setattr(on_gpu, "TORCH", "tests.bench.broken")
    monkeypatch.setattr(on_gpu, "LAYOUTS", {"the other": {}})
    monkeypatch.setattr(on_gpu, "check", lambda settings: None)
    words = "--device", "cuda", "--against", "torch", "--tf32", "on", "--rounds", 1
    status, out, err = here("bench", "lenet5:1", *words, "--json", "a.json")
    assert status == 2 and err.endswith("minicnn bench: refused, since the engines do not compute the same: lenet5\n")
    assert "lenet5: with TF32: lenet5: minicnn and the other do not compute the same" in out
    network, = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["networks"]
    assert network["different"] and not network["timings"]


@needs_cuda
@pytest.mark.skipif(ON_GPU, reason="emulated")
def test_what_does_not_fit_on_the_gpu_is_skipped(here, monkeypatch):
    monkeypatch.setattr(on_gpu, "free_bytes", lambda worker: 1e8)
    status, out, err = here("bench", "lenet5:8", "--device", "cuda", "--rounds", 1)
    words = r"lenet5: needs about 2\.8 GB in 1 processes, 0\.1 GB are free; a smaller batch, such as lenet5:1"
    assert status == 2 and len(re.findall(words, out)) == 1, out


class Diary(Engine):
    """An engine that writes down what it is told."""
    def __init__(self, device):
        super().__init__()
        self.words, self.device, self.program = [], device, self
        self.run, self.loss = lambda: self.words.append("run"), lambda: 1.5

    def synchronize(self):
        self.words.append("wait")

    build = forget = describe = arrays_peak = held = lambda self, *arguments: None


def test_a_turn_is_from_an_idle_gpu_to_an_idle_gpu():
    on_cpu, gpu = Diary("cpu"), Diary("cuda")
    assert len(on_cpu.steps(3)["seconds"]) == 3 and on_cpu.words == ["run"] * 3
    found = gpu.steps(3)
    assert len(found["seconds"]) == 1 and found["loss"] == 1.5 and gpu.words == ["wait", "run", "run", "run", "wait"]
    gpu.device_bytes = 7
    assert gpu.memory() == {"baseline": 0, "peak": 7, "arrays": None}


def timed(model, tf32, *seconds):
    timings = [Timing(label, [s]) for label, s in zip(("minicnn", "torch NCHW", "torch NHWC"), seconds)]
    return Result(model, 8, 10**9, timings, [1e12], tf32=tf32)


def test_notes_of_a_gpu(monkeypatch):
    """Against the faster layout of each network; a GPU's line has what nvidia-smi tells; a product that TF32 leaves as slow is told."""
    monkeypatch.setattr(machine, "nvidia_smi", lambda: {"name": "A GPU", "driver": "580.1", "SM_clock": "1980 MHz"})
    results = [timed("a", True, 2.0, 1.0, 4.0), timed("b", True, 2.0, 4.0, 4.0), timed("a", False, 3.0, 3.0, 3.0),
               Result("c", 8, skipped="too large", tf32=True), Result("c", 8, skipped="too large", tf32=False)]
    results[0].timings[0].environment = {"gpu": {"name": "A GPU", "emulated": False, "multiprocessors": 132, "compute_capability": "9.0",
                                                 "total": 80 << 30, "cuda": "13.0", "cuda_driver": "13.1", "cupy": "14.2", "nvrtc": "13.0"}}
    results[0].timings[1].environment = {"version": "2.13.0+cu130", "gpu": {"cuda": "13.0", "cudnn": 91002}}
    first, *notes = gpu_report.gpu_notes(results, Settings(against="torch", device="cuda", tf32=(True, False)),
                                         {"flops": 5e13, "tf32": 6e13, "bandwidth": 3e12})
    assert first.startswith("A GPU, 132 multiprocessors, compute capability 9.0, 80 GiB, driver 580.1, SM clock 1980 MHz, driver for CUDA "
                            "13.1, CUDA 13.0, NVRTC 13.0, CuPy 14.2, PyTorch 2.13.0+cu130, its CUDA 13.0, its cuDNN 91002; ")
    assert ("TF32 on: minicnn over the faster of PyTorch's layouts: geometric mean 1.00 (the goal is at most 1.2), largest 2.00, over 2 "
            "networks.") in notes and notes.count("c: too large") == 1
    assert any(note.startswith("TF32 made the product of matrices less than 1.5 times as fast") for note in notes)
    table = gpu_report.gpu_tables(results)
    assert table.startswith("TF32 on") and "TF32 off" in table and table.count("of peak") == 0 and "of FMA" not in table


def test_nvidia_smi(monkeypatch, tmp_path):
    """What it answers, by the order of what it is asked; none of it where it fails."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'A GPU, 580.1, 345 MHz, 1980 MHz, 2619 MHz, [N/A], 31'\n")
    program.chmod(0o755)
    monkeypatch.setattr(machine.shutil, "which", lambda name: str(program))
    assert machine.nvidia_smi() == {"name": "A GPU", "driver": "580.1", "SM_clock": "345 MHz", "of_at_most": "1980 MHz",
                                    "memory_clock": "2619 MHz", "temperature": "31"}
    program.write_text("#!/bin/sh\nexit 9\n")
    assert machine.nvidia_smi() == {}
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    assert machine.nvidia_smi() == {}
