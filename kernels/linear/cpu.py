"""A fully connected layer in Numba: three matrix products.

    1  gemm     the tiles of matmul, each a call of BLAS.
    2  tiles    vector tiles, for few examples and for many: tiles.py explains them.                         the default
"""
from math import prod

import numpy as np

from .. import memory
from ..matmul.cpu import product
from . import output_shape, tiles


def forward_gemm(x, weight, bias, y):
    y[...] = 0 if bias is None else bias
    product(x, weight, transpose_b=True, out=y, algorithm="gemm")            # y += x · wᵀ


def gradients_gemm(x, weight, g, needs):
    grad_bias = None
    if needs[2]:
        grad_bias = memory.empty(len(weight), g.dtype)
        grad_bias[...] = g.sum(axis=0, dtype=np.float64)
    return (product(g, weight, algorithm="gemm") if needs[0] else None,
            product(g, x, transpose_a=True, algorithm="gemm") if needs[1] else None, grad_bias)


ALGORITHMS = {"gemm": (forward_gemm, gradients_gemm), "tiles": (tiles.forward, tiles.gradients)}


def forward(x, weight, bias=None, *, algorithm="tiles"):
    shape = output_shape(x.shape, weight.shape, None if bias is None else bias.shape)
    count, (K, C), y = prod(shape[:-1]), weight.shape, memory.empty(shape, x.dtype)
    if y.size:
        ALGORITHMS[algorithm][0](x.reshape(count, C), weight, bias, y.reshape(count, K))
    return y, (x, weight, algorithm)


def backward(grad_output, saved, needs):
    x, weight, algorithm = saved
    K, C = weight.shape
    count = prod(x.shape[:-1])
    grad_x, *others = ALGORITHMS[algorithm][1](x.reshape(count, C), weight, grad_output.reshape(count, K), needs)
    return (None if grad_x is None else grad_x.reshape(x.shape), *others)
