"""Packing: what the outputs see through the taps of a window, copied side by side as the vector tile reads it.

Count the outputs (n, p, q) of all the images in one row, j = (n·P + p)·Q + q. A register holds some outputs that follow one another there,
whatever rows and images they stand in; for a tap (r, s) it is filled from at most a few places of x:

    plane 3×3, window 3×3, padding 1           j:        0 1 2 3 4 5 6 7 │ 8 0'1'2'3'4'5'6'       8 numbers a register, two images
                                                         ────── image 0 ───┘ ──── image 1 ──
      a b c                                    tap (1,1) a b c d e f g h │ i A B C D E F G        pieces: abcdefgh │ i, ABCDEFG
      d e f                                    tap (1,0) . a b . d e f . │ h . A B . D E .        the same places, one to the left;
      g h i                                    tap (0,1) . . . a b c d e │ f . . . A B C D        and those, one row up

Where a row of outputs is as long as a row of the plane, a piece goes on from row to row, and the tap only shifts it: what it reads there
that does not exist (the dots) is masked, and becomes 0. The mask is  written & in the rows & in the columns:  three tables of bits, one a
lane, made once for all taps and channels (`find_pieces`). A piece is then copied from all the channels by one call of lines.planes.

Stride: the plane is split beforehand into its phases, the numbers of every stride_h-th row and stride_w-th column; a tap reads one phase,
and within it the stride is 1.
"""
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .. import memory
from ..comb import take_every
from ..jit import jit
from ..lines import planes
from ..task import task

WAYS = 8                         # lines of the L1 cache that may share a set: planes of a power of two lie on the same one


class Taps(NamedTuple):
    """Along one axis: through tap j, output p sees number p + shift[j] of phase number phase[j], which has size[j] numbers; 0 beyond.

    remainders: those by the stride that the phases are made of, in their order."""
    phase: np.ndarray
    shift: np.ndarray
    size: np.ndarray
    remainders: np.ndarray


class Reading(NamedTuple):
    """How outputs see planes.  Through tap (r, s) output (p, q) sees number  places[r, s] + p·pitch + q  of a plane of `plane` numbers,
    if  0 ≤ p + rows[0, r] < rows[1, r]  and  0 ≤ q + across[0, s] < across[1, s];  0 otherwise."""
    places: np.ndarray
    rows: np.ndarray
    across: np.ndarray
    pitch: int
    plane: int

    def whole(self, P: int, Q: int) -> bool:
        """Whether P·Q outputs see a plane as it stands: a window of one tap without padding."""
        return self.places.size == 1 and self.pitch == Q and not self.places.any() and self.rows[1, 0] >= P and self.across[1, 0] >= Q


def taps_along(taps: int, stride: int, before: int, dilation: int, size: int) -> Taps:
    seen = np.arange(taps) * dilation - before               # what output 0 sees; output p sees p·stride further on
    remainder = seen % stride
    remainders = np.unique(remainder[remainder < size])
    return Taps(np.searchsorted(remainders, remainder), seen // stride, np.maximum(0, (size - 1 - remainder) // stride + 1), remainders)


class Phases(NamedTuple):
    """Planes split into phases: how outputs see them, the remainders of rows and of columns that there are, the rows of a phase."""
    reading: Reading
    remainders_h: np.ndarray
    remainders_w: np.ndarray
    height: int


@lru_cache(maxsize=1024)
def phases_of(plane, window, stride, padding, dilation) -> Phases:
    """How a convolution reads planes (H, W)."""
    down, across = (taps_along(*line) for line in zip(window, stride, padding, dilation, plane))
    height, pitch = (-(-size // step) for size, step in zip(plane, stride))
    phase = down.phase[:, None] * across.remainders.size + across.phase
    places = (phase * height + down.shift[:, None]) * pitch + across.shift
    reading = Reading(places, np.stack([down.shift, down.size]), np.stack([across.shift, across.size]), pitch,
                      down.remainders.size * across.remainders.size * height * pitch)
    return Phases(reading, down.remainders, across.remainders, height)


@task("int64, T[:,:,::1], UniTuple(int64, 2), int64[::1], int64[::1], int64, int64, T[::1]")
def split_plane(number, x, stride, remainders_h, remainders_w, height, pitch, phases):
    """Plane `number` of x (planes, H, W) -> phases, flat (planes, phases, height, pitch).  What a phase does not fill is not written."""
    H, W = x.shape[1:]
    seen = x[number].reshape(-1)
    for a in range(remainders_h.size):
        for b in range(remainders_w.size):
            first = ((number * remainders_h.size + a) * remainders_w.size + b) * height * pitch
            count = (W - 1 - remainders_w[b]) // stride[1] + 1
            for u in range((H - 1 - remainders_h[a]) // stride[0] + 1):
                to, place = first + u * pitch, (remainders_h[a] + u * stride[0]) * W + remainders_w[b]
                take_every(stride[1], phases, to, seen, place, count)


def split(x, phases: Phases, stride) -> np.ndarray:
    """x (N, C, H, W) in its phases, flat."""
    if stride == (1, 1):
        return x.reshape(-1)
    N, C, H, W = x.shape
    flat = memory.empty(N * C * phases.reading.plane, x.dtype)
    split_plane.run(N * C, x.reshape(N * C, H, W), stride, phases.remainders_h, phases.remainders_w, phases.height, phases.reading.pitch,
                    flat)
    return flat


@jit(inline=True)
def tables(count, lanes, R, S):
    """Room for what `find_pieces` finds of at most `count` outputs:  place and written bits of the pieces; for each register its first
    piece; the lanes in the rows that tap r sees, and in the columns that tap s sees."""
    registers = (count + lanes - 1) // lanes
    return (np.empty(count, np.int64), np.empty(count, np.int64), np.empty(registers + 1, np.int64), np.empty((registers, R), np.int64),
            np.empty((registers, S), np.int64))


@jit(inline=True)
def find_pieces(begin, count, lanes, P, Q, pitch, image, rows, across, pieces):
    """The pieces of outputs begin … begin + count − 1.  image: numbers from one image of the source to the next."""
    place, written, first, in_rows, in_columns = pieces
    in_rows[:] = 0
    in_columns[:] = 0
    found, done = 0, 0
    n, p, q = begin // (P * Q), begin // Q % P, begin % Q
    while done < count:
        v, lane = done // lanes, done % lanes
        run = min(count - done, lanes - lane, Q - q)         # outputs of one row in one register
        if lane == 0:
            first[v] = found
        if lane == 0 or pitch != Q or p == 0 and q == 0:     # it does not go on where the run before it ended
            place[found] = n * image + p * pitch + q - lane
            written[found] = 0
            found += 1
        written[found - 1] |= ((1 << run) - 1) << lane
        for r in range(rows.shape[1]):
            if 0 <= p + rows[0, r] and p + rows[0, r] < rows[1, r]:
                in_rows[v, r] |= ((1 << run) - 1) << lane
        for s in range(across.shape[1]):
            low, high = max(0, -q - across[0, s]), min(run, across[1, s] - q - across[0, s])
            if low < high:
                in_columns[v, s] |= ((1 << high) - (1 << low)) << lane
        done, q = done + run, q + run
        if q == Q:
            p, q = p + 1, 0
            if p == P:
                n, p = n + 1, 0
    first[(count + lanes - 1) // lanes] = found


@jit(inline=True)
def pack(source, seen, plane, channels, places, pieces, registers, lanes, target, in_block, block, line):
    """The registers of `channels` channels, the first of which begins at `seen`:  source -> target.

    Register v of channel c and tap t goes to  (v div in_block)·block + (c·taps + t)·line + (v mod in_block)·lanes.
    """
    place, written, first, in_rows, in_columns = pieces
    R, S = places.shape
    for v in range(registers):
        for i in range(first[v], first[v + 1]):
            to, at = v // in_block * block + v % in_block * lanes, seen + place[i]
            for c in range(0, channels, WAYS):
                for r in range(R):
                    for s in range(S):
                        planes(target, to, R * S * line, source, at + places[r, s], plane, written[i] & in_rows[v, r] & in_columns[v, s],
                               written[i], min(WAYS, channels - c))
                        to += line
                to, at = to + (WAYS - 1) * R * S * line, at + WAYS * plane
