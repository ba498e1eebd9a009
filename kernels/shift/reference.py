"""Shift in NumPy, to be read."""
import numpy as np

from . import output_shape


def spec(x, *, offsets):
    """The formula, one output at a time: the oracle of every other form."""
    y = np.zeros_like(x)
    N, C, H, W = x.shape
    for n, c, h, w in np.ndindex(N, C, H, W):
        dy, dx = offsets[c]
        if 0 <= h + dy < H and 0 <= w + dx < W:
            y[n, c, h, w] = x[n, c, h + dy, w + dx]
    return y


def move(x, offsets):
    y = np.zeros_like(x)
    H, W = x.shape[2:]
    for c, (dy, dx) in enumerate(offsets):
        if abs(dy) < H and abs(dx) < W:                                    # else all of the channel leaves the plane
            rows, columns = slice(max(0, -dy), H - max(0, dy)), slice(max(0, -dx), W - max(0, dx))
            y[:, c, rows, columns] = x[:, c, max(0, dy):H + min(0, dy), max(0, dx):W + min(0, dx)]
    return y


def forward(x, *, offsets):
    output_shape(x.shape, offsets=offsets)
    return move(x, offsets), offsets


def backward(grad_output, saved, needs=(True,)):
    return (move(grad_output, [(-dy, -dx) for dy, dx in saved]) if needs[0] else None,)
