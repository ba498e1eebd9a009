"""Layers are thin: what they compute is tested with the kernels, on every backend. Here the one that needs no compiling will do."""
import pytest

from minicnn import use_backend


@pytest.fixture(autouse=True)
def reference_backend():
    with use_backend("reference"):
        yield
