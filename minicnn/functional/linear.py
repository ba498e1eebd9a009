"""Fully connected layers and matrix products.  Formulas and derivations: kernels/linear, kernels/matmul."""
from ..kernels.matmul import as_matrices, broadcast
from ..tensor import Tensor
from .kernel_op import KernelOp
from .shapes import sum_to


class Linear(KernelOp):
    """x (…, C), weight (K, C), bias (K,) or None -> (…, K)."""
    kernel = "linear"
    reads_outputs = False

    def definition(self, x, weight, bias):
        y = x @ weight.transpose(0, 1)
        return y if bias is None else y + bias


class Matmul(KernelOp):
    """a (…, m, k), b (…, k, n) -> (…, m, n)."""
    kernel = "matmul"
    reads_outputs = False

    def backward_graph(self, *grads):
        """da = g · bᵀ, db = aᵀ · g, summed over the axes along which an operand was repeated."""
        (g,), (a, b) = grads, self.input_tensors()
        left, right = as_matrices(a.shape, b.shape)
        A, B = a.reshape(left), b.reshape(right)
        g = g.reshape(*broadcast(left[:-2], right[:-2]), left[-2], right[-1])
        grad_a = sum_to(matmul(g, B.transpose(-1, -2)), left).reshape(a.shape) if self.edges[0] else None
        grad_b = sum_to(matmul(A.transpose(-1, -2), g), right).reshape(b.shape) if self.edges[1] else None
        return grad_a, grad_b


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y[…,k] = b[k] + Σ_c x[…,c] · w[k,c]

    input: (…, C), any number of leading axes.  weight: (K, C).  bias: (K,) or None.  Returns (…, K).
    ValueError for shapes that do not fit together, TypeError for dtypes that differ or are not floating-point.
    """
    return Linear.apply(input, weight, bias)


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """y[…,m,n] = Σ_k a[…,m,k] · b[…,k,n]                                   the operator @

    input a: (…, m, k), or a vector (k,).  other b: (…, k, n), or a vector (k,).  The leading axes are broadcast against each other.
    Returns (…, m, n), without m where a is a vector, without n where b is one.
    ValueError for shapes that do not fit together, TypeError for dtypes that differ or are not floating-point.
    """
    return Matmul.apply(input, other)
