"""Who watches launches is told of each; what the profile of a GPU makes of them: names, numbers, bytes, operations, advice."""
from math import prod

import numpy as np
import pytest

from minicnn import cli, kernels
from minicnn.inspect.launches import Entry, Launches, profile_launches
from minicnn.inspect.roofline import Machine
from minicnn.kernels import cuda
from minicnn.kernels.cuda import chip, launches
from minicnn.kernels.cuda.emulator.recording import READS, recording, WRITES
from minicnn.kernels.cuda.launches import watching

from .on_device import needs_cuda, ON_GPU

pytestmark = needs_cuda
in_the_emulator = pytest.mark.skipif(ON_GPU, reason="of the emulator")
SQUARE = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1)}
MACHINE = Machine(flops=1e12, bandwidth=1e11)


class Diary:
    def __init__(self):
        self.words, self.arguments = [], []

    def before(self, launch):
        self.words.append(f"before {launch.file} {launch.name}")

    def after(self, launch):
        self.words.append(f"after {launch.file} {launch.name}")
        self.arguments.append(launch.arguments)


def arrays(*shapes, dtype=np.float32):
    rng = np.random.default_rng(0)
    return [cuda.to_device(rng.standard_normal(shape).astype(dtype)) for shape in shapes]


@pytest.fixture(autouse=True)
def device():
    if ON_GPU:
        yield
    else:
        with cuda.emulation("fast"):
            yield


def test_each_launch_is_told_before_and_after():
    diary, (x, w) = Diary(), arrays((2, 3), (4, 3))
    relu, linear = kernels.load("relu", "cupy"), kernels.load("linear", "cupy")
    with watching(diary):
        y, _ = linear.forward(x, w, None)
        relu.forward(y)
    relu.forward(y)
    assert diary.words == ["before cuBLAS product<float32>", "after cuBLAS product<float32>",
                           "before activation/gpu.cu value<float, Relu>", "after activation/gpu.cu value<float, Relu>"]
    assert diary.arguments[0][2].shape == y.shape and not launches.watchers


@in_the_emulator
def test_a_launch_that_fails_has_an_end_too():
    diary, module = Diary(), kernels.module("relu", "gpu").kernels
    with pytest.raises(TypeError, match="takes"), watching(diary):
        module["value<{T}, Relu>"]((1,), (32,), tuple(arrays((3,))))
    assert [word.partition(" ")[0] for word in diary.words] == ["before", "after"] and not launches.watchers


@in_the_emulator
def test_a_recording_hears_of_launches_too():
    x, = arrays((5,))
    with recording() as found:
        kernels.load("relu", "cupy").forward(x)
    launch, = found.launches
    assert (launch.name, launch.file) == ("value<float, Relu>", "activation/gpu.cu")
    assert {READS, WRITES} <= set(launch.events["act"].tolist())


def watched(do) -> Launches:
    found = Launches()
    with watching(found):
        do()
    found.finish()
    return found


def flops_of(found: Launches) -> dict[str, int]:
    return {name: entry.flops for name, entry in found.entries.items() if entry.flops}


@pytest.mark.parametrize("algorithm, groups", [("naive", 1), ("im2col", 1), ("tiles", 1), ("tiles", 2), ("tensor_cores", 2),
                                               ("depthwise", 4)])
def test_operations_of_a_convolution(algorithm, groups):
    """Forward, and both gradients, each 2·N·K·P·Q·C/G·R·S, whatever the kernels are called."""
    shape = 4, 4 // groups, 3, 3
    x, w, b, g = arrays((2, 4, 6, 5), shape, (4,), (2, 4, 6, 5))
    each, kernel, saved = 2 * 2 * 6 * 5 * prod(shape), kernels.load("conv2d", "cupy"), []
    forward = watched(lambda: saved.append(kernel.forward(x, w, b, **SQUARE, groups=groups, algorithm=algorithm)[1]))
    backward = watched(lambda: kernel.backward(g, saved[0], (True, True, True)))
    assert list(flops_of(forward).values()) == [each] and sum(flops_of(backward).values()) == 2 * each
    assert "conv2d/gpu.cu gradient_bias<float>" in backward.entries


def test_operations_of_a_transposed_convolution():
    x, w = arrays((2, 4, 5, 5), (4, 3, 3, 3))
    found = watched(lambda: kernels.load("conv_transpose2d", "cupy").forward(x, w, None, **SQUARE, output_padding=(0, 0), groups=1))
    assert sum(flops_of(found).values()) == 2 * x.size * prod(w.shape[1:])


def test_bytes_are_those_of_the_arrays():
    x, = arrays((4, 10))
    found = watched(lambda: kernels.load("relu", "cupy").forward(x))
    assert {name: (e.launches, e.bytes) for name, e in found.entries.items()} == {"activation/gpu.cu value<float, Relu>": (1, 2 * 160)}


@pytest.mark.parametrize("momentum, each", [(0.9, 5), (0.0, 3)])
def test_bytes_of_an_optimiser_come_from_its_table(momentum, each):
    """It reads weight, gradient and momentum, and writes weight and momentum; the table itself is an argument."""
    options = {"lr": 0.1, "momentum": momentum, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "maximize": False, "t": 1}
    calls = [(tuple(arrays(*[(size,)] * 3)), options) for size in (7, 9000)]
    found = watched(lambda: kernels.load("sgd", "cupy").steps(calls))
    entry, = found.entries.values()
    columns = 1 + len(calls[0][0])                                  # 9000 numbers are two pieces
    assert entry.name == "optimizer/gpu.cu sgd<float>" and entry.bytes == 4 * each * 9007 + 8 * columns * 3


def test_a_profile_counts_what_repeats():
    x, = arrays((8, 8))
    relu, tanh, calls = kernels.load("relu", "cupy"), kernels.load("tanh", "cupy"), []

    def step():
        calls.append(0)
        relu.forward(x), relu.forward(x), tanh.forward(x)
    found = profile_launches(step, 3)
    assert len(calls) == 1 + 3 + 3 and {e.name.split()[-1]: e.launches for e in found.entries.values()} == {"Relu>": 6, "Tanh>": 3}
    assert all(e.seconds > 0 for e in found.entries.values()) and found.seconds > 0 and found.emulated != ON_GPU
    table = found.table(MACHINE)
    assert "activation/gpu.cu value<float, Relu>" in table and "the step, unobserved" in table
    assert ("the times mean nothing" in found.advice(MACHINE)[0]) != ON_GPU
    with pytest.raises(ValueError, match="repeat should be at least 1, got 0"):
        profile_launches(step, 0)


def test_the_advice_names_what_could_be_saved_not_what_takes_longest():
    """Of 1 s each: a product at the peak, a copy at a tenth of the bandwidth, and a kernel in between; two steps were added up."""
    entries = [Entry("peak", 2, 2.0, 0, 2 * 10**12), Entry("slow", 2, 2.0, 2 * 10**10, 0), Entry("half", 2, 2.0, 10**11, 0)]
    found = Launches(2, 3.5, False, {e.name: e for e in entries})
    assert [e.least(MACHINE) for e in entries] == [2.0, 0.2, 1.0] and found.in_kernels == 3.0
    between, then = found.advice(MACHINE)
    assert between.startswith("Between the kernels: 500.000 ms of a step of 3,500.000 ms")
    assert then == ("Next: most time beyond what bytes and operations need: slow 900.000 ms, half 500.000 ms; "
                    "then the time between them.")
    found.seconds = 9.0
    assert found.advice(MACHINE)[1].endswith("the time between kernels comes first: fewer launches.")
    found.seconds = 2.5
    assert found.advice(MACHINE)[0] == "Between the kernels no time is lost: they take as long as the step."


@pytest.mark.skipif(not ON_GPU, reason="of a GPU")
def test_the_chip():
    """The time between events is that of the clock, and TF32 is faster where there are tensor cores for it."""
    found = chip.describe()
    assert found["name"] and 0 < found["free"] <= found["total"] and not found["emulated"]
    a, b, out = arrays((2048, 2048), (2048, 2048), (2048, 2048))
    cuda.matmul(a, b, out)
    seconds = chip.timed(lambda: cuda.matmul(a, b, out), 20)
    start = chip.mark()
    for _ in range(20):
        cuda.matmul(a, b, out)
    end = chip.mark()
    chip.synchronize()
    assert seconds / 2 < chip.between(start, end) < 2 * seconds
    exact, tf32 = chip.product_peak(0.1), 0.0
    cuda.allow_tf32()
    try:
        tf32 = chip.product_peak(0.1)
    finally:
        cuda.allow_tf32(False)
    assert tf32 > 1.5 * exact > 1e11 or float(found["compute_capability"]) < 8


@in_the_emulator
def test_the_chip_emulated():
    assert chip.describe() == {"name": "no GPU: CUDA emulated on the CPU", "emulated": True}
    assert chip.product_peak(0.01) > 1e6 and chip.bandwidth(0.01) > 1e6
    start = chip.mark()
    chip.synchronize()
    assert chip.between(start, chip.mark()) >= 0 and chip.timed(lambda: None, 3) >= 0 and chip.held() > 0


def test_the_names_that_are_used_of_cupy():
    """The wheel imports without a GPU; nothing of it is called that would need one."""
    cupy = pytest.importorskip("cupy")
    runtime = cupy.cuda.runtime
    for name in ("deviceSynchronize", "memGetInfo", "driverGetVersion", "runtimeGetVersion"):
        assert f"{name}()" in getattr(runtime, name).__doc__
    assert "getDeviceProperties(int device)" in runtime.getDeviceProperties.__doc__ and "getDevice() -> int" in runtime.getDevice.__doc__
    assert "(start_event, end_event)" in cupy.cuda.get_elapsed_time.__doc__ and "milliseconds" in cupy.cuda.get_elapsed_time.__doc__
    assert "stream=None" in cupy.cuda.Event.record.__doc__ and callable(cupy.cuda.get_current_stream)
    pool = cupy.get_default_memory_pool()
    assert "total number of bytes acquired by the pool" in pool.total_bytes.__doc__ and "stream=None" in pool.free_all_blocks.__doc__
    assert len(cupy.cuda.nvrtc.getVersion()) == 2
    assert "allocator=None" in cupy.cuda.set_allocator.__doc__ and issubclass(cupy.cuda.memory.OutOfMemoryError, MemoryError)


def test_the_command(capsys):
    assert cli.main(["profile", "lenet5", "--batch", "1", "--device", "cuda", "--tf32", "off"]) == 0
    out = capsys.readouterr().out
    assert "conv2d/gpu.cu forward_tiles<float>" in out and "optimizer/gpu.cu sgd<float>" in out
    assert out.strip().splitlines()[-1].startswith("Next: most time beyond")
    for words, text in ((["--backend", "numba"], "--backend is for the CPU"), (["--chart", "a.png"], "--chart is for the CPU")):
        assert cli.main(["profile", "lenet5", "--device", "cuda", *words]) == 2
        assert text in capsys.readouterr().err
    assert cli.main(["profile", "lenet5", "--tf32", "on"]) == 2 and "a CPU has no TF32" in capsys.readouterr().err
