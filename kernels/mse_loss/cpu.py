"""Mean squared error in Numba: fixed blocks on many threads, a partial sum each, in float64, added up in order."""
import numpy as np

from ..memory import empty
from ..task import task
from . import output_shape

BLOCK = 8192                             # elements


@task("int64, T[::1], T[::1], T[::1], boolean, float64[::1]")
def squares_and_sums(block, x, target, losses, keep, sums):
    xs, ts = x[block * BLOCK:(block + 1) * BLOCK], target[block * BLOCK:(block + 1) * BLOCK]
    ls, total = losses[block * BLOCK:(block + 1) * BLOCK], 0.0
    for i in range(xs.size):
        difference = np.float64(xs[i]) - np.float64(ts[i])
        total += difference * difference
        if keep:
            ls[i] = difference * difference
    sums[block] = total


@task("int64, T[::1], T[::1], T[::1], float64, T[::1]")
def gradient(block, g, x, target, factor, dx):
    """dx = factor · (x − target) · g, where g has one element for each of x, or one for all."""
    xs, ts = x[block * BLOCK:(block + 1) * BLOCK], target[block * BLOCK:(block + 1) * BLOCK]
    ds = dx[block * BLOCK:(block + 1) * BLOCK]
    if g.size == x.size:
        gs = g[block * BLOCK:(block + 1) * BLOCK]
        for i in range(xs.size):
            ds[i] = factor * gs[i] * (np.float64(xs[i]) - np.float64(ts[i]))
    else:
        for i in range(xs.size):
            ds[i] = factor * g[0] * (np.float64(xs[i]) - np.float64(ts[i]))


def forward(x, target, *, reduction):
    shape = output_shape(x.shape, target.shape, reduction=reduction)
    loss = empty(shape, x.dtype)
    sums = empty(-(-x.size // BLOCK), np.float64)
    keep = reduction == "none"
    squares_and_sums.run(sums.size, x.reshape(-1), target.reshape(-1), loss.reshape(-1) if keep else empty(0, x.dtype), keep, sums)
    if not keep:
        loss[()] = sums.sum() if reduction == "sum" else sums.sum() / x.size if x.size else np.nan
    return loss, (x, target, reduction)


def backward(grad_output, saved, needs=(True, True)):
    x, target, reduction = saved
    factor = 2 / max(x.size, 1) if reduction == "mean" else 2.0
    g, gradients = grad_output.reshape(-1), []
    for needed, sign in zip(needs, (1, -1)):
        dx = empty(x.shape, x.dtype) if needed else None
        if dx is not None:
            gradient.run(-(-x.size // BLOCK), g, x.reshape(-1), target.reshape(-1), sign * factor, dx.reshape(-1))
        gradients.append(dx)
    return tuple(gradients)
