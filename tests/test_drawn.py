"""Every operation with a gradient on cases that nobody chose: draw of each cases.py, asked by the hypothesis library.

The three steps of test_kernels.py, in its words. A failure shrinks to the smallest shapes and options that still fail, and says them.
Every test has draws of its own, the same in every run: what passes today passes tomorrow, until code changes.
"""
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, note, seed, settings
from hypothesis import strategies as st

from minicnn import kernels
from minicnn.kernels.case import Dice

from . import test_kernels
from .test_kernels import DTYPES, FOLDERS, Subject, backends, differences, reference_gradients

OPS = [op for op, folder in FOLDERS.items() if folder != "optimizer"]              # a step has no gradient


class Asked(Dice):
    """A Dice that hypothesis answers."""

    def __init__(self, data: st.DataObject):
        self.data = data

    def integer(self, low, high):
        return self.data.draw(st.integers(low, high))


def on_drawn(op: str, check: Callable[[Subject], None], examples: int, form: str) -> None:
    """check(subject) on cases of the operation.  Arrays and upstream gradient depend on the number in the name of a case."""
    @seed(zlib.crc32(f"{op}-{form}".encode()))
    @settings(max_examples=examples, deadline=None, derandomize=True, database=None)
    @given(data=st.data())
    def one(data):
        case = kernels.module(op, "cases").draw(Asked(data), op)
        case = replace(case, name=f"{case.name} {data.draw(st.integers(0, 2 ** 32 - 1))}")
        note(f"{op}: shapes {case.shapes}, {case.options}")
        check(Subject(op, case))
    one()


@pytest.mark.parametrize("op", OPS)
def test_reference_gradients(op):
    """Against central differences of spec, along random directions."""
    def check(subject):
        found, g, arrays = reference_gradients(subject, "float64"), subject.upstream("float64"), subject.copies("float64")
        for i, needed in enumerate(subject.needs):
            if needed:
                differences(subject, arrays, i, found[i], g, np.random.default_rng(0), coordinates=0)
    on_drawn(op, check, 14, "gradients")


@pytest.mark.parametrize("op, backend, dtype", [pytest.param(op, backend, dtype, id=f"{op}-{backend}-{dtype}")
                                                for op in OPS for backend in backends(op) for dtype in DTYPES])
def test_forms(op, backend, dtype):
    """forward against spec; backward against the reference's in float64; and all else that test_kernels.py asks of the two."""
    def check(subject):
        test_kernels.test_forward(subject, backend, dtype)
        test_kernels.test_gradients(subject, backend, dtype)
    on_drawn(op, check, 16, f"{backend}-{dtype}")
