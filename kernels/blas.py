"""Matrix products inside Numba kernels: `gemm`, BLAS by pointer.

NumPy's `dot` inside a Numba kernel knows whole arrays only and cannot add to what is there. BLAS itself takes a pointer, a row pitch
(`ld`) and a factor beta for the old content: enough for a tile of a larger matrix. SciPy exports the addresses of its BLAS; they are
registered under a name, so that compiled code can be kept on disk (an address would be another one in the next process).

BLAS is Fortran: it reads matrices by columns. A row-major (M, N) matrix is a column-major (N, M) one, so C = A·B is asked for as
Cᵀ = Bᵀ·Aᵀ: the operands change places and nothing is copied.
"""
import ctypes

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from scipy.linalg import cython_blas               # pyright: ignore[reportAttributeAccessIssue]  compiled, without annotations

from .jit import intrinsic
from .threads import limit_scipy_blas

limit_scipy_blas()                                 # one thread: the tiles are what runs on many


def _address(name: str) -> int:
    capsule = cython_blas.__pyx_capi__[name]
    get_name, get_pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return get_pointer(capsule, get_name(capsule))


for _letter in "sd":
    llvmlite.binding.add_symbol(f"minicnn_{_letter}gemm", _address(f"{_letter}gemm"))


@intrinsic
def gemm(typingctx, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    """C = alpha · op(A)·op(B) + beta · C, row-major, inside a jitted function.

    op(A) is (m, k): A itself with row pitch lda, or, where transpose_a, an array (k, m) read crosswise; likewise op(B) (k, n); C (m, n).
    a, b, c: arrays of one float type; only the address of their first element is used, so pass A[i:, j:] for a tile at (i, j).
    Nothing is checked: m, n, k and the pitches must stay within the arrays. Pitches count elements. beta = 0 ignores the old content.
    """
    letter = {types.float32: "s", types.float64: "d"}[c.dtype]
    signature = types.void(types.boolean, types.boolean, types.int64, types.int64, types.int64, c.dtype,
                           a, types.int64, b, types.int64, c.dtype, c, types.int64)

    def codegen(context, builder, sig, args):
        ta, tb, m_, n_, k_, alpha_, a_, lda_, b_, ldb_, beta_, c_, ldc_ = args
        i8, i32, real = ir.IntType(8), ir.IntType(32), context.get_value_type(c.dtype)

        def by_pointer(value, type_):
            slot = cgutils.alloca_once(builder, type_)
            builder.store(value, slot)
            return slot

        def integer(value):
            return by_pointer(builder.trunc(value, i32), i32)

        def letter_of(flag):                                        # BLAS takes 'N' or 'T'
            return by_pointer(builder.select(flag, i8(ord("T")), i8(ord("N"))), i8)

        def data(array_type, value):
            return context.make_array(array_type)(context, builder, value).data

        arguments = [letter_of(tb), letter_of(ta), integer(n_), integer(m_), integer(k_), by_pointer(alpha_, real),
                     data(b, b_), integer(ldb_), data(a, a_), integer(lda_), by_pointer(beta_, real), data(c, c_), integer(ldc_)]
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [x.type for x in arguments]),
                                                  f"minicnn_{letter}gemm")
        builder.call(function, arguments)
        return context.get_dummy_value()

    return signature, codegen
