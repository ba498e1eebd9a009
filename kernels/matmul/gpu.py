"""Matrix product on a GPU: cuBLAS; or by hand, gpu.cu.

    cublas · tiles
"""
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from .. import cuda
from . import as_matrices, broadcast, output_shape

kernels = cuda.load(__file__)
ALGORITHMS = ("cublas", "tiles")
TILE, THREADS, LAYERS = 64, 256, 65535                 # as product.cuh has them; layers of a grid at most


def product(a, b, transpose_a=False, transpose_b=False, algorithm: str | None = None):
    """op(a) · op(b) for stacks of matrices, broadcast against one another; op swaps the last two axes."""
    m, k = (a.shape[-1], a.shape[-2]) if transpose_a else a.shape[-2:]
    n = b.shape[-2] if transpose_b else b.shape[-1]
    stack = broadcast(a.shape[:-2], b.shape[:-2])
    out = cuda.empty((*stack, m, n), a.dtype)
    if not (out.size and k):
        out.fill(0)
    elif algorithm == "tiles" and m <= TILE * LAYERS:                              # a grid has no more tiles along y than along z
        found, i32 = begins(cuda.mode(), stack, a.shape, b.shape), np.int32
        for first in range(0, prod(stack), LAYERS):
            some = found[first:first + LAYERS]
            kernels.tiles((-(-n // TILE), -(-m // TILE), len(some)), (THREADS,),
                          (a, b, out.reshape(-1, m, n)[first:], some, i32(m), i32(n), i32(k), i32(transpose_a), i32(transpose_b)))
    else:
        cuda.matmul(a, b, out, transpose_a, transpose_b)
    return out


@lru_cache(maxsize=64)
def begins(mode: str, stack: tuple, *operands: tuple) -> Any:
    """(products, 2): where the factors of each product of the stack begin, in numbers."""
    columns = []
    for shape in operands:
        own = np.arange(prod(shape[:-2]), dtype=np.int64).reshape(shape[:-2]) * (shape[-2] * shape[-1])
        columns.append(np.broadcast_to(own, stack).reshape(-1))
    return cuda.table(list(zip(*columns)), np.int64)


def sum_to(g, shape):
    """The adjoint of broadcasting: what was repeated is added up.  g (…) -> shape."""
    if g.shape == shape:
        return g
    missing = g.ndim - len(shape)
    axes = (*range(missing), *(missing + i for i, size in enumerate(shape) if size == 1 and g.shape[missing + i] != 1))
    total = cuda.empty(shape, g.dtype)
    g.sum(axis=axes, keepdims=True, out=total.reshape([1 if i in axes else size for i, size in enumerate(g.shape)]))
    return total


def forward(a, b, algorithm=None):
    left, right = as_matrices(a.shape, b.shape)
    y = product(a.reshape(left), b.reshape(right), algorithm=algorithm)
    return y.reshape(output_shape(a.shape, b.shape)), (a, b, algorithm)


def backward(grad_output, saved, needs):
    a, b, algorithm = saved
    left, right = as_matrices(a.shape, b.shape)
    A, B = a.reshape(left), b.reshape(right)
    g = grad_output.reshape(*broadcast(left[:-2], right[:-2]), left[-2], right[-1])
    grad_a = sum_to(product(g, B, transpose_b=True, algorithm=algorithm), A.shape).reshape(a.shape) if needs[0] else None
    grad_b = sum_to(product(A, g, transpose_a=True, algorithm=algorithm), B.shape).reshape(b.shape) if needs[1] else None
    return grad_a, grad_b
