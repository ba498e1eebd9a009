"""A fully connected layer on a GPU: three matrix products of cuBLAS, and the bias in gpu.cu."""
from math import prod

import numpy as np

from ..cuda import empty, grid_for, load, matmul
from . import output_shape

kernels = load(__file__)


def forward(x, weight, bias=None):
    shape = output_shape(x.shape, weight.shape, None if bias is None else bias.shape)
    count, (K, C), y = prod(shape[:-1]), weight.shape, empty(shape, x.dtype)
    if y.size:
        matmul(x.reshape(count, C), weight, y.reshape(count, K), transpose_b=True)
        if bias is not None:
            kernels.add_bias(*grid_for(y.size), (y, bias, np.int64(y.size), np.int32(K)))
    return y, (x, weight)


def backward(grad_output, saved, needs):
    x, weight = saved
    (K, C), count = weight.shape, prod(x.shape[:-1])
    g, rows = grad_output.reshape(count, K), x.reshape(count, C)
    grad_x = grad_weight = grad_bias = None
    if needs[0]:
        grad_x = empty(x.shape, x.dtype)
        if grad_x.size:
            matmul(g, weight, grad_x.reshape(count, C))
    if needs[1]:
        grad_weight = empty(weight.shape, x.dtype)
        if count and grad_weight.size:
            matmul(g, rows, grad_weight, transpose_a=True)
        else:
            grad_weight.fill(0)
    if needs[2]:
        grad_bias = empty((K,), x.dtype)
        kernels.sum_rows(*grid_for(K), (g, grad_bias, np.int32(count), np.int32(K)))
    return grad_x, grad_weight, grad_bias
