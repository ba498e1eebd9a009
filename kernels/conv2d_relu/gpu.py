"""Convolution and ReLU on a GPU: ../conv2d, and a ReLU in place on what it wrote. Backward is relu's (../activation), then conv2d's."""
import numpy as np

from ..activation.gpu import relu
from ..conv2d import gpu as conv2d
from ..cuda import grid_for, load

kernels = load(__file__)
ALGORITHMS = conv2d.ALGORITHMS


def forward(x, weight, bias=None, *, stride, padding, dilation, groups, algorithm=None):
    y, saved = conv2d.forward(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, algorithm=algorithm)
    kernels.rectify(*grid_for(y.size), (y, np.int64(y.size)))
    return y, (y, saved)


def backward(grad_output, saved, needs):
    if not any(needs):
        return (None,) * len(needs)
    y, saved = saved
    u, = relu.backward(grad_output, (y, 0.0), (True,))
    return conv2d.backward(u, saved, needs)
