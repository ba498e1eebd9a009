"""Matrix product, of stacks of matrices too.

    y[…,m,n] = Σ_k a[…,m,k] · b[…,k,n]

The letters here are BLAS's:  a (…, m, k) · b (…, k, n) -> y (…, m, n). The leading axes, a stack of matrices, are broadcast against each
other. A vector a (k,) counts as one row, a vector b (k,) as one column, and the axis that this added is dropped from y.

Backward. y is linear in each operand:

    da[…,m,k] = Σ_n g[…,m,n] · b[…,k,n] = g · bᵀ              db[…,k,n] = Σ_m a[…,m,k] · g[…,m,n] = aᵀ · g

and an operand that was repeated along an axis of the stack gets the sum of the gradients of its repetitions.

    forward(a, b) -> y, saved
    backward(grad_output, saved, needs) -> (grad_a, grad_b)
"""


def as_matrices(a, b) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The two shapes with vectors as one row and one column."""
    return ((1, *a) if len(a) == 1 else tuple(a)), ((*b, 1) if len(b) == 1 else tuple(b))


def broadcast(first, second) -> tuple[int, ...]:
    """The shape in which both shapes fit, NumPy's rule.  ValueError if there is none."""
    width = max(len(first), len(second))
    pairs = zip((1,) * (width - len(first)) + tuple(first), (1,) * (width - len(second)) + tuple(second))
    found = []
    for i, j in pairs:
        if i != j and 1 not in (i, j):
            raise ValueError(f"{i} and {j} do not fit")
        found.append(j if i == 1 else i)
    return tuple(found)


def output_shape(a, b) -> tuple[int, ...]:
    """(…, m, k), (…, k, n) -> (…, m, n).  ValueError for numbers without an axis, or shapes that do not fit together."""
    if not a or not b:
        raise ValueError(f"matmul: expected arrays of at least one axis, got shapes {tuple(a)} and {tuple(b)}; multiply by a number with *")
    left, right = as_matrices(a, b)
    if left[-1] != right[-2]:
        raise ValueError(f"matmul: the last axis of the first operand, {left[-1]}, must equal the "
                         f"{'last but one' if len(b) > 1 else 'only'} axis of the second, {right[-2]}; "
                         f"got shapes {tuple(a)} and {tuple(b)}")
    try:
        stack = broadcast(left[:-2], right[:-2])
    except ValueError as problem:
        raise ValueError(f"matmul: the leading axes {left[:-2]} and {right[:-2]} cannot be broadcast against each other: {problem}; "
                         f"got shapes {tuple(a)} and {tuple(b)}") from None
    return stack + left[-2:-1] * (len(a) > 1) + right[-1:] * (len(b) > 1)
