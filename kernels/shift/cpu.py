"""Shift in Numba: rows copied with an offset, zeros beside them; threads take planes (n, c)."""
import numpy as np
from numba import prange

from ..jit import jit
from ..memory import empty
from . import output_shape


@jit(parallel=True)
def move_planes(x, offsets, sign, y):
    """y[n,c,h,w] = x[n,c, h + sign·dy(c), w + sign·dx(c)], 0 outside."""
    N, C, H, W = x.shape
    for i in prange(N * C):
        n, c = i // C, i % C
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
    move_planes(x, offsets, sign, y)
    return y


def forward(x, *, offsets):
    output_shape(x.shape, offsets=offsets)
    table = np.asarray(offsets, np.int64).reshape(-1, 2)                   # (C, 2)
    return move(x, table, 1), table


def backward(grad_output, saved, needs=(True,)):
    return (move(grad_output, saved, -1) if needs[0] else None,)
