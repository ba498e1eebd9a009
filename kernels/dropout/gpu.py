"""Dropout on a GPU: launches; the kernels, and the random numbers, are in gpu.cu."""
from math import ceil, prod

import numpy as np

from ..cuda import empty, grid_for, load
from . import factor, output_shape

kernels = load(__file__)


def forward(x, *, p, key, channels, inverted=True):
    y = empty(output_shape(x.shape, p=p, key=key, channels=channels, inverted=inverted), x.dtype)
    planes = prod(x.shape[:2]) if channels else x.size
    values = x.size // planes if planes else 0
    arguments = x, y, np.uint32(ceil(p * 2 ** 24)), np.uint64(key.seed), np.uint64(key.stream), x.dtype.type(factor(p, inverted))
    if values > 1:
        kernels.drop_planes(*grid_for(planes * 32), (*arguments, np.int32(values), np.int64(planes)))
    else:
        kernels.drop(*grid_for(-(-x.size // 4)), (*arguments, np.int64(x.size)))
    return y, (p, key, channels, inverted)


def backward(grad_output, saved, needs):
    if not needs[0]:
        return (None,)
    p, key, channels, inverted = saved
    return (forward(grad_output, p=p, key=key, channels=channels, inverted=inverted)[0],)
