"""Cross entropy in Numba.

    1  rows    a row is the scores of one position; it is gathered, in float64, and gone through with nothing else in the way.   the default

Labels and probabilities go through the same loops, as what is wanted of each class: a row q of the formula. Both rows are a few
thousand numbers in the L1 cache, and their loops vector instructions, whichever way the scores lie in memory.

Sums in float64; those over rows are one partial sum a task, added up in order.
"""
import math

import numpy as np
from numba.extending import register_jitable

from ..elementary import exp
from ..memory import empty
from ..nll_loss import as_columns, check_labels
from ..task import task
from . import output_shape

PIECE = 8192                             # scores in a task, or one row: fewer are done before a second thread has woken up


@register_jitable
def gather(x, n, p, row):
    """row[c] = x[n, c, p]; the largest."""
    m = -np.inf
    for c in range(row.size):
        v = np.float64(x[n, c, p])
        row[c] = v
        m = v if v > m else m
    return m


@register_jitable
def wanted(labels, probabilities, weight, ignore_index, rest, n, p, q):
    """q[c] of the formula, for labels (N, P) or probabilities (N, C, P): one of the two is empty.  rest: 1 − ε."""
    for c in range(q.size):
        q[c] = 0.0 if labels.size else probabilities[n, c, p]
    target = labels[n, p] if labels.size else 0
    if labels.size and target != ignore_index:
        q[target] = 1.0
    even = 0.0 if labels.size and target == ignore_index else (1.0 - rest) / q.size
    for c in range(q.size):
        q[c] = weight[c] * (rest * q[c] + even)


@task("int64, int64, T[:,:,::1], int64[:,::1], T[:,:,::1], T[::1], int64, float64, T[:,::1], float64[:,:,::1], float64[:,::1]")
def forward_rows(number, count, x, labels, probabilities, weight, ignore_index, rest, losses, statistics, sums):
    """Rows number·count …: losses (N, P), statistics (2, N, P): m and the logarithm, and Σ loss and Σ w[target] in sums[number]."""
    N, C, P = x.shape
    row, q = np.empty(C, np.float64), np.empty(C, np.float64)
    summed = divisor = 0.0
    for place in range(number * count, min(N * P, (number + 1) * count)):
        n, p = place // P, place % P
        m, total, loss = gather(x, n, p, row), 0.0, 0.0
        wanted(labels, probabilities, weight, ignore_index, rest, n, p, q)
        for c in range(C):
            row[c] -= m
        for c in range(C):
            total += exp(row[c])
        logarithm = math.log(total)
        for c in range(C):                                       # a wrong class of probability 0: not 0 · −∞ = NaN
            loss -= 0.0 if labels.size and q[c] == 0 else q[c] * (row[c] - logarithm)
        if labels.size and labels[n, p] != ignore_index:
            divisor += weight[labels[n, p]]
        losses[n, p], statistics[0, n, p], statistics[1, n, p] = loss, m, logarithm
        summed += loss
    sums[number, 0], sums[number, 1] = summed, divisor


@task("int64, int64, T[:,::1], float64, T[:,:,::1], int64[:,::1], T[:,:,::1], T[::1], int64, float64, float64[:,:,::1], T[:,:,::1]")
def backward_rows(number, count, g, scale, x, labels, probabilities, weight, ignore_index, rest, statistics, dx):
    """dx = (p·Q − q)·g·scale, p here the probabilities, Q = Σ_c q.  g: (N, P), or (1, 1) for all."""
    N, C, P = x.shape
    row, q = np.empty(C, np.float64), np.empty(C, np.float64)
    for place in range(number * count, min(N * P, (number + 1) * count)):
        n, p = place // P, place % P
        gather(x, n, p, row)
        wanted(labels, probabilities, weight, ignore_index, rest, n, p, q)
        Q, m, logarithm = 0.0, statistics[0, n, p], statistics[1, n, p]
        up = scale * (g[n, p] if g.size == N * P else g[0, 0])
        for c in range(C):
            Q += q[c]
        for c in range(C):
            row[c] = (exp(row[c] - m - logarithm) * Q - q[c]) * up
        for c in range(C):
            dx[n, c, p] = row[c]


@task("int64, T[:,::1], float64, T[:,:,::1], T[::1], float64[:,:,::1], T[:,:,::1]")
def backward_target(n, g, scale, x, weight, statistics, dt):
    """dt = −scale·w·ln p·g, for the positions of image n."""
    N, C, P = x.shape
    for c in range(C):
        for p in range(P):
            up = scale * weight[c] * (g[n, p] if g.size == N * P else g[0, 0])
            dt[n, c, p] = -up * (x[n, c, p] - statistics[0, n, p] - statistics[1, n, p])


def cut(shape) -> tuple[int, int]:
    """How many tasks, and how many rows in each."""
    N, C, P = shape
    count = max(1, PIECE // max(1, C))
    return -(-N * P // count), count


def forward(x, target, weight=None, *, ignore_index, reduction, label_smoothing):
    shape = output_shape(x.shape, target.shape, None if weight is None else weight.shape,
                         ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing)
    N, C, P = as_columns(x.shape)
    soft = target.dtype.kind == "f"
    labels = empty((0, 0) if soft else (N, P), np.int64)
    if not soft:
        check_labels("cross_entropy", target, C, ignore_index)
        labels[...] = target.reshape(N, P)
    probabilities = target.reshape(N, C, P) if soft else empty((0, 0, 0), x.dtype)
    if weight is None:
        weight = empty(C, x.dtype)
        weight[...] = 1
    rows = (x.reshape(N, C, P), labels, probabilities, weight, ignore_index, 1.0 - label_smoothing)
    tasks, count = cut((N, C, P))
    losses, statistics, sums = empty((N, P), x.dtype), empty((2, N, P), np.float64), empty((tasks, 2), np.float64)
    forward_rows.run(tasks, count, *rows, losses, statistics, sums)
    summed, divisor = sums.sum(0)
    divisor = (N * P if soft else divisor) if reduction == "mean" else 1.0
    if reduction == "none":
        loss = losses.reshape(shape)
    else:
        loss = empty((), x.dtype)
        loss[()] = summed / divisor if divisor else np.nan
    return loss, (rows, statistics, 1 / divisor if divisor else 1.0, x.shape)


def backward(grad_output, saved, needs=(True, False, False)):
    (x, labels, probabilities, weight, ignore_index, rest), statistics, scale, shape = saved
    g = grad_output.reshape(statistics.shape[1:] if grad_output.size == statistics[0].size else (1, 1))
    dx = dt = None
    if needs[0]:
        dx, (tasks, count) = empty(shape, x.dtype), cut(x.shape)
        backward_rows.run(tasks, count, g, scale, x, labels, probabilities, weight, ignore_index, rest, statistics, dx.reshape(x.shape))
    if needs[1]:
        dt = empty(shape, x.dtype)
        backward_target.run(len(x), g, scale * rest, x, weight, statistics, dt.reshape(x.shape))
    return dx, dt, None
