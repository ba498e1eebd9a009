"""Every operation in CUDA, on every case of its cases.py, in each form that it has: values and gradients against the oracles of
../test_kernels.py, and the order of the threads makes no difference, to the last bit.

Without a GPU the kernels run in the emulator, which also finds accesses outside arrays, races and shared memory that nobody has written.
MINICNN_CUDA=gpu runs the same tests on a GPU.
"""
import numpy as np
import pytest

from minicnn import kernels
from minicnn.kernels import cuda
from minicnn.kernels.case import Case
from minicnn.kernels.cuda.launches import watching

from ..oracle.compare import check
from ..test_kernels import bits, DTYPES, expected, forms, FOLDERS, inputs, outputs, reference_gradients, Subject, SUBJECTS, WITH_GRADIENT
from .on_device import device, needs_cuda, ON_GPU, SCHEDULES

pytestmark = needs_cuda
TF32 = {"tensor_cores": 2e-3}                     # of factors with 10 bits of mantissa
LARGE = ("more than one tile", "more output channels", "more images")       # a million loads and stores: watched in the slow suite alone
OVER_A_TILE = Case("just over a tile", ((4, 3, 7, 6), (66, 3, 3, 2), (66,)),
                   dict(stride=(1, 2), padding=((1, 1), (0, 1)), dilation=(1, 1), groups=1))


def algorithms(op: str) -> list[str]:
    """The form that gpu.py chooses, and each of the others."""
    return ["", *getattr(kernels.module(op, "gpu"), "ALGORITHMS", ())]


def to_device(arrays) -> list:
    return [None if a is None else cuda.to_device(a) for a in arrays]


def to_host(arrays) -> list:
    return [None if a is None else cuda.to_host(a) for a in arrays]


def run(subject: Subject, algorithm: str, dtype: str, seed: int = 0, mode: str = "check"):
    """(outputs, gradients, inputs afterwards) on the host."""
    with device(seed, mode):
        kernel, arrays = kernels.load(subject.op, "cupy"), to_device(subject.copies(dtype))
        extra = {"algorithm": algorithm} if algorithm else {}
        found, saved = kernel.forward(*arrays, **subject.case.options, **extra)
        gradients = kernel.backward(cuda.to_device(subject.upstream(dtype)), saved, subject.needs)
        return to_host(outputs(found)), to_host(gradients), to_host(arrays)


@pytest.mark.parametrize("op", [pytest.param(op, id=f"{folder}/{op}") for op, folder in FOLDERS.items()])
def test_operation_has_a_cuda_form(op):
    with device():
        kernels.load(op, "cupy")


def large(subject: Subject) -> bool:
    return any(words in subject.case.name for words in LARGE)


def cases(subjects, types=DTYPES) -> list:
    """Each subject in each form and type; tensor cores multiply float32."""
    return [p for p in forms(subjects, algorithms, types) if p.values[1] not in TF32 or p.values[2] == "float32"]


@pytest.mark.parametrize("subject, algorithm, dtype", cases([s for s in WITH_GRADIENT if not large(s)]))
def test_forward_and_backward(subject, algorithm, dtype):
    check_runs(subject, algorithm, dtype, [run(subject, algorithm, dtype, seed) for seed in SCHEDULES])


@pytest.mark.parametrize("subject, algorithm, dtype", cases(filter(large, WITH_GRADIENT)))
def test_large_cases(subject, algorithm, dtype):
    check_runs(subject, algorithm, dtype, [run(subject, algorithm, dtype, mode="fast")])


@pytest.mark.slow
@pytest.mark.parametrize("subject, algorithm, dtype", cases(filter(large, WITH_GRADIENT)))
def test_large_cases_are_watched(subject, algorithm, dtype):
    check_runs(subject, algorithm, dtype, [run(subject, algorithm, dtype, seed) for seed in SCHEDULES])


@pytest.mark.parametrize("algorithm", ["im2col", "tiles", "tensor_cores"])
def test_more_than_a_tile_is_watched(algorithm):
    subject = Subject("conv2d", OVER_A_TILE)
    check_runs(subject, algorithm, "float32", [run(subject, algorithm, "float32", seed) for seed in SCHEDULES])


def check_runs(subject, algorithm, dtype, runs):
    """Values and gradients of the first run against the oracles; the other runs are the same, to the last bit."""
    tolerance = TF32.get(algorithm)
    found, gradients, after = runs[0]
    oracles, left = expected(subject, dtype)
    assert len(found) == len(oracles)
    for i, (y, oracle) in enumerate(zip(found, oracles)):
        check(f"output {i}", y, oracle, dtype if y.dtype.kind == "f" else y.dtype, tolerance)
    for i, (a, b) in enumerate(zip(after, inputs(subject, dtype))):
        if i in subject.written and a is not None:
            check(f"argument {i} after forward", a, left[i], dtype)
        elif a is not None:
            assert a.tobytes() == b.tobytes(), f"input {i} was changed"
    wanted = reference_gradients(subject, dtype)
    if algorithm in TF32 and subject.op == "conv2d_relu" and np.any((found[0] > 0) != (oracles[0] > 0)):
        gradients, wanted = where_signs_agree(subject, algorithm, dtype, (found[0] > 0) == (oracles[0] > 0))
    for i, (gradient, oracle, needed) in enumerate(zip(gradients, wanted, subject.needs, strict=True)):
        assert (gradient is None) == (not needed)
        if needed:
            check(f"gradient {i}", gradient, oracle, dtype, tolerance)
    for other in runs[1:]:
        assert [bits(a) for a in other] == [bits(a) for a in runs[0]], "the order of the threads makes a difference"


def where_signs_agree(subject, algorithm, dtype, agree):
    """(gradients, those of the reference) for an upstream gradient of 0 where rounding moved a sum to the other side of a ReLU's kink."""
    upstream = subject.upstream(dtype) * agree
    with device():
        kernel = kernels.load(subject.op, "cupy")
        _, saved = kernel.forward(*to_device(subject.copies(dtype)), **subject.case.options, algorithm=algorithm)
        found = to_host(kernel.backward(cuda.to_device(upstream), saved, subject.needs))
    _, saved = subject.form.forward(*subject.copies(dtype, compute="float64"), **subject.case.options)
    return found, subject.form.backward(upstream.astype(np.float64), saved, subject.needs)


def anywhere(array):
    """On the device, at an address that 16 does not divide."""
    if array is None or array.dtype.kind != "f":
        return None if array is None else cuda.to_device(array)
    view = cuda.empty((array.size + 1,), array.dtype)[1:].reshape(array.shape)
    view[...] = cuda.to_device(array)
    return view


def size(subject: Subject) -> int:
    return sum(a.size for a in inputs(subject, "float64") if a is not None)


LARGEST = {s.op: s for s in sorted((s for s in SUBJECTS if not large(s)), key=size)}


@pytest.mark.parametrize("subject", [pytest.param(s, id=f"{FOLDERS[op]}/{op}") for op, s in LARGEST.items()])
def test_arrays_may_begin_anywhere(subject):
    """Kernels that take 16 bytes at a time, where they may: the same numbers as for arrays that begin where 16 bytes do."""
    results = []
    for place in (cuda.to_device, anywhere):
        with device():
            kernel, arrays = kernels.load(subject.op, "cupy"), [None if a is None else place(a) for a in subject.copies("float32")]
            if subject.steps:
                kernel.step(*arrays, **subject.case.options)
                results.append(to_host(arrays))
                continue
            found, saved = kernel.forward(*arrays, **subject.case.options)
            gradients = kernel.backward(place(subject.upstream("float32")), saved, subject.needs)
            results.append(to_host([*outputs(found), *gradients]))
    for i, (a, b) in enumerate(zip(*results, strict=True)):
        if a is not None:
            check(f"result {i}", b, a, a.dtype)


@pytest.mark.parametrize("subject, dtype", forms([s for s in SUBJECTS if s.steps], DTYPES))
def test_steps(subject, dtype):
    left = subject.copies(dtype, compute="float64")
    subject.form.spec(*left, **subject.case.options)
    runs = []
    for seed in SCHEDULES:
        with device(seed):
            arrays = to_device(subject.copies(dtype))
            kernels.load(subject.op, "cupy").step(*arrays, **subject.case.options)
            runs.append(to_host(arrays))
    for i, (a, b) in enumerate(zip(runs[0], left)):
        if a is not None:
            check(f"argument {i}", a, b, dtype)
    assert all(bits(r) == bits(runs[0]) for r in runs)


@pytest.mark.skipif(ON_GPU, reason="the emulator's arrays")
def test_gradients_that_nobody_needs_are_not_computed():
    for subject in {s.op: s for s in reversed(WITH_GRADIENT)}.values():
        launched = Launched()
        with device():
            kernel = kernels.load(subject.op, "cupy")
            _, saved = kernel.forward(*to_device(subject.copies("float32")), **subject.case.options)
            with watching(launched):
                gradients = kernel.backward(subject.upstream("float32"), saved, [False] * len(subject.needs))
        assert all(g is None for g in gradients) and len(gradients) == len(subject.needs), subject.op
        assert not launched.names, f"{subject.op} launches {launched.names} for nobody"


class Launched:
    """The names of what is launched."""

    def __init__(self):
        self.names: list[str] = []

    def before(self, launch):
        self.names.append(f"{launch.file} {launch.name}")

    def after(self, launch):
        pass
