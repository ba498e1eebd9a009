"""Every algorithm of an operation, its default and those it is asked for by name, on every case of the operation's cases.py."""
import pytest

from minicnn import kernels

from .oracle.compare import check
from .test_kernels import DTYPES, expected, inputs, outputs, reference_gradients, SUBJECTS

OWN_TESTS = {"conv2d"}
SOME = {("avg_pool2d", "pairs"): lambda x, options: options["kernel_size"] == options["stride"] == (2, 2)          # algorithms for some shapes
        and options["padding"] == ((0, 0), (0, 0)) and not options["ceil_mode"]}


def rungs():
    """Subjects beside the names of their algorithms."""
    for subject in SUBJECTS:
        names = getattr(kernels.load(subject.op, "numba"), "ALGORITHMS", ())
        if len(names) > 1 and subject.op not in OWN_TESTS:
            for name in names:
                if SOME.get((subject.op, name), lambda x, options: True)(inputs(subject, "float32")[0], subject.case.options):
                    yield subject, name


@pytest.mark.parametrize("subject, algorithm, dtype",
                         [pytest.param(*rung, dtype, id=f"{rung[0]}-{rung[1]}-{dtype}") for rung in rungs() for dtype in DTYPES])
def test_every_algorithm_does_every_case(subject, algorithm, dtype):
    kernel = kernels.load(subject.op, "numba")
    output, saved = kernel.forward(*subject.copies(dtype), **subject.case.options, algorithm=algorithm)
    for i, (y, oracle) in enumerate(zip(outputs(output), expected(subject, dtype)[0])):
        check(f"output {i}", y, oracle, dtype if y.dtype.kind == "f" else y.dtype)
    gradients = kernel.backward(subject.upstream(dtype), saved, subject.needs)
    for i, (gradient, oracle) in enumerate(zip(gradients, reference_gradients(subject, dtype))):
        if subject.needs[i]:
            check(f"gradient {i}", gradient, oracle, dtype)


def test_an_unknown_algorithm_is_no_algorithm():
    for op in {subject.op for subject, _ in rungs()}:
        subject = next(subject for subject in SUBJECTS if subject.op == op)
        with pytest.raises((KeyError, ValueError)):
            kernels.load(op, "numba").forward(*inputs(subject, "float32"), **subject.case.options, algorithm="guess")
