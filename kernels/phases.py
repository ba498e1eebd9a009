"""Flat shifts: how a sliding window is computed without sliding.

The padded plane is dealt out into stride² phase planes, as one deals cards, so that the neighbours in a phase are what neighbouring
windows see through the same tap. For stride 2, and tap (r, s) of a window:

      padded plane              phase 0,0       phase 0,1       phase 1,0 …
      a b a b a b a b           a a a a         b b b b         c c c c          the tap lies in phase (r mod 2, s mod 2),
      c d c d c d c d           a a a a         b b b b         c c c c          (r div 2) rows down and (s div 2) columns right:
      a b a b a b a b           a a a a         b b b b                          all windows see it through one constant shift
      …                                                                          of the flat phase planes

Every tap is then one loop over a flat array, from row to row without a stop:  out[i] ⊕= flat[shift + i], one vector instruction after
another. The outputs stand at the pitch of the phase planes, a little more than their number in a row; what lies between them is
computed for nothing, and so is the rest of the last register: `layout` says how much room that takes.

Outputs are made in strips of rows, short enough for the phases to stay in the L1 cache.
"""
from functools import lru_cache

import numpy as np

from .jit import jit

LANES = 16                       # numbers in the widest register


@lru_cache(maxsize=64)
def layout(output, window, stride, before, dilation, numbers) -> tuple[tuple, np.ndarray]:
    """(strip, stride_h, stride_w, top, left, height, pitch, outputs, room), and the shift of each tap, row by row.

    strip       output rows in a strip: so many that its phases have at most `numbers` numbers, one at least
    top, left   how far the plane is moved down and right in the padded one
    height …    the phases are (stride_h, stride_w, height, pitch)
    outputs     numbers in a strip, at the pitch of the phases and in whole registers
    room        numbers to allocate for the flat phases, so that every shift has as many as there are outputs
    """
    (P, Q), (R, S), (down, across) = output, window, stride
    below, beside = (R - 1) * dilation[0] // down, (S - 1) * dilation[1] // across     # how far the last tap is shifted
    pitch = Q + beside
    strip = max(1, min(P, numbers // (down * across * pitch) - below))
    height = strip + below
    r, s = np.arange(R)[:, None] * dilation[0], np.arange(S) * dilation[1]
    shifts = (r % down * across + s % across) * height * pitch + r // down * pitch + s // across
    outputs = -(-strip * pitch // LANES) * LANES
    room = max(down * across * height * pitch, int(shifts.max()) + outputs)
    return (strip, down, across, *before, height, pitch, outputs, room), shifts.ravel()


@jit
def deal(plane, first, top, left, outside, line, phases):
    """phases[a, b, i, j] = plane[(first + i)·stride_h + a − top, j·stride_w + b − left], and `outside` outside the plane.

    phases: (stride_h, stride_w, height, pitch).  line: a row of pitch·stride_w numbers, filled with `outside` before the first time.
    """
    H, W = plane.shape
    stride_h, stride_w, height, pitch = phases.shape
    columns = max(0, min(W, line.size - left))
    inside = line[left:left + columns]
    for a in range(stride_h):
        for i in range(height):
            h = (first + i) * stride_h + a - top
            if h < 0 or h >= H:
                for b in range(stride_w):
                    for j in range(pitch):
                        phases[a, b, i, j] = outside
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


@jit
def collect(phases, top, left, line, plane):
    """The way back, with all rows in the phases: plane[h, w] is what they hold of it, zero where it is in none of them."""
    H, W = plane.shape
    stride_h, stride_w, height, pitch = phases.shape
    columns = max(0, min(W, line.size - left))
    inside = line[left:left + columns]
    for h in range(H):
        a, i = (h + top) % stride_h, (h + top) // stride_h
        if i >= height:
            for w in range(W):
                plane[h, w] = 0
            continue
        if stride_w == 1:
            for j in range(pitch):
                line[j] = phases[a, 0, i, j]
        elif stride_w == 2:
            for j in range(pitch):
                line[2 * j] = phases[a, 0, i, j]
                line[2 * j + 1] = phases[a, 1, i, j]
        else:
            for b in range(stride_w):
                for j in range(pitch):
                    line[j * stride_w + b] = phases[a, b, i, j]
        for w in range(columns):
            plane[h, w] = inside[w]
        for w in range(columns, W):
            plane[h, w] = 0
