"""Shift in Numba: rows copied with an offset, zeros beside them; threads take planes (n, c)."""
import numpy as np

from ..memory import empty
from ..task import task
from . import output_shape


@task("int64, T[:,:,:,::1], int64[:,::1], int64, T[:,:,:,::1]")
def move_plane(number, x, offsets, sign, y):
    """y[n,c,h,w] = x[n,c, h + sign·dy(c), w + sign·dx(c)], 0 outside, for one (n, c)."""
    _, C, H, W = x.shape
    n, c = number // C, number % C
    dy, dx = sign * offsets[c, 0], sign * offsets[c, 1]
    for h in range(H):
        out = y[n, c, h]
        for w in range(W):
            out[w] = 0
        if 0 <= h + dy < H:
            row = x[n, c, h + dy]
            for w in range(max(0, -dx), min(W, W - dx)):
                out[w] = row[w + dx]


def move(x, offsets, sign):
    y = empty(x.shape, x.dtype)
    move_plane.run(x.shape[0] * x.shape[1], x, offsets, sign, y)
    return y


def forward(x, *, offsets):
    output_shape(x.shape, offsets=offsets)
    table = np.asarray(offsets, np.int64).reshape(-1, 2)                   # (C, 2)
    return move(x, table, 1), table


def backward(grad_output, saved, needs=(True,)):
    return (move(grad_output, saved, -1) if needs[0] else None,)
