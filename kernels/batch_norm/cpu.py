"""Batch normalisation in Numba.

    1  channels     a thread takes whole channels: mean, variance and output in three passes, and a channel that fits into the
                    L2 cache is read from memory once.                                                   the only rung so far

A channel is one thread's work from end to end, so its sums have the same order with any number of threads. Sums and differences
are float64, also for float32 arrays: next to a mean of 10⁴ the difference x − μ of two float32 numbers would keep three digits.
"""
from math import prod

import numpy as np
from numba import prange

from ..jit import jit
from ..memory import empty, zeros
from . import output_shape


@jit(parallel=True)
def normalise(x, weight, bias, running_mean, running_var, training, momentum, eps, y, mean, inverse_std):
    N, C, P = x.shape                                                   # P: all that follows the channels
    M = N * P
    for c in prange(C):
        mu, variance = np.float64(running_mean[c]), np.float64(running_var[c])
        if training and M > 0:
            total = 0.0
            for n in range(N):
                row = x[n, c]
                for i in range(P):
                    total += row[i]
            mu = total / M
            squares = 0.0                                               # second pass: no Σx² − M·μ², whose digits cancel
            for n in range(N):
                row = x[n, c]
                for i in range(P):
                    squares += (row[i] - mu) * (row[i] - mu)
            variance = squares / M
            running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mu
            running_var[c] = (1 - momentum) * running_var[c] + momentum * squares / (M - 1)
        mean[c], inverse_std[c] = mu, 1 / np.sqrt(variance + eps)
        scale, shift = weight[c] * inverse_std[c], np.float64(bias[c])
        for n in range(N):
            row, out = x[n, c], y[n, c]
            for i in range(P):
                out[i] = (row[i] - mu) * scale + shift


@jit(parallel=True)
def gradients(g, x, weight, mean, inverse_std, training, need_x, need_sums, grad_x, grad_weight, grad_bias):
    N, C, P = x.shape
    M = N * P
    for c in prange(C):
        mu, inverse = mean[c], inverse_std[c]
        sum_g, sum_gx = 0.0, 0.0                                        # Σ g = dβ and Σ g·x̂ = dγ
        if need_sums:
            for n in range(N):
                g_row, row = g[n, c], x[n, c]
                for i in range(P):
                    sum_g += g_row[i]
                    sum_gx += g_row[i] * (row[i] - mu)
            sum_gx *= inverse
        grad_weight[c], grad_bias[c] = sum_gx, sum_g
        if need_x:
            scale = weight[c] * inverse
            along_1, along_x = sum_g / M, sum_gx / M * inverse          # what leaves g, along 1 and along x̂ = (x − μ)·inverse
            for n in range(N):
                g_row, row, out = g[n, c], x[n, c], grad_x[n, c]
                if training:
                    for i in range(P):
                        out[i] = scale * (g_row[i] - along_1 - (row[i] - mu) * along_x)
                else:
                    for i in range(P):
                        out[i] = scale * g_row[i]


def by_channel(x):
    """(N, C, …) -> (N, C, P), a view.  Features (N, C) -> (1, C, N), a copy: a channel is then read in one run, not one value a row."""
    if x.ndim > 2:
        return x.reshape(*x.shape[:2], prod(x.shape[2:]))
    columns = empty((1, *x.shape[::-1]), x.dtype)
    columns[0] = x.T
    return columns


def as_given(planes, shape):
    """The way back."""
    if len(shape) > 2:
        return planes.reshape(shape)
    rows = empty(shape, planes.dtype)
    rows[...] = planes[0].T
    return rows


def forward(x, weight, bias, running_mean, running_var, *, training, momentum, eps):
    output_shape(*(getattr(a, "shape", None) for a in (x, weight, bias, running_mean, running_var)),
                 training=training, momentum=momentum, eps=eps)
    C = x.shape[1]
    planes = by_channel(x)
    if weight is None:
        weight = empty((C,), x.dtype)
        weight[...] = 1
    bias = zeros((C,), x.dtype) if bias is None else bias
    if running_mean is None:                                            # written, and read by nobody
        running_mean, running_var = zeros((C,), x.dtype), zeros((C,), x.dtype)
    y, mean, inverse_std = empty(planes.shape, x.dtype), empty((C,), np.float64), empty((C,), np.float64)
    normalise(planes, weight, bias, running_mean, running_var, bool(training), float(momentum), float(eps), y, mean, inverse_std)
    return as_given(y, x.shape), (x, weight, mean, inverse_std, bool(training))


def backward(grad_output, saved, needs):
    x, weight, mean, inverse_std, training = saved
    need_x, need_weight, need_bias = (bool(need) for need in needs[:3])
    planes = by_channel(x)
    grad_planes = empty(planes.shape if need_x else (0, 0, 0), x.dtype)
    grad_weight, grad_bias = empty(weight.shape, x.dtype), empty(weight.shape, x.dtype)
    gradients(by_channel(grad_output), planes, weight, mean, inverse_std, training,
              need_x, training or need_weight or need_bias, grad_planes, grad_weight, grad_bias)
    return (as_given(grad_planes, x.shape) if need_x else None,
            grad_weight if need_weight else None, grad_bias if need_bias else None, None, None)
