"""Matrix product on a GPU: cuBLAS. How such a product is made by hand stands in ../cuda/product.cuh, which conv2d uses."""
from .. import cuda
from . import as_matrices, broadcast, output_shape


def product(a, b, transpose_a=False, transpose_b=False):
    """op(a) · op(b) for stacks of matrices, broadcast against one another; op swaps the last two axes."""
    m, k = a.shape[:-3:-1] if transpose_a else a.shape[-2:]
    n = b.shape[-2] if transpose_b else b.shape[-1]
    out = cuda.empty((*broadcast(a.shape[:-2], b.shape[:-2]), m, n), a.dtype)
    if out.size and k:
        return cuda.matmul(a, b, out, transpose_a, transpose_b)
    out.fill(0)
    return out


def sum_to(g, shape):
    """The adjoint of broadcasting: what was repeated is added up.  g (…) -> shape."""
    if g.shape == shape:
        return g
    missing = g.ndim - len(shape)
    axes = (*range(missing), *(missing + i for i, size in enumerate(shape) if size == 1 and g.shape[missing + i] != 1))
    total = cuda.empty(shape, g.dtype)
    g.sum(axis=axes, keepdims=True, out=total.reshape([1 if i in axes else size for i, size in enumerate(g.shape)]))
    return total


def forward(a, b):
    left, right = as_matrices(a.shape, b.shape)
    return product(a.reshape(left), b.reshape(right)).reshape(output_shape(a.shape, b.shape)), (a, b)


def backward(grad_output, saved, needs):
    a, b = saved
    left, right = as_matrices(a.shape, b.shape)
    A, B = a.reshape(left), b.reshape(right)
    g = grad_output.reshape(*broadcast(left[:-2], right[:-2]), left[-2], right[-1])
    grad_a = sum_to(product(g, B, transpose_b=True), A.shape).reshape(a.shape) if needs[0] else None
    grad_b = sum_to(product(A, g, transpose_a=True), B.shape).reshape(b.shape) if needs[1] else None
    return grad_a, grad_b
