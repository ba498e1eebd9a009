"""Depthwise convolution, and groups of a few channels: stencils on single planes.

    y[n, k, p, q] = bias[k] + Σ_c,r,s  x[n, c, p·stride_h + r·dilation_h − top, q·stride_w + s·dilation_w − left] · weight[k, c, r, s]

over the few channels c of k's group. A task copies some rows of a plane into its cache, with the zeros of the padding around them, and
lets kernels/stencil.py pass over them; what it returns goes straight to y. Three things remain to be arranged:

Stride along a row. Neighbours in y see every second number of a row of x. So a row is taken apart when it is copied, into its phases: the
even numbers and then the odd ones, within which neighbours in y see neighbours. Vertically nothing is taken apart: the stencil steps over
rows.

    row of x, padded    · a b c d e f ·        phases, side by side    · b d f │ a c e ·        tap s reads phase s mod 2 from s // 2 on

Dilation of rows. Rows of the window that are two apart see, from even rows of y, even rows of x alone: a convolution without dilation of
every second row, and another of the rows between. Each is a run of the stencil over the same copy.

Gradient of x. For each remainder of row and column by the stride it is a convolution of the upstream gradient with some of the taps
(flat.axes_of_gradient_x): again a run. Runs whose columns interleave write to streams of their own, which are merged row by row.

Tasks are planes, or blocks of rows of large ones, in an order that depends on the shapes alone. The gradient of the weights is in
depthwise_weights.py.
"""
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from math import gcd, lcm

import numpy as np

from .. import memory
from ..comb import interleave, take_every
from ..lines import workspace
from ..simd import BYTES
from ..stencil import at, call, choose_band, stencil_address
from ..task import task
from .flat import Axis, axes_of_gradient_x, axis_of_output

IMAGE = 1 << 14                  # bytes of x that a task copies at a time: half of a usual L1 cache
LEAST = 8                        # rows of y in a block: with fewer, the rows that blocks have in common are copied too often
TASKS = 64                       # at the most
BEYOND = BYTES                   # numbers behind an image: more than the register that a stencil may read there

# What the columns of Plan.runs hold, one row for each run.
ROW, EVERY, COUNT, BLOCK_ROWS = 0, 1, 2, 3               # it writes rows ROW + i·EVERY of y, i < COUNT; BLOCK_ROWS of them in a block
PLACE, PITCH = 4, 5                                      # where the first sees the image, and how far apart the rows of a band are there
SPACING, FIRST, TAPS = 6, 7, 8                           # how far apart their weights are; its part of the table of taps
COLUMNS, STREAM = 9, 10                                  # columns that it writes, STREAM, STREAM + streams, …


@dataclass(frozen=True)
class Plan:
    """bands: (height, step) of each run.  taps: where each stands in the image, and then, where its weight stands.  phases: of a row,
    (place in the image, numbers, place in the source) each.  layout: blocks, rows of y in a block, rows and pitch of its image, from the
    rows of one image to those of the next in the source, the first of them, stride along a row, planes at a time."""
    bands: tuple[tuple[int, int], ...]
    runs: np.ndarray
    taps: np.ndarray
    phases: np.ndarray
    layout: tuple


def plan(vertical: tuple[Axis, ...], horizontal: tuple[Axis, ...], channels: int, apart: int, window_width: int, width: int, size: int,
         bands: bool = True, image: int = IMAGE) -> Plan:
    """channels: of the source, in a group; their weights are `apart`.  width: of a plane of the source.  size: bytes of a number.

    bands: False to take the rows of a window one by one.  image: bytes of a copy.
    """
    stride_h, stride_w = vertical[0].stride, horizontal[0].stride
    top, left = (min((seen for axis in axes for seen in axis.seen), default=0) for axes in (vertical, horizontal))
    extent = max((seen - top for axis in vertical for seen in axis.seen), default=0) + 1
    phases = sorted({(seen - left) % stride_w for axis in horizontal for seen in axis.seen}) or [0]
    across = max((axis.count + (seen - left) // stride_w for axis in horizontal for seen in axis.seen), default=1)
    pitch = len(phases) * across

    apart_h = [abs(axis.seen[1] - axis.seen[0]) if len(axis.seen) > 1 else 1 for axis in vertical]             # dilation
    splits = [dilation // gcd(dilation, stride_h) for dilation in apart_h]
    count, unit = max(axis.count for axis in vertical), lcm(*splits)
    most = max(LEAST, (image // (size * channels * pitch) - extent) // stride_h + 1)
    rows = -(-count // -(-count // most))                                  # as many in every block
    rows = -(-rows // unit) * unit
    height, blocks = (rows - 1) * stride_h + extent, -(-count // rows)

    heights, runs, places, weights = [], [], [], []
    for axis, dilation, split in zip(vertical, apart_h, splits):
        step = split * stride_h // dilation
        band = choose_band(len(axis.taps), step) if bands else 1
        if band == 1:
            split, step = 1, 1
        pairs = sorted(zip(axis.seen, axis.taps))
        seen, taps = [seen for seen, _ in pairs] or [top], [tap for _, tap in pairs]
        spacing = (taps[1] - taps[0]) * window_width if band > 1 else 0
        tables = []
        for line in horizontal:
            tables.append(len(places))
            for c in range(channels):
                for r in range(0, len(taps), band):
                    for h, s in zip(line.seen, line.taps):
                        phase, shift = (h - left) % stride_w, (h - left) // stride_w
                        places.append((c * height + seen[r] - seen[0]) * pitch + phases.index(phase) * across + shift)
                        weights.append(c * apart + taps[r] * window_width + s)
        tables.append(len(places))
        for part in range(min(split, axis.count)):
            for stream, line in enumerate(horizontal):
                heights.append((band, step))
                runs.append((axis.start + part * axis.step, split * axis.step, -(-(axis.count - part) // split), rows // split,
                             (seen[0] - top + part * stride_h) * pitch, (dilation if band > 1 else stride_h) * pitch,
                             spacing, tables[stream], tables[stream + 1] - tables[stream], line.count, stream))
    copies = []
    for number, phase in enumerate(phases):
        first = min(across, max(0, -((left + phase) // stride_w)))
        last = min(across, max(first, (width - 1 - left - phase) // stride_w + 1))
        copies.append((number * across + first, last - first, left + phase + first * stride_w))
    planes = max(1, image // (size * channels * height * pitch)) if blocks == 1 else 1
    runs, taps, rows_of_phases = (np.array(numbers, np.int64) for numbers in (runs, [*places, *weights], [*chain(*copies)]))
    return Plan(tuple(heights), runs, taps, rows_of_phases,
                (blocks, rows, height, pitch, rows * stride_h, top, stride_w, planes))


@lru_cache(maxsize=1024)
def addresses(bands: tuple[tuple[int, int], ...], many: int, dtype) -> np.ndarray:
    return np.array([stencil_address(*band, many, dtype) for band in bands], np.int64)


@task("int64, int64, int64, T[::1], int64, int64, int64, int64, int64, int64[::1], int64, int64, boolean, T[::1]")
def lay_out(images, apart, channels, source, place, H, W, first, stride, phases, rows, pitch, clear, image):
    """Rows first … first + rows − 1 of planes of the source to an image.  Columns outside a plane stay as they are, rows unless `clear`.

    source[place …]: `images`, `apart` numbers apart, of some channels (H, W) each  ->  image: (images, channels, rows, pitch).
    """
    begin, end = min(rows, max(0, -first)), max(0, min(rows, H - first))
    for plane in range(images * channels):
        at_image, at_source = plane * rows * pitch, place + plane // channels * apart + plane % channels * H * W
        if clear:
            for i in range(begin * pitch):
                image[at_image + i] = 0
            for i in range(max(begin, end) * pitch, rows * pitch):
                image[at_image + i] = 0
        for phase in range(0, phases.size, 3):
            here, count = at_image + begin * pitch + phases[phase], phases[phase + 1]
            there = at_source + (first + begin) * W + phases[phase + 2]
            for _ in range(begin, end):
                take_every(stride, image, here, source, there, count)
                here += pitch
                there += W


call_lay_out = lay_out.call
PLAN = "int64[::1], int64[:,::1], int64[::1], int64[::1], UniTuple(int64, 8)"                  # addresses, runs, taps, phases, layout


@task(f"int64, int64, int64, T[::1], UniTuple(int64, 4), T[::1], UniTuple(int64, 2), T[::1], int64, {PLAN}, T[::1], UniTuple(int64, 3)")
def convolve_planes(number, tasks, total, source, source_shape, weight, apart, bias, many, functions, runs, taps, phases, layout,
                    out, out_shape):
    """Part `number` of `tasks` of all `total` blocks of the planes of out, all groups of all images one after the other.

    source_shape: (G, C, H, W), out_shape: (K, P, Q) of a group.  apart: from the weights of one group to those of the next, and so
    of output channels, of which `many` are computed at once.  bias: (G·K,), or one number for all.
    """
    blocks, rows_of_block, height, pitch, down, top, stride, planes = layout
    G, C, H, W = source_shape
    K, P, Q = out_shape
    size, table = C * height * pitch, taps.size // 2
    image = workspace(planes * size + BEYOND, out)
    image[:] = 0
    streams, line = runs[-1, STREAM] + 1, runs[0, COLUMNS]                 # no other stream is wider
    stream = planes * rows_of_block * line
    merged = workspace(many * streams * stream if streams > 1 else 0, out)
    bias_apart = 1 if bias.size > 1 else 0
    block, end = number * total // tasks, (number + 1) * total // tasks
    while block < end:
        plane, part = block // blocks, block % blocks                      # plane: of a group and image; part: of its rows
        g = plane % G
        count = min(planes, end - block, G - g)
        block += count
        call_lay_out((count, C * H * W, C, source, plane * C * H * W, H, W, top + part * down, stride, phases, height, pitch,
                      blocks > 1, image))
        for together in range(0, K, many):
            k = min(together, K - many)                                    # the last may overlap those before: computed twice, alike
            first_weight, first_out, first_bias = g * apart[0] + k * apart[1], (plane * K + k) * P * Q, (g * K + k) * bias_apart
            for i in range(functions.size):
                rows = min(runs[i, BLOCK_ROWS], runs[i, COUNT] - part * runs[i, BLOCK_ROWS])
                if rows <= 0:
                    continue
                row_apart = runs[i, EVERY] * Q
                place = first_out + runs[i, ROW] * Q + part * runs[i, BLOCK_ROWS] * row_apart
                if streams == 1:
                    target, plane_apart = at(out, place), K * P * Q
                    next_apart, pitch_out = P * Q, row_apart
                else:
                    target, plane_apart = at(merged, runs[i, STREAM] * stream), rows_of_block * line
                    next_apart, pitch_out = streams * stream, line
                call(functions[i], (count, runs[i, TAPS], at(weight, first_weight), apart[0], apart[1], at(taps, table + runs[i, FIRST]),
                                    runs[i, SPACING], at(image, runs[i, PLACE]), size, at(taps, runs[i, FIRST]), runs[i, PITCH],
                                    target, plane_apart, next_apart, pitch_out, rows, runs[i, COLUMNS],
                                    at(bias, first_bias), bias_apart * K, bias_apart))
                if streams > 1 and runs[i, STREAM] == streams - 1:
                    for row in range(many * count * rows):
                        m, p, r = row // (count * rows), row // rows % count, row % rows
                        to, seen = place + (p * K + m) * P * Q + r * row_apart, m * streams * stream + (p * rows_of_block + r) * line
                        if streams == 2:
                            interleave(out, to, merged, seen, stream + seen, Q)
                        else:
                            for q in range(Q):
                                out[to + q] = merged[q % streams * stream + seen + q // streams]


def convolve(source, weight, bias, found: Plan, apart, out):
    """out (N, G·K, P, Q) of source (N, G·C, H, W)."""
    G, blocks = weight.shape[0], source.shape[0] * weight.shape[0] * found.layout[0]
    tasks, many = min(blocks, TASKS), min(2, out.shape[1] // G)
    lay_out.ready(out.dtype)
    convolve_planes.run(tasks, tasks, blocks, source.reshape(-1), (G, source.shape[1] // G, *source.shape[2:]), weight.reshape(-1), apart,
                        memory.zeros(1, out.dtype) if bias is None else bias, many, addresses(found.bands, many, out.dtype), found.runs,
                        found.taps, found.phases, found.layout, out.reshape(-1), (out.shape[1] // G, *out.shape[2:]))
    return out


@lru_cache(maxsize=1024)
def plan_forward(shape, width, output, stride, padding, dilation, dtype, bands=True, image=IMAGE) -> Plan:
    """shape: (G, K, C, R, S).  width: of x.  output: (P, Q)."""
    _, _, C, R, S = shape
    down, across = ((axis_of_output(*axis),) for axis in zip(output, (R, S), stride, padding, dilation))
    return plan(down, across, C, R * S, S, width, np.dtype(dtype).itemsize, bands, image)


@lru_cache(maxsize=1024)
def plan_gradient_x(shape, width, plane, stride, padding, dilation, dtype) -> Plan:
    """shape: (G, K, C, R, S).  width: of the upstream gradient.  plane: (H, W)."""
    _, K, C, R, S = shape
    down, across = (tuple(axes_of_gradient_x(*axis)) for axis in zip(plane, (R, S), stride, padding, dilation))
    return plan(down, across, K, C * R * S, S, width, np.dtype(dtype).itemsize)


def forward(x, weight, bias, stride, padding, dilation, y):
    """y (N, G·K, P, Q) of x (N, G·C, H, W), weight (G, K, C, R, S), bias (G·K,) or None; padding: (top, left)."""
    _, K, C, R, S = weight.shape
    if not y.size:
        return y
    found = plan_forward(weight.shape, x.shape[3], y.shape[2:], stride, padding, dilation, y.dtype)
    return convolve(x, weight, bias, found, (K * C * R * S, C * R * S), y)


def gradient_x(grad_output, weight, stride, padding, dilation, grad_x):
    """grad_x (N, G·C, H, W) of grad_output (N, G·K, P, Q)."""
    _, K, C, R, S = weight.shape
    if not grad_x.size:
        return grad_x
    found = plan_gradient_x(weight.shape, grad_output.shape[3], grad_x.shape[2:], stride, padding, dilation, grad_x.dtype)
    return convolve(grad_output, weight, None, found, (K * C * R * S, R * S), grad_x)
