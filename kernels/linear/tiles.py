"""A fully connected layer by vector tiles, for few examples and for many.

With few examples the weight (K, C) is nearly all there is to read or to write, and the products are as fast as memory, if every number
of it is touched once, and its rows from beginning to end, a few at a time:

    y  = x · wᵀ      dots (kernels/dots.py): the rows of x and of w both run along the sum, nothing is turned round
    dx = g · w       tiles (kernels/simd.py) whose rows b are rows of w as they are, STEPS of them at a time
    dw = gᵀ · x      tiles whose rows b are rows of x as they are: ROWS rows of dw at a time are written from beginning to end

With many, arithmetic takes the time, and the blocks of a matrix product fit (kernels/matmul/tiles.py).

How a product is cut depends on the shapes alone, and so does the order of every sum.
"""
import numpy as np

from .. import memory
from ..dots import dots
from ..lines import turn, workspace
from ..matmul.cpu import product
from ..simd import BYTES, ROWS, tile, VECTORS
from ..task import task

FEW = {"y": 128, "dx": 2 * ROWS, "dw": 64}      # examples: so many are few
LENGTH = 1024                    # numbers of a row of x and of w at a time, for more examples than a tile has rows
STEPS = 16                       # rows of w that are read side by side
TASKS = 16                       # about so many pieces
CACHE = 1 << 17                  # numbers that stay in the L2 cache beside others
multiply = tile()


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


@task("int64, T[:,::1], T[:,::1], int64, T[:,::1]")
def gradient_x(number, g, w, columns, grad_x):
    """Columns number·columns … of grad_x."""
    (N, K), C = g.shape, w.shape[1]
    lanes = BYTES // g.itemsize
    first, last = number * columns, min(C, (number + 1) * columns)
    strips, offsets = workspace((N + ROWS - 1) // ROWS * ROWS * STEPS, g), np.arange(STEPS) * C
    g_flat, w_flat = g.reshape(-1), w.reshape(-1)
    strips[:] = 0
    for k in range(0, K, STEPS):
        steps = min(STEPS, K - k)
        for n in range(0, N, ROWS):                              # strips[n·STEPS + step·ROWS + row] = g[n + row, k + step]
            for step in range(0, steps, lanes):
                for row in range(0, min(ROWS, N - n), lanes):
                    turn(strips, n * STEPS + step * ROWS + row, ROWS, g_flat, (n + row) * K + k + step, K,
                         min(lanes, ROWS - row, N - n - row), min(lanes, steps - step))
        for c in range(first, last, VECTORS * lanes):
            for n in range(0, N, ROWS):
                multiply(steps, strips[n * STEPS:], w_flat[k * C + c:], offsets, grad_x[n, c:], C,
                         min(ROWS, N - n), min(VECTORS * lanes, last - c), k > 0)


@task("int64, T[:,::1], T[:,::1], int64, T[:,::1]")
def gradient_weight(number, g, x, rows, grad_weight):
    """Rows number·rows … of grad_weight."""
    (N, K), C = g.shape, x.shape[1]
    wide, offsets, x_flat = VECTORS * (BYTES // g.itemsize), np.arange(N) * C, x.reshape(-1)
    strip, last = np.empty((N, ROWS), g.dtype), min(K, (number + 1) * rows)
    columns = C if N * C <= CACHE else 4 * wide                  # of x, which stay in the cache for all rows
    for c_begin in range(0, C, columns):
        for k in range(number * rows, last, ROWS):
            for n in range(N):
                for i in range(ROWS):
                    strip[n, i] = g[n, k + i] if k + i < last else 0
            for c in range(c_begin, min(C, c_begin + columns), wide):
                multiply(N, strip, x_flat[c:], offsets, grad_weight[k, c:], C, min(ROWS, last - k), min(wide, C - c), False)


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


def cut(size: int, unit: int) -> int:
    """The size of a piece, a multiple of `unit`, where `size` is cut into about TASKS."""
    return -(-size // (unit * TASKS)) * unit


def forward(x, weight, bias, y):
    (N, C), K = x.shape, len(weight)
    if N <= FEW["y"]:
        rows = cut(K, VECTORS)
        outputs.run(-(-K // rows), x, weight, memory.empty(0, x.dtype) if bias is None else bias, rows,
                    max(1, C) if N <= ROWS else LENGTH, y)
    else:
        y[...] = 0 if bias is None else bias
        product(x, weight, transpose_b=True, out=y)


def gradients(x, weight, g, needs):
    """(grad_x, grad_weight, grad_bias), None where needs is False."""
    (N, K), C, wide = g.shape, weight.shape[1], VECTORS * BYTES // g.itemsize
    grad_x = grad_weight = grad_bias = None
    if needs[0]:
        if 0 < N <= FEW["dx"] and K and C:
            grad_x, columns = memory.empty((N, C), g.dtype), min(1024 // wide * wide, cut(C, wide))
            gradient_x.run(-(-C // columns), g, weight, columns, grad_x)
        else:
            grad_x = product(g, weight)
    if needs[1]:
        if 0 < N <= FEW["dw"] and C:
            grad_weight, rows = memory.empty((K, C), g.dtype), min(64, cut(K, ROWS))
            gradient_weight.run(-(-K // rows), g, x, rows, grad_weight)
        else:
            grad_weight = product(g, x, transpose_a=True)
    if needs[2]:
        grad_bias = memory.empty(K, g.dtype)
        gradient_bias.run(-(-K // 64), g, grad_bias)
    return grad_x, grad_weight, grad_bias
