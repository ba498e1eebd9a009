"""Shift on a GPU: launches; the kernel is in gpu.cu."""
from functools import lru_cache
from typing import Any

import numpy as np

from .. import cuda
from ..cuda import empty, grid_for, load
from . import output_shape

kernels = load(__file__)


@lru_cache(maxsize=512)
def on_device(mode: str, offsets: tuple[tuple[int, int], ...]) -> Any:
    """The offsets, (C, 2).  mode: that of CUDA."""
    return cuda.table(offsets, np.int64)


def move(x, offsets, sign):
    y, i32 = empty(x.shape, x.dtype), np.int32
    arguments = x, y, on_device(cuda.mode(), offsets), i32(sign), *map(i32, x.shape[1:]), np.int64(x.size)
    kernels.move(*grid_for(x.size), arguments)
    return y


def forward(x, *, offsets):
    output_shape(x.shape, offsets=offsets)
    offsets = tuple((int(dy), int(dx)) for dy, dx in offsets)
    return move(x, offsets, 1), offsets


def backward(grad_output, saved, needs=(True,)):
    return (move(grad_output, saved, -1) if needs[0] else None,)
