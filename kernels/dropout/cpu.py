"""Dropout in Numba.

    1  strips     a thread takes strips of values, or planes: it draws the random words of a strip into a scratch tile that stays in
                  the L1 cache, and multiplies. The mask never reaches memory.                           the only rung so far

Word i of the stream decides on value i, whichever thread computes it: see kernels/random.py for the rounds.
"""
from math import ceil, prod

import numpy as np

from ..jit import jit
from ..memory import empty
from ..task import task
from . import factor, output_shape

STRIP = 1024                                                            # values; a whole number of blocks of four words
M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


@jit
def draw(first, seed, stream, words):
    """The 32-bit words 4·first, 4·first + 1, … of a stream, words.size of them (a multiple of 4): Philox 4x32-10."""
    for j in range(words.size // 4):
        block = np.uint64(first + j)
        c0, c1, c2, c3 = block & LOW, block >> HALF, stream & LOW, stream >> HALF
        k0, k1 = seed & LOW, seed >> HALF
        for _ in range(10):
            p0, p1 = M0 * c0, M1 * c2
            c0, c1, c2, c3 = p1 >> HALF ^ c1 ^ k0, p1 & LOW, p0 >> HALF ^ c3 ^ k1, p0 & LOW
            k0, k1 = k0 + W0 & LOW, k1 + W1 & LOW
        words[4 * j], words[4 * j + 1], words[4 * j + 2], words[4 * j + 3] = c0, c1, c2, c3


@task("int64, T[:,::1], uint32, uint64, uint64, T, T[:,::1]")
def drop(strip, x, threshold, seed, stream, kept, y):
    """y[i, :] = x[i, :] · (kept if the upper 24 bits of word i ≥ threshold else 0), for x (units, values a unit)."""
    P, zero = x.shape[1], x.dtype.type(0)
    words = np.empty(STRIP, np.uint32)
    draw(strip * STRIP // 4, seed, stream, words)
    rows, out = x[strip * STRIP:(strip + 1) * STRIP], y[strip * STRIP:(strip + 1) * STRIP]
    if P == 1:
        for i in range(len(rows)):
            out[i, 0] = rows[i, 0] * (kept if words[i] >> 8 >= threshold else zero)
    else:
        for i in range(len(rows)):
            scale = kept if words[i] >> 8 >= threshold else zero
            for p in range(P):
                out[i, p] = rows[i, p] * scale


def forward(x, *, p, key, channels, inverted=True):
    output_shape(x.shape, p=p, key=key, channels=channels, inverted=inverted)
    units = prod(x.shape[:2]) if channels else x.size
    y = empty(x.shape, x.dtype)
    values = x.size // units if units else 0
    # u ≥ p  ⇔  u·2²⁴ ≥ ⌈p·2²⁴⌉, since u·2²⁴ is a whole number: at most 2²⁴ − 1, so p = 1 keeps nothing
    drop.run(-(-units // STRIP), x.reshape(units, values), np.uint32(ceil(p * 2 ** 24)), np.uint64(key.seed), np.uint64(key.stream),
             x.dtype.type(factor(p, inverted)), y.reshape(units, values))
    return y, (p, key, channels, inverted)


def backward(grad_output, saved, needs):
    if not needs[0]:
        return (None,)
    p, key, channels, inverted = saved
    return (forward(grad_output, p=p, key=key, channels=channels, inverted=inverted)[0],)
