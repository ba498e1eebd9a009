"""The gradients of every operation, basic operation and layer on device "cuda" against finite differences, first and second order.

Without a GPU on arrays as strict as CuPy's. The checker is off: it watched the same cases in test_kernels.py, and here each is run
thousands of times.
"""
from contextlib import nullcontext

import pytest

from minicnn.checks import suite
from minicnn.checks.basics import BASICS
from minicnn.checks.layers import LAYERS

from .on_device import needs_cuda, ON_GPU
from .strict_cupy import strict_cupy

pytestmark = [needs_cuda, pytest.mark.slow]
CHECKS = ({name: (suite.check_operation, "cupy") for name in suite.operations()} | {name: (suite.check_basic, "cuda") for name in BASICS}
          | {name: (suite.check_layer, "cupy") for name in LAYERS})


@pytest.mark.parametrize("second", [False, True], ids=["first", "second"])
@pytest.mark.parametrize("name", CHECKS)
def test_gradcheck(name, second):
    check, where = CHECKS[name]
    with nullcontext() if ON_GPU else strict_cupy("fast"):
        reports = list(check(name, where, second=second))
    assert reports or second
    for case, report in reports:
        assert report, f"{case}: {report}"
