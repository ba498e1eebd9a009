"""Interpolation on a GPU: tables of both axes, and launches; the kernels are in gpu.cu."""
from functools import lru_cache
from typing import Any

import numpy as np

from .. import cuda
from ..cuda import empty, grid_for, load
from . import output_shape, taps

kernels = load(__file__)
LARGE = 32                          # outputs that take from an input: from here on a warp shares them


@lru_cache(maxsize=512)
def axis(mode: str, n: int, m: int, scale: float | None, how: str, align_corners: bool) -> tuple[Any, Any]:
    """On the device: first and second of the m outputs, begin and end of the n inputs, and the weights (struct Axis of gpu.cu)."""
    first, second, weight = taps(n, m, scale, how, align_corners)
    begin, end = np.searchsorted(second, np.arange(n), "left"), np.searchsorted(first, np.arange(n), "right")
    return cuda.table([*first, *second, *begin, *end], np.int32), cuda.to_device(weight)


def forward(x, *, size, scale, mode, align_corners):
    N, C, P, Q = output_shape(x.shape, size=size, scale=scale, mode=mode, align_corners=align_corners)
    (H, W), i32 = x.shape[2:], np.int32
    tables = (*axis(cuda.mode(), H, P, scale and scale[0], mode, align_corners),
              *axis(cuda.mode(), W, Q, scale and scale[1], mode, align_corners))
    bilinear, y = i32(mode == "bilinear"), empty((N, C, P, Q), x.dtype)
    kernels.forward(*grid_for(y.size), (x, y, *tables, bilinear, i32(H), i32(W), i32(P), i32(Q), np.int64(y.size)))
    return y, (x.shape, tables, bilinear)


def backward(grad_output, saved, needs=(True,)):
    if not needs[0]:
        return (None,)
    shape, tables, bilinear = saved
    (H, W), (P, Q), i32 = shape[2:], grad_output.shape[2:], np.int32
    dx, lanes = empty(shape, grad_output.dtype), 32 if P * Q >= LARGE * H * W else 1
    kernels.backward(*grid_for(dx.size * lanes), (grad_output, dx, *tables, bilinear, i32(H), i32(W), i32(P), i32(Q), i32(lanes),
                                                  np.int64(dx.size)))
    return (dx,)
