"""What the threads of a launch did: every load and store, with the source line and the element, in the order in which they were made.

    with recording(block=0) as found:
        kernel.forward(x, w, …)                                    whatever launches kernels, emulated in check mode
    found.launches[0].steps(thread=5)                              what one thread did, line by line
    found.launches[0].cost()                                       for each line: requests of warps, sectors of memory, conflicts of banks

How memory is paid for.  A warp's load or store is one request. The memory of the chip answers in sectors of 32 bytes: 32 neighbouring
floats lie in 4 of them, 32 scattered ones in up to 32. Shared memory has 32 banks, the word (4 bytes) number w in bank w % 32; words of one
bank are answered one after another, so a request takes as many rounds as there are different words in the fullest bank.
(CUDA C++ Programming Guide, "Device Memory Accesses" and "Shared Memory".)
"""
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .. import where
from ..launches import watching
from .reports import place

SECTOR, BANKS, WORD, WARP = 32, 32, 4, 32
ACTS = {0: "reads", 1: "writes", 3: "adds to"}
MOST = 2_000_000                                       # loads and stores that are recorded of a launch


class Access(NamedTuple):
    """One load or store.  index: of the element in its array, flat; value: that was read, or that was left."""
    thread: int
    phase: int
    line: int
    act: str
    array: str
    index: int
    element: str
    value: float
    shared: bool


class Step(NamedTuple):
    """A line of the source as one thread went through it.  barrier: whether it passed __syncthreads before."""
    line: int
    barrier: bool
    accesses: list[Access]


class Cost(NamedTuple):
    """A line and array: how many requests, and how much each takes on average: sectors, or rounds for a shared array."""
    line: int
    array: str
    act: str
    shared: bool
    requests: int
    each: float
    best: float


@dataclass
class Launch:
    """One launch of a kernel, of which one block was recorded."""
    name: str
    file: str
    source: list[str]
    grid: tuple[int, ...]
    block: tuple[int, ...]
    recorded: int
    accesses: list[Access] = field(default_factory=list)
    arrays: dict[str, Any] = field(default_factory=dict)     # name -> the array, or the bytes of a shared one

    @property
    def threads(self) -> int:
        return prod(self.block)

    def steps(self, thread: int) -> list[Step]:
        """What a thread did, line after line."""
        found: list[Step] = []
        phase = 0
        for access in (a for a in self.accesses if a.thread == thread):
            passed = access.phase != phase
            if not found or passed or found[-1].line != access.line:
                found.append(Step(access.line, passed, []))
            found[-1].accesses.append(access)
            phase = access.phase
        return found

    def who(self, array: str) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
        """The threads that read, and that write, each element of an array that somebody touches: {index: threads}."""
        readers, writers = defaultdict(set), defaultdict(set)
        for access in self.accesses:
            if access.array == array:
                (readers if access.act == "reads" else writers)[access.index].add(access.thread)
        return dict(readers), dict(writers)

    def requests(self) -> dict[tuple[int, str, str], list[list[Access]]]:
        """The accesses of the lanes of a warp that belong together: the n-th time that each was at a line with an array."""
        turn: Counter = Counter()
        groups = defaultdict(list)
        for access in self.accesses:
            key = access.line, access.array, access.act
            turn[access.thread, key] += 1
            groups[key, access.thread // WARP, turn[access.thread, key]].append(access)
        found = defaultdict(list)
        for (key, _, _), together in groups.items():
            found[key].append(together)
        return found

    def cost(self) -> list[Cost]:
        """What each line's requests take, by line."""
        found = []
        for (line, name, act), requests in sorted(self.requests().items()):
            shared, array = requests[0][0].shared, self.arrays[name]
            size = WORD if shared else array.itemsize
            takes = [rounds(r) if shared else sectors(r, size) for r in requests]
            best = [1 if shared else -(-len({a.index for a in r}) * size // SECTOR) for r in requests]
            found.append(Cost(line, name, act, shared, len(requests), float(np.mean(takes)), float(np.mean(best))))
        return found


def sectors(request: Sequence[Access], size: int) -> int:
    """Sectors of memory that a request touches; an array begins at a multiple of 256 bytes."""
    return len({access.index * size // SECTOR for access in request})


def rounds(request: Sequence[Access]) -> int:
    """How often the fullest bank is asked for another word."""
    words = {access.index for access in request}
    return max(Counter(word % BANKS for word in words).values())


def number(value: int, size: int, dtype) -> float:
    """The number of the type in the first bytes of a recorded value."""
    kind = np.dtype(dtype) if dtype is not None else np.dtype("f4" if size == 4 else "f8" if size == 8 else "f4")
    return np.frombuffer(np.uint64(value).tobytes()[:kind.itemsize], kind)[0].item()


def launch_of(kernel, grid, block, recorded: int) -> Launch:
    """What kernel.events hold after a traced launch."""
    module = kernel.module
    found = Launch(kernel.name, module.file, module.code.splitlines(), tuple(grid), tuple(block), recorded)
    lines = module.lines([int(code) for code in np.unique(kernel.events["code"])])
    for name, array in kernel.regions:
        found.arrays[name.rpartition("::")[2]] = array
    for event in kernel.events:
        name, array = kernel.regions[event["region"]]
        shared = not isinstance(array, np.ndarray)
        itemsize = WORD if shared else array.itemsize
        short, offset = name.rpartition("::")[2], int(event["offset"])
        first = offset // itemsize
        file, _, line = lines.get(int(event["code"]), "?:0").partition(":")
        for index in range(first, first + max(1, int(event["size"]) // itemsize)):
            value = number(int(event["value"]), int(event["size"]), None if shared else array.dtype) if index == first else float("nan")
            found.accesses.append(Access(int(event["thread"]), int(event["phase"]), int(line or 0), ACTS[int(event["act"])], short, index,
                                         place(array, short, index * itemsize), value, shared))
    return found


class Recorded:
    """The launches so far."""

    def __init__(self, block: int):
        self.block, self.launches = block, []

    def before(self, launch) -> None:
        pass

    def after(self, launch) -> None:
        if launch.kernel is not None and len(launch.kernel.events):
            self.launches.append(launch_of(launch.kernel, launch.grid, launch.block, self.block))


@contextmanager
def recording(block: int = 0, **how) -> Iterator[Recorded]:
    """Inside, CUDA kernels run in the emulator's check mode, and what the threads of one block of every launch do is recorded."""
    found = Recorded(block)
    with where.emulation("check", trace=MOST, trace_block=block, **how), watching(found):
        yield found
