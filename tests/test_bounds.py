"""No kernel reads or writes outside an array: every case of every operation, with all that it is given and all that it allocates between
two pages that nobody may touch. What goes one number too far ends the process."""
import numpy as np
import pytest

from minicnn.kernels import memory

from .protected import POSSIBLE, Fence
from .test_kernels import DTYPES, SUBJECTS, backends, bits, forms, load, outputs

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="protected pages need mprotect")


def compiled(op: str) -> list[str]:
    return [name for name in backends(op) if name != "reference"]


def results(subject, backend, dtype, place) -> list:
    """All that forward and backward give, or what a step leaves, of inputs that `place` put somewhere."""
    kernel = load(subject.op, backend)
    arrays = [None if a is None else place(a) for a in subject.copies(dtype)]
    if subject.steps:
        kernel.step(*arrays, **subject.case.options)
        return bits(arrays)
    output, saved = kernel.forward(*arrays, **subject.case.options)
    return bits([*outputs(output), *kernel.backward(place(subject.upstream(dtype)), saved, subject.needs)])


@pytest.mark.parametrize("subject, backend", forms(SUBJECTS, compiled))
def test_a_kernel_stays_within_its_arrays(subject, backend, monkeypatch):
    for dtype in DTYPES:
        expected = results(subject, backend, dtype, np.copy)
        for before in (False, True):
            fence = Fence(before)
            with monkeypatch.context() as patched:
                patched.setattr(memory, "empty", fence.empty)
                patched.setattr(memory, "zeros", fence.zeros)
                assert results(subject, backend, dtype, fence.copy) == expected, f"{dtype}: other bits beside a protected page"
