"""Cross entropy in Numba.

    1  columns    the scores as (N, C, P): a task is a strip of one image's positions, class outside, position inside.   the default

Labels and probabilities go through the same loops: only how much of a class is wanted, q, differs. Sums in float64; those over rows
are one partial sum a task, added up in order.
"""
import math

import numpy as np
from numba import prange
from numba.extending import register_jitable

from ..elementary import exp
from ..jit import jit
from ..memory import empty
from ..nll_loss import as_columns, check_labels
from . import output_shape

STRIP = 256                              # positions in a task


@register_jitable
def wanted(soft, labels, probabilities, weight, ignore_index, smoothing, n, c, p, C):
    """q[n,c,p] of the formula.  labels (N, P), or probabilities (N, C, P) where soft; weight (C,)."""
    if soft:
        return weight[c] * ((1.0 - smoothing) * probabilities[n, c, p] + smoothing / C)
    if labels[n, p] == ignore_index:
        return 0.0
    return weight[c] * ((1.0 - smoothing if labels[n, p] == c else 0.0) + smoothing / C)


@jit(parallel=True)
def forward_columns(x, soft, labels, probabilities, weight, ignore_index, smoothing, losses, largest, logarithm, sums):
    """Fills losses, largest and logarithm (N, P), and sums (tasks, 2): Σ loss and Σ w[target] of each task."""
    N, C, P = x.shape
    strips = (P + STRIP - 1) // STRIP
    for task in prange(N * strips):
        n, first = task // strips, task % strips * STRIP
        width = min(STRIP, P - first)
        xs = x[n, :, first:first + width]
        m, total, loss = np.full(width, -np.inf, np.float64), np.zeros(width, np.float64), np.zeros(width, np.float64)
        for c in range(C):
            for i in range(width):
                if xs[c, i] > m[i]:
                    m[i] = xs[c, i]
        for c in range(C):
            for i in range(width):
                total[i] += exp(xs[c, i] - m[i])
        for i in range(width):
            total[i] = math.log(total[i])
            largest[n, first + i] = m[i]
            logarithm[n, first + i] = total[i]
        divisor = 0.0
        for c in range(C):
            for i in range(width):
                q = wanted(soft, labels, probabilities, weight, ignore_index, smoothing, n, c, first + i, C)
                if soft or q != 0:                               # a wrong class of probability 0: not 0 · −∞ = NaN
                    loss[i] -= q * (xs[c, i] - m[i] - total[i])
                if not soft and labels[n, first + i] == c and c != ignore_index:
                    divisor += weight[c]
        summed = 0.0
        for i in range(width):
            losses[n, first + i] = loss[i]
            summed += loss[i]
        sums[task, 0] = summed
        sums[task, 1] = divisor


@jit(parallel=True)
def backward_columns(g, scale, x, soft, labels, probabilities, weight, ignore_index, smoothing, largest, logarithm, dx):
    """dx = (p·Q − q)·g·scale, where g (N, P), or (1, 1) for all."""
    N, C, P = x.shape
    strips = (P + STRIP - 1) // STRIP
    for task in prange(N * strips):
        n, first = task // strips, task % strips * STRIP
        width = min(STRIP, P - first)
        Q, factor = np.zeros(width, np.float64), np.empty(width, np.float64)
        for i in range(width):
            factor[i] = scale * (g[n, first + i] if g.size == N * P else g[0, 0])
        for c in range(C):
            for i in range(width):
                Q[i] += wanted(soft, labels, probabilities, weight, ignore_index, smoothing, n, c, first + i, C)
        for c in range(C):
            for i in range(width):
                q = wanted(soft, labels, probabilities, weight, ignore_index, smoothing, n, c, first + i, C)
                p = exp(x[n, c, first + i] - largest[n, first + i] - logarithm[n, first + i])
                dx[n, c, first + i] = (p * Q[i] - q) * factor[i]


@jit
def backward_target(g, scale, x, weight, largest, logarithm, dt):
    """dt = −scale·w·ln p·g"""
    N, C, P = x.shape
    for n in range(N):
        for c in range(C):
            for p in range(P):
                up = scale * weight[c] * (g[n, p] if g.size == N * P else g[0, 0])
                dt[n, c, p] = -up * (x[n, c, p] - largest[n, p] - logarithm[n, p])


def forward(x, target, weight=None, *, ignore_index, reduction, label_smoothing):
    shape = output_shape(x.shape, target.shape, None if weight is None else weight.shape,
                         ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing)
    N, C, P = as_columns(x.shape)
    soft = target.dtype.kind == "f"
    if not soft:
        check_labels("cross_entropy", target, C, ignore_index)
    labels = empty((0, 0), np.int64) if soft else target.reshape(N, P)               # the one of the two that does not come is empty
    probabilities = target.reshape(N, C, P) if soft else empty((0, 0, 0), x.dtype)
    if weight is None:
        weight = empty(C, x.dtype)
        weight[...] = 1
    losses, largest, logarithm = empty((N, P), x.dtype), empty((N, P), np.float64), empty((N, P), np.float64)
    sums = empty((N * -(-P // STRIP), 2), np.float64)
    rows = (x.reshape(N, C, P), soft, labels, probabilities, weight, ignore_index, float(label_smoothing))
    forward_columns(*rows, losses, largest, logarithm, sums)
    summed, divisor = sums.sum(0)
    divisor = (N * P if soft else divisor) if reduction == "mean" else 1.0
    if reduction == "none":
        loss = losses.reshape(shape)
    else:
        loss = empty((), x.dtype)
        loss[()] = summed / divisor if divisor else np.nan
    return loss, (rows, largest, logarithm, 1 / divisor if divisor else 1.0, x.shape)


def backward(grad_output, saved, needs=(True, False, False)):
    (x, soft, labels, probabilities, weight, ignore_index, smoothing), largest, logarithm, scale, shape = saved
    g = grad_output.reshape(largest.shape if grad_output.size == largest.size else (1, 1))
    dx = dt = None
    if needs[0]:
        dx = empty(shape, x.dtype)
        backward_columns(g, scale, x, soft, labels, probabilities, weight, ignore_index, smoothing, largest, logarithm, dx.reshape(x.shape))
    if needs[1]:
        dt = empty(shape, x.dtype)
        backward_target(g, scale * (1 - smoothing), x, weight, largest, logarithm, dt.reshape(x.shape))
    return dx, dt, None
