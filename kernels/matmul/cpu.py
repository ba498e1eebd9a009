"""Matrix product in Numba: the output is cut into fixed pieces, which run on many threads.

    1  gemm     one call of BLAS, on one thread, for each piece.
    2  tiles    vector tiles, on copies of the operands in the order in which they are read: tiles.py.             the default

BLAS left to itself would cut by the number of its threads, and the bits of the sums would follow. Here the shapes alone say how the
output is cut, and where a sum over k is interrupted: the same bits with any number of threads.
"""
import numpy as np

from .. import memory
from ..blas import gemm
from ..task import task
from . import as_matrices, broadcast, output_shape, tiles

TILE_M, TILE_N = 64, 256           # rows and columns of a piece for BLAS: with smaller ones it reads the operands too often


@task("int64, boolean, boolean, int64, int64, int64, T[::1], int64[::1], T[::1], int64[::1], boolean, T[:,:,::1]")
def piece(number, transpose_a, transpose_b, m, n, k, a, a_starts, b, b_starts, add, out):
    """A piece of out (stack, m, n) = op(a)·op(b), added to what is there if `add`.

    a, b: flat; matrix i of the stack starts at a_starts[i] …
    """
    lda, ldb, beta = m if transpose_a else k, k if transpose_b else n, out.dtype.type(1 if add else 0)
    tiles_m, tiles_n = (m + TILE_M - 1) // TILE_M, (n + TILE_N - 1) // TILE_N
    i, row, column = number // (tiles_m * tiles_n), number // tiles_n % tiles_m * TILE_M, number % tiles_n * TILE_N
    gemm(transpose_a, transpose_b, min(TILE_M, m - row), min(TILE_N, n - column), k, out.dtype.type(1),
         a[a_starts[i] + (row if transpose_a else row * lda):], lda, b[b_starts[i] + (column * ldb if transpose_b else column):], ldb,
         beta, out[i, row:, column:], n)


def run_gemm(transpose_a, transpose_b, m, n, *rest):
    piece.run(len(rest[-1]) * -(-m // TILE_M) * -(-n // TILE_N), transpose_a, transpose_b, m, n, *rest)


def starts(shape, stack) -> np.ndarray:
    """Where each matrix of the broadcast stack begins in an operand of the shape."""
    count = int(np.prod(shape[:-2]))
    numbers = np.arange(count).reshape(shape[:-2]) * (shape[-2] * shape[-1])
    return np.broadcast_to(numbers, stack).ravel()


ALGORITHMS = {"gemm": run_gemm, "tiles": tiles.run}


def product(a, b, transpose_a=False, transpose_b=False, out=None, algorithm="tiles"):
    """op(a) · op(b) for stacks of matrices, C-contiguous; added to out where it is given.  op swaps the last two axes."""
    m, k = a.shape[:-3:-1] if transpose_a else a.shape[-2:]
    n = b.shape[-2] if transpose_b else b.shape[-1]
    stack = broadcast(a.shape[:-2], b.shape[:-2])
    add = out is not None
    if out is None:
        out = (memory.empty if k else memory.zeros)((*stack, m, n), a.dtype)
    if out.size and k:
        ALGORITHMS[algorithm](transpose_a, transpose_b, m, n, k, a.reshape(-1), starts(a.shape, stack), b.reshape(-1),
                              starts(b.shape, stack), add, out.reshape(-1, m, n))
    return out


def sum_to(g, shape):
    """The adjoint of broadcasting: what was repeated is added up, in order.  g (…) -> shape."""
    if g.shape == shape:
        return g
    missing = g.ndim - len(shape)
    axes = (*range(missing), *(missing + i for i, size in enumerate(shape) if size == 1 and g.shape[missing + i] != 1))
    total = memory.empty(shape, g.dtype)
    np.add.reduce(g, axis=axes, out=total.reshape([1 if i in axes else size for i, size in enumerate(g.shape)]), keepdims=True)
    return total


def forward(a, b, *, algorithm="tiles"):
    left, right = as_matrices(a.shape, b.shape)
    shape = output_shape(a.shape, b.shape)
    A, B = a.reshape(left), b.reshape(right)
    if B.ndim == 2:
        A = A.reshape(1, -1, left[-1]) if A.size else A                      # one b for the whole stack: a single tall matrix
    return product(A, B, algorithm=algorithm).reshape(shape), (a, b, algorithm)


def backward(grad_output, saved, needs):
    a, b, algorithm = saved
    left, right = as_matrices(a.shape, b.shape)
    A, B = a.reshape(left), b.reshape(right)
    g = grad_output.reshape(*broadcast(left[:-2], right[:-2]), left[-2], right[-1])
    if B.ndim == 2 and A.size and g.size:
        A, g = A.reshape(-1, left[-1]), g.reshape(-1, right[-1])
    grad_a = grad_b = None
    if needs[0]:
        grad_a = sum_to(product(g, B, transpose_b=True, algorithm=algorithm), A.shape).reshape(a.shape)
    if needs[1]:
        grad_b = sum_to(product(A, g, transpose_a=True, algorithm=algorithm), B.shape).reshape(b.shape)
    return grad_a, grad_b
