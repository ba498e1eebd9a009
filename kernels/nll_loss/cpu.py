"""Negative log-likelihood in Numba.  One number is read a label: plain loops, on one thread; sums in float64."""
import numpy as np

from ..jit import jit
from ..memory import empty, zeros
from . import as_columns, check_labels, output_shape


@jit
def forward_labels(x, labels, weight, weighted, ignore_index, losses):
    """Fills losses (N, P); returns (Σ loss, Σ w[target])."""
    N, _, P = x.shape
    summed = total = 0.0
    for n in range(N):
        for p in range(P):
            t = labels[n, p]
            loss = 0.0
            if t != ignore_index:
                w = np.float64(weight[t]) if weighted else 1.0
                loss = -w * x[n, t, p]
                total += w
            losses[n, p] = loss
            summed += loss
    return summed, total


@jit
def backward_labels(g, labels, weight, weighted, ignore_index, scale, dx):
    """g (N, P), or (1, 1) for all.  dx is zero before."""
    N, _, P = dx.shape
    for n in range(N):
        for p in range(P):
            t = labels[n, p]
            if t != ignore_index:
                w = np.float64(weight[t]) if weighted else 1.0
                dx[n, t, p] = -w * scale * (g[n, p] if g.size == N * P else g[0, 0])


def forward(x, target, weight=None, *, ignore_index, reduction):
    output_shape(x.shape, target.shape, None if weight is None else weight.shape, ignore_index=ignore_index, reduction=reduction)
    N, C, P = as_columns(x.shape)
    check_labels("nll_loss", target, C, ignore_index)
    labels, weights = target.reshape(N, P), empty(0, x.dtype) if weight is None else weight
    losses = empty((N, P), x.dtype)
    summed, total = forward_labels(x.reshape(N, C, P), labels, weights, weight is not None, ignore_index, losses)
    if reduction == "none":
        loss = losses.reshape(target.shape)
    else:
        loss = empty((), x.dtype)
        loss[()] = summed if reduction == "sum" else summed / total if total else np.nan
    return loss, (labels, weights, weight is not None, ignore_index, 1 / total if reduction == "mean" and total else 1.0, x.shape, x.dtype)


def backward(grad_output, saved, needs=(True, False, False)):
    labels, weights, weighted, ignore_index, scale, shape, dtype = saved
    if not needs[0]:
        return None, None, None
    dx = zeros(as_columns(shape), dtype)
    g = grad_output.reshape(labels.shape if grad_output.size == labels.size else (1, 1))
    backward_labels(g, labels, weights, weighted, ignore_index, scale, dx)
    return dx.reshape(shape), None, None
