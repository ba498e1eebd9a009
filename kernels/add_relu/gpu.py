"""Addition and ReLU on a GPU: launches; the kernels are in gpu.cu."""
import numpy as np

from ..cuda import empty, grid_for, load
from . import output_shape

kernels = load(__file__)


def forward(a, b):
    y = empty(output_shape(a.shape, b.shape), a.dtype)
    kernels.forward(*grid_for(y.size), (a, b, y, np.int64(y.size)))
    return y, y


def backward(grad_output, saved, needs):
    y, grad = saved, None
    if any(needs):
        grad = empty(y.shape, y.dtype)
        kernels.backward(*grid_for(y.size), (grad_output, y, grad, np.int64(y.size)))
    return grad if needs[0] else None, grad if needs[1] else None
