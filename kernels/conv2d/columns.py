"""Convolution by columns: the rungs that need no vector instructions of their own, for float32 and float64.

    direct      no matrix at all: every tap adds its weight times a row of x to a row of y.
    im2col      the reference: the columns of a whole image, then one matrix product (BLAS).
    tiled       the same, tile by tile: the columns of a few output rows at a time, so many as fit the cache.

Where the window is 1×1 with stride 1 and no padding, the planes of x are the columns already, and nothing is copied. Which tiles there
are, and the number of partial sums of the weight gradient, depend on the shapes alone: the bits are the same with any number of threads.

Here weight is (G, K/G, C/G, R, S), and `geometry` is (stride_h, stride_w, top, left, dilation_h, dilation_w): output row p sees, through
the tap r, input row  p·stride_h − top + r·dilation_h.
"""
import numpy as np

from .. import memory
from ..blas import gemm
from ..jit import jit
from ..task import task

IM2COL, POINTWISE, DIRECT = 1, 2, 3              # how the compiled loops are told what to do
TILE = 1 << 16                   # numbers in the columns of one tile: 256 KB of float32, for the L2 cache
PIXELS = 64                      # a tile has at least so many columns: with fewer, BLAS reads the weights too often
PARTIALS = 16                    # the weight gradient is summed in so many parts (fewer for large weights) …
PARTIAL_NUMBERS = 1 << 24        # … of together so many numbers


def method(rung, weight_shape, plane, output, geometry) -> int:
    """What the loops do on a rung, for a weight (G, K/G, C/G, R, S), an input plane (H, W) and an output plane (P, Q)."""
    if rung == "direct":
        return DIRECT
    return POINTWISE if weight_shape[3:] == (1, 1) and geometry[:4] == (1, 1, 0, 0) and plane == output else IM2COL


def tile_rows(rung, weight_shape, output) -> int:
    """Output rows in a tile."""
    G, Kg, Cg, R, S = weight_shape
    P, Q = output
    if rung == "im2col":
        return max(1, P)
    height = Cg * R * S * (G * Kg if rung == "direct" else 1)              # direct: a multiplication counts like a number
    return max(1, min(P, max(TILE // max(1, height * Q), -(-PIXELS // Q))))


@jit
def inside(offset, stride, count, size):
    """Of i = 0 … count − 1, those for which offset + i·stride lies in 0 … size − 1: the first, and one beyond the last."""
    first = min(count, max(0, -(offset // stride)))                        # i ≥ −offset / stride, rounded up
    return first, min(count, max(first, (size - 1 - offset) // stride + 1))


@jit
def im2col(x, window, geometry, first, rows, Q, columns):
    """The patches of output rows first … first + rows − 1:  x (C, H, W) -> columns (C·R·S, rows·Q), zero where they leave the plane."""
    C, H, W = x.shape
    R, S = window
    stride_h, stride_w, top, left, dilation_h, dilation_w = geometry
    for i in range(C * R * S):
        c, r, s = i // (R * S), i // S % R, i % S
        h0, w0 = first * stride_h - top + r * dilation_h, s * dilation_w - left        # what output (first, 0) sees
        p0, p1 = inside(h0, stride_h, rows, H)
        q0, q1 = inside(w0, stride_w, Q, W)
        row = columns[i]
        if (p1 - p0) * (q1 - q0) < rows * Q:
            row[:] = 0
        for p in range(p0, p1):
            seen, source = row[p * Q + q0:p * Q + q1], x[c, h0 + p * stride_h, w0 + q0 * stride_w:]
            for q in range(q1 - q0):
                seen[q] = source[q * stride_w]


@jit
def col2im(columns, window, geometry, first, rows, Q, grad_x):
    """The transpose of im2col: columns (C·R·S, rows·Q) are added to grad_x (C, H, W)."""
    C, H, W = grad_x.shape
    R, S = window
    stride_h, stride_w, top, left, dilation_h, dilation_w = geometry
    for i in range(C * R * S):
        c, r, s = i // (R * S), i // S % R, i % S
        h0, w0 = first * stride_h - top + r * dilation_h, s * dilation_w - left
        p0, p1 = inside(h0, stride_h, rows, H)
        q0, q1 = inside(w0, stride_w, Q, W)
        for p in range(p0, p1):
            seen, target = columns[i, p * Q + q0:p * Q + q1], grad_x[c, h0 + p * stride_h, w0 + q0 * stride_w:]
            for q in range(q1 - q0):
                target[q * stride_w] += seen[q]


@jit
def direct(x, weight, geometry, first, y):
    """y (K, rows, Q) += what the windows see of x (C, H, W), through weight (K, C, R, S); row 0 of y is output row `first`."""
    K, rows, Q = y.shape
    C, H, W = x.shape
    R, S = weight.shape[2:]
    stride_h, stride_w, top, left, dilation_h, dilation_w = geometry
    for i in range(K * C * R * S):
        k, c, r, s = i // (C * R * S), i // (R * S) % C, i // S % R, i % S
        h0, w0 = first * stride_h - top + r * dilation_h, s * dilation_w - left
        p0, p1 = inside(h0, stride_h, rows, H)
        q0, q1 = inside(w0, stride_w, Q, W)
        value = weight[k, c, r, s]
        for p in range(p0, p1):
            out, source = y[k, p, q0:q1], x[c, h0 + p * stride_h, w0 + q0 * stride_w:]
            for q in range(q1 - q0):
                out[q] += value * source[q * stride_w]


@jit
def direct_gradients(x, weight, grad_output, geometry, need_x, need_weight, grad_x, grad_weight):
    """Both gradients of `direct` for one image and group, added to grad_x (C, H, W) and grad_weight (K, C, R, S)."""
    K, P, Q = grad_output.shape
    C, R, S = weight.shape[1:]
    H, W = x.shape[1:]
    stride_h, stride_w, top, left, dilation_h, dilation_w = geometry
    for i in range(K * C * R * S):
        k, c, r, s = i // (C * R * S), i // (R * S) % C, i // S % R, i % S
        h0, w0 = r * dilation_h - top, s * dilation_w - left
        p0, p1 = inside(h0, stride_h, P, H)
        q0, q1 = inside(w0, stride_w, Q, W)
        value, total = weight[k, c, r, s], 0.0                             # rows are added up in float64
        for p in range(p0, p1):
            g, h, w = grad_output[k, p, q0:q1], h0 + p * stride_h, w0 + q0 * stride_w
            if need_x:
                target = grad_x[c, h, w:]
                for q in range(q1 - q0):
                    target[q * stride_w] += value * g[q]
            if need_weight:
                source, row = x[c, h, w:], g.dtype.type(0)
                for q in range(q1 - q0):
                    row += g[q] * source[q * stride_w]
                total += row
        if need_weight:
            grad_weight[k, c, r, s] += total


@task("int64, int64, T[:,:,:,::1], T[:,:,:,:,::1], T[::1], UniTuple(int64, 6), int64, T[:,:,:,::1]")
def convolve_tile(number, algorithm, images, weight, bias, geometry, tile, outputs):
    """Tile `number` of `tile` output rows, counted through the images.  bias: (K,), or empty if there is none."""
    G, Kg, Cg, R, S = weight.shape
    (H, W), (P, Q) = images.shape[2:], outputs.shape[2:]
    tiles = (P + tile - 1) // tile
    first = number % tiles * tile                                          # row 0 of y is output row `first`
    x, y = images[number // tiles], outputs[number // tiles, :, first:first + tile]
    rows = y.shape[1]
    pitch, one = y.strides[0] // y.itemsize, y.dtype.type(1)               # from one plane of y to the next
    columns = np.empty((Cg * R * S if algorithm == IM2COL else 0, rows * Q), y.dtype)
    for k in range(G * Kg):
        y[k] = bias[k] if bias.size else 0
    for g in range(G):
        x_group, y_group = x[g * Cg:(g + 1) * Cg], y[g * Kg:(g + 1) * Kg]
        if algorithm == DIRECT:
            direct(x_group, weight[g], geometry, first, y_group)
        elif algorithm == POINTWISE:
            gemm(False, False, Kg, rows * Q, Cg, one, weight[g], Cg, x_group[:, first:], H * W, one, y_group, pitch)
        else:
            im2col(x_group, (R, S), geometry, first, rows, Q, columns)
            gemm(False, False, Kg, rows * Q, Cg * R * S, one, weight[g], Cg * R * S, columns, rows * Q, one, y_group, pitch)


@jit
def image_gradients(algorithm, x, weight, grad_output, geometry, tile, need_x, need_weight, grad_x, grad_weight, grad_bias):
    """The gradients of one image: grad_x (C, H, W) is written; grad_weight, like weight, and grad_bias (K,), or empty, are added to."""
    G, Kg, Cg, R, S = weight.shape
    P, Q = grad_output.shape[1:]
    height, one, zero = Cg * R * S, grad_output.dtype.type(1), grad_output.dtype.type(0)
    columns = np.empty((height if algorithm == IM2COL else 0, tile * Q), grad_output.dtype)
    for k in range(grad_bias.size):
        for p in range(P):
            total = 0.0
            for q in range(Q):
                total += grad_output[k, p, q]
            grad_bias[k] += total
    if need_x and algorithm != POINTWISE:
        grad_x[:] = 0
    for group in range(G):
        k, c = group * Kg, group * Cg
        if algorithm == DIRECT:
            direct_gradients(x[c:c + Cg], weight[group], grad_output[k:k + Kg], geometry, need_x, need_weight,
                             grad_x[c:c + Cg], grad_weight[group])
            continue
        for first in range(0, P, tile):
            rows = min(tile, P - first)
            g = grad_output[k:k + Kg, first:]                              # a tile of (K/G, rows, Q), planes P·Q apart
            if algorithm == POINTWISE:
                if need_weight:
                    gemm(False, True, Kg, Cg, rows * Q, one, g, P * Q, x[c:, first:], P * Q, one, grad_weight[group], Cg)
                if need_x:
                    gemm(True, False, Cg, rows * Q, Kg, one, weight[group], Cg, g, P * Q, zero, grad_x[c:, first:], P * Q)
                continue
            if need_weight:                                                # dw += g · columnsᵀ
                im2col(x[c:c + Cg], (R, S), geometry, first, rows, Q, columns)
                gemm(False, True, Kg, height, rows * Q, one, g, P * Q, columns, tile * Q, one, grad_weight[group], height)
            if need_x:                                                     # d columns = wᵀ · g
                gemm(True, False, height, rows * Q, Kg, one, weight[group], height, g, P * Q, zero, columns, tile * Q)
                col2im(columns, (R, S), geometry, first, rows, Q, grad_x[c:c + Cg])


@task("int64, int64, T[:,:,:,::1], T[:,:,:,:,::1], T[:,:,:,::1], UniTuple(int64, 6), int64, boolean, boolean, int64, "
      "T[:,:,:,::1], T[:,:,:,:,:,::1], float64[:,::1]")
def part_gradients(part, algorithm, x, weight, grad_output, geometry, tile, need_x, need_weight, parts, grad_x, grad_weight, grad_bias):
    """Part `part` of `parts`: the images part·N/parts … (part+1)·N/parts − 1, whose weight and bias gradients it sums."""
    N = grad_output.shape[0]
    for n in range(part * N // parts, (part + 1) * N // parts):
        image_gradients(algorithm, x[n], weight, grad_output[n], geometry, tile, need_x, need_weight, grad_x[n], grad_weight[part],
                        grad_bias[part])


def forward(rung, x, weight, bias, stride, padding, dilation, y):
    """y (N, K, P, Q) of x (N, C, H, W), weight (G, K/G, C/G, R, S), bias (K,) or None; padding: (top, left)."""
    geometry, output = (*stride, *padding, *dilation), y.shape[2:]
    rows = tile_rows(rung, weight.shape, output)
    convolve_tile.run(x.shape[0] * -(-output[0] // rows), method(rung, weight.shape, x.shape[2:], output, geometry), x, weight,
                      memory.empty(0, x.dtype) if bias is None else bias, geometry, rows, y)
    return y


def gradients(rung, x, weight, grad_output, plane, needs, stride, padding, dilation):
    """(grad_x, grad_weight, grad_bias) of forward, None where needs is False.  plane: (H, W).  x: None will do without grad_weight."""
    need_x, need_weight, need_bias = needs
    (N, K, P, Q), (G, _, Cg, _, _), dtype = grad_output.shape, weight.shape, grad_output.dtype
    geometry = (*stride, *padding, *dilation)
    parts = min(N, PARTIALS, max(2, PARTIAL_NUMBERS // max(1, weight.size))) if need_weight or need_bias else N
    # grad_x and x stand in for each other where only one is needed: for their shape, neither read nor written
    grad_x = memory.empty((N, G * Cg, *plane), dtype) if need_x or x is None else x
    grad_weight = memory.zeros((parts, *weight.shape) if need_weight else (parts, G, 0, 0, 0, 0), dtype)
    grad_bias = memory.zeros((parts, K if need_bias else 0), np.float64)
    part_gradients.run(parts, method(rung, weight.shape, plane, (P, Q), geometry), grad_x if x is None else x, weight, grad_output,
                       geometry, tile_rows(rung, weight.shape, (P, Q)), need_x, need_weight, parts, grad_x, grad_weight, grad_bias)
    return (grad_x if need_x else None,
            sum_of_parts(grad_weight, weight.shape, dtype) if need_weight else None,
            sum_of_parts(grad_bias, (K,), dtype) if need_bias else None)


def sum_of_parts(parts, shape, dtype):
    """The partial sums added up in order."""
    if parts.shape[0] == 1 and parts.dtype == dtype:
        return parts.reshape(shape)
    total = memory.empty(shape, dtype)
    np.add.reduce(parts, axis=0, out=total.reshape(parts.shape[1:]))
    return total
