"""Interpolation in Numba: each output row blends two input rows, all columns at once, and then takes its columns from the blend.

Sums and blends are float64 in both precisions: backward from 224×224 to 1×1 adds 50,000 gradients into one. One thread: the operation is
rare in a network, and compiling for several triples the time of its first call.
"""
import numpy as np

from ..jit import jit
from ..memory import empty
from . import output_shape, taps


@jit
def forward_rows(x, top, bottom, down, left, right, across, bilinear, y):
    blend = np.empty(x.shape[2], np.float64)
    for i in range(x.shape[0]):
        plane = x[i]
        for p in range(top.size):
            out = y[i, p]
            upper, lower = plane[top[p]], plane[bottom[p]]
            if bilinear:
                for w in range(blend.size):
                    blend[w] = (1 - down[p]) * upper[w] + down[p] * lower[w]
                for q in range(out.size):
                    out[q] = (1 - across[q]) * blend[left[q]] + across[q] * blend[right[q]]
            else:
                for q in range(out.size):                                  # not as weights 1 and 0: 0 · ∞ is no pixel
                    out[q] = upper[left[q]]


@jit
def backward_rows(grad_output, top, bottom, down, left, right, across, bilinear, grad_x):
    total, blend = np.empty(grad_x.shape[1:], np.float64), np.empty(grad_x.shape[2], np.float64)
    for i in range(grad_x.shape[0]):
        total[:] = 0
        for p in range(top.size):
            g, upper, lower = grad_output[i, p], total[top[p]], total[bottom[p]]
            if bilinear:
                for w in range(blend.size):
                    blend[w] = 0
                for q in range(g.size):
                    blend[left[q]] += (1 - across[q]) * g[q]
                    blend[right[q]] += across[q] * g[q]
                for w in range(blend.size):
                    upper[w] += (1 - down[p]) * blend[w]
                for w in range(blend.size):                                # after upper: the two may be one row
                    lower[w] += down[p] * blend[w]
            else:
                for q in range(g.size):
                    upper[left[q]] += g[q]
        for h in range(grad_x.shape[1]):
            for w in range(grad_x.shape[2]):
                grad_x[i, h, w] = total[h, w]


def forward(x, *, size, scale, mode, align_corners):
    N, C, P, Q = output_shape(x.shape, size=size, scale=scale, mode=mode, align_corners=align_corners)
    rows = taps(x.shape[2], P, scale and scale[0], mode, align_corners)
    columns = taps(x.shape[3], Q, scale and scale[1], mode, align_corners)
    bilinear, y = mode == "bilinear", empty((N * C, P, Q), x.dtype)
    forward_rows(x.reshape(N * C, *x.shape[2:]), *rows, *columns, bilinear, y)
    return y.reshape(N, C, P, Q), (x.shape, rows, columns, bilinear)


def backward(grad_output, saved, needs=(True,)):
    if not needs[0]:
        return (None,)
    (N, C, H, W), rows, columns, bilinear = saved
    grad_x = empty((N * C, H, W), grad_output.dtype)
    backward_rows(grad_output.reshape(N * C, *grad_output.shape[2:]), *rows, *columns, bilinear, grad_x)
    return (grad_x.reshape(N, C, H, W),)
