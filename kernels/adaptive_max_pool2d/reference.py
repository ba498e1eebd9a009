"""Adaptive max pooling in NumPy, to be read."""
from math import ceil, floor

import numpy as np

from ..max_pool2d.reference import backward
from ..pooling import adaptive_windows
from . import output_shape

__all__ = ["spec", "forward", "backward"]                                  # backward: to the winners, as for every max pooling


def spec(x, *, output_size):
    """The formula, one output at a time: the oracle of every other form."""
    (N, C, H, W), (P, Q) = x.shape, output_size
    y, indices = np.empty((N, C, P, Q), x.dtype), np.empty((N, C, P, Q), np.int32)
    for n, c, p, q in np.ndindex(*y.shape):
        winner = None
        for h in range(floor(p * H / P), ceil((p + 1) * H / P)):
            for w in range(floor(q * W / Q), ceil((q + 1) * W / Q)):
                if winner is None or x[n, c, h, w] > x[n, c, winner[0], winner[1]] or np.isnan(x[n, c, h, w]):
                    winner = h, w
        assert winner is not None                                                         # no window is empty
        y[n, c, p, q], indices[n, c, p, q] = x[n, c, winner[0], winner[1]], winner[0] * W + winner[1]
    return y, indices


def forward(x, *, output_size):
    N, C, H, W = x.shape
    shape, _ = output_shape(x.shape, output_size=output_size)
    top, bottom = adaptive_windows(H, output_size[0])
    left, right = adaptive_windows(W, output_size[1])
    y, indices = np.empty(shape, x.dtype), np.empty(shape, np.int32)
    position = np.arange(H * W).reshape(H, W)
    for p, q in np.ndindex(*output_size):
        window = x[:, :, top[p]:bottom[p], left[q]:right[q]]
        window = window.reshape(N, C, window.shape[2] * window.shape[3])                  # row-major
        nan = np.isnan(window)
        last_nan = window.shape[2] - 1 - nan[:, :, ::-1].argmax(2)
        winner = np.where(nan.any(2), last_nan, window.argmax(2))                         # argmax: the first of equals
        y[:, :, p, q] = np.take_along_axis(window, winner[:, :, None], 2)[:, :, 0]
        indices[:, :, p, q] = position[top[p]:bottom[p], left[q]:right[q]].reshape(-1)[winner]
    return (y, indices), (x.shape, indices)
