"""Packed columns: a convolution as a matrix product whose columns are packed as the vector tile reads them.

    y[k, j] = b[k] + Σ_c,t  weight[k, c, t] · columns[(c, t), j]          j: the outputs (n, p, q) of all images in one row; t: the taps

The flat shift (flat.py) reads the image itself, in rows of a few registers that stand a channel's plane apart. Where many channels meet
small planes or windows (1×1, 7×7 planes) that is slow: each step of the sum touches another page of memory, and most of a row's last
register is empty. Here the columns are copied, but never as a whole: some channels of some outputs at a time, in blocks that one tile
reads from the first number to the last.

       x, or its phases               a block: as wide as a tile              sums, one row for each output channel
    channel c ……[outputs]……           (c, t)   [0 … 47][48 … ]                 k      [0 … 47][48 …     ]
    channel c+1 …[outputs]……   pack   (c, t+1) [0 … 47][48 … ]    multiply     k + 1  [0 … 47][48 …     ]    copy, + b     y
            …                  ───►     …                         ───────►      …                           ───────►   rows of planes
    channel c+d …[outputs]……          STEPS steps, in L1 and L2   weight       in L2, added to by every chunk of channels

    for a range of outputs and a group of output channels:                                                          (a piece of work)
        for a chunk of input channels:                                    about STEPS steps of the sum
            pack the range                                                packing.py
            for each strip of simd.ROWS output channels, for each block:  sums += weight · block
        copy the sums into y

The planes of several images fill the registers together. The weight is read as it stands, (K, C·R·S), a row for each row of the tile.

The gradient of x is the same product with K and C exchanged: input channel c of x, at (h, w), was seen by the outputs p with
p·stride_h − top + r·dilation_h = h. Write h = i·stride_h + a: the taps r that see rows with the remainder a read row i + shift of
grad_output, shift = (a + top − r·dilation_h) / stride_h. So each of the stride_h·stride_w phases of x is a sum over taps of its own, all
of them from the same packed columns, one for each shift that occurs; the phases are woven into one another when they are copied into
grad_x. The weight would be read along k, C·R·S numbers apart; so it is rearranged first, the channels of a cache line together.

Each number of y is summed by one thread, in an order that STEPS and the shapes give: its bits do not depend on how the work is cut.
"""
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .. import memory, threads
from ..comb import interleave
from ..jit import jit
from ..lines import copy
from ..simd import BYTES, ROWS, tile, VECTORS
from ..task import task
from .packing import find_pieces, pack, phases_of, Reading, split, tables

STEPS = 256                      # of a sum in a chunk: the rows of weights for them stay in the L1 cache, and float32 sums err less
CACHE = 1 << 17                  # numbers in the columns and sums of a task: 512 KB of float32, half of a usual L2 cache
PACK, FETCH = 12, 12             # packing a column costs as much as 12 rows of a product, fetching a row of weights as much as 12 columns
multiply = tile(packed=False)


class Plan(NamedTuple):
    """A product, cut into pieces of work.

    sizes   G; channels of the source in a group, and in a chunk; columns and output channels in a piece; whether it sees whole planes
    output  P and Q of the outputs, and stride: output (p, q) of phase (a, b) is y[…, p·stride_h + a, q·stride_w + b]
    phases  (F, 2): taps of a phase of y, and its beginning in `steps`
    steps   (2, ·): for each step of a chunk its line in the packed block, and its place in the weights behind `starts`
    starts  (G, strips): where the weights of ROWS output channels begin;  apart: from one channel to the next, of the outputs and inputs
    """
    reading: Reading
    sizes: tuple[int, ...]
    output: tuple[int, ...]
    phases: np.ndarray
    steps: np.ndarray
    starts: np.ndarray
    apart: tuple[int, int]
    works: tuple[int, int]


def cut(total: int, G: int, K: int, F: int, lanes: int, workers: int) -> tuple[int, int]:
    """(columns, output channels) of a piece of work: the cheapest for so many workers, of those that fit the cache."""
    choices, registers = [], max(1, -(-total // lanes))
    for groups in range(1, min(4 * workers, -(-K // ROWS)) + 1):
        channels = -(-K // groups // ROWS) * ROWS
        fewest = -(-registers // max(VECTORS, CACHE // (F * channels + STEPS) // lanes))
        for ranges in range(fewest, fewest + workers):
            columns = -(-registers // ranges) * lanes
            rounds = -(-G * -(-K // channels) * -(-registers * lanes // columns) // workers)
            choices.append((rounds * (columns * (channels + PACK) + channels * FETCH), columns, channels))
    return min(choices)[1:]


def plan(reading: Reading, G, C, K, N, output, stride, taps, starts, apart, itemsize, workers) -> Plan:
    """taps: for each phase of y a pair of arrays: the taps that it sums, and where their weights stand."""
    lanes, read = BYTES // itemsize, reading.places.size
    columns, channels = cut(N * output[0] * output[1], G, K, len(taps), lanes, workers)
    ahead = max(1, STEPS // max(1, read))
    ahead = -(-C // -(-C // ahead)) if C else 1                            # chunks of about equal depth
    channel = np.arange(ahead)[:, None]
    steps = [np.stack([((channel * read + tap) * VECTORS * lanes).reshape(-1), (channel * apart[1] + weight).reshape(-1)])
             for tap, weight in taps]
    phases = np.array([[tap.size for tap, _ in taps], np.cumsum([0] + [s.shape[1] for s in steps])[:-1]], np.int64).T
    blocks = -(-columns // (VECTORS * lanes))
    pieces = G * -(-N * output[0] * output[1] // columns) * -(-K // channels)
    room = blocks * VECTORS * lanes * ahead * read + len(taps) * channels * (columns + lanes)
    return Plan(reading, (G, C, ahead, columns, channels, reading.whole(*output)), (*output, *stride), np.ascontiguousarray(phases),
                np.concatenate(steps, axis=1), starts, apart, (max(1, min(workers, pieces)), room))


@task("int64, T[::1], T[::1], T[::1], UniTuple(int64, 6), UniTuple(int64, 4), int64[:,::1], int64[:,::1], int64[:,::1], int64, int64, "
      "int64[:,::1], int64[:,::1], int64[:,::1], UniTuple(int64, 2), T[:,::1], T[:,:,:,::1]")
def multiply_pieces(worker, source, weight, bias, sizes, output, places, rows, across, pitch, plane, phases, steps, starts, apart, works,
                    y):
    """The pieces of work number  worker·pieces/workers …,  counted through groups, ranges of columns, and groups of output channels."""
    G, C, ahead, most, channels, whole = sizes
    P, Q, stride_h, stride_w = output
    lanes, wide, workers = BYTES // y.itemsize, VECTORS * (BYTES // y.itemsize), works.shape[0]
    total, K, image = y.shape[0] * P * Q, y.shape[1] // G, G * C * plane
    block, line = ahead * places.size * wide, most + lanes                 # numbers of a block, and of a row of sums
    room = (most + wide - 1) // wide * block
    columns, sums = works[worker, :room], works[worker, room:]
    pieces_of_registers = tables(most, lanes, places.shape[0], places.shape[1])
    ranges, parts = (total + most - 1) // most, (K + channels - 1) // channels
    pieces = G * ranges * parts
    for piece in range(worker * pieces // workers, (worker + 1) * pieces // workers):
        g, begin, first = piece // (ranges * parts), piece // parts % ranges * most, piece % parts * channels
        count, height = min(most, total - begin), min(channels, K - first)
        if not whole:
            find_pieces(begin, count, lanes, P, Q, pitch, image, rows, across, pieces_of_registers)
        for c in range(0, max(1, C), ahead):
            depth = min(ahead, C - c)
            if whole:
                copy_columns(source, (g * C + c) * plane, image, plane, depth, begin, count, wide, columns, block)
            else:
                pack(source, (g * C + c) * plane, plane, depth, places, pieces_of_registers, (count + lanes - 1) // lanes, lanes, columns,
                     VECTORS, block, wide)
            for f in range(phases.shape[0]):
                for k in range(0, height, ROWS):
                    weights, into = weight[starts[g, (first + k) // ROWS] + c * apart[1]:], (f * channels + k) * line
                    for j in range(0, count, wide):
                        multiply(depth * phases[f, 0], weights, columns[j // wide * block:], steps[0, phases[f, 1]:], sums[into + j:], line,
                                 min(ROWS, height - k), min(wide, count - j), c > 0, apart[0], steps[1, phases[f, 1]:])
        if stride_h == 1 and stride_w == 1:
            copy_out(sums, line, begin, count, bias, g * K + first, height, y)
        else:
            weave_out(sums, line, channels * line, begin, count, output, g * K + first, height, y)


@jit(inline=True)
def copy_columns(source, seen, image, plane, channels, begin, count, wide, columns, block):
    """Outputs begin … begin + count − 1 of some channels that are seen as they stand, the first at `seen`:  source -> blocks."""
    done, zero = 0, columns.dtype.type(0)
    while done < count:
        n, place = (begin + done) // plane, (begin + done) % plane
        end = min(count, done + plane - place)                             # where the image ends
        for i in range(channels):
            j, row = done, seen + n * image + i * plane + place - done
            while j < end:
                run = min(end - j, wide - j % wide)
                copy(columns, j // wide * block + i * wide + j % wide, source, row + j, run, zero)
                j += run
        done = end


@jit(inline=True)
def copy_out(sums, line, begin, count, bias, first, channels, y):
    """sums, flat (channels, line) -> the channels of y from `first` on, at outputs begin … begin + count − 1, with the bias added."""
    K, plane = y.shape[1], y.shape[2] * y.shape[3]
    into, done = y.reshape(-1), 0
    while done < count:
        n, place = (begin + done) // plane, (begin + done) % plane
        run = min(count - done, plane - place)
        for k in range(channels):
            copy(into, (n * K + first + k) * plane + place, sums, k * line + done, run, bias[first + k] if bias.size else y.dtype.type(0))
        done += run


@jit(inline=True)
def weave_out(sums, line, phase, begin, count, output, first, channels, y):
    """sums, flat (stride_h, stride_w, channels, line), `phase` numbers a phase -> y, where phase (a, b) of output (p, q) stands at
    (p·stride_h + a, q·stride_w + b)."""
    P, Q, stride_h, stride_w = output
    K, H, W = y.shape[1:]
    into, done = y.reshape(-1), 0
    while done < count:
        n, p, q = (begin + done) // (P * Q), (begin + done) // Q % P, (begin + done) % Q
        run = min(count - done, Q - q)                                     # a row of outputs
        for k in range(channels):
            for a in range(min(stride_h, H - p * stride_h)):
                to, row = (((n * K + first + k) * H + p * stride_h + a) * W + q * stride_w), a * stride_w * phase + k * line + done
                if stride_w == 2:
                    interleave(into, to, sums, row, row + phase, min(2 * run, W - 2 * q))
                else:
                    for b in range(stride_w):
                        for i in range(min(run, (W - q * stride_w - b + stride_w - 1) // stride_w)):
                            into[to + i * stride_w + b] = sums[row + b * phase + i]
        done += run


def product(work: Plan, source, weight, bias, y):
    """y of the source, in phases and flat, and the weight, flat as the plan says."""
    multiply_pieces.run(work.works[0], source, weight, memory.empty(0, y.dtype) if bias is None else bias, work.sizes, work.output,
                        *work.reading, work.phases, work.steps, work.starts, work.apart, memory.empty(work.works, y.dtype), y)
    return y


@lru_cache(maxsize=1024)
def plan_forward(shape, weight, stride, padding, dilation, output, itemsize, workers):
    (N, _, H, W), (G, K, C, R, S) = shape, weight
    phases, taps, size = phases_of((H, W), (R, S), stride, padding, dilation), np.arange(R * S), C * R * S
    starts = np.arange(G)[:, None] * (K * size) + np.arange(0, K, ROWS) * size
    return phases, plan(phases.reading, G, C, K, N, output, (1, 1), [(taps, taps)], starts, (size, R * S), itemsize, workers)


def forward(x, weight, bias, stride, padding, dilation, y):
    """y (N, G·K, P, Q) of x (N, G·C, H, W), weight (G, K, C, R, S), bias (G·K,) or None; padding: (top, left)."""
    if not y.size:
        return y
    stride = tuple(stride)
    phases, work = plan_forward(x.shape, weight.shape, stride, tuple(padding), tuple(dilation), y.shape[2:], x.itemsize,
                                threads.get_num_threads())
    return product(work, split(x, phases, stride), weight.reshape(-1), bias, y)


@task("int64, T[:,:,:,::1], int64, int64, T[::1]")
def rearrange(number, weight, side, rows, strips):
    """Some rows of weight (G, K, C, R·S) -> strips, flat (G, C div side, K, side, R·S): `side` channels together."""
    G, K, C, taps = weight.shape
    all_strips, blocks = (C + side - 1) // side, (K + rows - 1) // rows
    g, first, seen, zero = number // blocks, number % blocks * rows, weight.reshape(-1), strips.dtype.type(0)
    for c in range(0, C, side):
        for k in range(first, min(K, first + rows)):
            copy(strips, ((g * all_strips + c // side) * K + k) * side * taps, seen, ((g * K + k) * C + c) * taps,
                 min(side, C - c) * taps, zero)


@lru_cache(maxsize=1024)
def plan_gradient_x(shape, weight, stride, padding, dilation, output, itemsize, workers):
    (N, _, H, W), (G, K, C, R, S), (P, Q) = shape, weight, output
    phase, shift = [], []
    for taps, step, before, apart in zip((R, S), stride, padding, dilation):
        phase.append((np.arange(taps) * apart - before) % step)            # the remainder of the rows of x that the tap sees
        shift.append((phase[-1] + before - np.arange(taps) * apart) // step)
    (down, in_rows), (across, in_columns) = (np.unique(s, return_inverse=True) for s in shift)
    sizes = np.full_like(down, P), np.full_like(across, Q)
    reading = Reading(down[:, None] * Q + across, np.stack([down, sizes[0]]), np.stack([across, sizes[1]]), Q, P * Q)
    columns, phases = (in_rows[:, None] * across.size + in_columns).reshape(-1), (phase[0][:, None] * stride[1] + phase[1]).reshape(-1)
    taps = [(columns[phases == f], np.flatnonzero(phases == f)) for f in range(stride[0] * stride[1])]
    side, size = max(ROWS, BYTES // itemsize), R * S
    channels = np.arange(0, C, ROWS)
    starts = np.arange(G)[:, None] * (-(-C // side) * side * K * size) + channels // side * (K * side * size) + channels % side * size
    return side, plan(reading, G, K, C, N, (-(-H // stride[0]), -(-W // stride[1])), stride, taps, starts, (size, side * size), itemsize,
                      workers)


def gradient_x(grad_output, weight, stride, padding, dilation, grad_x):
    """grad_x (N, G·C, H, W) of grad_output (N, G·K, P, Q)."""
    if not grad_x.size:
        return grad_x
    G, K, C, R, S = weight.shape
    side, work = plan_gradient_x(grad_x.shape, weight.shape, tuple(stride), tuple(padding), tuple(dilation), grad_output.shape[2:],
                                 grad_x.itemsize, threads.get_num_threads())
    strips = memory.empty(G * -(-C // side) * side * K * R * S, weight.dtype)
    rearrange.run(G * -(-K // 16), weight.reshape(G, K, C, R * S), side, 16, strips)
    return product(work, grad_output.reshape(-1), strips, None, grad_x)
