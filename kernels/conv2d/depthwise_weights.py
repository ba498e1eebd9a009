"""The gradient of the weights of a depthwise convolution, and of groups of a few channels: correlations of single planes.

    dw[k, c, r, s] = Σ_n,p,q  dy[n, k, p, q] · x[n, c, p·stride_h + r·dilation_h − top, q·stride_w + s·dilation_w − left]

x is copied plane by plane as forward does (depthwise.py); dy, the upstream gradient, is read where it stands, and
kernels/correlation.py sums the products. What it adds up in the type of the arrays is one block of one plane, or a few small planes; the
sums of blocks are added in float64.

A task sums some of the blocks for some of the groups. Where the groups are too few to go round, there are several parts of the blocks, of
which each has a total of its own; they are added at the end, in order.
"""
from functools import lru_cache

import numpy as np

from .. import memory
from ..correlation import correlate_address, rounded, together
from ..lines import workspace
from ..stencil import at, call
from ..task import task
from .depthwise import BLOCK_ROWS, COUNT, EVERY, PITCH, PLACE, PLAN, ROW, TASKS, call_lay_out, lay_out, plan_forward


@lru_cache(maxsize=1024)
def addresses(bands: tuple[tuple[int, int], ...], dtype) -> np.ndarray:
    return np.array([correlate_address(*band, dtype) for band in bands], np.int64)


@task(f"int64, int64, int64, T[::1], UniTuple(int64, 4), T[::1], UniTuple(int64, 3), {PLAN}, float64[:,:,:,::1]")
def sum_blocks(number, shares, total, x, x_shape, grad_output, y_shape, functions, runs, taps, phases, layout, parts):
    """parts (parts, G, K, cells): what one part of all `total` blocks of the planes adds up to, for one of `shares` of the groups.

    x_shape: (G, C, H, W), y_shape: (K, P, Q) of a group.
    """
    blocks, _, height, pitch, down, top, stride, planes = layout
    G, C, H, W = x_shape
    K, P, Q = y_shape
    part, share, totals = number // shares, number % shares, parts[number // shares]
    size, sums = C * height * pitch, totals.reshape(-1)
    image = workspace(planes * size, x)
    image[:] = 0
    for g in range(share * G // shares, (share + 1) * G // shares):
        totals[g] = 0
        block, end = part * total // parts.shape[0], (part + 1) * total // parts.shape[0]
        while block < end:
            n, part_of_plane = block // blocks, block % blocks
            count = min(planes, end - block)
            block += count
            call_lay_out((count, G * C * H * W, C, x, (n * G + g) * C * H * W, H, W, top + part_of_plane * down, stride, phases,
                          height, pitch, blocks > 1, image))
            for k in range(K):
                for i in range(functions.size):
                    rows = min(runs[i, BLOCK_ROWS], runs[i, COUNT] - part_of_plane * runs[i, BLOCK_ROWS])
                    if rows > 0:
                        first = ((n * G + g) * K + k) * P + runs[i, ROW] + part_of_plane * runs[i, BLOCK_ROWS] * runs[i, EVERY]
                        call(functions[i], (count, taps.size // 2, at(sums, (g * K + k) * totals.shape[2]),
                                            at(grad_output, first * Q), G * K * P * Q, runs[i, EVERY] * Q,
                                            at(image, runs[i, PLACE]), size, at(taps, 0), runs[i, PITCH], rows, Q))


@task("int64, T[:,:,:,:,::1], int64, float64[:,:,:,::1]")
def add_parts(g, grad_weight, band, parts):
    """The parts of a group added up, in order.  parts (parts, G, K, cells), a cell for each (c, r // band, s, r mod band) in this order
    -> grad_weight (G, K, C, R, S)."""
    _, K, C, R, S = grad_weight.shape
    for k in range(K):
        for c in range(C):
            for r in range(R):
                for s in range(S):
                    cell, total = (c * R + r // band * band) * S + s * band + r % band, 0.0
                    for part in range(parts.shape[0]):
                        total += parts[part, g, k, cell]
                    grad_weight[g, k, c, r, s] = total


def gradient_weight(x, grad_output, shape, stride, padding, dilation):
    """The gradient (G, K, C, R, S) = shape, of x (N, G·C, H, W) and grad_output (N, G·K, P, Q); padding: (top, left)."""
    G, K, C, R, S = shape
    found = plan_forward(shape, x.shape[3], grad_output.shape[2:], stride, padding, dilation, x.dtype)
    blocks, band = x.shape[0] * found.layout[0], found.bands[0][0]
    parts = max(1, min(-(-blocks // found.layout[7]), TASKS // G))
    lay_out.ready(x.dtype)
    cells, shares = rounded(C * R * S // band, together(band)) * band, min(G, TASKS)
    totals, grad_weight = memory.empty((parts, G, K, cells), np.float64), memory.empty(shape, x.dtype)
    sum_blocks.run(parts * shares, shares, blocks, x.reshape(-1), (G, C, *x.shape[2:]), grad_output.reshape(-1),
                   (K, *grad_output.shape[2:]), addresses(found.bands, x.dtype), found.runs, found.taps, found.phases, found.layout, totals)
    add_parts.run(G, grad_weight, band, totals)
    return grad_weight
