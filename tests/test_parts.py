"""NumPy calls cut along the first axis: the same bits, wherever the cuts lie, and an error of any part reaches the caller."""
import multiprocessing
import warnings

import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor
from minicnn.functional import cat
from minicnn.kernels import parts


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """So that small arrays are cut too, into three parts."""
    monkeypatch.setattr(parts, "LARGE", 0)
    monkeypatch.setattr(parts, "get_num_threads", lambda: 3)


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 7])
def test_every_row_is_written_once(rows):
    a, calls = np.random.default_rng(0).standard_normal((rows, 5)), []
    out = np.full_like(a, np.nan)

    def double(x, y):
        calls.append(len(x))
        y[...] = 2 * x
    parts.by_parts(double, a, out)
    assert np.array_equal(out, 2 * a) and sum(calls) == rows and len(calls) == max(1, min(3, rows))


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_of_any_part_reaches_the_caller(failing):
    def function(x):
        if failing in x:
            raise MemoryError(f"part {failing}")
    with pytest.raises(MemoryError, match=f"part {failing}"):
        parts.by_parts(function, np.arange(3))


def test_warnings_that_are_off_are_off_in_every_part():
    a = np.zeros((3, 2), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = Tensor(a) / Tensor(a)
    assert np.isnan(y.data).all()


def test_addition_and_concatenation_and_sums_of_gradients():
    rng = np.random.default_rng(1)
    a, b = (Tensor(rng.standard_normal((4, 3, 2)).astype(np.float32), requires_grad=True) for _ in range(2))
    y = cat([a, a + b, b], 1)
    assert np.array_equal(y.data, np.concatenate([a.data, a.data + b.data, b.data], 1))
    g = rng.standard_normal(y.shape).astype(np.float32)
    y.backward(Tensor(g))
    first, middle, last = np.split(g, 3, 1)
    assert np.array_equal(a.grad.data, first + middle) and np.array_equal(b.grad.data, middle + last)


def test_concatenation_along_the_first_axis_is_not_cut():
    a, b = np.ones((2, 3), np.float32), np.zeros((1, 3), np.float32)
    assert np.array_equal(mc.cat([Tensor(a), Tensor(b)], 0).data, np.concatenate([a, b]))


def child(queue):
    y = np.empty((4, 3))
    parts.by_parts(np.add, np.ones((4, 3)), np.ones((4, 3)), y)
    queue.put(y.sum())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_process_has_threads_of_its_own():
    parts.by_parts(np.copyto, np.empty((3, 1)), np.ones((3, 1)))                  # the threads of this process are running
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    assert queue.get(timeout=60) == 24
    process.join()
