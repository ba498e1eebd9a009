"""Max pooling in Numba.

    1  two_steps    for an output row, first the maximum of every column over the rows of the window, and the row where it stands;
                    then each window compares its columns. R + S steps a window, not R·S; any windows (adaptive max pooling).
    2  flat         one comparison a tap, for all windows of a strip at once: the taps are shifted views of flat phase planes, as
                    kernels/phases.py explains.                                                                        the default

The second step of rung 1 goes from window to window, comparing number by number: where data is random, so are its jumps, and each that
was guessed wrong costs as much as twenty comparisons. Rung 2 has none.

Threads take planes (n, c); in backward no two write the same gradient.
"""
from functools import lru_cache

import numpy as np

from ..jit import jit
from ..memory import empty
from ..phases import deal, layout
from ..pooling import seen
from ..task import task
from . import output_shape

STRIP = 6144                     # numbers in the phases of a strip: with its outputs, 32 KB of float32
CHUNK = 4096                     # outputs that a thread takes at a time: planes of together so many
TAPS = 64                        # a larger window takes rung 1


@jit
def maximum(plane, top, bottom, left, right, dilation_h, dilation_w, y, indices):
    """y[p,q] = max of plane[h,w] over h = top[p], top[p] + dilation_h, … < bottom[p], and w likewise."""
    W = plane.shape[1]
    column, where = np.empty(W, plane.dtype), np.empty(W, np.int32)        # the maximum of a column, and its row
    for p in range(y.shape[0]):
        row = plane[top[p]]
        for w in range(W):
            column[w], where[w] = row[w], top[p]
        for h in range(top[p] + dilation_h, bottom[p], dilation_h):
            row, here = plane[h], np.int32(h)
            for w in range(W):
                wins = (row[w] > column[w]) | (row[w] != row[w])           # of equals the first row stays, of NaN the last
                column[w] = row[w] if wins else column[w]
                where[w] = here if wins else where[w]
        for q in range(y.shape[1]):
            best, k = column[left[q]], left[q]
            for w in range(left[q] + dilation_w, right[q], dilation_w):
                value = column[w]
                # row-major order across columns: an equal value wins from a row above, a NaN from the same row or one below
                if value > best or (value == best and where[w] < where[k]) or (value != value and (best == best or where[w] >= where[k])):
                    best, k = value, w
            y[p, q], indices[p, q] = best, where[k] * W + k


@task("int64, T[:,:,::1], int64[::1], int64[::1], int64[::1], int64[::1], int64, int64, T[:,:,::1], int32[:,:,::1]")
def forward_two_steps(plane, x, top, bottom, left, right, dilation_h, dilation_w, y, indices):
    maximum(x[plane], top, bottom, left, right, dilation_h, dilation_w, y[plane], indices[plane])


@task("int64, T[:,:,::1], int64, UniTuple(int64, 9), int64[::1], int32[::1], int32[:,::1], int32[:,::1], T[:,:,::1], int32[:,:,::1]")
def maximum_flat(number, x, chunk, layout, shifts, positions, first_seen, starts, y, indices):
    """Planes number·chunk, … of x (planes, H, W).  A window's taps lie at starts[p,q] + positions[tap] of the plane, and at shifts[tap]
    of the phases; the first one inside the plane lies at starts[p,q] + first_seen[p,q]."""
    strip, stride_h, stride_w, top, left, height, pitch, outputs, room = layout
    P, Q = y.shape[1:]
    flat, line = np.empty(room, x.dtype), np.empty(pitch * stride_w, x.dtype)
    best, where = np.empty(outputs, x.dtype), np.empty(outputs, np.int32)
    phases = flat[:stride_h * stride_w * height * pitch].reshape(stride_h, stride_w, height, pitch)
    out, found = best[:strip * pitch].reshape(strip, pitch), where[:strip * pitch].reshape(strip, pitch)
    for j in range(line.size):
        line[j] = -np.inf                                                  # the padding
    for plane in range(number * chunk, min(x.shape[0], (number + 1) * chunk)):
        for first in range(0, P, strip):
            rows = min(strip, P - first)
            deal(x[plane], first, top, left, -np.inf, line, phases)
            for i in range(outputs):
                best[i] = -np.inf
            for p in range(rows):                                          # of −∞ alone the first inside the plane wins
                for q in range(Q):
                    found[p, q] = first_seen[first + p, q]
            for tap in range(shifts.size):
                seen_through, position = flat[shifts[tap]:], positions[tap]
                for i in range(outputs):
                    value, champion, place = seen_through[i], best[i], where[i]
                    wins = (value > champion) | (value != value)           # row-major: of equals the first stays, of NaN the last
                    best[i] = value if wins else champion
                    where[i] = position if wins else place
            for p in range(rows):
                for q in range(Q):
                    y[plane, first + p, q] = out[p, q]
                for q in range(Q):
                    indices[plane, first + p, q] = starts[first + p, q] + found[p, q]


@lru_cache(maxsize=64)
def tables(plane, output, kernel_size, stride, before, dilation):
    """positions, first_seen and starts."""
    (P, Q), (R, S) = output, kernel_size
    top, left = (seen(*axis)[0] for axis in zip(plane, output, kernel_size, stride, before, dilation))
    positions = np.arange(R)[:, None] * dilation[0] * plane[1] + np.arange(S) * dilation[1]
    starts = (np.arange(P)[:, None] * stride[0] - before[0]) * plane[1] + np.arange(Q) * stride[1] - before[1]
    return [table.astype(np.int32) for table in (positions.ravel(), top[:, None] * plane[1] + left - starts, starts)]


@task("int64, T[:,::1], int32[:,::1], T[:,::1]")
def scatter(plane, grad_output, indices, grad_x):
    """grad_x[plane, indices[plane, i]] += grad_output[plane, i], from zero."""
    out, g, where = grad_x[plane], grad_output[plane], indices[plane]
    for i in range(out.size):
        out[i] = 0
    for i in range(g.size):
        out[where[i]] += g[i]


def run_two_steps(x, windows, y, indices):
    rows, columns = (seen(*axis) for axis in zip(*windows))
    forward_two_steps.run(len(x), x, *rows, *columns, *windows[-1], y, indices)


def run_flat(x, windows, y, indices):
    chunk = max(1, CHUNK // (y.shape[1] * y.shape[2]))
    maximum_flat.run(-(-len(x) // chunk), x, chunk, *layout(*windows[1:], STRIP), *tables(*windows), y, indices)


ALGORITHMS = {"two_steps": run_two_steps, "flat": run_flat}


def choose(kernel_size) -> str:
    return "flat" if kernel_size[0] * kernel_size[1] <= TAPS else "two_steps"


def forward(x, *, kernel_size, stride, padding, dilation, ceil_mode, algorithm=None):
    shape, _ = output_shape(x.shape, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    N, C, P, Q = shape
    y, indices = empty((N * C, P, Q), x.dtype), empty((N * C, P, Q), np.int32)
    windows = x.shape[2:], (P, Q), kernel_size, stride, (padding[0][0], padding[1][0]), dilation
    ALGORITHMS[algorithm or choose(kernel_size)](x.reshape(N * C, *x.shape[2:]), windows, y, indices)
    indices = indices.reshape(shape)
    return (y.reshape(shape), indices), (x.shape, indices)


def backward(grad_output, saved, needs=(True,)):
    if not needs[0]:
        return (None,)
    shape, indices = saved
    N, C, P, Q = indices.shape
    grad_x = empty((N * C, shape[2] * shape[3]), grad_output.dtype)
    scatter.run(len(grad_x), grad_output.reshape(N * C, P * Q), indices.reshape(N * C, P * Q), grad_x)
    return (grad_x.reshape(shape),)
