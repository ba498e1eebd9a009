"""Random numbers that are the same everywhere: Philox 4x32-10.

A counter-based generator has no state that runs along: the i-th block of four numbers of a stream is a function of (seed, stream, i)
alone, ten rounds of multiply and exclusive-or. Any thread of any machine can compute any part of a mask, and gets the same one.

    counter = (i, stream), key = seed          four 32-bit words of counter, two of key
    round:   (c0, c1, c2, c3) → (hi(M1·c2) ^ c1 ^ k0,  lo(M1·c2),  hi(M0·c0) ^ c3 ^ k1,  lo(M0·c0));   k0 += W0, k1 += W1

Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011, section 3.2 and table 2.
"""
from typing import Any, NamedTuple

import numpy as np

ROUNDS = 10
M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = 0x9E3779B9, 0xBB67AE85               # the golden ratio and √3 − 1, in 32 bits
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


class Key(NamedTuple):
    """A stream of random numbers: pure data, so whoever holds it can draw the same numbers again."""
    seed: int
    stream: int


def philox(counter: np.ndarray, seed: int) -> np.ndarray:
    """counter (…, 4) of 32-bit words -> (…, 4) random 32-bit words, as uint32."""
    c0, c1, c2, c3 = (counter[..., i].astype(np.uint64) for i in range(4))
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF
    for _ in range(ROUNDS):
        p0, p1 = M0 * c0, M1 * c2
        c0, c1, c2, c3 = p1 >> HALF ^ c1 ^ np.uint64(k0), p1 & LOW, p0 >> HALF ^ c3 ^ np.uint64(k1), p0 & LOW
        k0, k1 = k0 + W0 & 0xFFFFFFFF, k1 + W1 & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], -1).astype(np.uint32)


def bits(key: Key, count: int) -> np.ndarray:
    """The first `count` 32-bit words of a stream: word j is word j mod 4 of block j // 4."""
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    stream = np.uint64(key.stream)
    counter = np.stack([blocks & LOW, blocks >> HALF, np.full_like(blocks, stream & LOW), np.full_like(blocks, stream >> HALF)], -1)
    return philox(counter, key.seed).reshape(-1)[:count]


def uniform(key: Key, shape, low: float = 0.0, high: float = 1.0, dtype: Any = np.float32) -> np.ndarray:
    """Numbers in [low, high): the upper 24 bits of each word, exact in float32, so every dtype gets the same draw."""
    u = (bits(key, int(np.prod(shape))) >> np.uint32(8)) * 2.0 ** -24
    return (low + (high - low) * u).astype(dtype).reshape(shape)


def normal(key: Key, shape, mean: float = 0.0, std: float = 1.0, dtype: Any = np.float32) -> np.ndarray:
    """Box and Muller: two uniform numbers u, v make √(−2 ln u) · cos 2πv and √(−2 ln u) · sin 2πv."""
    count = int(np.prod(shape))
    words = bits(key, count + count % 2).reshape(-1, 2).astype(np.float64)
    radius = np.sqrt(-2 * np.log((words[:, 0] + 1) * 2.0 ** -32))            # u in (0, 1]: its logarithm exists
    angle = 2 * np.pi * words[:, 1] * 2.0 ** -32
    z = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1).reshape(-1)[:count]
    return (mean + std * z).astype(dtype).reshape(shape)


def permutation(key: Key, count: int) -> np.ndarray:
    """0 … count−1 in random order: the order that sorts 64 random bits apiece."""
    words = bits(key, 2 * count).astype(np.uint64)
    return np.argsort(words[::2] << HALF | words[1::2], kind="stable")


class Generator:
    """Hands out keys: the i-th call after manual_seed(n) gets the key (n, i), whatever is drawn from it."""

    def __init__(self, seed: int = 0):
        self.seed, self.calls = seed, 0

    def next_key(self) -> Key:
        self.calls += 1
        return Key(self.seed, self.calls - 1)

    @property
    def state(self) -> tuple[int, int]:
        return self.seed, self.calls

    @state.setter
    def state(self, state: tuple[int, int]):
        self.seed, self.calls = int(state[0]), int(state[1])


default_generator = Generator()


def manual_seed(seed: int) -> None:
    """Start the random numbers again from a seed, a whole number from 0 to 2⁶⁴ − 1.  ValueError otherwise."""
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or not 0 <= seed < 1 << 64:
        raise ValueError(f"manual_seed: expected a whole number from 0 to 2**64 - 1, got {seed!r}")
    default_generator.state = int(seed), 0
