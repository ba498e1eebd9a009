"""The vector instructions against plain loops: every width, every tail, on arrays that begin or end at a protected page."""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

numba = pytest.importorskip("numba")
from minicnn.kernels import comb, lines, simd  # noqa: E402

from .protected import POSSIBLE, Fence  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
DTYPES = ("float32", "float64")
pytestmark = pytest.mark.skipif(not POSSIBLE, reason="protected pages need mprotect")
tile, tile_apart, mix = simd.tile(), simd.tile(packed=False), lines.sandwich(((1, 0, -1), (0.5, 0.25, 0)))


@numba.njit
def run_tile(K, a, b, offsets, c, pitch, count, columns, add):
    tile(K, a, b, offsets, c, pitch, count, columns, add)


@numba.njit
def run_tile_apart(K, a, b, offsets, c, pitch, count, columns, add, apart, steps):
    tile_apart(K, a, b, offsets, c, pitch, count, columns, add, apart, steps)


@numba.njit
def run_copy(target, at, source, place, count, more):
    lines.copy(target, at, source, place, count, more)


@numba.njit
def run_turn(target, at, apart, source, place, pitch, rows, columns):
    lines.turn(target, at, apart, source, place, pitch, rows, columns)


@numba.njit
def run_sandwich(target, at, apart, beside, source, place, down, across, count):
    mix(target, at, apart, beside, source, place, down, across, count)


@numba.njit
def run_planes(target, at, apart, source, place, pitch, seen, written, count):
    lines.planes(target, at, apart, source, place, pitch, seen, written, count)


@numba.njit
def run_take(target, at, source, place, count):
    comb.take(target, at, source, place, count)


@numba.njit
def run_interleave(target, at, source, even, odd, count):
    comb.interleave(target, at, source, even, odd, count)


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
            a = whole(rng, (K, simd.ROWS), dtype)
            apart, steps = 3 * K + 1, 3 * rng.permutation(K)
            spread = np.full((count - 1) * apart + max(0, 3 * K - 2), 99, dtype)          # a where it is not packed: its first rows alone
            for i in range(count):
                spread[i * apart + steps] = a[:, i]
            b = fence.copy(whole(rng, 19 + columns, dtype))
            pitch = columns + 3
            for add in (False, True):
                c = whole(rng, (count - 1) * pitch + columns, dtype)
                expected = c.copy()
                for i in range(count):
                    for j in range(columns):
                        total = sum(float(a[k, i]) * float(b[offsets[k] + j]) for k in range(K))
                        expected[i * pitch + j] = total + add * float(c[i * pitch + j])
                for packed in (True, False):
                    found, arguments = fence.copy(c), (b, fence.copy(offsets))
                    if packed:
                        run_tile(K, fence.copy(a).reshape(-1), *arguments, found, pitch, count, columns, add)
                    else:
                        run_tile_apart(K, fence.copy(spread), *arguments, found, pitch, count, columns, add, apart, fence.copy(steps))
                    np.testing.assert_array_equal(found, expected, f"{columns} columns, {count} rows, {K} steps, {add=}, {packed=}")


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
        down, across, apart, beside = count + 3, 1, 2 * count + 5, count + 1
        source = fence.copy(whole(rng, 2 * down + 2 * across + count, dtype))
        target = fence.copy(np.full(apart + beside + count, 99, dtype))
        expected = target.copy()
        for t in range(count):
            D = np.array([[source[i * down + j * across + t] for j in range(3)] for i in range(3)], float)
            for (i, j), value in np.ndenumerate(A @ D @ A.T):
                expected[i * apart + j * beside + t] = value
        run_sandwich(target, 0, apart, beside, source, 0, down, across, count)
        np.testing.assert_array_equal(target, expected, f"{count} matrices")


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_planes(dtype, before):
    """Whatever lanes are seen and written, nothing else is read or changed."""
    rng, fence, n = np.random.default_rng(4), Fence(before), width(dtype)
    for count in (0, 1, 4):
        for first in range(n):
            for last in range(first, n):
                seen = sum(1 << lane for lane in range(first, last + 1) if rng.random() < 0.7 or lane in (first, last))
                written = seen | 1 << first
                pitch, apart = n + 2, n + 5
                source = fence.copy(whole(rng, max(0, count - 1) * pitch + last - first + 1, dtype))
                target = fence.copy(np.full(max(0, count - 1) * apart + last - first + 1, 99, dtype))
                expected = target.copy()
                for i in range(count):
                    for lane in range(first, last + 1):
                        if written >> lane & 1:
                            expected[i * apart + lane - first] = source[i * pitch + lane - first] if seen >> lane & 1 else 0
                run_planes(target, -first, apart, source, -first, pitch, seen, written, count)
                np.testing.assert_array_equal(target, expected, f"{count} planes, lanes {seen:b} of {written:b}")


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_second_number(dtype, before):
    rng, fence = np.random.default_rng(5), Fence(before)
    for count in range(5 * width(dtype)):
        source = fence.copy(whole(rng, max(0, 2 * count - 1), dtype))
        target = fence.copy(np.full(count, 99, dtype))
        run_take(target, 0, source, 0, count)
        np.testing.assert_array_equal(target, source[::2], f"take {count}")
        half = (count + 1) // 2
        odd = 0 if before else half + 3                      # the odd numbers first, or last: beside the protected page
        even = count // 2 + 3 if before else 0
        source = fence.copy(whole(rng, (even + half) if before else odd + count // 2, dtype))
        target = fence.copy(np.full(count, 99, dtype))
        run_interleave(target, 0, source, even, odd, count)
        for i in range(count):
            assert target[i] == source[(odd if i % 2 else even) + i // 2], f"interleave {count}, number {i}"


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
