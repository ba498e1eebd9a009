"""Average pooling in Numba.

    1  boxes    a window is a box of rows and columns: first the rows of the box are added, all columns at once,
                then each window adds its columns.                                                               the default

For R×S windows that is R·W vector additions and Q·S scalar ones an output row, where the plain double loop has Q·R·S scalar ones: a
third of its time for 3×3 windows. The sums of a window are float64 in both precisions, and every window adds its own elements anew:
nothing slides, so nothing that left a window stays in its sum. Adaptive average pooling is the same with other boxes. Threads take
planes (n, c).
"""
import numpy as np
from numba import prange

from ..jit import jit
from ..memory import empty
from . import output_shape, windows


@jit
def average(plane, top, bottom, left, right, rows, columns, y):
    total = np.empty(plane.shape[1], np.float64)                           # of one column, over the rows of the box
    for p in range(y.shape[0]):
        for w in range(total.size):
            total[w] = 0
        for h in range(top[p], bottom[p]):
            row = plane[h]
            for w in range(total.size):
                total[w] += row[w]
        for q in range(y.shape[1]):
            box = 0.0
            for w in range(left[q], right[q]):
                box += total[w]
            y[p, q] = box / (rows[p] * columns[q])


@jit
def spread(grad_output, top, bottom, left, right, rows, columns, grad_plane):
    H, W = grad_plane.shape
    for h in range(H):
        for w in range(W):
            grad_plane[h, w] = 0
    share = np.empty(W, np.float64)                                      # what one output row gives to a column
    for p in range(grad_output.shape[0]):
        for w in range(share.size):
            share[w] = 0
        for q in range(grad_output.shape[1]):
            slope = grad_output[p, q] / (rows[p] * columns[q])
            for w in range(left[q], right[q]):
                share[w] += slope
        for h in range(top[p], bottom[p]):
            row = grad_plane[h]
            for w in range(share.size):
                row[w] += share[w]


@jit(parallel=True)
def forward_boxes(x, top, bottom, left, right, rows, columns, y):
    """y[plane,p,q] = Σ of x[plane] over top[p] ≤ h < bottom[p], left[q] ≤ w < right[q], divided by rows[p] · columns[q]."""
    for plane in prange(x.shape[0]):
        average(x[plane], top, bottom, left, right, rows, columns, y[plane])


@jit(parallel=True)
def backward_boxes(grad_output, top, bottom, left, right, rows, columns, grad_x):
    for plane in prange(grad_x.shape[0]):
        spread(grad_output[plane], top, bottom, left, right, rows, columns, grad_x[plane])


ALGORITHMS = {"boxes": forward_boxes}


def forward(x, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, algorithm="boxes"):
    N, C, P, Q = output_shape(x.shape, kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode,
                              count_include_pad=count_include_pad, divisor_override=divisor_override)
    top, bottom, rows = windows(x.shape[2], P, kernel_size[0], stride[0], padding[0], count_include_pad)
    left, right, columns = windows(x.shape[3], Q, kernel_size[1], stride[1], padding[1], count_include_pad)
    rows, columns = rows.astype(np.float64), columns.astype(np.float64)
    if divisor_override is not None:
        rows[:], columns[:] = divisor_override, 1
    boxes = top, bottom, left, right, rows, columns
    y = empty((N * C, P, Q), x.dtype)
    ALGORITHMS[algorithm](x.reshape(N * C, *x.shape[2:]), *boxes, y)
    return y.reshape(N, C, P, Q), (x.shape, boxes)


def backward(grad_output, saved, needs=(True,)):
    if not needs[0]:
        return (None,)
    (N, C, H, W), boxes = saved
    grad_x = empty((N * C, H, W), grad_output.dtype)
    backward_boxes(grad_output.reshape(N * C, *grad_output.shape[2:]), *boxes, grad_x)
    return (grad_x.reshape(N, C, H, W),)
