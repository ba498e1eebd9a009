"""Layer normalisation on a GPU: shapes and launches; the kernels are in gpu.cu."""
from math import prod

import numpy as np

from ..cuda import block_for, empty, grid_for, load
from ..cuda.normalise import forms, GRID, real
from . import output_shape

THREADS = 1 << 16                     # of the sums down the columns, if there are rows for them
LEAST = 16                            # rows of a part

kernels = load(__file__, forms=forms("normalise", "gradient", "column_sums"))


def forward(x, weight, bias, *, normalized_shape, eps):
    output_shape(*(getattr(a, "shape", None) for a in (x, weight, bias)), normalized_shape=normalized_shape, eps=eps)
    D = prod(normalized_shape)
    R, of_real = x.size // D if D else 0, real(D)
    y, normals = empty(x.shape, x.dtype), empty((R, 3), x.dtype if of_real == "{T}" else np.float64)
    kernels[f"normalise<{{T}}, {of_real}>"]((max(1, min(R, GRID)),), block_for(D),
                                         (x, weight, bias, y, normals, np.int64(R), np.int32(D), np.float64(eps)))
    return y, (x, weight, normals, tuple(normalized_shape))


def backward(grad_output, saved, needs):
    x, weight, normals, normalized_shape = saved
    need_x, need_weight, need_bias = (bool(need) for need in needs)
    R, D = len(normals), prod(normalized_shape)
    of_real, i32 = real(D), np.int32
    grad_x = grad_weight = grad_bias = None
    if need_x:
        grad_x = empty(x.shape, x.dtype)
        kernels[f"gradient<{{T}}, {of_real}>"]((max(1, min(R, GRID)),), block_for(D),
                                            (grad_output, x, weight, normals, grad_x, np.int64(R), i32(D)))
    if need_weight or need_bias:
        grad_weight, grad_bias = empty(normalized_shape, x.dtype), empty(normalized_shape, x.dtype)
        parts = max(1, min(-(-THREADS // max(D, 1)), R // LEAST))
        partial = empty((parts, 2, D), np.float64)
        kernels[f"column_sums<{{T}}, {of_real}>"](*grid_for(parts * D), (grad_output, x, normals, partial, np.int64(R), i32(D), i32(parts)))
        kernels.add_parts(*grid_for(D), (grad_weight, grad_bias, partial, i32(D), i32(parts)))
    return grad_x, grad_weight if need_weight else None, grad_bias if need_bias else None
