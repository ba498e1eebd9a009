"""Convolution in NumPy, to be read: im2col makes of it one matrix product, col2im is the way back.

What im2col does.  A plane of 3×3 seen through a window of 2×2 shows four patches. Written as columns, one beside the other:

        1 2 3           patches   1 2   2 3   4 5   5 6        columns   1  2  4  5     tap (0,0): top left in every patch
    x = 4 5 6                     4 5   5 6   7 8   8 9                  2  3  5  6     tap (0,1): top right
        7 8 9                                                            4  5  7  8     tap (1,0): bottom left
                        y[0,0] y[0,1] y[1,0] y[1,1]                      5  6  8  9     tap (1,1): bottom right
                                                                         ↑ patch (p,q) = (0,0)

An output is the sum of weights times a patch. So with the weights of one output channel as a row (w00 w01 w10 w11), all outputs at once
are that row times the matrix of columns. With C channels the columns become C·R·S tall, with K output channels the weights become K
rows:

    y (K, P·Q)  =  weight (K, C·R·S)  ·  columns (C·R·S, P·Q)                                  for every image

How the columns are filled.  Look along a row of the matrix instead of down a column: the row of tap (0,1), 2 3 5 6, is the plane itself,
shifted by one pixel to the left and cut to P×Q. Each of the R·S taps is one such slice; so R·S copies of slices do it, not P·Q copies of
patches. A stride takes every second, third … pixel of the slice; a dilation spreads the shifts.

Why col2im adds.  Backward needs the transpose of im2col. Pixel 5 stands in the columns four times, once in each patch; a change of it
changes all four, so its gradient is the sum of the gradients of all four places: the same R·S slices, now added to instead of read.
"""
from collections.abc import Iterator

import numpy as np

from . import output_shape


def spec(x, weight, bias=None, *, stride, padding, dilation, groups):
    """The formula, one output at a time: the oracle of every other form."""
    (C, H, W), (K, Cg, R, S), ((top, _), (left, _)) = x.shape[1:], weight.shape, padding
    y = np.zeros(output_shape(x.shape, weight.shape, stride=stride, padding=padding, dilation=dilation, groups=groups))
    for n, k, p, q in np.ndindex(*y.shape):
        group = k // (K // groups)
        total = 0.0 if bias is None else bias[k]
        for c, r, s in np.ndindex(Cg, R, S):
            h = p * stride[0] - top + r * dilation[0]
            w = q * stride[1] - left + s * dilation[1]
            if 0 <= h < H and 0 <= w < W:
                total += x[n, group * (C // groups) + c, h, w] * weight[k, c, r, s]
        y[n, k, p, q] = total
    return y


def taps(window, output, stride, dilation) -> Iterator[tuple[int, int, tuple]]:
    """(r, s, where): tap (r, s) of the window sees padded[where], a slice of P×Q pixels."""
    (P, Q), (stride_h, stride_w) = output, stride
    for r, s in np.ndindex(*window):
        h, w = r * dilation[0], s * dilation[1]                              # what the tap sees in patch (0, 0)
        yield r, s, np.s_[:, :, h:h + (P - 1) * stride_h + 1:stride_h, w:w + (Q - 1) * stride_w + 1:stride_w]


def im2col(x, window, output, stride, padding, dilation):
    """Every patch as a column: x (N, C, H, W) -> columns (N, C, R, S, P, Q).  window: (R, S).  output: (P, Q)."""
    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    columns = np.empty((*x.shape[:2], *window, *output), x.dtype)
    for r, s, where in taps(window, output, stride, dilation):
        columns[:, :, r, s] = padded[where]
    return columns


def col2im(columns, plane, stride, padding, dilation):
    """The transpose of im2col: columns (N, C, R, S, P, Q) -> (N, C, H, W); what stood at several places is added up.  plane: (H, W)."""
    (H, W), ((top, bottom), (left, right)) = plane, padding
    window, output = columns.shape[2:4], columns.shape[4:]
    padded = np.zeros((*columns.shape[:2], top + H + bottom, left + W + right), columns.dtype)
    for r, s, where in taps(window, output, stride, dilation):
        padded[where] += columns[:, :, r, s]
    return np.ascontiguousarray(padded[:, :, top:top + H, left:left + W])    # what fell on the padding is nobody's gradient


def forward(x, weight, bias=None, *, stride, padding, dilation, groups):
    N, K, P, Q = output_shape(x.shape, weight.shape, None if bias is None else bias.shape,
                              stride=stride, padding=padding, dilation=dilation, groups=groups)
    _, Cg, R, S = weight.shape
    columns = im2col(x, (R, S), (P, Q), stride, padding, dilation)
    # group by group: (G, K/G, C/G·R·S) @ (N, G, C/G·R·S, P·Q) -> (N, G, K/G, P·Q)
    y = weight.reshape(groups, K // groups, Cg * R * S) @ columns.reshape(N, groups, Cg * R * S, P * Q)
    y = y.reshape(N, K, P, Q)
    if bias is not None:
        y += bias[:, None, None]
    # the columns are not kept: they are R·S times as large as x, and quickly made again
    return y, (x, weight, stride, padding, dilation, groups)


def backward(grad_output, saved, needs):
    x, weight, stride, padding, dilation, groups = saved
    (N, C, H, W), (K, Cg, R, S), (P, Q) = x.shape, weight.shape, grad_output.shape[2:]
    g = grad_output.reshape(N, groups, K // groups, P * Q)
    rows = weight.reshape(groups, K // groups, Cg * R * S)
    grad_x = grad_weight = grad_bias = None
    # y = rows · columns, so   d columns = rowsᵀ · g   and   d rows = Σ_n g · columnsᵀ
    if needs[0]:
        grad_columns = rows.swapaxes(1, 2) @ g                               # (N, G, C/G·R·S, P·Q)
        grad_x = col2im(grad_columns.reshape(N, C, R, S, P, Q), (H, W), stride, padding, dilation)
    if needs[1]:
        columns = im2col(x, (R, S), (P, Q), stride, padding, dilation).reshape(N, groups, Cg * R * S, P * Q)
        grad_weight = (g @ columns.swapaxes(2, 3)).sum(axis=0).reshape(weight.shape)
    if needs[2]:
        grad_bias = grad_output.sum(axis=(0, 2, 3), dtype=np.float64).astype(grad_output.dtype)
    return grad_x, grad_weight, grad_bias
