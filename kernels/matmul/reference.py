"""Matrix product in NumPy, to be read."""
import numpy as np

from . import as_matrices, broadcast, output_shape


def spec(a, b):
    """The formula, one output at a time: the oracle of every other form."""
    left, right = as_matrices(a.shape, b.shape)
    A, B = a.reshape(left), b.reshape(right)
    stack = broadcast(left[:-2], right[:-2])
    y = np.zeros((*stack, left[-2], right[-1]))
    for *where, m, n in np.ndindex(*y.shape):
        # an operand with fewer leading axes, or with 1 along one, is the same all along it
        i = tuple(w if size > 1 else 0 for w, size in zip(where[len(stack) - len(left) + 2:], left[:-2]))
        j = tuple(w if size > 1 else 0 for w, size in zip(where[len(stack) - len(right) + 2:], right[:-2]))
        y[(*where, m, n)] = sum(A[(*i, m, k)] * B[(*j, k, n)] for k in range(left[-1]))
    return y.reshape(output_shape(a.shape, b.shape))


def sum_to(g, shape):
    """The adjoint of broadcasting: what was repeated is added up.  g (…) -> shape."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    return g.sum(axis=tuple(i for i, size in enumerate(shape) if size == 1 and g.shape[i] != 1), keepdims=True)


def forward(a, b):
    output_shape(a.shape, b.shape)
    return np.asarray(np.matmul(a, b)), (a, b)


def backward(grad_output, saved, needs):
    a, b = saved
    left, right = as_matrices(a.shape, b.shape)
    g = grad_output.reshape(*broadcast(left[:-2], right[:-2]), left[-2], right[-1])          # the dropped axes are back
    A, B = a.reshape(left), b.reshape(right)
    grad_a = grad_b = None
    if needs[0]:
        grad_a = sum_to(g @ B.swapaxes(-1, -2), left).reshape(a.shape)
    if needs[1]:
        grad_b = sum_to(A.swapaxes(-1, -2) @ g, right).reshape(b.shape)
    return grad_a, grad_b
