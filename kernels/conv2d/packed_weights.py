"""The gradient of the weight by packed columns: a matrix product whose steps are the positions.

    dw[k, (c, t)] = Σ_j  dy[k, j] · columns[j, (c, t)]             j: the outputs (n, p, q); t: the taps; columns: what they see of x;
                                                                    dy: the upstream gradient

The tile wants, for each step of the sum (a position), the numbers of one factor side by side, and reads the other factor along its rows,
as it stands. Both have their positions side by side: so one of them is turned, 16×16 numbers in registers at once. There are two ways.

    x: some channels               lines                        turned: blocks as wide as a tile
    c   ……[positions]……            (c, t)   [0 … 255]           position 0   [(c, t) (c, t+1) … 48 of them][48 more] …
    c+1 ……[positions]……    pack    (c, t+1) [0 … 255]   turn    position 1   [(c, t) (c, t+1) …           ][…      ]
            …              ───►      …                  ───►      …                      dw (K, C·R·S) += dy · turned

    dy: all channels               turned
    k   ……[positions]……    turn    position 0   [k … 48 of them][48 more] …
    k+1 ……[positions]……    ───►      …                                                   dwᵀ (C·R·S, K) += lines · turned

The second way turns K numbers a position, not C·R·S; but it leaves dwᵀ, to be turned at the end. So it is taken for windows where there
are many more positions than output channels. For 1×1 windows there is nothing to gain: x itself, without lines, is turned.

    for a part of the positions, some channels of dy and some of x:                                                 (a piece of work)
        for a chunk of positions:                                         about STEPS of them
            turn dy, if dy is to be turned
            for a few channels of x:                                      so many that some tiles are filled
                pack them; turn the lines, if those are to be turned
                for each strip of simd.ROWS rows of one factor, for each block of the other:  dw += strip · block

Where a plane is smaller than a chunk, several images make one; if rows of dy are read as they stand, they are put one behind the other.

The parts have sums of their own, which are added in order at the end. How many there are, and which positions each has, depends on the
shapes alone: so do the bits.
"""
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .. import memory, threads
from ..jit import jit
from ..lines import copy, turn
from ..simd import BYTES, ROWS, tile, VECTORS
from ..task import task
from .packing import find_pieces, pack, phases_of, split, tables

STEPS = 256                      # positions in a chunk: a block of so many rows, 48 KB, stays near the L1 cache for all channels of dy
CACHE = 1 << 16                  # numbers in the turned blocks of a chunk: 256 KB of float32, and the lines are as many again
PIECES = 8                       # pieces of work: so that a few threads are busy about equally long
PART_NUMBERS = 1 << 22           # numbers in the sums of all parts: beyond, to add them up costs more than the parts gain
multiply = tile(packed=False)


class Plan(NamedTuple):
    """sizes    G, C, channels of x packed together, images in a chunk (0: a chunk is part of one), positions in a chunk, chunks of an
             image, numbers turned for each position, numbers from one packed line to the next, whether outputs see whole planes,
             whether dy is turned
    pieces   chunks in all; parts; groups of channels of dy, and channels in each; the same of x
    works    workers, and the numbers that each of them needs"""
    sizes: tuple[int, ...]
    pieces: tuple[int, ...]
    works: tuple[int, int]


@lru_cache(maxsize=1024)
def plan(whole: bool, N, output, weight, itemsize, workers) -> Plan:
    """whole: whether outputs see whole planes, one tap wide."""
    (G, K, C, R, S), (P, Q) = weight, output
    lanes, taps, area = BYTES // itemsize, R * S, P * Q
    wide = VECTORS * lanes
    together = max(1, min(C, wide if taps == 1 else lanes))
    most = max(lanes, min(STEPS, CACHE // (together * taps)))
    if area > most:
        chunks = -(-area // most)
        images, positions = 0, -(-area // chunks // lanes) * lanes
        chunks = -(-area // positions)
        count = N * chunks
    else:
        images, chunks = max(1, min(N, 2 * most // area if N * area <= 2 * most else most // area)), 0
        positions, count = images * area, -(-N // images)
    groups_c = max(1, min(4, -(-C // together), C * taps // 384))
    parts = max(1, min(PIECES // groups_c // G, count // 2, PART_NUMBERS // max(1, G * K * C * taps)))
    groups_k = max(1, min(PIECES // (groups_c * parts * G), K // 64))
    each_k, each_c = -(-K // groups_k // ROWS) * ROWS, -(-C // groups_c // together) * together
    groups_k, groups_c = -(-K // each_k), -(-C // each_c)
    of_dy = not whole and N * area > 2 * K                                 # to turn dy is less than to turn the columns: and dw at the end
    line = -(-positions // lanes) * lanes + lanes                          # not a power of two: lines on other sets of the L1 cache
    width = -(-(each_k if of_dy else together * taps) // wide) * wide      # numbers turned for a position
    gathered = each_k * positions if images > 1 and not of_dy else 0
    room = width * positions + (0 if whole else together * taps * line) + gathered
    return Plan((G, C, together, images, positions, chunks, width, line, whole, of_dy),
                (count, parts, groups_k, each_k, groups_c, each_c), (max(1, min(workers, parts * G * groups_k * groups_c)), room))


@jit
def turn_all(source, place, pitch, rows, columns, target, at, apart):
    """target[at + j·apart + i] = source[place + i·pitch + j]  for i < rows and j < columns, as many as there are."""
    lanes = BYTES // source.itemsize
    for i in range(0, rows, lanes):
        for j in range(0, columns, lanes):
            turn(target, at + j * apart + i, apart, source, place + i * pitch + j, pitch, min(lanes, rows - i), min(lanes, columns - j))


@jit
def turn_outputs(source, seen, image, plane, channels, begin, count, turned, most, wide):
    """Outputs begin … begin + count − 1 of planes, the first at `seen`:  source -> turned, flat (channels div wide, most, wide)."""
    done = 0
    while done < count:
        n, place = (begin + done) // plane, (begin + done) % plane
        run = min(count - done, plane - place)                             # within an image
        for b in range(0, channels, wide):
            turn_all(source, seen + n * image + b * plane + place, plane, min(wide, channels - b), run,
                     turned, b * most + done * wide, wide)
        done += run


@task("int64, T[::1], T[:,:,:,::1], UniTuple(int64, 10), UniTuple(int64, 6), int64[:,::1], int64[:,::1], int64[:,::1], int64, int64, "
      "T[:,::1], T[:,::1]")
def sum_pieces(worker, source, grad_output, sizes, cuts, places, rows, across, pitch, plane, works, sums):
    """The pieces of work number  worker·pieces/workers …,  counted through parts, groups, and groups of channels of dy and x.

    sums: (parts, G·K·C·R·S) for (G, K, C·R·S), or, where dy is turned, (G, C·R·S, K).
    """
    G, C, together, images, most, chunks, width, line, whole, of_dy = sizes
    count, parts, groups_k, each_k, groups_c, each_c = cuts
    lanes, wide, workers = BYTES // works.itemsize, VECTORS * (BYTES // works.itemsize), works.shape[0]
    N, K, P, Q = grad_output.shape
    K, taps, area, image, dy, zero = K // G, places.size, P * Q, G * C * plane, grad_output.reshape(-1), works.dtype.type(0)
    turned, rest = works[worker, :width * most], works[worker, width * most:]
    lines, gathered = rest, rest[0 if whole else together * taps * line:]
    pieces_of_registers = tables(most, lanes, places.shape[0], places.shape[1])
    steps, blocks = np.arange(most), np.arange(most) * wide
    pieces = parts * G * groups_k * groups_c
    for piece in range(worker * pieces // workers, (worker + 1) * pieces // workers):
        part, g = piece // (G * groups_k * groups_c), piece // (groups_k * groups_c) % G
        k0, c0 = piece // groups_c % groups_k * each_k, piece % groups_c * each_c
        k1, c1 = min(K, k0 + each_k), min(C, c0 + each_c)
        dw, first = sums[part, g * K * C * taps:], part * count // parts
        for chunk in range(first, (part + 1) * count // parts):
            n, add = chunk * images if images else chunk // chunks, chunk > first
            begin = n * area if images else n * area + chunk % chunks * most
            length = min(begin + most, N * area if images else (n + 1) * area) - begin
            if of_dy:
                turn_outputs(dy, (g * K + k0) * area, G * K * area, area, k1 - k0, begin, length, turned, most, wide)
            elif images > 1:
                for k in range(k0, k1):
                    for i in range(length // area):
                        copy(gathered, (k - k0) * most + i * area, dy, ((n + i) * G * K + g * K + k) * area, area, zero)
            a, at, apart = (gathered, 0, most) if images > 1 else (dy, (n * G * K + g * K + k0) * area + begin - n * area, area)
            if not whole:
                find_pieces(begin, length, lanes, P, Q, pitch, image, rows, across, pieces_of_registers)
            for c in range(c0, c1, together):
                height, seen = min(together, c1 - c) * taps, (g * C + c) * plane
                if whole:
                    turn_outputs(source, seen, image, plane, height, begin, length, turned, most, wide)
                else:
                    pack(source, seen, plane, height // taps, places, pieces_of_registers, (length + lanes - 1) // lanes, lanes, lines,
                         most, 0, line)
                if of_dy:                                                  # dwᵀ (C·R·S, K) += lines · turned
                    for i in range(0, height, ROWS):
                        for k in range(k0, k1, wide):
                            multiply(length, lines[i * line:], turned[(k - k0) * most:], blocks, dw[(c * taps + i) * K + k:], K,
                                     min(ROWS, height - i), min(wide, k1 - k), add, line, steps)
                    continue
                for b in range(0, height, wide):                           # dw (K, C·R·S) += dy · turned
                    columns, block = min(wide, height - b), turned if whole else turned[b * most:]
                    if not whole:
                        turn_all(lines, b * line, line, columns, length, turned, b * most, wide)
                    for k in range(k0, k1, ROWS):
                        multiply(length, a[at + (k - k0) * apart:], block, blocks, dw[(k * C + c) * taps + b:], C * taps, min(ROWS, k1 - k),
                                 columns, add, apart, steps)


@task("int64, T[:,::1], T[::1]")
def add_parts(number, sums, total):
    """total = Σ sums[part],  4096 numbers at a time."""
    begin = number * 4096
    here = total[begin:begin + 4096]
    here[:] = sums[0, begin:begin + 4096]
    for part in range(1, sums.shape[0]):
        more = sums[part, begin:begin + 4096]
        for i in range(here.size):
            here[i] += more[i]


@task("int64, T[:,:,::1], T[::1]")
def turn_back(number, sums, total):
    """sums (G, C·R·S, K) -> total, flat (G, K, C·R·S): as many rows as are turned at once."""
    G, size, K = sums.shape
    lanes = BYTES // total.itemsize
    strips = (K + lanes - 1) // lanes
    g, k = number // strips, number % strips * lanes
    turn_all(sums.reshape(-1), g * size * K + k, K, size, min(lanes, K - k), total, (g * K + k) * size, size)


def gradient_weight(x, grad_output, shape, stride, padding, dilation):
    """The gradient (G, K, C, R, S) = shape, of x (N, G·C, H, W) and grad_output (N, G·K, P, Q); padding: (top, left)."""
    if not x.size or not grad_output.size:
        return memory.zeros(shape, x.dtype)
    stride, output, (G, K, C, R, S) = tuple(stride), grad_output.shape[2:], shape
    phases = phases_of(x.shape[2:], shape[3:], stride, tuple(padding), tuple(dilation))
    work = plan(phases.reading.whole(*output), len(x), output, shape, x.itemsize, threads.get_num_threads())
    parts, of_dy = work.pieces[1], work.sizes[-1]
    sums = memory.empty((parts, G * K * C * R * S), x.dtype)
    sum_pieces.run(work.works[0], split(x, phases, stride), grad_output, work.sizes, work.pieces, *phases.reading,
                   memory.empty(work.works, x.dtype), sums)
    if parts > 1:
        parted, sums = sums, memory.empty((1, sums.shape[1]), x.dtype)
        add_parts.run(-(-sums.size // 4096), parted, sums.reshape(-1))
    if not of_dy:
        return sums.reshape(shape)
    total = memory.empty(shape, x.dtype)
    turn_back.run(G * -(-K // (BYTES // x.itemsize)), sums.reshape(G, C * R * S, K), total.reshape(-1))
    return total
