"""The flat shift: a convolution as a matrix product that reads the image itself. im2col without the copy.

Lay the rows of a plane, padded on the right, one after the other, `pitch` numbers apart. Output (p, q) stands at p·pitch + q, and what it
sees through the tap (r, s) stands at (p + r)·pitch + (q + s): always r·pitch + s further on. One constant for the whole plane:

    pitch = 6                       tap (0, 0)                tap (0, 1)                tap (1, 0)
    a b c d e .                    [a b c d . . g h i j …]    [b c d e . . h i j k …]   [g h i j . . m n o p …]
    g h i j k .
    m n o p q .            each is a row of the columns that im2col would have copied, and stands in the image already
    s t u v w .

So row (c, r, s) of the columns is the flat image from the offset  c·plane + r·pitch + s  on, and the product weight · columns needs no more
than a table of offsets, which the vector tile (kernels/simd.py) takes. What it computes where a row of outputs ends and the next begins
(under the dots) is left out when the outputs are taken over into y.

Stride: the image is split into stride_h · stride_w phases, those of even and of odd rows and columns; within a phase the stride is 1, and
the table says in which phase each tap lies. The gradient of x is again such a product, of the upstream gradient with the window turned
round; where the stride is s, one for every s-th row and column of x (`axes_of_gradient_x`).

A task is a block of output rows of one image and group: it copies what they see into its cache, C·height·pitch numbers, and goes through
all the output channels, a strip of simd.ROWS at a time. Weights are packed beforehand, [strip][step][row], as the tile reads them.
"""
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .. import memory
from ..jit import jit
from ..lines import copy, turn, workspace
from ..simd import BYTES, ROWS, tile, VECTORS
from ..task import task

CACHE = 1 << 17                  # numbers in the image of a task: 512 KB of float32, half of a usual L2 cache
STEPS = 256                      # steps of a sum before the next strip: what they read of the image stays in the L1 cache
multiply = tile()


@dataclass(frozen=True)
class Axis:
    """How `count` outputs along one axis read the source: output i, which stands at start + i·step of y, sees through taps[j] of the
    window what stands at i·stride + seen[j] of the source (zero if that is outside)."""
    count: int
    stride: int
    taps: tuple[int, ...]
    seen: tuple[int, ...]
    start: int = 0
    step: int = 1


def axis_of_output(count: int, window: int, stride: int, before: int, dilation: int) -> Axis:
    """Forward:  output p sees  p·stride − before + r·dilation  of x."""
    return Axis(count, stride, tuple(range(window)), tuple(r * dilation - before for r in range(window)))


def axes_of_gradient_x(size: int, window: int, stride: int, before: int, dilation: int) -> list[Axis]:
    """Backward:  x[h] was seen by the outputs p with  p·stride − before + r·dilation = h.  One axis for each remainder of h by the stride:
    for h = start + i·stride these are  p = i + (start + before − r·dilation) / stride,  of the taps r for which that is whole."""
    axes = []
    for start in range(min(stride, size)):
        taps = tuple(r for r in range(window) if (start + before - r * dilation) % stride == 0)
        seen = tuple((start + before - r * dilation) // stride for r in taps)
        axes.append(Axis(-(-(size - start) // stride), 1, taps, seen, start, stride))
    return axes


@dataclass(frozen=True)
class Plan:
    """rows: of outputs in a task.  height, pitch: of its image.  phases: those that some tap reads, for both axes.  origin: the source row
    and column at which the image of phase (0, 0) begins.  cells: the cell of the window for each tap.  offsets: where the
    row of the columns for each step of the sum, a channel and a tap, begins in the image."""
    rows: int
    height: int
    pitch: int
    phases: tuple
    origin: tuple[int, int]
    cells: np.ndarray
    offsets: np.ndarray


@lru_cache(maxsize=1024)
def plan(vertical: Axis, horizontal: Axis, channels: int, window_width: int, lanes: int) -> Plan:
    """lanes: numbers in a register."""
    axes = vertical, horizontal
    phases = tuple(np.unique([d % axis.stride for d in axis.seen] or [0]) for axis in axes)
    low = [min((d // axis.stride for d in axis.seen), default=0) for axis in axes]
    extra = [max((d // axis.stride for d in axis.seen), default=0) - least for axis, least in zip(axes, low)]
    pitch, images = horizontal.count + extra[1], len(phases[0]) * len(phases[1])
    rows = choose_rows(vertical.count, horizontal.count, pitch, channels * images * pitch, extra[0], lanes)
    height = rows + extra[0]
    plane = height * pitch
    cells, offsets = [], []
    for r, h in zip(vertical.taps, vertical.seen):
        for s, w in zip(horizontal.taps, horizontal.seen):
            down, across = np.searchsorted(phases[0], h % vertical.stride), np.searchsorted(phases[1], w % horizontal.stride)
            cells.append(r * window_width + s)
            row, column = h // vertical.stride - low[0], w // horizontal.stride - low[1]
            offsets.append((down * len(phases[1]) + across) * plane + row * pitch + column)
    starts = np.arange(channels) * (images * plane)
    return Plan(rows, height, pitch, phases, (low[0] * vertical.stride, low[1] * horizontal.stride), np.array(cells, np.int64),
                (starts[:, None] + np.array(offsets, np.int64)).reshape(-1))


def choose_rows(P: int, Q: int, pitch: int, line: int, extra: int, lanes: int) -> int:
    """Output rows in a task whose image has `line` numbers a row: as fit the cache, at the least cost in registers and rows copied."""
    def cost(rows):
        blocks, last = -(-P // rows), (P - 1) % rows + 1
        registers = (blocks - 1) * -(-((rows - 1) * pitch + Q) // lanes) + -(-((last - 1) * pitch + Q) // lanes)
        return registers + 0.1 * blocks * (rows + extra) * pitch / lanes, -rows
    return min(range(1, max(1, min(P, CACHE // max(1, line) - extra)) + 1), key=cost)


@jit
def tile_width(count, lanes):
    """Columns of each tile, where `count` columns are cut into tiles of about equal width, at most VECTORS registers."""
    registers = (count + lanes - 1) // lanes
    tiles = (registers + VECTORS - 1) // VECTORS
    return (registers + tiles - 1) // tiles * lanes


@jit
def lay_out(source, phases_h, phases_w, stride, origin, height, pitch, image):
    """Copies a block of rows:  source (C, H, W) -> image, flat (C, phases, height, pitch), zero beyond the plane.

    Row u of phase a is source row  origin + u·stride + a.
    """
    C, H, W = source.shape
    seen, zero, at = source.reshape(-1), image.dtype.type(0), 0
    plane = phases_h.size * phases_w.size * height * pitch
    image[:] = 0
    for a in phases_h:
        for b in phases_w:
            h0, w0 = origin[0] + a, origin[1] + b
            u0, u1 = max(0, -(h0 // stride[0])), min(height, (H - 1 - h0) // stride[0] + 1)
            v0, v1 = max(0, -(w0 // stride[1])), min(pitch, (W - 1 - w0) // stride[1] + 1)
            if v0 < v1:
                for c in range(C):
                    for u in range(u0, u1):
                        to, place = c * plane + at + u * pitch + v0, (c * H + h0 + u * stride[0]) * W + w0 + v0 * stride[1]
                        if stride[1] == 1:
                            copy(image, to, seen, place, v1 - v0, zero)
                        else:
                            target, row = image[to:to + v1 - v0], seen[place:]
                            for v in range(v1 - v0):
                                target[v] = row[v * stride[1]]
            at += height * pitch


@task("int64, T[:,:,:,::1], T[:,:,:,::1], int64[::1], int64[::1], int64[::1], T[::1], UniTuple(int64, 2), UniTuple(int64, 2), "
      "UniTuple(int64, 2), UniTuple(int64, 2), int64, int64, int64, int64, int64, T[:,:,:,::1]")
def convolve_block(number, x, strips, offsets, phases_h, phases_w, biases, stride, origin, start, step, most, height, pitch, P, Q, out):
    """Block `number` of at most `most` output rows, counted through groups and images:  x (N, G·C, H, W), strips (G, ·, steps, ROWS)
    -> out (N, G·K, …), of which it writes rows start + i·step."""
    G, blocks = strips.shape[0], (P + most - 1) // most
    n, g, first = number // (G * blocks), number // blocks % G, number % blocks * most
    C, K, rows = x.shape[1] // G, out.shape[1] // G, min(most, P - first)
    source, packed, y = x[n, g * C:(g + 1) * C], strips[g], out[n, g * K:(g + 1) * K]
    bias = biases[g * K:(g + 1) * K] if biases.size else biases
    steps, length = offsets.size, (rows - 1) * pitch + Q
    image = workspace(C * phases_h.size * phases_w.size * height * pitch, y)
    lay_out(source, phases_h, phases_w, stride, (origin[0] + first * stride[0], origin[1]), height, pitch, image)
    line = (length + 15) // 16 * 16
    sums, into = workspace(ROWS * line, y), y.reshape(-1)
    columns = tile_width(length, BYTES // y.itemsize)
    for strip in range(packed.shape[0]):
        count, weights = min(ROWS, K - strip * ROWS), packed[strip].reshape(-1)
        for t in range(0, max(1, steps), STEPS):
            for j in range(0, length, columns):
                multiply(min(STEPS, steps - t), weights[t * ROWS:], image[j:], offsets[t:], sums[j:], line, count,
                         min(columns, length - j), t > 0)
        for i in range(count):
            k = strip * ROWS + i
            more = bias[k] if bias.size else y.dtype.type(0)
            for p in range(rows):
                to = (k * y.shape[1] + start[0] + (first + p) * step[0]) * y.shape[2] + start[1]
                if step[1] == 1:
                    copy(into, to, sums, i * line + p * pitch, Q, more)
                else:
                    target, row = into[to:], sums[i * line + p * pitch:i * line + p * pitch + Q]
                    for q in range(Q):
                        target[q * step[1]] = row[q] + more


@task("int64, T[:,:,:,::1], int64[::1], boolean, T[:,:,:,::1]")
def pack_strip(number, weights, cells, turned, strips):
    """Strip `number` of ROWS output channels, counted through the groups, for the tile:  weight (K, C, R·S), or, turned, (C, K, R·S)
    -> packed (C·cells, ROWS)."""
    g, first = number // strips.shape[1], number % strips.shape[1] * ROWS
    weight, packed = weights[g], strips[g, number % strips.shape[1]]
    K, C, size = (weight.shape[1], weight.shape[0], weight.shape[2]) if turned else weight.shape
    lanes, rows, count = BYTES // weight.itemsize, min(ROWS, K - first), cells.size
    source, out = weight.reshape(-1), packed.reshape(-1)
    if rows < ROWS:
        out[:] = 0
    if count < size:
        for c in range(C):
            for t in range(count):
                for i in range(rows):
                    k, cell = first + i, cells[t]
                    out[(c * count + t) * ROWS + i] = weight[c, k, cell] if turned else weight[k, c, cell]
        return
    # All cells, in their order: a matrix (rows, C·R·S) to be transposed, or, turned, C matrices (rows, R·S).
    matrices, wide = (C, size) if turned else (1, C * size)
    for c in range(matrices):
        for j in range(0, wide, lanes):
            for i in range(0, rows, lanes):
                turn(out, (c * wide + j) * ROWS + i, ROWS, source, (c * K + first + i) * wide + j, wide,
                     min(lanes, rows - i), min(lanes, wide - j))


def product(source, weight, bias, turned, vertical: Axis, horizontal: Axis, y):
    """The outputs of a pair of axes: y[n, k, …] = bias[k] + Σ_c,taps weight · source."""
    (G, K, C, R, S), lanes = weight.shape, BYTES // y.itemsize
    if turned:
        K, C = C, K
    found = plan(vertical, horizontal, C, S, lanes)
    packed = memory.empty((G, -(-K // ROWS), C * found.cells.size, ROWS), y.dtype)
    pack_strip.run(packed.shape[0] * packed.shape[1], weight.reshape(*weight.shape[:3], R * S), found.cells, turned, packed)
    convolve_block.run(source.shape[0] * G * -(-vertical.count // found.rows), source, packed, found.offsets, *found.phases,
                       memory.empty(0, y.dtype) if bias is None else bias, (vertical.stride, horizontal.stride), found.origin,
                       (vertical.start, horizontal.start), (vertical.step, horizontal.step), found.rows, found.height, found.pitch,
                       vertical.count, horizontal.count, y)


def forward(x, weight, bias, stride, padding, dilation, y):
    """y (N, G·K, P, Q) of x (N, G·C, H, W), weight (G, K, C, R, S), bias (G·K,) or None; padding: (top, left)."""
    vertical, horizontal = (axis_of_output(*axis) for axis in zip(y.shape[2:], weight.shape[3:], stride, padding, dilation))
    product(x, weight, bias, False, vertical, horizontal, y)
    return y


def gradient_x(grad_output, weight, stride, padding, dilation, grad_x):
    """grad_x (N, G·C, H, W) of grad_output (N, G·K, P, Q)."""
    down, across = (axes_of_gradient_x(*axis) for axis in zip(grad_x.shape[2:], weight.shape[3:], stride, padding, dilation))
    for vertical in down:
        for horizontal in across:
            product(grad_output, weight, None, True, vertical, horizontal, grad_x)
    return grad_x
