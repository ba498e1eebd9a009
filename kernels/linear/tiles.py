"""A fully connected layer by vector tiles, for few examples and for many.

With few examples the weight (K, C) is nearly all there is to read or to write, and the products are as fast as memory, if every number
of it is touched once, and its rows from beginning to end, a few at a time:

    y  = x · wᵀ      dots (kernels/dots.py): the rows of x and of w both run along the sum, nothing is transposed
    dx = g · w       tiles (kernels/simd.py) whose rows b are rows of w as they are, a few of them at a time
    dw = gᵀ · x      tiles whose rows b are rows of x as they are: ROWS rows of dw at a time are written from beginning to end

The factors of the last two are read from g, the upstream gradient, where they stand: nothing is copied anywhere. Both are one loop,
`sum_rows`.

Where w, or x for dw, is small and stays in the L2 cache, the same loops do for any number of examples, and all steps of a sum at once.
Else, with many examples, arithmetic takes the time, and the blocks of a matrix product fit (kernels/matmul/tiles.py).

How a product is cut depends on the shapes alone, and so does the order of every sum.
"""
import numpy as np

from .. import memory
from ..dots import dots
from ..matmul.cpu import product
from ..simd import BYTES, ROWS, tile, VECTORS
from ..task import task

FEW = {"y": 64, "dx": 2 * ROWS, "dw": 64}      # examples: so many are few
LENGTH = 1024                    # numbers of a row of x and of w at a time, for more examples than a tile has rows
STEPS = 8                        # rows of w that are read side by side: a cache has places for so many that are a power of two apart
TASKS = 16                       # pieces of a product, about
WORTH = 1 << 16                  # multiplications in a piece at least: fewer are done before a second thread has woken up
CACHE = 1 << 17                  # numbers that stay in the L2 cache beside others
multiply = tile(packed=False)


@task("int64, T[:,::1], T[:,::1], T[::1], int64, int64, T[:,::1]")
def outputs(number, x, w, bias, rows, length, y):
    """Columns number·rows … of y, `length` terms of their sums at a time."""
    (N, C), K = x.shape, w.shape[0]
    first, last = number * rows, min(K, (number + 1) * rows)
    for n in range(N):
        for k in range(first, last):
            y[n, k] = bias[k] if bias.size else 0
    for c in range(0, C, length):
        for k in range(first, last, VECTORS):
            for n in range(0, N, ROWS):
                dots(min(length, C - c), x[n, c:], C, min(ROWS, N - n), w[k, c:], C, min(VECTORS, last - k), y[n, k:], K, True)


@task("int64, T[:,::1], int64, int64, T[:,::1], UniTuple(int64, 2), int64, int64, T[:,::1]")
def sum_rows(number, g, step, apart, b, piece, chunk, together, out):
    """A piece (rows, columns) of  out[i, c] = Σ_s a[s, i] · b[s, c],  where a[s, i] is number s·step + i·apart of g.

    Tiles go down the rows of the piece, `chunk` columns at a time; `together` steps of the sums at a time.
    """
    (height, C), (rows, columns), S = out.shape, piece, b.shape[0]
    wide, across = VECTORS * (BYTES // g.itemsize), (C + columns - 1) // columns
    top, left = number // across * rows, number % across * columns
    bottom, right = min(height, top + rows), min(C, left + columns)
    a, b_flat, offsets, steps = g.reshape(-1), b.reshape(-1), np.arange(together) * C, np.arange(together) * step
    for s in range(0, S, together):
        for begin in range(left, right, chunk):
            for i in range(top, bottom, ROWS):
                for c in range(begin, min(right, begin + chunk), wide):
                    multiply(min(together, S - s), a[s * step + i * apart:], b_flat[s * C + c:], offsets, out[i, c:], C,
                             min(ROWS, bottom - i), min(wide, right - c), s > 0, apart, steps)


@task("int64, T[:,::1], T[::1]")
def gradient_bias(number, g, grad_bias):
    """64 columns of g, from 64·number on, added up in float64."""
    first, count = 64 * number, min(64, g.shape[1] - 64 * number)
    total = np.zeros(64, np.float64)
    for n in range(g.shape[0]):
        row = g[n, first:first + count]
        for i in range(count):
            total[i] += row[i]
    for i in range(count):
        grad_bias[first + i] = total[i]


def cut(size: int, unit: int, work: int) -> int:
    """The size of a piece, a multiple of `unit`, where `size` and so many multiplications are cut into about TASKS."""
    return -(-size // (unit * max(1, min(TASKS, work // WORTH)))) * unit


def forward(x, weight, bias, y):
    (N, C), K = x.shape, len(weight)
    if N <= FEW["y"] or K * C <= CACHE:
        rows = cut(K, VECTORS, N * K * C)
        outputs.run(-(-K // rows), x, weight, memory.empty(0, x.dtype) if bias is None else bias, rows,
                    max(1, C) if N <= ROWS else LENGTH, y)
    else:
        y[...] = 0 if bias is None else bias
        product(x, weight, transpose_b=True, out=y)


def gradients(x, weight, g, needs):
    """(grad_x, grad_weight, grad_bias), None where needs is False."""
    (N, K), C, wide = g.shape, weight.shape[1], VECTORS * BYTES // g.itemsize
    work, some = N * K * C, 0 not in (N, K, C)
    grad_x = grad_weight = grad_bias = None
    if needs[0]:
        small = K * C <= CACHE
        if some and (small or N <= FEW["dx"]):
            grad_x = memory.empty((N, C), g.dtype)
            rows, columns = (cut(N, ROWS, work), C) if small else (N, cut(C, wide, work))
            sum_rows.run(-(-N // rows) * -(-C // columns), g, 1, K, weight, (rows, columns), wide, K if small else STEPS, grad_x)
        else:
            grad_x = product(g, weight)
    if needs[1]:
        if some and (N * C <= CACHE or N <= FEW["dw"]):
            grad_weight, rows = memory.empty((K, C), g.dtype), min(64, cut(K, ROWS, work))
            chunk = C if N * C <= CACHE else 4 * wide                    # of x, which stay in the cache for all rows
            sum_rows.run(-(-K // rows), g, K, 1, x, (rows, C), chunk, N, grad_weight)
        else:
            grad_weight = product(g, x, transpose_a=True)
    if needs[2]:
        grad_bias = memory.empty(K, g.dtype)
        gradient_bias.run(-(-K // 64), g, grad_bias)
    return grad_x, grad_weight, grad_bias
