"""The gradient of a 3×3 weight by Winograd's minimal filtering (winograd.py).

What a tile adds to the gradient of the weights is linear in them, so that turning the formula of the outputs round gives it: of

    Y = Aᵀ [ (G W Gᵀ) ⊙ (Bᵀ D B) ] A      the gradient is      dW = Gᵀ [ (A dY Aᵀ) ⊙ (Bᵀ D B) ] G        (4×4 in the brackets, 3×3 outside)

and the sum over all tiles of all images moves inside. For each of the 16 places ξ of a tile it is a matrix product again, with one step
for each tile:

    dY (K, P, Q)  ─ A dY Aᵀ ─►   Z[ξ]  (tiles, K) ┐
                                                   ├─ M[ξ] += Z[ξ]ᵀ · V[ξ]   (K, C)  ─ Gᵀ M G ─►   dw (K, C, 3, 3)
    x (C, H, W)   ─ Bᵀ D B ─►    V[ξ]  (tiles, C) ┘

The tiles are cut into parts, which are summed side by side and added at the end, in order; how many there are depends on the shapes alone.
Where the weights are many, there is one part, and the input channels are divided into shares.
"""
import numpy as np

from .. import memory
from ..lines import sandwich, turn, workspace
from ..simd import BYTES
from ..task import task
from .winograd import APART, call_transform, G, GROUP, matrix, products, transform

TILES = 112                      # tiles worked on together
STEPS = 128                      # tiles of a sum before the next row of registers: what they read stays in the L1 cache
PARTS, PART_NUMBERS = 8, 1 << 21           # so many partial sums at the most, of together so many numbers, times 16
mix_sums = sandwich(tuple(zip(*G)))


@task("int64, T[:,:,:,::1], T[:,:,:,::1], UniTuple(int64, 4), UniTuple(int64, 3), UniTuple(int64, 4), UniTuple(int64, 3), T[:,::1], "
      "T[:,:,:,:,::1]")
def sum_tiles(number, x, grad_output, geometry, sizes, cuts, room, work, partial):
    """One share of the input channels in one part of the rows of tiles:  partial (parts, G, K, C, 9).

    sizes: (G, K, C).  cuts: rows of tiles worked on together, parts, shares, and the groups of channels whose sums are kept.
    """
    G, K, C = sizes
    rows, parts, shares, kept = cuts
    part, g, share = number // (G * shares), number // shares % G, number % shares
    lines, V, Z, M = (work[number, :room[0]], work[number, room[0]:room[1]], work[number, room[1]:room[2]],
                      work[number, room[2]:])
    grad_weight, total, tiles_w = partial[part, g].reshape(-1), x.shape[0] * geometry[2], geometry[3]
    c_groups, k_groups = (C + GROUP - 1) // GROUP, (K + GROUP - 1) // GROUP
    c_begin, c_end = share * c_groups // shares * GROUP, min(C, (share + 1) * c_groups // shares * GROUP)
    begin, end = part * total // parts, (part + 1) * total // parts
    tiles = np.arange(rows * tiles_w) * GROUP
    weights, lanes, nine = matrix(GROUP), BYTES // x.itemsize, workspace(9 * GROUP, x)
    for first in range(begin, end, rows):
        here = first, min(end, first + rows)
        count = (here[1] - here[0]) * tiles_w
        plane = matrix(count)
        call_transform((x, 4, geometry, here, (g * C + c_begin, g * C + c_end), lines, V))
        call_transform((grad_output, 2, (0, 0, geometry[2], tiles_w), here, (g * K, (g + 1) * K), lines, Z))
        for c0 in range(c_begin, c_end, GROUP):
            across, c_group = min(GROUP, c_end - c0), (c0 - c_begin) // GROUP
            for k0 in range(0, K, GROUP):
                down, k_group = min(GROUP, K - k0), k0 // GROUP
                sums = M[(c_group * k_groups + k_group) % kept * 16 * weights:]
                for xi in range(16):
                    for t in range(0, count, STEPS):
                        products(min(STEPS, count - t), Z[(k_group * 16 + xi) * plane + t * GROUP:], 1, tiles,
                                 V[(c_group * 16 + xi) * plane + t * GROUP:], tiles, sums[xi * weights:], down, across,
                                 first > begin or t > 0)
                if here[1] < end:
                    continue
                for k in range(down):
                    mix_sums(nine, 0, 3 * GROUP, GROUP, sums, k * GROUP, 4 * weights, weights, across)
                    target = ((k0 + k) * C + c0) * 9
                    for c in range(0, across, lanes):
                        for j in range(0, 9, lanes):
                            turn(grad_weight, target + c * 9 + j, 9, nine, j * GROUP + c, GROUP, min(lanes, 9 - j), min(lanes, across - c))


def gradient_weight(x, grad_output, shape, stride, padding, dilation):
    """The gradient (G, K, C, 3, 3) = shape, of x (N, G·C, H, W) and grad_output (N, G·K, P, Q); padding: (top, left)."""
    groups, K, C = shape[:3]
    N, _, P, Q = grad_output.shape
    tiles_h, tiles_w = -(-P // 2), -(-Q // 2)
    total, k_groups, c_groups = N * tiles_h, -(-K // GROUP), -(-C // GROUP)
    if not total * tiles_w * K:
        return memory.zeros(shape, x.dtype)
    blocks = max(1, round(total * tiles_w / TILES))
    parts = max(1, min(PARTS // groups, blocks // 2, PART_NUMBERS // (16 * groups * K * C)))
    shares = 1 if parts * groups > 1 else min(2, c_groups)
    rows = -(-total // parts)
    rows = -(-rows // max(1, round(rows * tiles_w / TILES)))
    kept = k_groups * -(-c_groups // shares) if rows * parts < total else 1
    plane, line = rows * tiles_w * GROUP + APART, 2 * tiles_w + 2
    needed = (max(4 * line * C, 2 * line * K), c_groups * 16 * plane, k_groups * 16 * plane, kept * 16 * (GROUP * GROUP + APART))
    *room, size = np.cumsum([-(-count // 16) * 16 for count in needed])       # where V, Z and M begin, and their end
    partial = memory.empty((parts, groups, K, C, 9), x.dtype)
    transform.ready(x.dtype)
    sum_tiles.run(parts * groups * shares, x, grad_output, (*padding, tiles_h, tiles_w), (groups, K, C), (rows, parts, shares, kept),
                  tuple(map(int, room)), memory.empty((parts * groups * shares, int(size)), x.dtype), partial)
    if parts == 1:
        return partial.reshape(shape)
    return np.add.reduce(partial, axis=0, out=memory.empty(partial.shape[1:], x.dtype)).reshape(shape)
