"""Where the tests of the engine run: on a GPU; without one in the emulator, on NumPy's arrays and on arrays as strict as CuPy's."""
from contextlib import nullcontext

import pytest

from minicnn.kernels import cuda

from .on_device import ON_GPU
from .strict_cupy import strict_cupy

PLACES = {"GPU": nullcontext, "emulated": cuda.emulation, "strict": strict_cupy}


@pytest.fixture(params=["GPU"] if ON_GPU else ["emulated", "strict"])
def somewhere(request):
    """Without the checker, which test_kernels.py has."""
    with PLACES[request.param]():
        yield


@pytest.fixture
def strict():
    """On a GPU, or where what would fail there fails; with the checker."""
    with nullcontext() if ON_GPU else strict_cupy("check"):
        yield
