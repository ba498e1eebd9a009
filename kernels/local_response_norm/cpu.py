"""Local response normalisation in Numba.

    1  direct     every output sums its own window: C·size reads of a pixel's column.            the default
    2  sliding    one running sum a pixel, updated channel by channel: 2 reads a channel, whatever the size.
                  A quarter faster at size 5, but what leaves the sum leaves rounding behind: next to one channel 3000 times
                  larger its elementwise error is 0.2 against 2e-7, and one NaN spreads to every later channel.

Both go through a plane in strips of pixels, channel outside, pixel inside: the inner loop is one vector instruction after
another, and a strip of all channels stays in the L1 cache.
"""
from math import prod

import numpy as np

from ..jit import jit
from ..memory import empty
from ..task import task
from . import output_shape

STRIP = 256            # pixels: a strip of all channels, 48 KB at C = 48


@jit
def damp(x, D, beta, out):
    """out = x · D^(−β) over a strip; the paper's β = ¾ needs two square roots and no logarithm."""
    if beta == 0.75:
        for i in range(out.size):
            r = np.sqrt(D[i])
            out[i] = x[i] / (r * np.sqrt(r))
    else:
        for i in range(out.size):
            out[i] = x[i] * D[i] ** -beta


@task("int64, T[:,:,::1], int64, T, T, T, T[:,:,::1], T[:,:,::1]")
def forward_direct(number, x, size, alpha, beta, k, y, D):
    _, C, P = x.shape                                                   # P = H·W;  alpha: α/size
    strips = (P + STRIP - 1) // STRIP
    n, p = number // strips, number % strips * STRIP
    for c in range(C):
        d = D[n, c, p:p + STRIP]
        d[:] = k
        for j in range(max(0, c - size // 2), min(C, c + (size - 1) // 2 + 1)):
            xj = x[n, j, p:p + STRIP]
            for i in range(d.size):
                d[i] += alpha * xj[i] * xj[i]
        damp(x[n, c, p:p + STRIP], d, beta, y[n, c, p:p + STRIP])


@task("int64, T[:,:,::1], int64, T, T, T, T[:,:,::1], T[:,:,::1]")
def forward_sliding(number, x, size, alpha, beta, k, y, D):
    _, C, P = x.shape
    before, after = size // 2, (size - 1) // 2
    strips = (P + STRIP - 1) // STRIP
    n, p = number // strips, number % strips * STRIP
    total = np.zeros(min(STRIP, P - p), x.dtype)                    # Σ x² over the window, one a pixel
    for c in range(-after, C):
        if c + after < C:                                           # a channel enters the window …
            enters = x[n, c + after, p:p + STRIP]
            for i in range(total.size):
                total[i] += enters[i] * enters[i]
        if c - before - 1 >= 0:                                     # … and one leaves it
            leaves = x[n, c - before - 1, p:p + STRIP]
            for i in range(total.size):
                total[i] -= leaves[i] * leaves[i]
        if c >= 0:
            d = D[n, c, p:p + STRIP]
            for i in range(total.size):
                d[i] = k + alpha * max(total[i], 0)
            damp(x[n, c, p:p + STRIP], d, beta, y[n, c, p:p + STRIP])


@task("int64, T[:,:,::1], T[:,:,::1], T[:,:,::1], T[:,:,::1], int64, T, T, T[:,:,::1]")
def backward_direct(number, g, x, y, D, size, factor, beta, dx):
    _, C, P = x.shape                                                   # factor: 2αβ/size
    strips = (P + STRIP - 1) // STRIP
    n, p = number // strips, number % strips * STRIP
    ratio = np.empty((C, min(STRIP, P - p)), x.dtype)               # g·y/D, read by size outputs each
    for c in range(C):
        r, gc, yc, dc = ratio[c], g[n, c, p:p + STRIP], y[n, c, p:p + STRIP], D[n, c, p:p + STRIP]
        for i in range(r.size):
            r[i] = gc[i] * yc[i] / dc[i]
    total = np.empty(ratio.shape[1], x.dtype)
    for c in range(C):
        total[:] = 0
        for j in range(max(0, c - (size - 1) // 2), min(C, c + size // 2 + 1)):     # the window mirrored
            r = ratio[j]
            for i in range(total.size):
                total[i] += r[i]
        xc, out = x[n, c, p:p + STRIP], dx[n, c, p:p + STRIP]
        damp(g[n, c, p:p + STRIP], D[n, c, p:p + STRIP], beta, out)
        for i in range(total.size):
            out[i] -= factor * xc[i] * total[i]


ALGORITHMS = {"direct": forward_direct, "sliding": forward_sliding}


def tasks(planes) -> int:
    return len(planes) * -(-planes.shape[2] // STRIP)


def forward(x, *, size, alpha, beta, k, algorithm="direct"):
    output_shape(x.shape, size=size, alpha=alpha, beta=beta, k=k)
    planes, t = x.reshape(*x.shape[:2], prod(x.shape[2:])), x.dtype.type             # (N, C, H·W), a view
    y, D = empty(planes.shape, x.dtype), empty(planes.shape, x.dtype)
    ALGORITHMS[algorithm].run(tasks(planes), planes, size, t(alpha / size), t(beta), t(k), y, D)
    return y.reshape(x.shape), (planes, y, D, size, alpha, beta)


def backward(grad_output, saved, needs):
    x, y, D, size, alpha, beta = saved
    if not needs[0]:
        return (None,)
    dx, t = empty(x.shape, x.dtype), x.dtype.type
    backward_direct.run(tasks(x), grad_output.reshape(x.shape), x, y, D, size, t(2 * alpha * beta / size), t(beta), dx)
    return (dx.reshape(grad_output.shape),)
