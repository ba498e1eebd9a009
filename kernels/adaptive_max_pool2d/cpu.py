"""Adaptive max pooling in Numba: the two steps of kernels/max_pool2d/cpu.py with other windows."""
import numpy as np

from ..max_pool2d.cpu import backward, forward_two_steps
from ..memory import empty
from ..pooling import adaptive_windows
from . import output_shape

__all__ = ["forward", "backward"]                                          # backward: to the winners, as for every max pooling


def forward(x, *, output_size):
    shape, _ = output_shape(x.shape, output_size=output_size)
    N, C, P, Q = shape
    rows, columns = adaptive_windows(x.shape[2], P), adaptive_windows(x.shape[3], Q)
    y, indices = empty((N * C, P, Q), x.dtype), empty((N * C, P, Q), np.int32)
    forward_two_steps.run(N * C, x.reshape(N * C, *x.shape[2:]), *rows, *columns, 1, 1, y, indices)
    indices = indices.reshape(shape)
    return (y.reshape(shape), indices), (x.shape, indices)
