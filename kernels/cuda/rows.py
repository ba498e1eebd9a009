"""Launches of the kernels that go through rows: see rows.cuh."""
from .loader import BLOCK, BLOCKS, grid_for

READERS = ("Alone", "Block")
SHARED = 32                              # numbers of a row that a block shares; a shorter one is a thread's
LONG = 256                               # numbers of a row that is worth more than one warp


def reader(outer: int, C: int, inner: int) -> tuple[str, tuple, tuple]:
    """Who reads the rows of an array (outer, C, inner), and grid and block."""
    rows = outer * inner
    if inner > 1 or C < SHARED:
        return "Alone", *grid_for(rows)
    return "Block", (max(1, min(BLOCKS, rows)),), (BLOCK if C >= LONG else 32,)
