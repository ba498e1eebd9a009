"""Adaptive average pooling in Numba: the boxes of kernels/avg_pool2d/cpu.py with other bounds.

Where the plane divides into windows of one size, they are the windows of average pooling, and the flat rung serves them too.
"""
import numpy as np

from ..avg_pool2d.cpu import average, backward, choose
from ..pooling import adaptive_windows
from . import output_shape

__all__ = ["forward", "backward"]                                        # backward: a share for each element, as for all averages


def forward(x, *, output_size):
    (H, W), (P, Q) = x.shape[2:], output_shape(x.shape, output_size=output_size)[2:]
    top, bottom = adaptive_windows(H, P)
    left, right = adaptive_windows(W, Q)
    scale, size = 1 / np.multiply.outer(bottom - top, right - left), (H // P, W // Q)
    placed = (P, Q), size, size, (0, 0), (1, 1)
    regular = H % P == W % Q == 0 and P * Q > 1
    return average(choose((H, W), placed) if regular else "boxes", x, (top, bottom, left, right), placed, scale)
