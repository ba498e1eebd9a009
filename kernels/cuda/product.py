"""The product of matrices that cuBLAS computes; emulated, NumPy."""
from typing import Any

import numpy as np

from ..threads import single_threaded_blas
from . import launches, where


def matmul(a: Any, b: Any, out: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """out = op(a) · op(b) for stacks of matrices; op swaps the last two axes.  TF32 only where allow_tf32 says so."""
    a, b = (x.swapaxes(-1, -2) if turned else x for x, turned in ((a, transpose_a), (b, transpose_b)))
    with launches.told("cuBLAS", f"product<{out.dtype}>", None, (), (), (a, b, out)) if launches.watchers else launches.NOBODY:
        if where.emulated():
            with single_threaded_blas():
                return np.matmul(a, b, out=out)
        import cupy                               # pyright: ignore[reportMissingImports]
        handle, lib = cupy.cuda.device.get_cublas_handle(), cupy.cuda.cublas
        before = lib.getMathMode(handle)
        lib.setMathMode(handle, lib.CUBLAS_TF32_TENSOR_OP_MATH if where.tf32_allowed() else lib.CUBLAS_DEFAULT_MATH)
        try:
            return cupy.matmul(a, b, out=out)
        finally:
            lib.setMathMode(handle, before)
