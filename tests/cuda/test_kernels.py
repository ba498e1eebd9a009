"""Every operation in CUDA, on every case of its cases.py, in each form that it has: values and gradients against the oracles of
../test_kernels.py, and the order of the threads makes no difference, to the last bit.

Without a GPU the kernels run in the emulator, which also finds accesses outside arrays, races and shared memory that nobody has written.
MINICNN_CUDA=gpu runs the same tests on a GPU.
"""
import numpy as np
import pytest

from minicnn import kernels
from minicnn.kernels import cuda

from ..oracle.compare import check
from ..test_kernels import bits, DTYPES, expected, forms, FOLDERS, inputs, outputs, reference_gradients, Subject, SUBJECTS, WITH_GRADIENT
from .on_device import device, needs_cuda, ON_GPU, SCHEDULES

pytestmark = needs_cuda
TF32 = {"tensor_cores": 2e-3}                     # of factors with 10 bits of mantissa


def algorithms(op: str) -> list[str]:
    """The form that gpu.py chooses, and each of the others."""
    return ["", *getattr(kernels.module(op, "gpu"), "ALGORITHMS", ())]


def to_device(arrays) -> list:
    return [None if a is None else cuda.to_device(a) for a in arrays]


def to_host(arrays) -> list:
    return [None if a is None else cuda.to_host(a) for a in arrays]


def run(subject: Subject, algorithm: str, dtype: str, seed: int):
    """(outputs, gradients, inputs afterwards) on the host."""
    with device(seed):
        kernel, arrays = kernels.load(subject.op, "cupy"), to_device(subject.copies(dtype))
        extra = {"algorithm": algorithm} if algorithm else {}
        found, saved = kernel.forward(*arrays, **subject.case.options, **extra)
        gradients = kernel.backward(cuda.to_device(subject.upstream(dtype)), saved, subject.needs)
        return to_host(outputs(found)), to_host(gradients), to_host(arrays)


@pytest.mark.parametrize("op", [pytest.param(op, id=f"{folder}/{op}") for op, folder in FOLDERS.items()])
def test_operation_has_a_cuda_form(op):
    with device():
        kernels.load(op, "cupy")


@pytest.mark.parametrize("subject, algorithm, dtype", forms(WITH_GRADIENT, algorithms, DTYPES))
def test_forward_and_backward(subject, algorithm, dtype):
    if algorithm in TF32 and dtype != "float32":
        pytest.skip("tensor cores multiply float32")
    tolerance = TF32.get(algorithm)
    runs = [run(subject, algorithm, dtype, seed) for seed in SCHEDULES]
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
    for i, (gradient, oracle, needed) in enumerate(zip(gradients, reference_gradients(subject, dtype), subject.needs)):
        assert (gradient is None) == (not needed)
        if needed:
            check(f"gradient {i}", gradient, oracle, dtype, tolerance)
    for other in runs[1:]:
        assert [bits(a) for a in other] == [bits(a) for a in runs[0]], "the order of the threads makes a difference"


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
    for subject in {s.op: s for s in WITH_GRADIENT}.values():
        with device():
            kernel = kernels.load(subject.op, "cupy")
            _, saved = kernel.forward(*to_device(subject.copies("float32")), **subject.case.options)
            gradients = kernel.backward(subject.upstream("float32"), saved, [False] * len(subject.needs))
        assert all(g is None for g in gradients) and np.ndim(gradients) == 1, subject.op
