"""Group normalisation in Numba.

    1  groups     a thread takes one group of one image after another.                                   the only rung so far

Backward needs two sums a plane, Σ g and Σ g·x̂. Weighted with γ they add up to the two sums of the group that dx asks for; added over
the images, in order, they are dβ and dγ. All sums are float64 and each belongs to one thread: the bits do not depend on threads.
"""
from math import prod

import numpy as np

from ..memory import empty, zeros
from ..task import task
from . import output_shape


@task("int64, T[:,:,::1], T[::1], T[::1], float64, T[:,:,::1], float64[:,::1], float64[:,::1]")
def normalise(number, x, weight, bias, eps, y, mean, inverse_std):
    _, C, P = x.shape
    G = mean.shape[1]
    width = C // G
    D = max(width * P, 1)
    n, k = number // G, number % G
    total = 0.0
    for c in range(k * width, (k + 1) * width):
        row = x[n, c]
        for i in range(P):
            total += row[i]
    mu = total / D
    squares = 0.0
    for c in range(k * width, (k + 1) * width):
        row = x[n, c]
        for i in range(P):
            squares += (row[i] - mu) * (row[i] - mu)
    inverse = 1 / np.sqrt(squares / D + eps)
    for c in range(k * width, (k + 1) * width):
        row, out = x[n, c], y[n, c]
        scale, shift = weight[c] * inverse, np.float64(bias[c])
        for i in range(P):
            out[i] = (row[i] - mu) * scale + shift
    mean[n, k], inverse_std[n, k] = mu, inverse


@task("int64, T[:,:,::1], T[:,:,::1], T[::1], float64[:,::1], float64[:,::1], boolean, T[:,:,::1], float64[:,:,::1]")
def gradients(number, g, x, weight, mean, inverse_std, need_x, grad_x, sums):
    _, C, P = x.shape
    G = mean.shape[1]
    width = C // G
    D = max(width * P, 1)
    n, k = number // G, number % G
    mu, inverse = mean[n, k], inverse_std[n, k]
    group_g, group_gx = 0.0, 0.0                                    # Σ g' and Σ g'·x̂ over the group, with g' = γ·g
    for c in range(k * width, (k + 1) * width):
        g_row, row = g[n, c], x[n, c]
        sum_g, sum_gx = 0.0, 0.0
        for i in range(P):
            sum_g += g_row[i]
            sum_gx += g_row[i] * (row[i] - mu)
        sum_gx *= inverse
        sums[0, n, c], sums[1, n, c] = sum_gx, sum_g
        group_g += weight[c] * sum_g
        group_gx += weight[c] * sum_gx
    if need_x:
        along_1, along_x = inverse * group_g / D, inverse * inverse * group_gx / D
        for c in range(k * width, (k + 1) * width):
            g_row, row, out = g[n, c], x[n, c], grad_x[n, c]
            scale = weight[c] * inverse
            for i in range(P):
                out[i] = scale * g_row[i] - along_1 - (row[i] - mu) * along_x


def forward(x, weight, bias, *, num_groups, eps):
    output_shape(*(getattr(a, "shape", None) for a in (x, weight, bias)), num_groups=num_groups, eps=eps)
    N, C = x.shape[:2]
    planes = x.reshape(N, C, prod(x.shape[2:]))                         # (N, C, P), a view
    if weight is None:
        weight = empty((C,), x.dtype)
        weight[...] = 1
    bias = zeros((C,), x.dtype) if bias is None else bias
    y, mean, inverse_std = empty(planes.shape, x.dtype), empty((N, num_groups), np.float64), empty((N, num_groups), np.float64)
    normalise.run(mean.size, planes, weight, bias, float(eps), y, mean, inverse_std)
    return y.reshape(x.shape), (planes, weight, mean, inverse_std)


def backward(grad_output, saved, needs):
    x, weight, mean, inverse_std = saved
    need_x, need_weight, need_bias = (bool(need) for need in needs)
    grad_x = empty(x.shape if need_x else (0, 0, 0), x.dtype)
    sums = empty((2, *x.shape[:2]), np.float64)                         # Σ g·x̂ and Σ g of every plane
    gradients.run(mean.size, grad_output.reshape(x.shape), x, weight, mean, inverse_std, need_x, grad_x, sums)
    grad_weight, grad_bias = (np.add.reduce(sums[i], 0, out=empty(weight.shape, x.dtype), dtype=np.float64)
                              if need else None for i, need in enumerate((need_weight, need_bias)))
    return grad_x.reshape(grad_output.shape) if need_x else None, grad_weight, grad_bias
