"""The emulator: every planted bug is found and named, of correct kernels nothing is said, and calls are as strict as CUDA."""
import os
import re
import shutil
import sys
from functools import cache
from threading import Thread

import numpy as np
import pytest

from minicnn import kernels
from minicnn.kernels import cuda
from minicnn.kernels.cuda.emulator import build, CudaError, RawModule
from minicnn.kernels.cuda.loader import HERE

from .bugs import BUGS, I32
from .correct import CORRECT

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason=f"emulated CUDA runs on Linux alone, not on {sys.platform}"),
    pytest.mark.skipif(shutil.which(os.environ.get("CXX") or "g++") is None, reason="emulated CUDA needs the compiler g++"),
]
ORDERS = [(0, 1), (1, 1), (2, 1), (3, 4), (4, 2)]          # seed, preempt: in order, shuffled, and overtaking one another


@cache
def module(kernels: tuple, mode: str) -> RawModule:
    """All of them in one library: the compiler is called once. #line gives each source a name and lines of its own."""
    code = "\n".join(f'#line 1 "{k.name}.cu"\n{k.source.replace("KERNEL", k.name)}' for k in kernels)
    names = [k.name + "<float>" * ("template" in k.source) for k in kernels]
    return RawModule(code=code, name_expressions=names, mode=mode, options=(f"-I{HERE}",))


def launch(k, kernels: tuple, mode: str = "check", seed: int = 0, preempt: int = 1) -> list:
    """The arguments, after the kernel has run on them."""
    arguments = k.arguments()
    kernel = module(kernels, mode).get_function(k.name + "<float>" * ("template" in k.source))
    kernel(k.grid, k.block, tuple(arguments), shared_mem=k.shared_mem, seed=seed, preempt=preempt)
    return arguments


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
@pytest.mark.parametrize("seed, preempt", ORDERS)
def test_bugs_are_found(bug, seed, preempt):
    with pytest.raises(CudaError) as found:
        launch(bug, BUGS, seed=seed, preempt=preempt)
    for words in bug.words:
        assert re.search(words.replace("KERNEL", bug.name), str(found.value)), found.value


@pytest.mark.parametrize("correct", CORRECT, ids=lambda correct: correct.name)
@pytest.mark.parametrize("seed, preempt", ORDERS)
@pytest.mark.parametrize("mode", ("check", "fast"))
def test_of_correct_kernels_nothing_is_said(correct, mode, seed, preempt):
    arguments = launch(correct, CORRECT, mode, seed, preempt)
    np.testing.assert_array_equal(arguments[-1], correct.result(*arguments[:-1]))


def test_the_bugs_are_many():
    assert len(BUGS) >= 30 and len({bug.name for bug in BUGS}) == len(BUGS)
    assert all(bug.source.startswith("__") and bug.words for bug in BUGS)


# ---- calls

SCALE = """__global__ void scale(const float* x, float* y, float factor, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = factor * x[i];
}"""
X, Y = np.ones(40, "f4"), np.zeros(40, "f4")
FACTOR, N = np.float32(2), I32(40)


def scale(mode: str = "check"):
    return RawModule(code=SCALE, name_expressions=("scale",), mode=mode).get_function("scale")


@pytest.mark.parametrize("arguments, error, words", [
    ((X, Y, FACTOR), TypeError, r"scale takes 4 arguments \(x, y, factor, n\), got 3"),
    ((X, Y, FACTOR, np.int64(40)), TypeError, "argument 3, n, is int, got int64, which would be passed as int64"),
    ((X, Y, FACTOR, 40), TypeError, "argument 3, n, is int, got int, which would be passed as int64"),
    ((X, Y, 2.0, N), TypeError, "argument 2, factor, is float, got float, which would be passed as float64"),
    ((X.astype("f8"), Y, FACTOR, N), TypeError, r"argument 0, x, is const float\*, got an array of float64"),
    ((X, Y, Y, N), TypeError, "argument 2, factor, is float, got an array of float32"),
    ((X, FACTOR, FACTOR, N), TypeError, r"argument 1, y, is float\*, got float32"),
    ((X, np.zeros(80, "f4")[::2], FACTOR, N), ValueError, "argument 1, y, is an array that does not lie in one run; copy it first"),
], ids=("too_few", "int64", "python_int", "python_float", "float64_array", "array_for_a_number", "number_for_an_array", "every_other"))
def test_arguments_are_checked(arguments, error, words):
    with pytest.raises(error, match=words):
        scale()((2,), (32,), arguments)


@pytest.mark.parametrize("grid, block, words", [
    ((0,), (32,), "no GPU can launch a grid of 0×1×1 blocks of 32×1×1 threads"),
    ((1,), (2048,), "a block has at most 1024 threads"),
    ((1,), (32, 33), "no GPU can launch a grid of 1×1×1 blocks of 32×33×1 threads"),
    ((1,), (1, 1, 65), "64 along z"),
    ((1, 65536), (32,), "at most 65535 blocks along y and z"),
], ids=("no_blocks", "too_many_threads", "too_many_threads_in_two_axes", "too_deep", "too_many_blocks"))
def test_grids_are_checked(grid, block, words):
    with pytest.raises(CudaError, match=words):
        scale()(grid, block, (X, Y, FACTOR, N))


def test_shared_memory_is_limited():
    with pytest.raises(CudaError, match="1000000 bytes of dynamic shared memory, more than"):
        scale()((2,), (32,), (X, Y, FACTOR, N), shared_mem=1_000_000)


def test_too_few_blocks_leave_the_rest():
    """Nothing is wrong with such a launch; what nobody has written stays."""
    y = np.full(40, 7, "f4")
    scale()((1,), (32,), (X, y, FACTOR, N))
    assert y.tolist() == [2] * 32 + [7] * 8


def test_what_does_not_compile_is_quoted():
    with pytest.raises(CudaError, match=r"(?s)refuses it:.*wrong\.cu:2.*undeclared_name"):
        RawModule(code="__global__ void wrong(float* y) {\n    y[0] = undeclared_name;\n}", name_expressions=("wrong",), file="wrong.cu")


def test_without_a_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(CudaError, match="CXX=no-such-compiler: there is no such program"):
        RawModule(code=SCALE, name_expressions=("scale",))
    monkeypatch.delenv("CXX")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CudaError, match=r"emulated CUDA needs the compiler g\+\+, which is not installed"):
        RawModule(code=SCALE, name_expressions=("scale",))


def test_after_a_failure_the_next_launch_is_whole():
    """Threads that were left in the middle of a kernel are gone."""
    bug, correct = next(b for b in BUGS if b.name == "returns_before_the_barrier"), CORRECT[0]
    for _ in range(3):
        with pytest.raises(CudaError):
            launch(bug, BUGS)
        arguments = launch(correct, CORRECT)
        np.testing.assert_array_equal(arguments[-1], correct.result(*arguments[:-1]))


# ---- threads and memory

def run(source: str, grid, block, arguments, mode: str = "check", **how):
    name = re.search(r"void (\w+)", source)[1]
    RawModule(code=source, name_expressions=(name,), mode=mode).get_function(name)(grid, block, arguments, **how)


def test_threads_know_their_places():
    y = np.zeros((2, 3, 2, 2, 4, 3), "i4")                  # blocks z, y, x, threads z, y, x
    run("""__global__ void places(int* y) {
        const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
        const int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
        y[block * blockDim.x * blockDim.y * blockDim.z + thread] = block * 1000 + thread;
    }""", (2, 3, 2), (3, 4, 2), (y,), seed=5)
    assert y.reshape(12, 24).tolist() == [[b * 1000 + t for t in range(24)] for b in range(12)]


def test_a_seed_draws_the_order():
    """What depends on the order of threads differs from seed to seed, and is the same with the same one."""
    def order(seed):
        y = np.zeros(64, "i4")
        run("""__global__ void order(int* next, int* y) { y[atomicAdd(next, 1)] = blockIdx.x * blockDim.x + threadIdx.x; }""",
            (4,), (16,), (np.zeros(1, "i4"), y), seed=seed)
        return y.tolist()

    assert order(0) == list(range(64))
    assert order(1) != order(0) and order(1) != order(2) and order(1) == order(1)
    assert sorted(order(1)) == list(range(64))


@pytest.mark.parametrize("mode", ("check", "fast"))
def test_lanes_that_do_not_come_read_as_nan(mode):
    y = np.zeros(16, "f4")
    run("""__global__ void half(float* y) { if (threadIdx.x < 16) y[threadIdx.x] = __shfl_xor_sync(0xffff, 1.f, 16); }""",
        (1,), (32,), (y,), mode)
    assert np.isnan(y).all()


def test_shared_memory_begins_as_nan():
    """In fast mode too, where nobody watches: the result tells."""
    y = np.zeros(32, "f4")
    run("""__global__ void nothing(float* y) { __shared__ float s[32]; y[threadIdx.x] = s[threadIdx.x]; s[threadIdx.x] = 1; }""",
        (2,), (16,), (y,), "fast")
    assert np.isnan(y[:16]).all()


def test_a_thread_that_returns_early_may_be_allowed():
    y = np.zeros(32, "f4")
    source = "__global__ void early(float* y) { if (threadIdx.x >= 20) return; __syncthreads(); y[threadIdx.x] = 1; }"
    with pytest.raises(CudaError, match="deadlock: 20 of 32 threads wait at line 1, 12 have returned"):
        run(source, (1,), (32,), (y,))
    run(source, (1,), (32,), (y,), strict=False)
    assert y.tolist() == [1] * 20 + [0] * 12


def test_loads_and_stores_are_recorded():
    kernel, y = scale(), np.zeros(40, "f4")
    kernel((2,), (32,), (X, y, FACTOR, N), trace=1000)
    assert len(kernel.events) == 80
    first = kernel.events[:2]
    assert first["act"].tolist() == [0, 1] and first["thread"].tolist() == [0, 0] and first["size"].tolist() == [4, 4]
    assert [kernel.regions[r][0] for r in first["region"]] == ["x", "y"]
    assert first["value"].astype("u4").view("f4").tolist() == [1, 2]
    kernel((2,), (32,), (X, y, FACTOR, N), trace=1000, trace_block=1)
    assert set(kernel.events["block"]) == {1} and len(kernel.events) == 16


def test_empty_arrays():
    scale()((1,), (32,), (np.zeros(0, "f4"), np.zeros(0, "f4"), FACTOR, I32(0)), seed=1)


def test_findings_are_few():
    """A line of a kernel that is wrong for every thread is one finding."""
    bug = next(b for b in BUGS if b.name == "no_barrier_after_writing")
    with pytest.raises(CudaError) as found:
        launch(bug, BUGS)
    assert 1 <= len(found.value.reports) <= 4


def test_random_schedules_by_the_package():
    """cuda.emulation hands its seed on to every launch."""
    from minicnn.kernels.cuda import where
    with cuda.emulation("check", seed=3, preempt=2):
        assert cuda.mode() == "check" and cuda.emulated() and cuda.available() and where.launching == {"seed": 3, "preempt": 2}
    assert where.launching == {}


def test_threads_launch_one_after_the_other():
    """The emulator's threads of a kernel are those of one launch."""
    x, found = np.random.default_rng(0).standard_normal((64, 33)).astype(np.float32), []
    with cuda.emulation("fast"):
        kernel = kernels.load("gelu", "cupy")
        expected = kernel.forward(x, approximate="none")[0]
        threads = [Thread(target=lambda: found.extend(kernel.forward(x, approximate="none")[0] for _ in range(20))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 60 and all(np.array_equal(y, expected) for y in found)


def test_what_is_written_must_be_writeable_and_a_grid_a_tuple():
    module = kernels.module("add_relu", "gpu").kernels
    x, y = np.ones(8, np.float32), np.zeros(8, np.float32)
    y.flags.writeable = False
    with cuda.emulation("fast"):
        with pytest.raises(ValueError, match="argument 2, y, is written to, and the array is read-only"):
            module.forward((1,), (32,), (x, x, y, np.int64(8)))
        with pytest.raises(TypeError, match="grid should be a tuple of one to three whole numbers, got 1"):
            module.forward(1, (32,), (x, x, x.copy(), np.int64(8)))
    with pytest.raises(ValueError, match="expected 'fast' or 'check', got 'checked'"), cuda.emulation("checked"):
        pass


def test_a_damaged_library_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "cache_root", lambda: tmp_path)
    code, copy = "__global__ void one(int* y) { *y = 1; }", tmp_path / "copy"
    RawModule(code=code, name_expressions=("one",))
    library, = (tmp_path / "cuda").glob("*.so")
    copy.write_bytes(library.read_bytes()[:100])
    copy.replace(library)
    again, y = RawModule(code=code, name_expressions=("one",)), np.zeros(1, np.int32)
    again.get_function("one")((1,), (1,), (y,))
    assert y[0] == 1 and library.stat().st_size > 100
