"""Padding on a GPU: a table of the axes, and launches; the kernels are in gpu.cu."""
from functools import lru_cache
from typing import Any

import numpy as np

from .. import cuda
from ..cuda import empty, grid_for, load
from . import MODES, output_shape

kernels = load(__file__)


@lru_cache(maxsize=512)
def axes(mode: str, sizes: tuple[int, ...], padding: tuple[tuple[int, int], ...]) -> Any:
    """struct Axis of gpu.cu for each padded axis, on the device.  mode: that of CUDA."""
    return cuda.table([(n, n + before + after, before, max(-before, 0), n + min(before, 0) + min(after, 0))
                       for n, (before, after) in zip(sizes, padding)], np.int32)


def copy(x, shape, padding, mode, value):
    y, sizes = empty(shape, x.dtype), x.shape[-len(padding):]
    kernels.forward(*grid_for(y.size), (x, y, axes(cuda.mode(), sizes, padding), np.int32(len(padding)), np.int32(MODES.index(mode)),
                                        x.dtype.type(value), np.int64(y.size)))
    return y


def forward(x, *, padding, mode, value):
    shape, padding = output_shape(x.shape, padding=padding, mode=mode, value=value), tuple((int(b), int(a)) for b, a in padding)
    return copy(x, shape, padding, mode, value), (x.shape, padding, mode)


def backward(grad_output, saved, needs=(True,)):
    if not needs[0]:
        return (None,)
    shape, padding, mode = saved
    if mode == "constant":
        return (copy(grad_output, shape, tuple((-before, -after) for before, after in padding), mode, 0),)
    dx, sizes = empty(shape, grad_output.dtype), shape[-len(padding):]
    kernels.backward(*grid_for(dx.size), (grad_output, dx, axes(cuda.mode(), sizes, padding), np.int32(len(padding)),
                                          np.int32(MODES.index(mode)), np.int64(dx.size)))
    return (dx,)
