"""Tasks run every number once, on any number of threads, with the arguments that the caller gave."""
import numpy as np
import pytest

pytest.importorskip("numba")
import minicnn as mc  # noqa: E402
from minicnn.kernels.jit import jit  # noqa: E402
from minicnn.kernels.task import task  # noqa: E402


@task("int64, T[:,::1], UniTuple(int64, 2), T[::1], int64[::1]")
def sum_row(number, x, factors, sums, visits):
    total = x.dtype.type(0)
    for j in range(x.shape[1]):
        total += x[number, j]
    sums[number] = total * factors[0] + factors[1]
    visits[number] += 1


call = sum_row.call


@jit
def run_one(number, x, factors, sums, visits):
    call((number, x, factors, sums, visits))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 64, 1000])
def test_every_number_once(count, threads, dtype):
    x = np.random.default_rng(0).integers(-9, 10, (1000, 5)).astype(dtype)
    sums, visits = np.zeros(1000, dtype), np.zeros(1000, np.int64)
    before = mc.get_num_threads()
    mc.set_num_threads(threads)
    try:
        sum_row.run(count, x, (3, 1), sums, visits)
    finally:
        mc.set_num_threads(before)
    np.testing.assert_array_equal(sums[:count], x[:count].sum(axis=1) * 3 + 1)
    assert visits.tolist() == [1] * count + [0] * (1000 - count)


def test_one_call():
    sum_row.ready(np.dtype("float64"))
    x, sums, visits = np.ones((3, 2)), np.zeros(3), np.zeros(3, np.int64)
    run_one(1, x, (2, 0), sums, visits)
    assert sums.tolist() == [0, 4, 0] and visits.tolist() == [0, 1, 0]
