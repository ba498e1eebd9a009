"""What this machine can do at best: multiply-adds in a second, and bytes to and from memory in a second.

Both are measured, not read from a data sheet: the clock under a load of wide vectors, and what else runs on the machine, are in them.

    fma_peak      every thread multiplies with the tile of simd.py, whose sums stay in registers, on numbers that stay in the L1 cache:
                  nothing but multiply-adds is waited for. No kernel in float32 can be faster.
    bandwidth     a[i] = b[i] + s·c[i] over arrays that no cache holds: three numbers of traffic for each i (STREAM's triad,
                  McCalpin 1995; that a line is read before it is written is not counted, as it is not for the kernels).

A kernel that does F operations on B bytes needs at least max(F / peak, B / bandwidth) seconds: its roofline (Williams, Waterman,
Patterson, "Roofline: an insightful visual performance model for multicore architectures", 2009).
"""
from collections.abc import Callable
from time import perf_counter

import numpy as np

from . import memory, simd
from .task import task
from .threads import get_num_threads

STEPS = 512                              # multiply-adds into each sum of a tile, one after another
ROUND = 16                               # rows of b, used over and over: 3 KB, which L1 holds beside the factors
NUMBERS, BLOCKS = 1 << 24, 256           # of each array for the bandwidth: 64 MB, and its parts
COLUMNS = simd.VECTORS * simd.BYTES // 4                # of a tile in float32

tile = simd.tile()


@task("int64, int64, T[:,::1], T[:,::1], int64[::1], T[:,:,::1]")
def multiply(thread, repeats, a, b, offsets, c):
    """`repeats` tiles of STEPS steps.  a (STEPS, rows), b (ROUND, columns), c (threads, rows, columns)."""
    for _ in range(repeats):
        tile(STEPS, a, b, offsets, c[thread], c.shape[2], c.shape[1], c.shape[2], False)


@task("int64, T[::1], T[::1], T[::1], T")
def triad(block, a, b, c, factor):
    """One of BLOCKS parts of a = b + factor·c."""
    size = (a.size + BLOCKS - 1) // BLOCKS
    x, y, z = a[block * size:(block + 1) * size], b[block * size:(block + 1) * size], c[block * size:(block + 1) * size]
    for i in range(x.size):
        x[i] = y[i] + factor * z[i]


def fma_peak(seconds: float = 0.3) -> float:
    """Floating-point operations a second in float32, a multiply-add counted as two, on as many threads as the kernels use."""
    threads, rows, columns = get_num_threads(), simd.ROWS, COLUMNS
    a, b = memory.zeros((STEPS, rows), np.float32), memory.zeros((ROUND, columns), np.float32)
    c, offsets = memory.empty((threads, rows, columns), np.float32), memory.empty(STEPS, np.int64)
    offsets[:] = [k % ROUND * columns for k in range(STEPS)]
    work = 2 * threads * STEPS * rows * columns

    def shortest(repeats: int, seconds: float) -> float:
        return best(lambda: multiply.run(threads, repeats, a, b, offsets, c), seconds)

    repeats = 1
    while shortest(repeats, 0) < 0.01:                                     # long enough for the clock
        repeats *= 4
    return repeats * work / shortest(repeats, seconds)


def bandwidth(seconds: float = 0.3) -> float:
    """Bytes a second that threads together read from and write to memory."""
    a, b, c = (memory.zeros(NUMBERS, np.float32) for _ in range(3))
    return 3 * a.nbytes / best(lambda: triad.run(BLOCKS, a, b, c, np.float32(0.5)), seconds)


def best(do: Callable[[], None], seconds: float) -> float:
    """The shortest of the calls that fit into a time, after one that is not counted: the machine when nothing disturbs it."""
    do()
    shortest, end = float("inf"), perf_counter() + seconds
    while True:
        start = perf_counter()
        do()
        shortest = min(shortest, perf_counter() - start)
        if perf_counter() >= end:
            return shortest
