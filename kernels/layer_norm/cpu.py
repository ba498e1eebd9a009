"""Layer normalisation in Numba.

    1  rows     a thread takes rows, or in backward blocks of rows, one after another.                   the only rung so far

Sums over a row are float64 and belong to one thread. dγ and dβ are sums over rows: every block of rows makes a partial sum of its
own and the partial sums are added in order. The blocks depend on the number of rows alone, so the bits do not depend on threads.
"""
from math import prod

import numpy as np

from ..memory import empty, zeros
from ..task import task
from . import output_shape

BLOCKS = 16            # at most so many partial sums of dγ and dβ, whatever the number of rows


@task("int64, T[:,::1], T[::1], T[::1], float64, T[:,::1], float64[::1], float64[::1]")
def normalise(r, x, weight, bias, eps, y, mean, inverse_std):
    D = x.shape[1]
    row, out = x[r], y[r]
    total = 0.0
    for d in range(D):
        total += row[d]
    mu = total / D
    squares = 0.0
    for d in range(D):
        squares += (row[d] - mu) * (row[d] - mu)
    inverse = 1 / np.sqrt(squares / D + eps)
    for d in range(D):
        out[d] = (row[d] - mu) * inverse * weight[d] + bias[d]
    mean[r], inverse_std[r] = mu, inverse


@task("int64, T[:,::1], T[:,::1], T[::1], float64[::1], float64[::1], boolean, boolean, T[:,::1], float64[:,:,::1]")
def gradients(block, g, x, weight, mean, inverse_std, need_x, need_affine, grad_x, partial):
    rows, D = x.shape
    blocks = partial.shape[0]
    weight_sum, bias_sum = partial[block, 0], partial[block, 1]
    for d in range(D):
        weight_sum[d] = bias_sum[d] = 0
    for r in range(block * rows // blocks, (block + 1) * rows // blocks):
        g_row, row, mu, inverse = g[r], x[r], mean[r], inverse_std[r]
        if need_affine:
            for d in range(D):
                bias_sum[d] += g_row[d]
                weight_sum[d] += g_row[d] * ((row[d] - mu) * inverse)
        if need_x:
            sum_g, sum_gx = 0.0, 0.0                                # Σ g' and Σ g'·x̂, with g' = γ·g
            for d in range(D):
                of_normalised = np.float64(g_row[d]) * weight[d]
                sum_g += of_normalised
                sum_gx += of_normalised * (row[d] - mu)
            along_1, along_x = sum_g / D, sum_gx / D * inverse * inverse
            out = grad_x[r]
            for d in range(D):
                out[d] = inverse * (np.float64(g_row[d]) * weight[d] - along_1 - (row[d] - mu) * along_x)


def forward(x, weight, bias, *, normalized_shape, eps):
    output_shape(*(getattr(a, "shape", None) for a in (x, weight, bias)), normalized_shape=normalized_shape, eps=eps)
    D = prod(normalized_shape)
    rows = x.reshape(x.size // D if D else 0, D)                        # a view
    if weight is None:
        weight = empty((D,), x.dtype)
        weight[...] = 1
    weight = weight.reshape(D)
    bias = zeros((D,), x.dtype) if bias is None else bias.reshape(D)
    y, mean, inverse_std = empty(rows.shape, x.dtype), empty((len(rows),), np.float64), empty((len(rows),), np.float64)
    normalise.run(len(rows), rows, weight, bias, float(eps), y, mean, inverse_std)
    return y.reshape(x.shape), (rows, weight, mean, inverse_std, tuple(normalized_shape))


def backward(grad_output, saved, needs):
    x, weight, mean, inverse_std, normalized_shape = saved
    need_x, need_weight, need_bias = (bool(need) for need in needs)
    grad_x = empty(x.shape if need_x else (0, 0), x.dtype)
    partial = empty((min(BLOCKS, len(x)), 2, x.shape[1]), np.float64)
    gradients.run(len(partial), grad_output.reshape(x.shape), x, weight, mean, inverse_std, need_x, need_weight or need_bias,
                  grad_x, partial)
    grad_weight, grad_bias = (np.add.reduce(partial[:, i], 0, out=empty(weight.shape, x.dtype), dtype=np.float64).reshape(normalized_shape)
                              if need else None for i, need in enumerate((need_weight, need_bias)))
    return grad_x.reshape(grad_output.shape) if need_x else None, grad_weight, grad_bias
