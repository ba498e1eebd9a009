"""The gradient of the weight by vector tiles: a sum over positions, read from an image whose channels stand last.

    dw[k, c, r, s] = Σ_n,p,q  dy[n, k, p, q] · x[n, c, p·stride_h + r·dilation_h − top, q·stride_w + s·dilation_w − left]

with dy the upstream gradient, is a matrix product with one step for each position (n, p, q): a column of dy, K numbers, times what the
window sees there, C·R·S numbers. With the channels last, the C numbers under one tap stand side by side, as the vector tile
(kernels/simd.py) wants its columns, and those under the next tap to the right directly behind them:

    channels of position          (h, w)        (h, w + 1)      (h, w + 2)
                              c0 c1 … cC−1 │ c0 c1 … cC−1 │ c0 c1 … cC−1     ← row h of the window: S·C numbers of one row of dw
    and of the next position                 c0 c1 … cC−1 │ c0 c1 … cC−1 │ …    the same, shifted by C: the flat shift again

so that for each row r of the window the columns are the image itself, at an offset that the table gives for each position: again no
im2col is copied. More channels than a tile has columns are cut into chunks of one tile, each an image of its own, so that the rows that
a tile reads one after the other stand one after the other in memory. Where, on the contrary, S·C numbers do not fill a tile (an image of
3 colours), the window is folded: the R rows that an output row sees are laid side by side, as R·C channels under a window of one row.

A task sums the positions of some blocks of rows (a part) for some output channels of some groups; the parts are added at the end, in
order. How many there are depends on the shapes alone. Where there are many groups, one part is enough work for all threads, and the
weights of a group stay in the cache while its sums grow.
"""
import numpy as np

from .. import memory
from ..jit import jit
from ..lines import turn, workspace
from ..simd import BYTES, ROWS, tile, VECTORS
from ..task import task
from .flat import tile_width

CACHE = 1 << 17                  # numbers in a block, of x and of dy: 512 KB of float32
STEPS = 128                      # positions of a sum before the next tap: what they read stays in the L1 cache
PARTS, PART_NUMBERS = 16, 1 << 21      # so many partial sums at the most, of together so many numbers
PART_POSITIONS = 1 << 15         # that a part adds up, if there may be more parts: rounding errors grow with them
multiply = tile()


@jit
def channels_last(source, first_h, first_w, height, pitch, wide, image):
    """A block of rows:  source (C, H, W) -> image, flat (chunks of `wide` channels, height, pitch, wide), zero beyond the plane.

    Row u, column v of the image are row first_h + u and column first_w + v of the plane.
    """
    C, H, W = source.shape
    seen, lanes = source.reshape(-1), BYTES // image.itemsize
    v0, v1 = max(0, -first_w), min(pitch, W - first_w)
    image[:] = 0
    for i in range((C + wide - 1) // wide * height):
        chunk, u = i // height, i % height
        h = first_h + u
        if h >= 0 and h < H:
            channels, row = min(wide, C - chunk * wide), (chunk * height + u) * pitch * wide
            for c in range(0, channels, lanes):
                place = ((chunk * wide + c) * H + h) * W + first_w
                for v in range(v0, v1, lanes):
                    turn(image, row + v * wide + c, wide, seen, place + v, H * W, min(lanes, channels - c), min(lanes, v1 - v))


@jit
def folded(source, first_h, first_w, step, dilation, window, height, pitch, image):
    """A block of rows:  source (C, H, W) -> image, flat (height, pitch, C·window), zero beyond the plane.

    Row u, column v of the image are row first_h + u·step, column first_w + v of the plane, and the rows dilation, 2·dilation … below it:
    number c·window + r is row r of channel c. The rows of a window are turned together, as channels are above.
    """
    C, H, W = source.shape
    seen, lanes, wide = source.reshape(-1), BYTES // image.itemsize, C * window
    v0, v1 = max(0, -first_w), min(pitch, W - first_w)
    image[:] = 0
    for c in range(C):
        for u in range(height):
            h = first_h + u * step
            begin, end = (max(0, -h) + dilation - 1) // dilation, min(window, (H - 1 - h) // dilation + 1)
            for r in range(begin, end, lanes):
                place = (c * H + h + r * dilation) * W + first_w
                for v in range(v0, v1, lanes):
                    turn(image, (u * pitch + v) * wide + c * window + r, wide, seen, place + v, dilation * W,
                         min(lanes, end - r), min(lanes, v1 - v))


@jit
def positions_first(source, k_begin, k_end, first, count, turned):
    """A block of rows:  source (K, P, Q) -> turned, flat (strips of ROWS of the channels, count positions, ROWS)."""
    K, P, Q = source.shape
    seen, lanes = source.reshape(-1), BYTES // source.itemsize
    turned[:] = 0
    for k in range(k_begin, k_end):                                        # ROWS channels at a time, or so many as are turned at once
        i = (k - k_begin) % ROWS
        if i % min(lanes, ROWS) == 0:
            strip = (k - k_begin) // ROWS * count * ROWS + i
            for j in range(0, count, lanes):
                turn(turned, strip + j * ROWS, ROWS, seen, (k * P + first) * Q + j, P * Q,
                     min(lanes, ROWS, k_end - k), min(lanes, count - j))


@task("int64, T[:,:,:,::1], T[:,:,:,::1], UniTuple(int64, 6), int64, int64, int64, int64, int64, int64, "
      "T[:,:,:,:,:,::1]")
def sum_part(number, x, grad_output, geometry, rows, wide, fold, blocks, k_groups, shares, parts):
    """grad_weight (G, K, R, S, C) += what blocks of `rows` output rows add:  for one part, one of `shares` of the groups, and one of
    k_groups of their output channels.

    The blocks are counted through all images. If the window is folded, R is 1 here, and C is `fold` times the number of channels.
    """
    part, share, k_group = number // (k_groups * shares), number // k_groups % shares, number % k_groups
    grad_weight = parts[part]
    G, K, R, S, C = grad_weight.shape
    P, Q = grad_output.shape[2:]
    stride_h, stride_w, top, left, dilation_h, dilation_w = geometry
    per = ((K + k_groups - 1) // k_groups + ROWS - 1) // ROWS * ROWS
    k_begin, k_end = min(K, k_group * per), min(K, (k_group + 1) * per)
    step = 1 if fold > 1 else stride_h                                     # rows of the image from one output row to the next
    height, pitch = (rows - 1) * step + (R - 1) * dilation_h + 1, (Q - 1) * stride_w + (S - 1) * dilation_w + 1
    chunks, per_image, C_x = (C + wide - 1) // wide, (P + rows - 1) // rows, C // fold
    image = workspace(chunks * height * pitch * wide, x)
    turned = workspace((k_end - k_begin + ROWS - 1) // ROWS * ROWS * rows * Q, x)
    offsets = np.empty(rows * Q, np.int64)
    for p in range(rows):
        for q in range(Q):
            offsets[p * Q + q] = (p * step * pitch + q * stride_w) * wide
    merged = S if chunks == 1 and dilation_w == 1 else 1                   # taps whose channels stand side by side
    columns = tile_width(merged * min(C, wide), BYTES // x.itemsize)
    out = grad_weight.reshape(-1)
    for g in range(share * G // shares, (share + 1) * G // shares):
        for block in range(part * blocks // parts.shape[0], (part + 1) * blocks // parts.shape[0]):
            n, first = block // per_image, block % per_image * rows
            count = min(rows, P - first) * Q
            planes, top_row = x[n, g * C_x:(g + 1) * C_x], first * stride_h - top
            if fold > 1:
                folded(planes, top_row, -left, stride_h, dilation_h, fold, height, pitch, image)
            else:
                channels_last(planes, top_row, -left, height, pitch, wide, image)
            positions_first(grad_output[n, g * K:(g + 1) * K], k_begin, k_end, first, count, turned)
            for j in range(0, count, STEPS):
                for tap in range(chunks * R * (S // merged)):
                    chunk, r, s = tap // (R * (S // merged)), tap // (S // merged) % R, tap % (S // merged) * merged
                    seen = ((chunk * height + r * dilation_h) * pitch + s * dilation_w) * wide
                    across = merged * min(wide, C - chunk * wide)
                    for k in range(k_begin, k_end, ROWS):
                        weights = turned[((k - k_begin) // ROWS * count + j) * ROWS:]
                        to = (((g * K + k) * R + r) * S + s) * C + chunk * wide
                        for i in range(0, across, columns):
                            multiply(min(STEPS, count - j), weights, image[seen + i:], offsets[j:], out[to + i:], R * S * C,
                                     min(ROWS, k_end - k), min(columns, across - i), True)


@task("int64, T[::1], int64, T[:,:,:,::1]")
def add_parts(k, parts, fold, total):
    """The parts added up, and the channels put first, of one output channel:  parts, flat (parts, G·K, R, S, C), or, folded,
    (parts, G·K, S, C, R) -> total (G·K, C, R, S)."""
    K, C, R, S = total.shape
    out, size = total.reshape(-1), total.size
    apart, down, across = (R, 1, R * C) if fold > 1 else (1, S * C, C)
    for part in range(parts.size // size):
        source = parts[part * size + k * C * R * S:]
        for c in range(C):
            for r in range(R):
                for s in range(S):
                    value, to = source[c * apart + r * down + s * across], ((k * C + c) * R + r) * S + s
                    out[to] = value if part == 0 else out[to] + value


def gradient_weight(x, grad_output, shape, stride, padding, dilation):
    """The gradient (G, K, C, R, S) = shape, of x (N, G·C, H, W) and grad_output (N, G·K, P, Q); padding: (top, left)."""
    G, K, C, R, S = shape
    N, _, P, Q = grad_output.shape
    lanes = BYTES // x.itemsize
    fold = R if S * C < VECTORS * lanes and dilation[1] == 1 else 1
    chunks = 1 if fold > 1 else -(-C // (VECTORS * lanes))
    wide = fold * C if chunks == 1 else -(-C // (chunks * lanes)) * lanes
    pitch = (Q - 1) * stride[1] + (S - 1) * dilation[1] + 1
    shares = min(G, PARTS)
    count = max(1, min(N * P, max(PARTS // shares, N * P * Q // PART_POSITIONS), PARTS, PART_NUMBERS // max(1, G * K * C * R * S)))
    k_groups = max(1, min(-(-8 // (count * shares)), K // (2 * ROWS)))     # few tasks: the output channels are divided as well
    rows = max(1, min(P, CACHE // max(1, C * pitch * max(fold, stride[0]) + K // k_groups * Q)))
    rows = -(-P // -(-P // rows))                                          # blocks of about equal height
    blocks = N * -(-P // rows)
    count = max(1, min(count, blocks))
    parts, total = memory.zeros((count, G, K, R // fold, S, fold * C), x.dtype), memory.empty((G * K, C, R, S), x.dtype)
    sum_part.run(count * shares * k_groups, x, grad_output, (*stride, *padding, *dilation), rows, wide, fold, blocks, k_groups, shares,
                 parts)
    add_parts.run(G * K, parts.reshape(-1), fold, total)
    return total.reshape(shape)
