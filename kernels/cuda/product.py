"""The product of matrices that cuBLAS computes; emulated, NumPy.

cuBLAS takes memory column by column. Our matrices lie row by row: what it sees in their place are their transposes. That is no obstacle,
since (A·B)ᵀ = Bᵀ·Aᵀ: asked for the product of what it sees of B and what it sees of A, in this order, it computes (A·B)ᵀ and writes that
column by column, which is A·B row by row. Nothing is turned over in memory.

A stack of products is one call where the matrices of each operand lie equally far apart; a distance of 0 is one matrix for all.
"""
from itertools import product as places
from typing import Any

import numpy as np

from ..threads import single_threaded_blas
from . import launches, where

TF32 = 3                                          # CUBLAS_TF32_TENSOR_OP_MATH, which CuPy has no name for
GEMM = {"f4": "sgemmStridedBatched", "f8": "dgemmStridedBatched"}


def matmul(a: Any, b: Any, out: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """out = op(a) · op(b) for stacks of matrices that broadcast; op swaps the last two axes.  TF32 only where allow_tf32 says so.

    Rows are of one piece; out is not empty.
    """
    left, right = (x.swapaxes(-1, -2) if turned else x for x, turned in ((a, transpose_a), (b, transpose_b)))
    with launches.told("cuBLAS", f"product<{out.dtype}>", None, (), (), (left, right, out)) if launches.watchers else launches.NOBODY:
        if where.emulated():
            with single_threaded_blas():
                np.matmul(left, right, out=out)
        else:
            by_cublas(a, b, out, transpose_a, transpose_b)
    return out


def by_cublas(a: Any, b: Any, out: Any, transpose_a: bool, transpose_b: bool) -> None:
    import cupy                                   # pyright: ignore[reportMissingImports]
    from cupy_backends.cuda.libs import cublas    # pyright: ignore[reportMissingImports]
    handle, gemm = cupy.cuda.device.get_cublas_handle(), getattr(cublas, GEMM[out.dtype.str[1:]])
    (m, n), k = out.shape[-2:], a.shape[-2 if transpose_a else -1]
    one, zero = np.ones(1, out.dtype), np.zeros(1, out.dtype)
    rows = [max(x.shape[-1], x.strides[-2] // x.itemsize) for x in (a, b, out)]          # numbers from one row to the next
    axes = stack_axes([a, b, out])
    count, *apart = axes.pop(max(range(len(axes)), key=lambda i: axes[i][0])) if axes else (1, 0, 0, 0)
    before = cublas.getMathMode(handle)
    cublas.setMathMode(handle, TF32 if where.tf32_allowed() else cublas.CUBLAS_DEFAULT_MATH)
    try:
        for place in places(*(range(size) for size, *_ in axes)):
            A, B, C = (x.data.ptr + x.itemsize * sum(i * axis[1 + which] for i, axis in zip(place, axes))
                       for which, x in enumerate((a, b, out)))
            gemm(handle, int(transpose_b), int(transpose_a), n, m, k, one.ctypes.data, B, rows[1], apart[1], A, rows[0], apart[0],
                 zero.ctypes.data, C, rows[2], apart[2], count)
    finally:
        cublas.setMathMode(handle, before)


def stack_axes(arrays: list) -> list[tuple[int, ...]]:
    """The axes of a stack of matrices, (size, numbers from one matrix to the next in each array); neighbours as one axis where they can."""
    stack, found = arrays[-1].shape[:-2], []
    for i, size in enumerate(stack):
        apart = []
        for x in arrays:
            own = i - (len(stack) - (x.ndim - 2))                          # the axis in this array, which may have fewer
            apart.append(x.strides[own] // x.itemsize if own >= 0 and x.shape[own] > 1 else 0)
        if size == 1:
            continue
        if found and all(before == size * after for before, after in zip(found[-1][1:], apart)):
            found[-1] = (found[-1][0] * size, *apart)
        else:
            found.append((size, *apart))
    return found
