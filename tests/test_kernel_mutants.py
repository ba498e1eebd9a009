"""test_kernels.py can fail: a linear kernel made wrong in one way at a time is found, and for that reason."""
import numpy as np
import pytest

from minicnn import kernels

from . import test_kernels as subject_of
from .oracle.compare import error


class Right:
    """The kernel as it is; a mutant overrides a step."""

    def __init__(self, kernel):
        self.kernel = kernel

    def forward(self, *arrays, **options):
        return self.kernel.forward(*arrays, **options)

    def backward(self, grad_output, saved, needs):
        return self.kernel.backward(grad_output, saved, needs)


class SlightlyOff(Right):
    def forward(self, *arrays, **options):
        y, saved = super().forward(*arrays, **options)
        y.flat[-1] += 1e-4 * abs(y).max()
        return y, saved


class OneNaN(Right):
    def forward(self, *arrays, **options):
        y, saved = super().forward(*arrays, **options)
        y.flat[0] = np.nan
        return y, saved


class OtherType(Right):
    def forward(self, *arrays, **options):
        y, saved = super().forward(*arrays, **options)
        return y.astype(np.float64), saved


class OwnMemory(Right):
    def forward(self, *arrays, **options):
        y, saved = super().forward(*arrays, **options)
        return y.copy(), saved


class WritesToInput(Right):
    def forward(self, x, *arrays, **options):
        result = super().forward(x, *arrays, **options)
        x.flat[0] += 1
        return result


class HalfAGradient(Right):
    def backward(self, grad_output, saved, needs):
        x, *others = super().backward(grad_output, saved, needs)
        return None if x is None else x * x.dtype.type(0.5), *others


class NaNGradient(Right):
    def backward(self, grad_output, saved, needs):
        x, weight, *others = super().backward(grad_output, saved, needs)
        if weight is not None:
            weight.flat[-1] = np.nan
        return x, weight, *others


class IgnoresNeeds(Right):
    def backward(self, grad_output, saved, needs):
        return super().backward(grad_output, saved, (True, True, needs[2]))


class ChangesSaved(Right):
    def backward(self, grad_output, saved, needs):
        found = super().backward(grad_output, saved, needs)
        next(subject_of.inside(saved)).flat[0] *= 2
        return found


class ChangesGradOutput(Right):
    def backward(self, grad_output, saved, needs):
        found = super().backward(grad_output, saved, needs)
        grad_output.flat[0] += 1
        return found


class KeepsABuffer(Right):
    def forward(self, *arrays, **options):
        y, saved = super().forward(*arrays, **options)
        return y, (saved, np.zeros((9, *arrays[0].shape)))

    def backward(self, grad_output, saved, needs):
        return super().backward(grad_output, saved[0], needs)


class Hides(Right):
    def forward(self, *arrays, **options):
        y, saved = super().forward(*arrays, **options)
        return y, lambda: saved

    def backward(self, grad_output, saved, needs):
        return super().backward(grad_output, saved(), needs)


FORWARD = {SlightlyOff: "output 0: error", OneNaN: "output 0: error inf", OtherType: "dtype float64, expected float32",
           OwnMemory: "does not come from kernels.memory", WritesToInput: "changed its input 0"}
BACKWARD = {HalfAGradient: "gradient 0: error 0.5", NaNGradient: "gradient 1: error inf", IgnoresNeeds: "what nobody needs",
            ChangesSaved: "backward changed an input or saved", ChangesGradOutput: "backward changed grad_output",
            KeepsABuffer: "larger than every input and output", Hides: "saved should hold arrays"}


@pytest.fixture
def subject():
    """A case with all three inputs, on which nothing is cached yet."""
    case = next(s.case for s in subject_of.SUBJECTS if s.op == "linear" and None not in s.case.shapes and min(map(min, s.case.shapes)) > 1)
    return subject_of.Subject("linear", case)


def put(mutant, backend: str, monkeypatch):
    load = kernels.load
    monkeypatch.setattr(kernels, "load", lambda op, b="reference": mutant(load(op, b)) if b == backend else load(op, b))


@pytest.mark.parametrize("mutant", FORWARD, ids=lambda m: m.__name__)
def test_a_wrong_forward_is_found(mutant, subject, monkeypatch):
    put(mutant, "numba", monkeypatch)
    with pytest.raises(AssertionError, match=FORWARD[mutant]):
        subject_of.test_forward(subject, "numba", "float32")


@pytest.mark.parametrize("mutant", BACKWARD, ids=lambda m: m.__name__)
def test_a_wrong_backward_is_found(mutant, subject, monkeypatch):
    put(mutant, "numba", monkeypatch)
    with pytest.raises((AssertionError, TypeError), match=BACKWARD[mutant]):
        subject_of.test_gradients(subject, "numba", "float32")


@pytest.mark.parametrize("mutant", [HalfAGradient, NaNGradient], ids=lambda m: m.__name__)
def test_a_wrong_reference_is_found_by_differences(mutant, subject, monkeypatch):
    put(mutant, "reference", monkeypatch)
    with pytest.raises(AssertionError, match="the central difference of spec is"):
        subject_of.test_reference_gradients(subject)


def test_the_right_kernel_passes(subject, monkeypatch):
    put(Right, "numba", monkeypatch)
    subject_of.test_forward(subject, "numba", "float32")
    subject_of.test_gradients(subject, "numba", "float32")
    subject_of.test_reference_gradients(subject)


def test_error():
    nan, inf = np.nan, np.inf
    assert error([1.0, 2.5], [1.0, 2.0]) == 0.25
    assert error([1e-3], [0.0]) == 1e-3
    assert error(np.zeros((0, 3)), np.zeros((0, 3))) == 0
    assert error([nan, 1.0], [nan, 1.0]) == error([inf, 1.0], [inf, 1.0]) == 0
    for wrong, oracle in (([nan], [1.0]), ([1.0], [nan]), ([inf], [1.0]), ([inf], [-inf]), ([1.0], [[1.0]])):
        assert error(wrong, oracle) == inf
    assert error(np.zeros((0, 3)), np.zeros((0, 2))) == inf
