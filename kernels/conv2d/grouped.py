"""Convolution in groups of several channels: each direction as suits so many.

Forward and the gradient of x take the stencils of depthwise.py where the groups are so small that these win (`by_stencils`), and the flat
shift beyond. The gradient of the weights takes the tiles of weights.py where the groups are wide (`by_tiles`). Of a few channels, or where
nothing is copied, it is computed here:

    dw[k, c, r, s] = Σ_n,p,q  dy[n, k, p, q] · x[n, c, p·stride_h + r·dilation_h − top, q·stride_w + s·dilation_w − left]

with dy the upstream gradient. For the channels k and c of a group it is a product of two matrices with few rows, the channels of dy and
the taps (c, r, s), over very many positions; a tile of its sums is kept in registers, lane by lane, until all positions are through:

                                    16 positions of x, as they are seen through
                                    tap 0     tap 1     tap 2
        16 positions   channel 0    Σ00       Σ01       Σ02          each step: 8 + 3 registers are loaded,
        of dy, of      …            …         …         …            and 24 products added, to sums of 16 lanes each
                       channel 7    Σ70       Σ71       Σ72

kernels/correlation.py does that. x is copied as forward does (depthwise.py), or, where the window is 1×1 with stride 1 and no padding, read
where it stands, a plane as one long row.

A task has some channels c to itself, and all positions: there are no parts to add at the end. Within a task the sums of blocks are added
in float64.
"""
from functools import lru_cache

import numpy as np

from .. import memory
from ..correlation import correlate_channels_address, rounded, TAPS
from ..lines import workspace
from ..stencil import at, call
from ..task import task
from . import depthwise, flat, weights
from .depthwise import call_lay_out, plan_forward, lay_out, PITCH, PLACE, STREAM, TASKS

IMAGE = 1 << 16                  # bytes of x that a task copies at a time
POSITIONS = 512                  # of a plane, or of several together, that are read at a time where nothing is copied


def by_stencils(shape, stride) -> bool:
    """Whether stencils win over the flat shift.  It does more for strided rows; and with a 1×1 window, neighbours see nothing in common."""
    _, K, C, R, S = shape
    return R * S > 1 and max(K, C) <= (64 if max(stride) > 1 else 16)


def by_tiles(shape) -> bool:
    """Whether the gradient of the weights is left to tiles of channels: if they fill registers, and the window repays putting them last."""
    _, _, C, R, S = shape
    return R * S > 1 and C > 8


def forward(x, weight, bias, stride, padding, dilation, y):
    """y (N, G·K, P, Q) of x (N, G·C, H, W), weight (G, K, C, R, S), bias (G·K,) or None; padding: (top, left)."""
    way = depthwise if by_stencils(weight.shape, stride) else flat
    return way.forward(x, weight, bias, stride, padding, dilation, y)


def gradient_x(grad_output, weight, stride, padding, dilation, grad_x):
    """grad_x (N, G·C, H, W) of grad_output (N, G·K, P, Q)."""
    way = depthwise if by_stencils(weight.shape, stride) else flat
    return way.gradient_x(grad_output, weight, stride, padding, dilation, grad_x)


@task("int64, int64, T[::1], UniTuple(int64, 4), T[::1], UniTuple(int64, 3), int64, int64[:,::1], int64[::1], int64[::1], "
      "UniTuple(int64, 8), boolean, T[:,:,::1]")
def sum_channels(number, share, x, x_shape, grad_output, y_shape, function, runs, taps, phases, layout, copied, grad_weight):
    """grad_weight (G, K, C·R·S) for `share` of the channels of x, counted through all groups.

    x_shape: (G, C, H, W), y_shape: (K, P, Q) of a group.
    """
    blocks, rows_of_block, height, pitch, down, top, stride, planes = layout
    G, C, H, W = x_shape
    K, P, Q = y_shape
    cells, N = grad_weight.shape[2] // C, x.size // (G * C * H * W)
    channel, end = number * share, min(G * C, (number + 1) * share)
    most = min(C, share)
    image = workspace(planes * most * height * pitch if copied else 0, x)
    image[:] = 0
    totals = np.empty((most * cells + TAPS - 1) * K)
    while channel < end:
        g, c = channel // C, channel % C
        count = min(C - c, end - channel)
        channel += count
        size = count * height * pitch
        totals[:] = 0
        block = 0
        while block < N * blocks:
            n, part = block // blocks, block % blocks
            images = min(planes, N * blocks - block)
            block += images
            source, first = ((n * G + g) * C + c) * H * W, (n * G + g) * K * P * Q + part * rows_of_block * Q
            rows = min(rows_of_block, P - part * rows_of_block)
            if copied:
                call_lay_out((images, G * C * H * W, count, x, source, H, W, top + part * down, stride, phases, height, pitch,
                              blocks > 1, image))
                call(function, (images, K, count * cells, at(totals, 0), at(grad_output, first), G * K * P * Q, P * Q, Q,
                                at(image, runs[0, PLACE]), size, at(taps, 0), runs[0, PITCH], rows, Q))
            else:                                                          # the positions of a plane are the columns of one row
                call(function, (images, K, count, at(totals, 0), at(grad_output, first), G * K * P * Q, P * Q, 0,
                                at(x, source + part * rows_of_block), G * C * H * W, at(taps, 0), 0, 1, rows))
        for k in range(K):
            for cell in range(count * cells):
                grad_weight[g, k, c * cells + cell] = totals[cell * K + k]


@lru_cache(maxsize=1024)
def plan_in_place(channels: int, positions: int) -> tuple:
    """runs, taps, phases and layout, as in depthwise.Plan, of planes that are read as rows: a block is a part of a row."""
    blocks = -(-positions // POSITIONS)
    return (np.zeros((1, STREAM + 1), np.int64), np.arange(channels) * positions, np.zeros(1, np.int64),
            (blocks, -(-positions // blocks), 0, 0, 0, 0, 1, max(1, POSITIONS // positions)))


def gradient_weight(x, grad_output, shape, stride, padding, dilation):
    """The gradient (G, K, C, R, S) = shape, of x (N, G·C, H, W) and grad_output (N, G·K, P, Q); padding: (top, left)."""
    if by_tiles(shape):
        return weights.gradient_weight(x, grad_output, shape, stride, padding, dilation)
    G, K, C, R, S = shape
    plane, output = x.shape[2:], grad_output.shape[2:]
    copied = (R, S) != (1, 1) or (*stride, *padding) != (1, 1, 0, 0) or plane != output
    share = rounded(-(-G * C // TASKS), TAPS if R * S == 1 else 1)         # of the channels, for each task: whole tiles of taps
    if copied:
        found = plan_forward((G, K, min(C, share), R, S), plane[1], output, stride, padding, dilation, x.dtype, False, IMAGE)
        plan = found.runs, found.taps, found.phases, found.layout
    else:
        plane = output = (plane[0] * plane[1], 1)
        plan = plan_in_place(C, plane[0])
    lay_out.ready(x.dtype)
    grad_weight = memory.empty(shape, x.dtype)
    sum_channels.run(-(-G * C // share), share, x.reshape(-1), (G, C, *plane), grad_output.reshape(-1), (K, *output),
                     correlate_channels_address(x.dtype), *plan, copied, grad_weight.reshape(G, K, C * R * S))
    return grad_weight
