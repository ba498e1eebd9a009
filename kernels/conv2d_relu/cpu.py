"""Convolution and ReLU in Numba: ../conv2d, and a ReLU in place on what it wrote. Backward is relu's (../activation), then conv2d's."""
from numba import prange

from ..activation.cpu import BLOCK, relu
from ..conv2d import cpu as conv2d
from ..elementary import gate
from ..jit import jit

ALGORITHMS = conv2d.ALGORITHMS


@jit(parallel=True)
def rectify(y):
    """y ← max(y, 0), in place."""
    for block in prange((y.size + BLOCK - 1) // BLOCK):
        ys = y[block * BLOCK:(block + 1) * BLOCK]
        for i in range(ys.size):
            ys[i] = gate(ys[i], ys[i], ys.dtype.type(0))


def forward(x, weight, bias=None, *, stride, padding, dilation, groups, algorithm=None):
    y, saved = conv2d.forward(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, algorithm=algorithm)
    rectify(y.reshape(-1))
    return y, (y, saved)


def backward(grad_output, saved, needs):
    y, saved = saved
    u, = relu.backward(grad_output, (y, 0.0), (any(needs),))
    return conv2d.backward(u, saved, needs)
