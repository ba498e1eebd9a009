"""Dropout in NumPy, to be read."""
import numpy as np

from ..random import philox, uniform
from . import factor, output_shape


def spec(x, *, p, key, channels, inverted=True):
    """The formula, one value at a time: the oracle of every other form."""
    y, flat = np.empty(x.shape), x.reshape(-1)
    plane = (x[0, 0].size if x.size else 1) if channels else 1
    for j in range(x.size):
        i = j // plane
        block = np.array([i // 4, 0, key.stream & 0xFFFFFFFF, key.stream >> 32])        # four words a block of the stream
        u = (int(philox(block, key.seed)[i % 4]) >> 8) / 2 ** 24
        y.flat[j] = flat[j] * ((1 / (1 - p) if inverted else 1) if u >= p else 0)
    return y


def forward(x, *, p, key, channels, inverted=True):
    output_shape(x.shape, p=p, key=key, channels=channels, inverted=inverted)
    shape = (*x.shape[:2], *[1] * (x.ndim - 2)) if channels else x.shape               # of the mask: one number a plane, or a value
    keep = uniform(key, shape, dtype=np.float64) >= p
    return x * np.where(keep, factor(p, inverted), 0).astype(x.dtype), (p, key, channels, inverted)


def backward(grad_output, saved, needs):
    if not needs[0]:
        return (None,)
    p, key, channels, inverted = saved
    return (forward(grad_output, p=p, key=key, channels=channels, inverted=inverted)[0],)
