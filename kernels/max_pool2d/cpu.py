"""Max pooling in Numba.

    1  two_steps    for an output row, first the maximum of every column over the rows of the window, and the row where it stands;
                    then each window compares its columns. R + S steps a window, not R·S; any windows (adaptive max pooling).
    2  flat         one comparison a tap, for all outputs of a strip at once: the taps are shifted views of a flat copy.   the default

The second step of rung 1 goes from window to window, comparing numbers one by one: where data is random, so are its jumps. Rung 2 has
none. The trick, for stride 2 and a 3×3 window (Q = 3 outputs a row): the padded plane is dealt out into stride² phase planes, as one
deals cards, so that the neighbours in a phase are what neighbouring windows see through the same tap.

      padded plane              phase 0,0       phase 0,1       phase 1,0 …
      a b a b a b a b           a a a a         b b b b         c c c c          tap (r, s) lies in phase (r mod 2, s mod 2),
      c d c d c d c d           a a a a         b b b b         c c c c          (r div 2) rows down and (s div 2) columns right:
      a b a b a b a b           a a a a         b b b b                          all windows see it through one constant shift
      …                                                                          of the flat phase plane

Every tap is then one loop over a flat array, from row to row without a stop:  best[i] = max(best[i], phase[shift + i]). The outputs
stand at the pitch of the phase planes, which is a little more than Q; what lies between them is computed for nothing. A strip of output
rows is short enough for its phases to stay in the L1 cache.

Threads take strips of planes (n, c); in backward they take planes, and no two write the same gradient.
"""
from functools import lru_cache

import numpy as np
from numba import prange

from ..jit import jit
from ..memory import empty
from ..pooling import seen
from ..task import task
from . import output_shape

STRIP = 6144                     # numbers in the phases of a strip: with its outputs, 32 KB of float32
LANES = 16                       # numbers in the widest register
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


@jit(parallel=True)
def forward_two_steps(x, top, bottom, left, right, dilation_h, dilation_w, y, indices):
    for plane in prange(x.shape[0]):
        maximum(x[plane], top, bottom, left, right, dilation_h, dilation_w, y[plane], indices[plane])


@jit
def deal(plane, first, stride_h, stride_w, top, left, line, phases):
    """phases[a, b, i, j] = plane[(first + i)·stride_h + a − top, j·stride_w + b − left], −∞ outside the plane.

    line: room for a padded row, filled with −∞.
    """
    H, W = plane.shape
    height, pitch = phases.shape[2:]
    columns = min(W, line.size - left)
    inside = line[left:left + columns]
    for a in range(stride_h):
        for i in range(height):
            h = (first + i) * stride_h + a - top
            if h < 0 or h >= H:
                for b in range(stride_w):
                    for j in range(pitch):
                        phases[a, b, i, j] = -np.inf
                continue
            for w in range(columns):
                inside[w] = plane[h, w]
            if stride_w == 1:
                for j in range(pitch):
                    phases[a, 0, i, j] = line[j]
            elif stride_w == 2:                                            # both at once: two loads and two shuffles of registers
                for j in range(pitch):
                    phases[a, 0, i, j] = line[2 * j]
                    phases[a, 1, i, j] = line[2 * j + 1]
            else:
                for b in range(stride_w):
                    for j in range(pitch):
                        phases[a, b, i, j] = line[j * stride_w + b]


@task("T[:,:,::1], int64, UniTuple(int64, 6), int32[::1], int64[::1], int32[:,::1], int32[:,::1], T[:,:,::1], int32[:,:,::1]")
def planes_maximum(x, strip, geometry, positions, shifts, first_seen, starts, y, indices):
    """The planes of x (planes, H, W), in strips of output rows, by the tables of `tables`."""
    stride_h, stride_w, top, left, height, pitch = geometry
    P, Q = y.shape[1:]
    dealt = stride_h * stride_w * height * pitch
    size = (strip * pitch + LANES - 1) // LANES * LANES                    # no numbers are left over for a scalar loop
    flat = np.empty(dealt + pitch + LANES, x.dtype)                        # room for the shift, and for whole registers
    phases = flat[:dealt].reshape(stride_h, stride_w, height, pitch)
    line, best, where = np.full(pitch * stride_w, -np.inf, x.dtype), np.empty(size, x.dtype), np.empty(size, np.int32)
    out, found = best[:strip * pitch].reshape(strip, pitch), where[:strip * pitch].reshape(strip, pitch)
    for plane in range(x.shape[0]):
        for first in range(0, P, strip):
            rows = min(strip, P - first)
            deal(x[plane], first, stride_h, stride_w, top, left, line, phases)
            for i in range(size):
                best[i] = -np.inf
            for p in range(rows):                                          # of −∞ alone the first inside the plane wins
                for q in range(Q):
                    found[p, q] = first_seen[first + p, q]
            for tap in range(shifts.size):
                seen_through, position = flat[shifts[tap]:], positions[tap]
                for i in range(size):
                    value, champion, place = seen_through[i], best[i], where[i]
                    wins = (value > champion) | (value != value)           # row-major: of equals the first stays, of NaN the last
                    best[i] = value if wins else champion
                    where[i] = position if wins else place
            for p in range(rows):
                for q in range(Q):
                    y[plane, first + p, q] = out[p, q]
                for q in range(Q):
                    indices[plane, first + p, q] = starts[first + p, q] + found[p, q]


call_planes = planes_maximum.call


@jit(parallel=True)
def forward_flat(x, chunk, strip, geometry, positions, shifts, first_seen, starts, y, indices):
    for i in prange((x.shape[0] + chunk - 1) // chunk):
        here = slice(i * chunk, (i + 1) * chunk)
        call_planes((x[here], strip, geometry, positions, shifts, first_seen, starts, y[here], indices[here]))


@lru_cache(maxsize=64)
def tables(plane, output, kernel_size, stride, before, dilation):
    """What does not depend on values: (strip, geometry, positions, shifts, first_seen, starts).

    A window's taps lie at starts[p,q] + positions[tap] of the plane, and at shifts[tap] of the phases; the first one inside the plane
    lies at starts[p,q] + first_seen[p,q]. strip: output rows in a strip.
    """
    (P, Q), (R, S), (down, across) = output, kernel_size, stride
    r, s = np.arange(R)[:, None] * dilation[0], np.arange(S) * dilation[1]
    below, beside = (R - 1) * dilation[0] // down, (S - 1) * dilation[1] // across     # how far the last tap is shifted
    pitch = Q + beside
    strip = max(1, min(P, STRIP // (down * across * pitch) - below))
    height = strip + below
    shifts = (r % down * across + s % across) * height * pitch + r // down * pitch + s // across
    top, left = (seen(*axis)[0] for axis in zip(plane, output, kernel_size, stride, before, dilation))
    starts = (np.arange(P)[:, None] * down - before[0]) * plane[1] + np.arange(Q) * across - before[1]
    first_seen = top[:, None] * plane[1] + left - starts
    positions, first_seen, starts = (table.astype(np.int32) for table in ((r * plane[1] + s).ravel(), first_seen, starts))
    return strip, (down, across, *before, height, pitch), positions, shifts.ravel(), first_seen, starts


@jit(parallel=True)
def scatter(grad_output, indices, grad_x):
    """grad_x[plane, indices[plane, i]] += grad_output[plane, i], from zero."""
    for plane in prange(grad_x.shape[0]):
        out, g, where = grad_x[plane], grad_output[plane], indices[plane]
        for i in range(out.size):
            out[i] = 0
        for i in range(g.size):
            out[where[i]] += g[i]


def run_two_steps(x, windows, y, indices):
    rows, columns = (seen(*axis) for axis in zip(*windows))
    forward_two_steps(x, *rows, *columns, *windows[-1], y, indices)


def run_flat(x, windows, y, indices):
    planes_maximum.ready(x.dtype)
    forward_flat(x, max(1, CHUNK // (y.shape[1] * y.shape[2])), *tables(*windows), y, indices)


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
    scatter(grad_output.reshape(N * C, P * Q), indices.reshape(N * C, P * Q), grad_x)
    return (grad_x.reshape(shape),)
