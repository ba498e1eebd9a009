"""Matrix products by vector tiles: what a BLAS does, in the open.

The tile (kernels/simd.py) multiplies ROWS numbers, spread over registers, with a row of VECTORS registers, step by step of the sum. It
runs at full speed if both stand ready in the caches, one step behind the other. So a block of the output takes, STEPS of the sum at a
time, a copy of what it needs of both operands, in the order in which the tiles will read it:

        panels of b: STEPS rows, as wide as a tile           b[k, n], or b[n, k] turned round on the way
        ┌──────┬──────┬──────┐
        │ ▒▒▒▒ │      │      │
        │ ▒▒▒▒ │      │      │          one panel stays in the L1 cache, while all strips go by
        └──────┴──────┴──────┘
     ┌┐ ┌──────┬──────┬──────┐
     ││ │ tile │      │      │          strips of a: STEPS columns, as high as a tile      a[m, k], or a[k, m] turned round
     ├┤ ├──────┼──────┼──────┤
     ││ │      │      │      │          the block of sums, tile behind tile, in the L2 cache
     └┘ └──────┴──────┴──────┘

The copies cost a tenth of the time, and make the product independent of how the operands lie in memory: rows that are a power of two
apart would fight for the same few places of a cache. Blocks run on many threads; what a block is depends on the shapes alone.
"""
import numpy as np

from ..lines import copy, turn, workspace
from ..simd import BYTES, ROWS, tile, VECTORS
from ..task import task

STEPS = 128                      # terms of a sum at a time: a panel of 24 KB
HIGH, WIDE = 256, 8              # a block has so many rows, and panels, at the most
TASKS = 6                        # but there are at least so many blocks, if the output is large enough
SMALL = 1 << 13                  # numbers in a block that is not worth cutting
multiply = tile()


@task("int64, boolean, boolean, UniTuple(int64, 3), UniTuple(int64, 2), T[::1], int64[::1], T[::1], int64[::1], boolean, T[:,:,::1]")
def block(number, transpose_a, transpose_b, sizes, cut, a, starts_a, b, starts_b, add, out):
    """A block of out (stack, m, n) = op(a)·op(b), added to what is there if `add`.  sizes: (m, n, k).  cut: rows and columns of a block.

    a, b: flat; matrix i of the stack is starts_a[i] … of a, (m, k), or (k, m) where transpose_a; likewise b, (k, n) or (n, k).
    """
    (m, n, K), (high, across) = sizes, cut
    lanes = BYTES // out.itemsize
    wide = VECTORS * lanes
    columns, rows = (n + across - 1) // across, (m + high - 1) // high
    i, m0, n0 = number // (rows * columns), number // columns % rows * high, number % columns * across
    high, across = min(high, m - m0), min(across, n - n0)
    tall, broad = (high + ROWS - 1) // ROWS * ROWS, (across + wide - 1) // wide * wide
    strips, panels, sums = workspace(tall * STEPS, out), workspace(broad * STEPS, out), workspace(tall * broad, out)
    offsets, strips[:], zero = np.arange(STEPS) * wide, 0, out.dtype.type(0)
    for k in range(0, K, STEPS):
        steps = min(STEPS, K - k)
        for r in range(0, high, ROWS):                                     # strips[r·STEPS + step·ROWS + row]
            count = min(ROWS, high - r)
            if transpose_a:
                for step in range(steps):
                    copy(strips, r * STEPS + step * ROWS, a, starts_a[i] + (k + step) * m + m0 + r, count, zero)
            else:
                for step in range(0, steps, lanes):
                    for row in range(0, count, lanes):
                        turn(strips, r * STEPS + step * ROWS + row, ROWS, a, starts_a[i] + (m0 + r + row) * K + k + step, K,
                             min(lanes, count - row), min(lanes, steps - step))
        for c in range(0, across, wide):                                   # panels[c·STEPS + step·wide + column]
            count = min(wide, across - c)
            if transpose_b:
                for column in range(0, count, lanes):
                    for step in range(0, steps, lanes):
                        turn(panels, c * STEPS + step * wide + column, wide, b, starts_b[i] + (n0 + c + column) * K + k + step, K,
                             min(lanes, count - column), min(lanes, steps - step))
            else:
                for step in range(steps):
                    copy(panels, c * STEPS + step * wide, b, starts_b[i] + (k + step) * n + n0 + c, count, zero)
        for c in range(0, across, wide):
            for r in range(0, high, ROWS):
                multiply(steps, strips[r * STEPS:], panels[c * STEPS:], offsets, sums[c * tall + r * wide:], wide,
                         ROWS, min(wide, across - c), k > 0)
    for r in range(high):
        for c in range(0, across, wide):
            line, to = sums[c * tall + r * wide:], out[i, m0 + r, n0 + c:n0 + across]
            for j in range(min(wide, to.size)):
                to[j] = to[j] + line[j] if add else line[j]


def blocks(m: int, n: int, stack: int, wide: int) -> tuple[int, int]:
    """Rows and columns of a block: as many as HIGH and WIDE allow, and few enough for TASKS blocks, unless they become too small."""
    high, across = min(HIGH, -(-m // ROWS) * ROWS), min(WIDE, -(-n // wide)) * wide
    while stack * -(-m // high) * -(-n // across) < TASKS and high * across > SMALL:
        if high > across and high > 64:
            high = -(-high // (2 * ROWS)) * ROWS
        elif across > wide:
            across = -(-across // (2 * wide)) * wide
        else:
            break
    return high, across


def run(transpose_a, transpose_b, m, n, k, a, starts_a, b, starts_b, add, out):
    """out (stack, m, n) = op(a)·op(b), added to what is there if `add`.  a, b: flat; k ≥ 1."""
    high, across = cut = blocks(m, n, len(out), VECTORS * BYTES // out.itemsize)
    block.run(len(out) * -(-m // high) * -(-n // across), transpose_a, transpose_b, (m, n, k), cut, a, starts_a, b, starts_b, add, out)
