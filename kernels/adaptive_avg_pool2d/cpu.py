"""Adaptive average pooling in Numba: the boxes of kernels/avg_pool2d/cpu.py with other bounds."""
import numpy as np

from ..avg_pool2d.cpu import backward_boxes, forward_boxes
from ..memory import empty
from ..pooling import adaptive_windows
from . import output_shape


def forward(x, *, output_size):
    N, C, P, Q = output_shape(x.shape, output_size=output_size)
    top, bottom = adaptive_windows(x.shape[2], P)
    left, right = adaptive_windows(x.shape[3], Q)
    boxes = top, bottom, left, right, (bottom - top).astype(np.float64), (right - left).astype(np.float64)
    y = empty((N * C, P, Q), x.dtype)
    forward_boxes(x.reshape(N * C, *x.shape[2:]), *boxes, y)
    return y.reshape(N, C, P, Q), (x.shape, boxes)


def backward(grad_output, saved, needs=(True,)):
    if not needs[0]:
        return (None,)
    (N, C, H, W), boxes = saved
    grad_x = empty((N * C, H, W), grad_output.dtype)
    backward_boxes(grad_output.reshape(N * C, *grad_output.shape[2:]), *boxes, grad_x)
    return (grad_x.reshape(N, C, H, W),)
