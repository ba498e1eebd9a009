"""A fully connected layer in Numba: three matrix products, in the tiles of matmul."""
from math import prod

import numpy as np

from .. import memory
from ..matmul.cpu import product
from . import output_shape


def forward(x, weight, bias=None):
    shape, (K, C) = output_shape(x.shape, weight.shape, None if bias is None else bias.shape), weight.shape
    y = memory.empty((prod(shape[:-1]), K), x.dtype)
    y[...] = 0 if bias is None else bias
    product(x.reshape(y.shape[0], C), weight, transpose_b=True, out=y)       # y += x · wᵀ
    return y.reshape(shape), (x, weight)


def backward(grad_output, saved, needs):
    x, weight = saved
    K, C = weight.shape
    count = prod(x.shape[:-1])
    rows, g = x.reshape(count, C), grad_output.reshape(count, K)
    grad_x = product(g, weight).reshape(x.shape) if needs[0] else None
    grad_weight = product(g, rows, transpose_a=True) if needs[1] else None
    grad_bias = None
    if needs[2]:
        grad_bias = memory.empty(K, g.dtype)
        grad_bias[...] = g.sum(axis=0, dtype=np.float64)
    return grad_x, grad_weight, grad_bias
