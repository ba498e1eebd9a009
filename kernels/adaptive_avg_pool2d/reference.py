"""Adaptive average pooling in NumPy, to be read."""
from math import ceil, floor

import numpy as np

from ..pooling import adaptive_windows
from . import output_shape


def spec(x, *, output_size):
    """The formula, one output at a time: the oracle of every other form."""
    (N, C, H, W), (P, Q) = x.shape, output_size
    y = np.empty((N, C, P, Q), x.dtype)
    for n, c, p, q in np.ndindex(*y.shape):
        window = [x[n, c, h, w] for h in range(floor(p * H / P), ceil((p + 1) * H / P))
                  for w in range(floor(q * W / Q), ceil((q + 1) * W / Q))]
        y[n, c, p, q] = sum(window) / len(window)
    return y


def forward(x, *, output_size):
    y = np.empty(output_shape(x.shape, output_size=output_size), x.dtype)
    top, bottom = adaptive_windows(x.shape[2], output_size[0])
    left, right = adaptive_windows(x.shape[3], output_size[1])
    for p, q in np.ndindex(*output_size):
        y[:, :, p, q] = x[:, :, top[p]:bottom[p], left[q]:right[q]].mean((2, 3), dtype=np.float64)
    return y, (x.shape, top, bottom, left, right)


def backward(grad_output, saved, needs=(True,)):
    if not needs[0]:
        return (None,)
    shape, top, bottom, left, right = saved
    grad_x = np.zeros(shape)
    for p, q in np.ndindex(*grad_output.shape[2:]):
        window = grad_x[:, :, top[p]:bottom[p], left[q]:right[q]]
        window += grad_output[:, :, p, q, None, None] / (window.shape[2] * window.shape[3])
    return (grad_x.astype(grad_output.dtype),)
