"""The vector instructions against plain loops: every width, every tail, on arrays that begin or end at a protected page."""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

numba = pytest.importorskip("numba")
from minicnn.kernels import lines, simd  # noqa: E402

from .protected import POSSIBLE, Fence  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
DTYPES = ("float32", "float64")
pytestmark = pytest.mark.skipif(not POSSIBLE, reason="protected pages need mprotect")
tile, mix = simd.tile(), lines.sandwich(((1, 0, -1), (0.5, 0.25, 0)))


@numba.njit
def run_tile(K, a, b, offsets, c, pitch, count, columns, add):
    tile(K, a, b, offsets, c, pitch, count, columns, add)


@numba.njit
def run_copy(target, at, source, place, count, more):
    lines.copy(target, at, source, place, count, more)


@numba.njit
def run_turn(target, at, apart, source, place, pitch, rows, columns):
    lines.turn(target, at, apart, source, place, pitch, rows, columns)


@numba.njit
def run_sandwich(target, at, apart, source, place, places, count):
    mix(target, at, apart, source, place, places, count)


def width(dtype) -> int:
    return simd.BYTES // np.dtype(dtype).itemsize


def whole(rng, shape, dtype) -> np.ndarray:
    """Small whole numbers: products and sums of them are exact, in whatever order."""
    return rng.integers(-9, 10, shape).astype(dtype)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tile(dtype, before):
    rng, fence = np.random.default_rng(0), Fence(before)
    for columns in range(1, simd.VECTORS * width(dtype) + 1):
        for count, K in ((1, 1), (simd.ROWS - 1, 5), (simd.ROWS, 0)):
            offsets = rng.integers(0, 20, K)
            offsets[:2] = (0, 19)[:K]                        # the first and the last row that b has
            a = fence.copy(whole(rng, (K, simd.ROWS), dtype))
            b = fence.copy(whole(rng, 19 + columns, dtype))
            pitch = columns + 3
            for add in (False, True):
                c = fence.copy(whole(rng, (count - 1) * pitch + columns, dtype))
                expected = c.copy()
                for i in range(count):
                    for j in range(columns):
                        total = sum(float(a[k, i]) * float(b[offsets[k] + j]) for k in range(K))
                        expected[i * pitch + j] = total + add * float(c[i * pitch + j])
                run_tile(K, a.reshape(-1), b, fence.copy(offsets), c, pitch, count, columns, add)
                np.testing.assert_array_equal(c, expected, f"{columns} columns, {count} rows, {K} steps, add={add}")


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_copy(dtype, before):
    rng, fence = np.random.default_rng(1), Fence(before)
    for count in range(3 * width(dtype)):
        source, target = fence.copy(whole(rng, count + 3, dtype)), fence.copy(np.full(count + 5, -1, dtype))
        expected = target.copy()
        expected[5:] = source[3:] + 2
        run_copy(target, 5, source, 3, count, 2.0)
        np.testing.assert_array_equal(target, expected, f"{count} numbers")


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_turn(dtype, before):
    rng, fence = np.random.default_rng(2), Fence(before)
    for rows in range(1, width(dtype) + 1):
        for columns in range(1, width(dtype) + 1):
            apart, pitch = rows + 2, columns + 5
            source = fence.copy(whole(rng, (rows - 1) * pitch + columns, dtype))
            target = fence.copy(np.full((columns - 1) * apart + rows, 99, dtype))
            expected = target.copy()
            for i in range(rows):
                for j in range(columns):
                    expected[j * apart + i] = source[i * pitch + j]
            run_turn(target, 0, apart, source, 0, pitch, rows, columns)
            np.testing.assert_array_equal(target, expected, f"{rows} rows, {columns} columns")


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sandwich(dtype, before):
    """Y = A · D · Aᵀ with A = [[1, 0, −1], [½, ¼, 0]]."""
    rng, fence = np.random.default_rng(3), Fence(before)
    A = np.array([[1, 0, -1], [0.5, 0.25, 0]])
    for count in range(1, 3 * width(dtype)):
        places = rng.permutation(9) * 2
        source = fence.copy(whole(rng, 16 + count, dtype))
        target = fence.copy(np.full(3 * (count + 1) + count, 99, dtype))
        expected = target.copy()
        for t in range(count):
            D = np.array([source[place + t] for place in places], float).reshape(3, 3)
            for i, value in enumerate((A @ D @ A.T).reshape(-1)):
                expected[i * (count + 1) + t] = value
        run_sandwich(target, 0, count + 1, source, 0, places, count)
        np.testing.assert_array_equal(target, expected, f"{count} matrices")


def test_an_unknown_set_of_registers_is_refused(monkeypatch):
    monkeypatch.setenv("MINICNN_SIMD", "mmx")
    with pytest.raises(ValueError, match="'mmx': expected one of .*portable"):
        simd.chosen()


@pytest.mark.skipif("MINICNN_SIMD" in os.environ, reason="already in a process of its own")
@pytest.mark.parametrize("name", list(simd.SETS)[list(simd.SETS).index(simd.of_this_cpu()) + 1:])
def test_narrower_registers(name):
    """The tests above, and those of the kernels made of vector tiles, with the registers of a smaller CPU."""
    tests = ["tests/test_simd.py", "tests/test_kernels.py", "-k", "simd or conv2d or linear/"]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-o", "addopts=", *tests],
                          cwd=ROOT, env=os.environ | {"MINICNN_SIMD": name}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_the_fence_holds():
    """One number beyond the end, or before the beginning, ends the process: these tests can fail."""
    program = ("import numpy as np; from tests.protected import Fence; array = Fence({before}).empty(5, 'float32'); array[:] = 1; "
               "far = np.lib.stride_tricks.as_strided(array, (6,), (4 * {step},)); print(float(array.sum()), flush=True); print(far[5])")
    for before, step in ((True, -1), (False, 1)):
        done = subprocess.run([sys.executable, "-c", program.format(before=before, step=step)], cwd=ROOT, capture_output=True, text=True)
        assert done.stdout == "5.0\n" and done.returncode < 0, done.stderr
