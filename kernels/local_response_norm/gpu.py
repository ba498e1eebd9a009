"""Local response normalisation on a GPU: shapes and launches; the kernels are in gpu.cu."""
from math import prod

import numpy as np

from ..cuda import empty, grid_for, load
from . import output_shape

kernels = load(__file__)


def forward(x, *, size, alpha, beta, k):
    output_shape(x.shape, size=size, alpha=alpha, beta=beta, k=k)
    (N, C), P, T, i32 = x.shape[:2], prod(x.shape[2:]), x.dtype.type, np.int32
    y, D = empty(x.shape, x.dtype), empty(x.shape, x.dtype)
    kernels.forward(*grid_for(N * P), (x, y, D, i32(N), i32(C), i32(P), i32(size), T(alpha / size), T(beta), T(k)))
    return y, (x, y, D, size, alpha, beta)


def backward(grad_output, saved, needs):
    x, y, D, size, alpha, beta = saved
    if not needs[0]:
        return (None,)
    (N, C), P, T, i32 = x.shape[:2], prod(x.shape[2:]), x.dtype.type, np.int32
    dx = empty(x.shape, x.dtype)
    kernels.backward(*grid_for(N * P), (grad_output, x, y, D, dx, i32(N), i32(C), i32(P), i32(size), T(2 * alpha * beta / size), T(beta)))
    return (dx,)
