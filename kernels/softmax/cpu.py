"""Softmax and its logarithm in Numba.

    1  columns    the array as (outer, C, inner): a task is a strip of the inner index, class outside, strip inside      the default

With classes last (inner = 1) a strip is one row, and its loops over the classes are short; softmax is a small part of any network.
Sums in float64: over many classes a float32 sum would lose digits.
"""
import math

import numpy as np

from ..elementary import exp
from ..memory import empty
from ..task import task
from . import as_rows, output_shape

STRIP = 256                              # positions of the inner index in a task


@task("int64, T[:,:,::1], boolean, T[:,:,::1]")
def forward_columns(number, x, logarithm, y):
    """y = softmax(x) over the middle index, or its logarithm."""
    _, C, inner = x.shape
    strips = (inner + STRIP - 1) // STRIP
    n, first = number // strips, number % strips * STRIP
    xs, ys = x[n, :, first:first + STRIP], y[n, :, first:first + STRIP]
    width = xs.shape[1]
    largest, total = np.full(width, -np.inf, np.float64), np.zeros(width, np.float64)
    for c in range(C):
        for i in range(width):
            if xs[c, i] > largest[i]:
                largest[i] = xs[c, i]
    for c in range(C):
        for i in range(width):
            e = exp(xs[c, i] - largest[i])
            total[i] += e
            ys[c, i] = e
    if logarithm:
        for i in range(width):
            total[i] = math.log(total[i])
        for c in range(C):
            for i in range(width):
                ys[c, i] = xs[c, i] - largest[i] - total[i]
    else:
        for i in range(width):
            total[i] = 1.0 / total[i]
        for c in range(C):
            for i in range(width):
                ys[c, i] *= total[i]


@task("int64, T[:,:,::1], T[:,:,::1], boolean, T[:,:,::1]")
def backward_columns(number, g, y, logarithm, dx):
    _, C, inner = y.shape
    strips = (inner + STRIP - 1) // STRIP
    n, first = number // strips, number % strips * STRIP
    gs, ys, ds = g[n, :, first:first + STRIP], y[n, :, first:first + STRIP], dx[n, :, first:first + STRIP]
    width = gs.shape[1]
    total = np.zeros(width, np.float64)                       # Σ g, or Σ g·y
    for c in range(C):
        for i in range(width):
            total[i] += gs[c, i] if logarithm else np.float64(gs[c, i]) * ys[c, i]
    if logarithm:
        for c in range(C):
            for i in range(width):
                ds[c, i] = gs[c, i] - exp(ys[c, i]) * total[i]
    else:
        for c in range(C):
            for i in range(width):
                ds[c, i] = ys[c, i] * (gs[c, i] - total[i])


def tasks(rows) -> int:
    return rows[0] * -(-rows[2] // STRIP)


def run_forward(x, dim, logarithm):
    output_shape(x.shape, dim=dim)
    rows, y = as_rows(x.shape, dim), empty(x.shape, x.dtype)
    forward_columns.run(tasks(rows), x.reshape(rows), logarithm, y.reshape(rows))
    return y, (y, dim)


def run_backward(grad_output, saved, needs, logarithm):
    y, dim = saved
    if not needs[0]:
        return (None,)
    rows, dx = as_rows(y.shape, dim), empty(y.shape, y.dtype)
    backward_columns.run(tasks(rows), grad_output.reshape(rows), y.reshape(rows), logarithm, dx.reshape(rows))
    return (dx,)


class softmax:
    @staticmethod
    def forward(x, *, dim):
        return run_forward(x, dim, False)

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        return run_backward(grad_output, saved, needs, False)


class log_softmax:
    @staticmethod
    def forward(x, *, dim):
        return run_forward(x, dim, True)

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        return run_backward(grad_output, saved, needs, True)
