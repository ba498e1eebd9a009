"""The 32 threads of a warp, step by step together, and what their loads and stores cost.

A GPU runs a warp as one: its lanes stand at the same instruction, and those that went another way wait until the ways join again. The
emulator runs one thread after the other, so who stood where together is found afterwards: of the lanes' next steps the one that comes
first in the code is taken, by all lanes that stand there. (Collange, "Stack-less SIMT reconvergence at low cost", 2011.) That is how a
warp that joins as early as it can would go.

How memory is paid for.  A load or store of a warp is one request. The memory of the chip answers in sectors of 32 bytes: 32 neighbouring
floats lie in 4 of them, 32 scattered ones in 32. Shared memory has 32 banks, the word (4 bytes) number w in bank w % 32; words of one
bank are answered one after another, so a request takes as many rounds as there are different words in the fullest bank.
(CUDA C++ Programming Guide, "Device Memory Accesses" and "Shared Memory".)
"""
from collections import Counter
from typing import NamedTuple

import numpy as np

SECTOR, BANKS, WORD, WARP = 32, 32, 4, 32


class Request(NamedTuple):
    """What the lanes of a warp did together.  events: 32 rows of the recording's events, −1 for a lane that took no part."""
    code: int
    act: int
    phase: int
    events: np.ndarray

    @property
    def lanes(self) -> np.ndarray:
        """The numbers of the lanes that took part."""
        return np.flatnonzero(self.events >= 0)


class Cost(NamedTuple):
    """takes, best: sectors of memory, or rounds of shared memory; best: if the elements were neighbours."""
    takes: int
    best: int


def requests(events: np.ndarray, warp: int) -> list[Request]:
    """What the lanes of a warp did, in order."""
    mine = np.flatnonzero(events["thread"] // WARP == warp)
    if not len(mine):
        return []
    lane, code, phase = events["thread"][mine] % WARP, events["code"][mine].astype(np.int64), events["phase"][mine].astype(np.int64)
    order = np.lexsort((np.arange(len(mine)), lane))      # lane by lane, each in its own order
    counts = np.bincount(lane, minlength=WARP)
    end = np.cumsum(counts)
    at = end - counts                                     # where each lane stands
    never = np.iinfo(np.int64).max
    # A phase ends at a barrier, which nobody passes alone: so what comes first is first by phase, then by code.
    place = code - code.min()
    key = np.append(phase * (place.max() + 1) + place, never)[np.append(order, -1)]
    found = []
    while True:
        next_key = np.where(at < end, key[np.minimum(at, len(mine))], never)
        first = next_key.min()
        if first == never:
            return found
        here = next_key == first
        rows = np.where(here, mine[order[np.minimum(at, len(mine) - 1)]], -1)
        at = at + here
        any_row = rows[here][0]
        found.append(Request(int(events["code"][any_row]), int(events["act"][any_row]), int(events["phase"][any_row]), rows))


def cost(request: Request, events: np.ndarray, shared: bool) -> Cost:
    """What a request takes.  An array begins at a multiple of 256 bytes."""
    touched, unit = events[request.events[request.events >= 0]], WORD if shared else SECTOR
    ranges = set(zip(touched["region"].tolist(), touched["offset"].tolist(), touched["size"].tolist()))
    units = {(region, u) for region, first, size in ranges for u in range(first // unit, (first + size - 1) // unit + 1)}
    if not shared:
        return Cost(len(units), -(-sum(size for _, _, size in ranges) // SECTOR))
    return Cost(max(Counter(u % BANKS for _, u in units).values()), -(-len(units) // BANKS))
