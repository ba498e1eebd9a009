"""Interpolation in NumPy, to be read."""
from math import floor
from typing import Any

import numpy as np

from . import output_shape, taps

add_at: Any = np.add.at                        # takes slices, which NumPy's annotations leave out


def sources(p, n, m, scale, mode, align_corners):
    """The input positions that output position p takes from, with their weights: the rules of the formula for one axis."""
    if m == n:
        return [(p, 1.0)]
    if mode == "nearest":
        ratio = np.float32(1 / scale) if scale is not None else np.float32(n) / np.float32(m)
        return [(p // 2 if m == 2 * n else min(floor(np.float32(p) * ratio), n - 1), 1.0)]
    if align_corners:
        u = p * (n - 1) / (m - 1) if m > 1 else 0.0
    else:
        u = max(0.0, (p + 0.5) / scale - 0.5 if scale is not None else (p + 0.5) * n / m - 0.5)
    if u >= n - 1:                                                         # beyond the last centre
        return [(n - 1, 1.0)]
    return [(floor(u), 1 - (u - floor(u))), (floor(u) + 1, u - floor(u))]


def spec(x, *, size, scale, mode, align_corners):
    """The formula, one output at a time: the oracle of every other form."""
    (N, C, H, W), (P, Q) = x.shape, size
    y = np.zeros((N, C, P, Q), x.dtype)
    for n, c, p, q in np.ndindex(*y.shape):
        for h, alpha in sources(p, H, P, scale and scale[0], mode, align_corners):
            for w, beta in sources(q, W, Q, scale and scale[1], mode, align_corners):
                y[n, c, p, q] += alpha * beta * x[n, c, h, w]
    return y


def forward(x, *, size, scale, mode, align_corners):
    N, C, P, Q = output_shape(x.shape, size=size, scale=scale, mode=mode, align_corners=align_corners)
    top, bottom, down = taps(x.shape[2], P, scale and scale[0], mode, align_corners)
    left, right, across = taps(x.shape[3], Q, scale and scale[1], mode, align_corners)
    saved = x.shape, mode, top, bottom, down, left, right, across
    if mode == "nearest":
        return np.ascontiguousarray(x[:, :, top[:, None], left]), saved
    rows = (1 - down)[:, None] * x[:, :, top] + down[:, None] * x[:, :, bottom]           # (N, C, P, W)
    y = (1 - across) * rows[:, :, :, left] + across * rows[:, :, :, right]                # (N, C, P, Q)
    return y.astype(x.dtype), saved


def backward(grad_output, saved, needs=(True,)):
    if not needs[0]:
        return (None,)
    (N, C, H, W), mode, top, bottom, down, left, right, across = saved
    rows, grad_x = np.zeros((N, C, grad_output.shape[2], W)), np.zeros((N, C, H, W))
    add_at(rows, np.s_[:, :, :, left], (1 - across) * grad_output)                        # every pixel taken from gets its share
    if mode == "bilinear":
        add_at(rows, np.s_[:, :, :, right], across * grad_output)
    add_at(grad_x, np.s_[:, :, top], (1 - down)[:, None] * rows)
    if mode == "bilinear":
        add_at(grad_x, np.s_[:, :, bottom], down[:, None] * rows)
    return (grad_x.astype(grad_output.dtype),)
