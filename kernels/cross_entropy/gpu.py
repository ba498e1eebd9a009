"""Cross entropy on a GPU: shapes and launches; the kernels are in gpu.cu.

Labels are not checked: the host would have to wait for the device. One that is no class makes the loss NaN.
"""
import numpy as np

from ..cuda import empty, grid_for, load
from ..cuda.rows import READERS, reader
from ..nll_loss import as_columns
from ..nll_loss.gpu import as_labels, reduced, sizes
from . import output_shape

kernels = load(__file__, forms=tuple(f"{kernel}<{{T}}, {reader}>" for kernel in ("forward", "gradient") for reader in READERS))


def forward(x, target, weight=None, *, ignore_index, reduction, label_smoothing):
    shape = output_shape(x.shape, target.shape, None if weight is None else weight.shape,
                         ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing)
    N, C, P = as_columns(x.shape)
    labels, probabilities = (None, target) if target.dtype.kind == "f" else (as_labels(target), None)
    who, grid, block = reader(N, C, P)
    losses, statistics, sums = empty((N, P), x.dtype), empty((2, N, P), np.float64), empty((2, *grid), np.float64)
    options = np.int64(ignore_index), np.float64(1 - label_smoothing)
    kernels[f"forward<{{T}}, {who}>"](grid, block, (x, labels, probabilities, weight, losses, statistics, sums, *options, *sizes(x.shape)))
    loss, divisor = reduced(losses, sums, reduction, shape)
    return loss, (x, labels, probabilities, weight, statistics, divisor, options)


def backward(grad_output, saved, needs=(True, False, False)):
    x, labels, probabilities, weight, statistics, divisor, (ignore_index, rest) = saved
    g, one_g = grad_output.reshape(-1), np.int32(divisor is not None)
    dx = dt = None
    if needs[0]:
        dx, (who, grid, block) = empty(x.shape, x.dtype), reader(*as_columns(x.shape))
        kernels[f"gradient<{{T}}, {who}>"](grid, block, (g, x, labels, probabilities, weight, statistics, divisor, dx, ignore_index, rest,
                                                         one_g, *sizes(x.shape)))
    if needs[1]:
        dt = empty(x.shape, x.dtype)
        kernels.gradient_target(*grid_for(dt.size), (g, x, weight, statistics, divisor, dt, rest, one_g, *sizes(x.shape)))
    return dx, dt, None
