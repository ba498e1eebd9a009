"""Mean squared error on a GPU: launches; the kernels are in gpu.cu."""
import numpy as np

from ..cuda import empty, grid_for, load
from . import output_shape

kernels = load(__file__)


def forward(x, target, *, reduction):
    shape = output_shape(x.shape, target.shape, reduction=reduction)
    flat, count, (grid, block) = (x.reshape(-1), target.reshape(-1)), np.int64(x.size), grid_for(x.size // 4)
    if reduction == "none":
        loss = empty(shape, x.dtype)
        kernels.squares(grid, block, (*flat, loss, count))
    else:
        loss, sums = empty((1,), x.dtype), empty(grid, np.float64)
        kernels.sum_squares(grid, block, (*flat, sums, count))
        kernels.reduce((1,), (256,), (loss, sums, np.int32(grid[0]), np.float64(x.size if reduction == "mean" else 1)))
        loss = loss.reshape(shape)
    return loss, (x, target, reduction)


def backward(grad_output, saved, needs=(True, True)):
    x, target, reduction = saved
    factor, one_g, gradients = 2 / max(x.size, 1) if reduction == "mean" else 2.0, np.int32(reduction != "none"), []
    for needed, sign in zip(needs, (1, -1)):
        dx = empty(x.shape, x.dtype) if needed else None
        if needed:
            arguments = grad_output.reshape(-1), x, target, dx, np.float64(sign * factor), one_g, np.int64(x.size)
            kernels.gradient(*grid_for(x.size // 4), arguments)
        gradients.append(dx)
    return tuple(gradients)
