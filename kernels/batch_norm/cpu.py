"""Batch normalisation in Numba, alone or with a ReLU behind it (../batch_norm_relu).

    1  blocks of channels     a block is read from memory once: its sums first, then, while it is in the L2 cache, what is written.
                                                                                                          the only rung so far
Memory is what it waits for. So nothing is read that can be computed, and the arithmetic is that of the array's own type: a register
holds twice as many float32 as float64. Three things keep the seven digits of float32, next to a mean of 10⁴ too.

Mean and variance, in one pass.  A run is at most 512 numbers of one plane. Its sums are those of x − near and (x − near)², where near is
the mean of the runs before it, so that the numbers summed are small. Then, in float64, the run joins the others: with S the sum of
squares about the mean, and share = (numbers of the run) / (numbers so far),

    away = (mean of the run) − mean        mean ← mean + away · share        S ← S + S_run + away² · (numbers before) · share

No Σx² − M·μ², whose digits cancel. The first run takes for near the mean of its first numbers. (Chan, Golub, LeVeque, "Algorithms for
Computing the Sample Variance: Analysis and Recommendations", 1983, equation 2.1.)

The output.  centre is μ rounded to the type; near μ the difference x − centre is exact. What the rounding of μ cut off is the same for
every x of the channel, and joins the constants:

    y = (x − centre) · factor + shift        factor = γ/√(σ² + ε)        shift = β + (centre − μ) · factor

The input gradient, likewise.  With u = g, or 0 where a ReLU let nothing through, and level for Σu/M rounded,

    dx = ((u − level) − (x − centre) · slope) · factor + rest       slope = Σu·(x − μ)/M / (σ² + ε)

Where there are few numbers they may cancel, all of them (two of a channel, in training, are ±1 whatever they are), and nothing of that
size would hide it: float32 arrays are then computed in float64.

A ReLU is a floor under y: 0, or NaN where there is none, since nothing is ≤ NaN. Both operations run the same machine code, so they give
the same bits. Where y ≤ floor, backward finds by computing y anew: it reads x in any case, and y would be a third array to read.

A channel is the work of one thread from end to end: the bits depend neither on the number of threads nor on the blocks.
"""
from math import prod

import numpy as np
from numba.extending import register_jitable

from ..elementary import fma, gate
from ..memory import empty
from ..task import task
from . import output_shape

CACHE = 1 << 19                        # bytes of a block of channels, in all its arrays: half of the L2 cache of a small CPU
SMALL = 1 << 15                        # numbers with which one thread is done before a second one has woken up
FEW = 32                               # in training numbers a channel, in evaluation in all: up to so many, in float64
RUN = 512                              # numbers whose sums are taken in the type of the array
FIRST = 64                             # numbers whose mean is near for the first run
NO_FLOOR = np.nan


@register_jitable
def constants(x, mean, inverse_std, weight, bias):
    """centre, factor and shift of a channel in the type of x, and factor in float64.  The same bits in forward and backward."""
    centre, factor = x.dtype.type(mean), weight * inverse_std
    return centre, x.dtype.type(factor), x.dtype.type(fma(centre - mean, factor, np.float64(bias))), factor


@register_jitable
def output(x, centre, factor, shift):
    """y before the floor.  The same bits in forward and backward."""
    return fma(x - centre, factor, shift)


@task("int64, T[:,:,::1], int64, T[::1], T[::1], T[::1], T[::1], boolean, float64, float64, T, T[:,:,::1], float64[:,::1]")
def normalise_block(number, x, block, weight, bias, running_mean, running_var, training, momentum, eps, floor, y, statistics):
    """The channels number·block … of x (N, C, P).  statistics (2, C): mean and 1/√(σ² + ε), in the meantime S."""
    N, C, P = x.shape
    first, last = number * block, min((number + 1) * block, C)
    M, zero = N * P, x.dtype.type(0)
    mean, inverse_std = statistics[0], statistics[1]
    if not training or M == 0:
        for c in range(first, last):
            mean[c], inverse_std[c] = running_mean[c], 1 / np.sqrt(running_var[c] + eps)
    else:
        for c in range(first, last):
            start, total = x[0, c, :FIRST], zero
            for i in range(start.size):
                total += start[i]
            mean[c], inverse_std[c] = total / start.size, 0.0
        for n in range(N):
            for c in range(first, last):
                plane = x[n, c]
                for begin in range(0, P, RUN):
                    run, near = plane[begin:begin + RUN], x.dtype.type(mean[c])
                    total, square = zero, zero
                    for i in range(run.size):
                        d = run[i] - near
                        total += d
                        square += d * d
                    before, off = n * P + begin, np.float64(total) / run.size
                    away, share = near + off - mean[c], run.size / (before + run.size)
                    mean[c] += away * share
                    inverse_std[c] += square - off * off * run.size + away * away * before * share
        for c in range(first, last):
            squares = inverse_std[c]
            running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean[c]
            running_var[c] = (1 - momentum) * running_var[c] + momentum * squares / (M - 1)
            inverse_std[c] = 1 / np.sqrt(squares / M + eps)
    for n in range(N):
        for c in range(first, last):
            plane, out = x[n, c], y[n, c]
            centre, factor, shift, _ = constants(x, mean[c], inverse_std[c], weight[c], bias[c])
            for i in range(P):
                v = output(plane[i], centre, factor, shift)
                out[i] = gate(v, v, floor)


@task("int64, T[:,:,::1], T[:,:,::1], int64, T[::1], T[::1], float64[:,::1], boolean, boolean, boolean, T, T[:,:,::1], "
      "T[::1], T[::1], float64[:,::1]")
def block_gradients(number, g, x, block, weight, bias, statistics, training, need_x, need_sums, floor, grad_x, grad_weight,
                    grad_bias, sums):
    """The gradients of the channels number·block ….  sums (2, C): Σu and Σu·(x − μ)."""
    N, C, P = x.shape
    first, last = number * block, min((number + 1) * block, C)
    M, zero = N * P, x.dtype.type(0)
    mean, inverse_std = statistics[0], statistics[1]
    if need_sums:
        for c in range(first, last):
            sums[0, c] = sums[1, c] = 0
        for n in range(N):
            for c in range(first, last):
                g_plane, plane = g[n, c], x[n, c]
                centre, factor, shift, _ = constants(x, mean[c], inverse_std[c], weight[c], bias[c])
                for begin in range(0, P, RUN):
                    g_run, run = g_plane[begin:begin + RUN], plane[begin:begin + RUN]
                    total, product = zero, zero
                    for i in range(run.size):
                        u = gate(g_run[i], output(run[i], centre, factor, shift), floor)
                        total += u
                        product += u * (run[i] - centre)
                    sums[0, c] += total
                    sums[1, c] += product
        for c in range(first, last):
            sums[1, c] += (x.dtype.type(mean[c]) - mean[c]) * sums[0, c]
            grad_bias[c], grad_weight[c] = sums[0, c], sums[1, c] * inverse_std[c]
    if need_x:
        for n in range(N):
            for c in range(first, last):
                g_plane, plane, out = g[n, c], x[n, c], grad_x[n, c]
                centre, factor, shift, scale = constants(x, mean[c], inverse_std[c], weight[c], bias[c])
                if training:
                    along_1, along_x = sums[0, c] / M, sums[1, c] / M * inverse_std[c] ** 2
                    level, slope = x.dtype.type(along_1), x.dtype.type(-along_x)
                    rest = x.dtype.type(scale * (level - along_1 + (mean[c] - centre) * along_x))
                    for i in range(P):
                        u = gate(g_plane[i], output(plane[i], centre, factor, shift), floor)
                        out[i] = fma(fma(plane[i] - centre, slope, u - level), factor, rest)
                else:
                    for i in range(P):
                        out[i] = gate(g_plane[i], output(plane[i], centre, factor, shift), floor) * factor


def channels_at_once(x, arrays: int) -> int:
    """Channels in a block of x (N, C, P) and as many numbers of each of the other arrays; all of them where there is little to do."""
    N, C, P = x.shape
    return max(1, C) if x.size <= SMALL else max(1, min(C // 16, CACHE // (arrays * N * P * x.itemsize)))


def by_channel(x, dtype):
    """(N, C, …) -> (N, C, P), a view.  Features (N, C) -> (1, C, N), a copy: a channel is then read in one run, not one value a row."""
    if x.ndim > 2:
        return as_type(x, dtype).reshape(*x.shape[:2], prod(x.shape[2:]))
    columns = empty((1, *x.shape[::-1]), dtype)
    columns[0] = x.T
    return columns


def as_given(planes, shape, dtype):
    """The way back."""
    if len(shape) > 2:
        return as_type(planes, dtype).reshape(shape)
    rows = empty(shape, dtype)
    rows[...] = planes[0].T
    return rows


def as_type(x, dtype):
    if x.dtype == dtype:
        return x
    copy = empty(x.shape, dtype)
    copy[...] = x
    return copy


def computed_in(x, training: bool):
    """The type in which there are enough numbers."""
    count = x.size // x.shape[1] if training and x.size else x.size
    return np.dtype(np.float64) if count <= FEW else x.dtype


def constant(value: float, C: int, dtype):
    row = empty((C,), dtype)
    row[...] = value
    return row


def forward(x, weight, bias, running_mean, running_var, *, training, momentum, eps, floor=NO_FLOOR):
    output_shape(*(getattr(a, "shape", None) for a in (x, weight, bias, running_mean, running_var)),
                 training=training, momentum=momentum, eps=eps)
    C, real = x.shape[1], computed_in(x, training)
    planes = by_channel(x, real)
    # where there is none: the factor 1, the offset 0, and running values that are written and read by nobody
    rows = [constant(value, C, real) if a is None else as_type(a, real)
            for a, value in zip((weight, bias, running_mean, running_var), (1, 0, 0, 0))]
    y, statistics = empty(planes.shape, real), empty((2, C), np.float64)
    block = channels_at_once(planes, 2)
    normalise_block.run(-(-C // block), planes, block, *rows, bool(training), float(momentum), float(eps), floor, y, statistics)
    for given, written in zip((running_mean, running_var), rows[2:]):
        if training and given is not None and written is not given:
            given[...] = written
    return as_given(y, x.shape, x.dtype), (x, *rows[:2], statistics, bool(training), floor)


def backward(grad_output, saved, needs):
    x, weight, bias, statistics, training, floor = saved
    need_x, need_weight, need_bias = (bool(need) for need in needs[:3])
    planes, real = by_channel(x, weight.dtype), weight.dtype
    grad_planes = empty(planes.shape if need_x else (0, 0, 0), real)
    grad_weight, grad_bias = empty(weight.shape, real), empty(weight.shape, real)
    block = channels_at_once(planes, 3)
    need_sums = training or need_weight or need_bias
    block_gradients.run(-(-len(weight) // block), by_channel(grad_output, real), planes, block, weight, bias, statistics, training, need_x,
                        need_sums, floor, grad_planes, grad_weight, grad_bias, empty(statistics.shape, np.float64))
    return (as_given(grad_planes, x.shape, x.dtype) if need_x else None,
            as_type(grad_weight, x.dtype) if need_weight else None, as_type(grad_bias, x.dtype) if need_bias else None, None, None)
