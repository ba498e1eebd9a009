"""Negative log-likelihood on a GPU: shapes and launches; the kernels are in gpu.cu.

Labels are not checked: the host would have to wait for the device. One that is no class makes the loss NaN.
"""
import numpy as np

from ..cuda import empty, grid_for, load
from . import as_columns, output_shape

kernels = load(__file__)


def as_labels(target):
    """The labels as int64, which the kernels take."""
    if target.dtype == np.int64:
        return target
    labels = empty(target.shape, np.int64)
    labels[...] = target
    return labels


def sizes(shape):
    N, C, P = as_columns(shape)
    return np.int64(N), np.int32(C), np.int32(P)


def reduced(losses, sums, reduction: str, shape):
    """(loss, what it was divided by) of the losses and their sums (2, blocks).  None for a divisor: each g is one loss's."""
    if reduction == "none":
        return losses.reshape(shape), None
    loss, divisor = empty((1,), losses.dtype), empty((1,), np.float64)
    kernels.reduce((1,), (256,), (loss, divisor, sums, np.int32(sums.shape[1]), np.int32(reduction == "mean")))
    return loss.reshape(shape), divisor


def forward(x, target, weight=None, *, ignore_index, reduction):
    shape = output_shape(x.shape, target.shape, None if weight is None else weight.shape, ignore_index=ignore_index, reduction=reduction)
    labels, losses, (grid, block) = as_labels(target), empty(target.shape, x.dtype), grid_for(target.size)
    sums = empty((2, *grid), np.float64)
    kernels.forward(grid, block, (x, labels, weight, losses, sums, np.int64(ignore_index), *sizes(x.shape)))
    loss, divisor = reduced(losses, sums, reduction, shape)
    return loss, (labels, weight, divisor, np.int64(ignore_index), x.shape, x.dtype)


def backward(grad_output, saved, needs=(True, False, False)):
    labels, weight, divisor, ignore_index, shape, dtype = saved
    if not needs[0]:
        return None, None, None
    dx, one_g = empty(shape, dtype), np.int32(divisor is not None)
    kernels.backward(*grid_for(dx.size), (grad_output.reshape(-1), labels, weight, divisor, dx, ignore_index, one_g, *sizes(shape)))
    return dx, None, None
