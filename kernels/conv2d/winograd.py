"""Winograd's minimal filtering: a convolution with a 3×3 window and stride 1, with 16 multiplications in place of 36.

Two neighbouring outputs of a window of three, over four inputs d and weights g, take 6 multiplications by the formula. Four do:

    y0 = d0·g0 + d1·g1 + d2·g2          m0 = (d0 − d2)·g0                   y0 = m0 + m1 + m2
    y1 = d1·g0 + d2·g1 + d3·g2          m1 = (d1 + d2)·(g0 + g1 + g2)/2     y1 = m1 − m2 − m3
                                        m2 = (d2 − d1)·(g0 − g1 + g2)/2
                                        m3 = (d1 − d3)·g2

In matrices  y = Aᵀ[(G g) ⊙ (Bᵀ d)], with ⊙ element by element; and in the plane, once down and once across, for a tile of 2×2 outputs Y,
the 4×4 inputs D that it sees and the 3×3 weights W:

    Y = Aᵀ [ U ⊙ V ] A      with  U = G W Gᵀ  (4×4)  and  V = Bᵀ D B  (4×4)          (section 4.1 of the source)

U and V are worth their additions because each serves many times: U for all tiles, V for all output channels. The sum over the input
channels moves inside, between ⊙ and A, so that for each of the 16 places ξ of a tile there is an ordinary matrix product:

    x (C, H, W)    ─ Bᵀ D B ─►   V[ξ]  (tiles, C) ┐
                                                   ├─ M[ξ] = V[ξ] · U[ξ]  (tiles, K)  ─ Aᵀ M A ─►   y (K, P, Q)
    w (K, C, 3, 3) ─ G W Gᵀ ─►   U[ξ]  (C, K)     ┘       16 products of vector tiles (simd.py)

Inside, channels stand last: a register holds the same place of a tile for 16 channels, and the transforms are additions of registers
(`sandwich` in lines.py). Rows of x are turned to channels last as they are read, and rows of y turned back. Channels are worked on in
groups of GROUP, and rows of tiles in blocks of about TILES tiles, so that what is read again and again stays in the L2 cache.

The gradient of x is the same: a convolution of the upstream gradient with the window turned round and the channels exchanged. That of the
weight stands in winograd_weights.py.

Rounding: the sums and differences lose about one bit; the error grows from some 2e-7 to some 5e-7. A number that is not finite makes all
outputs of the tiles that see it not finite: up to three outputs that do not depend on it are lost with those that do.

Source: Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308.
"""
import numpy as np

from .. import memory, threads
from ..jit import jit
from ..lines import copy, sandwich, turn, workspace
from ..simd import BYTES, REGISTERS, tile
from ..task import task

GROUP = 64                       # channels worked on together: four registers of float32
TILES = 112                      # tiles worked on together: V and M of a group of channels are 0.5 MB each
APART = 16                       # numbers between two matrices: at a distance of a power of two they would share lines of the L1 cache
FRESH = 2                        # blocks up to which each transforms the weights itself, group by group, into its cache
ROWS, VECTORS = (6, 4) if REGISTERS.rows == 8 else (REGISTERS.rows, REGISTERS.vectors)         # of a vector tile: GROUP is 4 registers
multiply = tile(ROWS, VECTORS, packed=False)

B_T = (1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)
G = (1, 0, 0), (.5, .5, .5), (.5, -.5, .5), (0, 0, 1)
A_T = (1, 1, 1, 0), (0, 1, -1, -1)
mix_input, mix_weight, mix_output = sandwich(B_T), sandwich(G), sandwich(A_T)
mix_gradient = sandwich(tuple(zip(*A_T)))                    # A · dY · Aᵀ, for the gradient of the weight


def fits(weight_shape, stride, dilation) -> bool:
    """Whether a convolution with weight (G, K, C, R, S) is of this kind."""
    return min(weight_shape[1:3]) > 0 and tuple(weight_shape[3:]) == (3, 3) and tuple(stride) == tuple(dilation) == (1, 1)


@jit
def matrix(rows):
    """Numbers from one matrix of `rows` rows, GROUP wide, to the next."""
    return rows * GROUP + APART


@jit
def clear(line, at, count):
    some = line[at:]
    for i in range(count):
        some[i] = 0


@task("T[:,:,:,::1], int64, UniTuple(int64, 4), UniTuple(int64, 2), UniTuple(int64, 2), T[::1], T[::1]")
def transform(x, side, geometry, tile_rows, channels, lines, V):
    """Rows of tiles of some channels of x (N, C, H, W) -> V, flat (groups of channels, 16, tiles, GROUP):

    Bᵀ D B  of the 4×4 tiles of x (side = 4), or  A D Aᵀ  of the 2×2 tiles of an upstream gradient (side = 2).
    Rows of tiles are counted through the images.  lines: `side` rows of x, channels last.
    """
    C, H, W = x.shape[1:]
    top, left, tiles_h, tiles_w = geometry
    first, count = channels[0], channels[1] - channels[0]
    numbers, lanes, zero = x.reshape(-1), BYTES // x.itemsize, x.dtype.type(0)
    width = 2 * tiles_w + side - 2                           # columns that a row of tiles sees
    line, plane = width * count, matrix((tile_rows[1] - tile_rows[0]) * tiles_w)
    begin, end = max(0, left), min(width, W + left)          # those that there are
    clear(lines, 0, side * line)
    for row in range(tile_rows[0], tile_rows[1]):
        n, i = row // tiles_h, row % tiles_h
        kept = side - 2 if row > tile_rows[0] and i > 0 else 0                  # the last two lines of a tile are the first of the next
        copy(lines, 0, lines, 2 * line, kept * line, zero)
        for u in range(kept, side):
            h = 2 * i - top + u
            if h < 0 or h >= H:
                clear(lines, u * line, line)
                continue
            for c in range(0, count, lanes):
                place = ((n * C + first + c) * H + h) * W - left
                for w in range(begin, end, lanes):
                    turn(lines, u * line + w * count + c, count, numbers, place + w, H * W, min(lanes, count - c), min(lanes, end - w))
        for c in range(0, count, GROUP):
            for j in range(tiles_w):
                target = c // GROUP * 16 * plane + ((row - tile_rows[0]) * tiles_w + j) * GROUP
                if side == 4:
                    mix_input(V, target, 4 * plane, plane, lines, 2 * j * count + c, line, count, min(GROUP, count - c))
                else:
                    mix_gradient(V, target, 4 * plane, plane, lines, 2 * j * count + c, line, count, min(GROUP, count - c))


@task("int64, T[::1], UniTuple(int64, 3), boolean, T[:,::1]")
def transform_weight(number, weight, sizes, turned, U):
    """U[ξ] (C, GROUP) of a group of output and one of input channels:  weight, flat (G, K, C, 9), or, turned round, (G, C, K, 9).

    number: of the group, counted through all; its place in U, unless U has room for one alone.
    """
    G, K, C = sizes
    k_groups, c_groups, lanes = (K + GROUP - 1) // GROUP, (C + GROUP - 1) // GROUP, BYTES // weight.itemsize
    g, k0, c0 = number // (k_groups * c_groups), number // c_groups % k_groups * GROUP, number % c_groups * GROUP
    count, channels, plane = min(GROUP, K - k0), min(GROUP, C - c0), matrix(GROUP)
    out = U[number if U.shape[0] > 1 else 0]
    nine = workspace(lanes * 9 * GROUP, weight)              # of some input channels the nine weights, output channels last
    for c in range(0, channels, lanes):
        some = min(lanes, channels - c)
        for k in range(0, count, lanes):
            rows = min(lanes, count - k)
            if turned:
                for d in range(some):
                    place = ((g * C + c0 + c + d) * K + k0 + k) * 9
                    for j in range(0, 9, lanes):
                        turn(nine, (d * 9 + j) * GROUP + k, GROUP, weight, place + j, 9, rows, min(lanes, 9 - j))
            else:
                place = ((g * K + k0 + k) * C + c0 + c) * 9
                for j in range(0, some * 9, lanes):
                    turn(nine, j * GROUP + k, GROUP, weight, place + j, C * 9, rows, min(lanes, some * 9 - j))
        for d in range(some):
            if turned:                                       # from the last weight backwards
                mix_weight(out, (c + d) * GROUP, 4 * plane, plane, nine, (d * 9 + 8) * GROUP, -3 * GROUP, -GROUP, count)
            else:
                mix_weight(out, (c + d) * GROUP, 4 * plane, plane, nine, d * 9 * GROUP, 3 * GROUP, GROUP, count)


@jit
def products(steps, a, apart, places, b, offsets, c, rows, columns, add):
    """c (rows, columns) = Σ_k a[k, i] · b[k, j], or that added to c;  a[k, i] stands at places[k] + i·apart; rows of c are GROUP apart."""
    across = VECTORS * (BYTES // c.itemsize)
    for j in range(0, columns, across):
        for i in range(0, rows, ROWS):
            multiply(steps, a[i * apart:], b[j:], offsets, c[i * GROUP + j:], GROUP, min(ROWS, rows - i), min(across, columns - j), add,
                     apart, places)


@jit
def write_outputs(M, geometry, tile_rows, k, count, pixels, y):
    """Aᵀ M A of rows of tiles, for the channels k … k + count − 1 of y.  pixels: the outputs, channels last."""
    channels, P, Q = y.shape[1:]
    _, _, tiles_h, tiles_w = geometry
    out, lanes, plane = y.reshape(-1), BYTES // y.itemsize, matrix((tile_rows[1] - tile_rows[0]) * tiles_w)
    row = tile_rows[0]
    while row < tile_rows[1]:                                # all rows of tiles of an image together: its outputs stand side by side
        n, i = row // tiles_h, row % tiles_h
        some = min(tile_rows[1] - row, tiles_h - i)
        for s in range(some):
            # From right to left: where Q is odd, the last tile's second column falls on the next row's first, which is written later.
            for j in range(tiles_w - 1, -1, -1):
                mix_output(pixels, (2 * s * Q + 2 * j) * GROUP, Q * GROUP, GROUP,
                           M, ((row - tile_rows[0] + s) * tiles_w + j) * GROUP, 4 * plane, plane, count)
        seen = (min(P, 2 * (i + some)) - 2 * i) * Q
        for c in range(0, count, lanes):
            target = (n * channels + k + c) * P * Q + 2 * i * Q
            for q in range(0, seen, lanes):
                turn(out, target + q, P * Q, pixels, q * GROUP + c, GROUP, min(lanes, seen - q), min(lanes, count - c))
        row += some


call_transform, call_weight = transform.call, transform_weight.call


@task("int64, T[:,:,:,::1], T[::1], boolean, T[::1], T[:,::1], UniTuple(int64, 4), UniTuple(int64, 3), UniTuple(int64, 3), "
      "UniTuple(int64, 3), T[:,::1], T[:,:,:,::1]")
def convolve(worker, x, weight, turned, bias, U, geometry, sizes, cuts, room, work, y):
    """The pieces of one worker: a block of rows of tiles, and some groups of output channels.

    sizes: (G, K, C).  cuts: rows of tiles in a block, blocks, and parts of the output channels.  room: see `product`.
    U: all transformed weights, or nothing: then each group is transformed when it is used.
    """
    G, K, C = sizes
    rows, blocks, parts = cuts
    lines, V, M, fresh = work[worker, :room[0]], work[worker, room[0]:room[1]], work[worker, room[1]:room[2]], work[worker, room[2]:]
    pixels = lines                                           # which are not needed any more when those are
    total, tiles_w, zero = x.shape[0] * geometry[2], geometry[3], x.dtype.type(0)
    k_groups, c_groups, weights = (K + GROUP - 1) // GROUP, (C + GROUP - 1) // GROUP, matrix(GROUP)
    offsets, workers, pieces = np.arange(GROUP) * GROUP, work.shape[0], G * blocks * parts
    channels = np.arange(GROUP)
    for piece in range(worker * pieces // workers, (worker + 1) * pieces // workers):
        g, block, part = piece // (blocks * parts), piece // parts % blocks, piece % parts
        here = block * rows, min(total, (block + 1) * rows)
        tiles = (here[1] - here[0]) * tiles_w
        plane = matrix(tiles)
        call_transform((x, 4, geometry, here, (g * C, (g + 1) * C), lines, V))
        for k_group in range(part * k_groups // parts, (part + 1) * k_groups // parts):
            k0 = k_group * GROUP
            count = min(GROUP, K - k0)
            if bias.size:                                    # b at place (1, 1) of M, ξ = 5, is b in all outputs: column 1 of Aᵀ is ones
                for t in range(tiles):
                    copy(M, 5 * plane + t * GROUP, bias, g * K + k0, count, zero)
            for c_group in range(c_groups):
                number = (g * k_groups + k_group) * c_groups + c_group
                if U.size:
                    group = U[number]
                else:
                    call_weight((number, weight, sizes, turned, fresh.reshape(1, -1)))
                    group = fresh
                for xi in range(16):
                    products(min(GROUP, C - c_group * GROUP), V[(c_group * 16 + xi) * plane:], GROUP, channels, group[xi * weights:],
                             offsets, M[xi * plane:], tiles, count, c_group > 0 or (xi == 5 and bias.size > 0))
            write_outputs(M, geometry, here, g * K + k0, count, pixels, y)


def product(x, weight, bias, turned, padding, y):
    """y (N, G·K, P, Q) of x (N, G·C, H, W), padded, and weight (G, K, C, 3, 3), or, turned, (G, C, K, 3, 3)."""
    groups, (N, out_channels, P, Q), workers = weight.shape[0], y.shape, threads.get_num_threads()
    sizes = groups, out_channels // groups, x.shape[1] // groups
    tiles_h, tiles_w = -(-P // 2), -(-Q // 2)
    total, k_groups, c_groups = N * tiles_h, -(-sizes[1] // GROUP), -(-sizes[2] // GROUP)
    if not y.size:
        return y
    rows = -(-total // max(1, round(total * tiles_w / TILES)))
    blocks = -(-total // rows)
    parts = max(1, min(k_groups, -(-workers // (groups * blocks))))
    fresh, plane, weights = blocks <= FRESH, rows * tiles_w * GROUP + APART, GROUP * GROUP + APART
    weight, U = weight.reshape(-1), memory.empty((0 if fresh else groups * k_groups * c_groups, 16 * weights), x.dtype)
    if not fresh:
        transform_weight.run(len(U), weight, sizes, turned, U)
    for each in (transform, transform_weight):
        each.ready(x.dtype)
    needed = (max(4 * (2 * tiles_w + 2) * sizes[2], ((2 * rows + 1) * Q + 1) * GROUP), c_groups * 16 * plane, 16 * plane,
              16 * weights if fresh else 0)
    *room, size = np.cumsum([-(-count // 16) * 16 for count in needed])       # where V, M and a group of U begin, and their end
    workers = min(workers, groups * blocks * parts)
    convolve.run(workers, x, weight, turned, memory.empty(0, x.dtype) if bias is None else bias, U, (*padding, tiles_h, tiles_w), sizes,
                 (rows, blocks, parts), tuple(map(int, room)), memory.empty((workers, int(size)), x.dtype), y)
    return y


def forward(x, weight, bias, stride, padding, dilation, y):
    """y (N, G·K, P, Q) of x (N, G·C, H, W), weight (G, K, C, 3, 3), bias (G·K,) or None; padding: (top, left)."""
    return product(x, weight, bias, False, padding, y)


def gradient_x(grad_output, weight, stride, padding, dilation, grad_x):
    """grad_x (N, G·C, H, W) of grad_output (N, G·K, P, Q)."""
    return product(grad_output, weight, None, True, (2 - padding[0], 2 - padding[1]), grad_x)
