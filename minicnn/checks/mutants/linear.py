"""Mutants of the fully connected layer and of the matrix product: transposes, sums over the batch, and what broadcasting repeated.

linear:  x (…, C) · weight (K, C) · bias (K,) or None · y and g (…, K)           matmul:  a (…, m, k) · b (…, k, n) · y and g (…, m, n)
"""
import numpy as np

from ...kernels.matmul import as_matrices, broadcast
from ...kernels.matmul.reference import sum_to
from .mutant import wrong_backward, wrong_forward
from .operation import from_kernel
from .windows import wrong_gradient

LINEAR, MATMUL = from_kernel("linear"), from_kernel("matmul")
X, WEIGHT, BIAS = 0, 1, 2


# The fully connected layer.

def rows(arrays):
    """How many examples there are over all leading axes."""
    return int(np.prod(arrays[X].shape[:-1]))


def batch(arrays, options):
    return rows(arrays) > 1


def square(arrays, options):
    K, C = arrays[WEIGHT].shape
    return K == C > 1                                                        # others do not fit together, and so are found at once


@wrong_gradient(LINEAR, X, "x-weight-transposed", "The gradient of x is made with Wᵀ, as the forward: dx = g · W. With a square weight the "
                "shapes fit either way.", square)
def x_weight_transposed(g, x, weight, bias):
    return g @ weight.T


@wrong_gradient(LINEAR, WEIGHT, "weight-transposed", "The weight's gradient is transposed: dw = gᵀ · x has the weight's shape (K, C); xᵀ · "
                "g is (C, K).", lambda a, o: a[WEIGHT].shape != (1, 1))
def weight_transposed(g, x, weight, bias):
    K, C = weight.shape
    return x.reshape(-1, C).T @ g.reshape(-1, K)


@wrong_gradient(LINEAR, WEIGHT, "weight-batch-mean", "The weight's gradient is divided by the number of examples: it is a sum over them; "
                "the mean is the loss's business.", batch)
def weight_batch_mean(g, x, weight, bias):
    return LINEAR.backward(g, x, weight, bias)[WEIGHT] / rows([x])


@wrong_gradient(LINEAR, WEIGHT, "weight-first-example", "The weight's gradient comes from the first example alone: sum over all of them.",
                batch)
def weight_first_example(g, x, weight, bias):
    K, C = weight.shape
    return np.outer(g.reshape(-1, K)[0], x.reshape(-1, C)[0])


@wrong_gradient(LINEAR, WEIGHT, "weight-last-example", "Every example overwrites the weight's gradient of the one before: += instead of =.",
                batch)
def weight_last_example(g, x, weight, bias):
    K, C = weight.shape
    grad_weight = np.zeros_like(weight)
    for row, upstream in zip(x.reshape(-1, C), g.reshape(-1, K)):
        grad_weight = np.outer(upstream, row)
    return grad_weight


@wrong_gradient(LINEAR, BIAS, "bias-not-summed", "The bias gradient has a row for every example: one bias serves all of them, so sum over "
                "the leading axes.", lambda a, o: a[BIAS] is not None and a[X].ndim > 1)
def bias_not_summed(g, x, weight, bias):
    return g


@wrong_gradient(LINEAR, BIAS, "bias-first-axis", "The bias gradient is summed over the first axis alone: sum over all leading axes, "
                "g.reshape(-1, K).sum(axis=0).", lambda a, o: a[BIAS] is not None and a[X].ndim > 2)
def bias_first_axis(g, x, weight, bias):
    return g.sum(axis=0)


@wrong_gradient(LINEAR, BIAS, "bias-batch-mean", "The bias gradient is divided by the number of examples: it is a sum over them.",
                lambda a, o: a[BIAS] is not None and batch(a, o))
def bias_batch_mean(g, x, weight, bias):
    return LINEAR.backward(g, x, weight, bias)[BIAS] / rows([x])


@wrong_backward(LINEAR, "upstream-ignored", "Backward takes no account of the gradient that comes from above, as if it were all ones: by "
                "the chain rule every term is multiplied by grad_output.")
def upstream_ignored(g, x, weight, bias):
    return LINEAR.backward(np.ones_like(g), x, weight, bias)


@wrong_forward(LINEAR, "not-transposed", "The output is x · W: the weight is (K, C), so y = x · Wᵀ. With a square weight the shapes fit "
               "either way.", square)
def not_transposed(x, weight, bias):
    y = x @ weight
    return y if bias is None else y + bias


@wrong_forward(LINEAR, "bias-missing", "The bias is not added: y = x · Wᵀ + b.", lambda a, o: a[BIAS] is not None)
def bias_missing(x, weight, bias):
    return x @ weight.T


# The matrix product.

def stacks(a, b):
    """Both as matrices, and the leading axes of the product."""
    left, right = as_matrices(a.shape, b.shape)
    return a.reshape(left), b.reshape(right), broadcast(left[:-2], right[:-2])


def repeated(arrays, options):
    """Whether broadcasting repeated an operand, along an axis of more than 1."""
    A, B, stack = stacks(*arrays)
    return any(np.prod(stack) > np.prod(matrix.shape[:-2]) for matrix in (A, B))


@wrong_backward(MATMUL, "not-transposed", "The gradient of a is g · b: it is g · bᵀ. With a square b the shapes fit either way.",
                lambda a, o: stacks(*a)[1].shape[-1] == stacks(*a)[1].shape[-2] > 1)
def operand_not_transposed(g, a, b):
    A, B, stack = stacks(a, b)
    upstream = g.reshape(*stack, A.shape[-2], B.shape[-1])
    return sum_to(upstream @ B, A.shape).reshape(a.shape), MATMUL.backward(g, a, b)[1]


@wrong_backward(MATMUL, "operands-swapped", "The two gradients are in the wrong order: one for each operand, first that of a.")
def operands_swapped(g, a, b):
    return MATMUL.backward(g, a, b)[::-1]


@wrong_backward(MATMUL, "broadcast-not-summed", "The gradient of an operand that was broadcast still has the axes of the whole stack: sum "
                "over those along which it was repeated.", repeated)
def broadcast_not_summed(g, a, b):
    A, B, stack = stacks(a, b)
    upstream = g.reshape(*stack, A.shape[-2], B.shape[-1])
    grad_a, grad_b = upstream @ B.swapaxes(-1, -2), A.swapaxes(-1, -2) @ upstream
    return (grad_a[..., 0, :] if a.ndim == 1 else grad_a), (grad_b[..., 0] if b.ndim == 1 else grad_b)


@wrong_backward(MATMUL, "broadcast-averaged", "The gradient of an operand that was broadcast is the mean of those of its repetitions: it "
                "is their sum.", repeated)
def broadcast_averaged(g, a, b):
    A, B, stack = stacks(a, b)
    times_a, times_b = (np.prod(stack) / np.prod(matrix.shape[:-2]) for matrix in (A, B))
    grad_a, grad_b = MATMUL.backward(g, a, b)
    return grad_a / times_a, grad_b / times_b
