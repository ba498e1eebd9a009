"""What the threads of a launch did: every load and store, with the source line and the element, in the order in which they were made.

    with recording(block=0) as found:
        kernel.forward(x, w, …)                                    whatever launches kernels: they run here, emulated
    launch = found.launches[0]
    launch.walk(thread=5)                                          what one thread did, in order
    launch.requests(warp=0)                                        the same of 32 threads together: see lockstep.py
    launch.readers_and_writers("x")                                which threads read, and which write, each element

A kernel is recorded as it was compiled: what the compiler keeps in registers is no load or store. The compiler of a GPU may also join
neighbouring loads of a thread into one; where it matters, a source says so itself (float4).
"""
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import where
from ..launches import watching
from .lockstep import Cost, cost, Request, requests, WARP
from .symbols import Place, places_of, types_of

READS, WRITES, ADDS, PASSES, MEETS, WAITS = 0, 1, 3, 4, 5, 6            # as runtime.h has them; ADDS: an atomic operation
MOST = 2_000_000                                                        # events that are recorded of a launch
NEAR = 64                                                               # bytes of code between the load and the store of a copy


@dataclass
class Array:
    """An argument, or a shared array, that somebody touched.  A shared array of structures counts as one of numbers."""
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    shared: bool

    def element(self, index: int) -> str:
        """index, flat -> "x[0, 2, 3]" """
        if not 0 <= index < prod(self.shape):
            return f"{self.name}[{index}], outside"
        return f"{self.name}[{', '.join(str(i) for i in np.unravel_index(index, self.shape))}]" if self.shape else self.name

    def index(self, places: tuple[int, ...]) -> int:
        """(0, 2, 3) -> flat.  ValueError for an element that there is not."""
        if len(places) != len(self.shape) or any(not 0 <= i < n for i, n in zip(places, self.shape)):
            raise ValueError(f"{self.name} has the shape {'×'.join(map(str, self.shape)) or 'of a number'}; there is no element "
                             f"{self.name}[{', '.join(map(str, places))}]")
        return int(np.ravel_multi_index(places, self.shape)) if places else 0


class Access(NamedTuple):
    """A load or store of one thread.  array: its number in Launch.arrays; index: of the first element, flat; count: of elements;
    values: those that were read, or that were left there, of the first 16 bytes."""
    thread: int
    phase: int
    place: Place
    act: int
    array: int
    index: int
    count: int
    values: tuple[float, ...]


class Step(NamedTuple):
    """What a thread did at one place.  act WAITS: it came to a barrier; MEETS: it met other lanes; else its loads and stores there."""
    place: Place
    phase: int
    act: int
    accesses: list[Access]


class LineCost(NamedTuple):
    """What the loads, or the stores, of an array at a line cost: sectors of memory, or rounds of shared memory, for each request of a
    warp, on average and at worst, and what they would at best."""
    path: str
    line: int
    array: int
    act: int
    requests: int
    each: float
    worst: int
    best: float


class Line(NamedTuple):
    """How often the recorded threads came to a line.  times: of all threads together."""
    threads: int
    times: int


@dataclass
class Launch:
    """One launch of a kernel, of which one block was recorded.  events: see module.EVENT."""
    name: str
    file: str
    module: Any
    grid: tuple[int, ...]                                               # x, y, z
    block: tuple[int, ...]
    recorded: int
    regions: list[tuple[str, Any]]
    events: np.ndarray

    def __post_init__(self):
        """Of a copy from array to array, of a float4 or the like, the emulator tells of the store first."""
        stores, loads = self.events[:-1], self.events[1:]
        wide = stores["size"] > np.array([array.dtype.itemsize for array in self.arrays] + [0])[stores["region"]]
        copies = np.flatnonzero((stores["act"] == WRITES) & (loads["act"] == READS) & (stores["thread"] == loads["thread"]) & wide
                                & (stores["size"] == loads["size"]) & (loads["code"] - stores["code"] < NEAR))
        order = np.arange(len(self.events))
        order[copies], order[copies + 1] = copies + 1, copies
        self.events = self.events[order]

    @property
    def threads(self) -> int:
        return prod(self.block)

    @property
    def blocks(self) -> int:
        return prod(self.grid)

    @property
    def cut(self) -> bool:
        """Whether there was more than is recorded."""
        return len(self.events) >= MOST

    @cached_property
    def arguments(self) -> list[Array]:
        """The arrays that the kernel was called with."""
        return [Array(name, array.shape, array.dtype, False) for name, array in self.regions if isinstance(array, np.ndarray)]

    @cached_property
    def arrays(self) -> list[Array]:
        """All regions: the arguments, then the shared arrays of the kernel."""
        found, library = list(self.arguments), self.module.library
        declared = types_of(library.path) if len(found) < len(self.regions) else {}
        addresses = {name: address - library.base for name, address, _, _ in library.shared}
        for name, size in self.regions[len(found):]:
            dtype, shape = declared.get(addresses[name], (np.dtype("f4"), ()))
            dtype = dtype if dtype.kind in "fiub" else np.dtype("f4")
            if prod(shape) * dtype.itemsize != size or not shape:
                shape = (size // dtype.itemsize,)                       # a dynamic one, as large as the launch said
            found.append(Array(name.rpartition("::")[2], shape, dtype, True))
        return found

    @cached_property
    def places(self) -> dict[int, Place]:
        """Of each address of machine code in events."""
        return places_of(self.module.library.path, self.module.library.base, [int(code) for code in np.unique(self.events["code"])])

    def label(self, path: str) -> str:
        """What a source is called: "conv2d/gpu.cu"."""
        return self.file if path.endswith(self.file) else "/".join(Path(path).parts[-2:])

    def source(self, path: str) -> list[str]:
        """The lines of a source: of the kernel's, or of one that it includes."""
        if path.endswith(self.file):
            return self.module.code.splitlines()
        return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).is_file() else []

    def values(self, event: np.void) -> tuple[float, ...]:
        """The elements that a load or store moved: 16 bytes at most are recorded."""
        dtype = self.arrays[event["region"]].dtype
        data = event["value"].tobytes() + event["more"].tobytes()
        count = max(1, min(int(event["size"]), len(data)) // dtype.itemsize)
        return tuple(v.item() for v in np.frombuffer(data[:count * dtype.itemsize], dtype))

    def access(self, event: np.void) -> Access:
        region = int(event["region"])
        size = self.arrays[region].dtype.itemsize
        return Access(int(event["thread"]), int(event["phase"]), self.places[int(event["code"])], int(event["act"]), region,
                      int(event["offset"]) // size, max(1, int(event["size"]) // size), self.values(event))

    def walk(self, thread: int) -> list[Step]:
        """What a thread did, place after place; places where it neither touches an element nor waits are left out."""
        found: list[Step] = []
        for event in self.events[(self.events["thread"] == thread) & (self.events["act"] != PASSES)]:
            place, act, phase = self.places[int(event["code"])], int(event["act"]), int(event["phase"])
            touches = act < PASSES
            last = found[-1] if found else None
            if last is None or last.place != place or last.phase != phase or not touches or last.act >= PASSES:
                found.append(Step(place, phase, act, []))
            if touches:
                found[-1].accesses.append(self.access(event))
        return found

    def requests(self, warp: int) -> list[Request]:
        """What the lanes of a warp did together, in order."""
        return requests(self.events, warp)

    def array_of(self, request: Request) -> int:
        """The number of the array that a request touches."""
        return int(self.events["region"][request.events[request.lanes[0]]])

    def cost(self, request: Request) -> Cost:
        return cost(request, self.events, self.arrays[self.array_of(request)].shared)

    @cached_property
    def costs(self) -> list[LineCost]:
        """For each line, array and kind of access of all recorded warps, in the order of the walk."""
        found: dict[tuple, list[Cost]] = {}
        for warp in range(-(-self.threads // WARP)):
            for request in self.requests(warp):
                if request.act < PASSES:
                    place = self.places[request.code]
                    found.setdefault((place.path, place.line, self.array_of(request), request.act), []).append(self.cost(request))
        return [LineCost(path, line, array, act, len(costs), sum(c.takes for c in costs) / len(costs), max(c.takes for c in costs),
                         sum(c.best for c in costs) / len(costs)) for (path, line, array, act), costs in found.items()]

    @cached_property
    def lines(self) -> dict[tuple[str, int], Line]:
        """How often each line was come to: {(path, line): …}."""
        codes, numbers, counts = np.unique(self.events["code"], return_inverse=True, return_counts=True)
        most: dict[Place, int] = defaultdict(int)                       # a line is several pieces of code: as often as the most frequent
        threads = defaultdict(set)
        for number, code in enumerate(codes):
            place = self.places[int(code)]
            most[place] = max(most[place], int(counts[number]))
        for pair in np.unique(numbers.reshape(-1) * self.threads + self.events["thread"]).tolist():
            number, thread = divmod(pair, self.threads)
            place = self.places[int(codes[number])]
            threads[place.path, place.line].add(thread)
        times: dict[tuple[str, int], int] = defaultdict(int)
        for place, count in most.items():
            times[place.path, place.line] += count
        return {line: Line(len(threads[line]), count) for line, count in sorted(times.items()) if line[1]}

    def touched(self) -> list[int]:
        """The numbers of the arrays that the recorded threads touched."""
        return sorted(int(region) for region in np.unique(self.events["region"]) if region >= 0)

    def readers_and_writers(self, array: int) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        """The threads that read, and that write, each element of an array that somebody touches: {index: threads}.

        An atomic operation does both.
        """
        events, size = self.events[self.events["region"] == array], self.arrays[array].dtype.itemsize
        first, count = events["offset"] // size, np.maximum(1, events["size"] // size)
        both = []
        for skipped in (WRITES, READS):
            mine = events["act"] != skipped
            index = np.concatenate([first[mine & (count > k)] + k for k in range(int(count.max(initial=1)))])
            thread = np.concatenate([events["thread"][mine & (count > k)] for k in range(int(count.max(initial=1)))])
            who: dict[int, list[int]] = {}
            for pair in np.unique(index * self.threads + thread).tolist():
                who.setdefault(pair // self.threads, []).append(pair % self.threads)
            both.append(who)
        return both[0], both[1]


class Recorded:
    """The launches so far."""

    def __init__(self, block: int):
        self.block = block
        self.launches: list[Launch] = []
        self.products: list[tuple] = []                                     # of cuBLAS, which nobody can walk through: their arrays

    def before(self, launch) -> None:
        pass

    def after(self, launch) -> None:
        if launch.kernel is None:
            self.products.append(tuple(array.shape for array in launch.arguments))
        else:
            self.add(launch.kernel, launch.grid, launch.block)

    def add(self, kernel, grid, block) -> None:
        """What a kernel's last launch left; of one with a fault, what was done before it."""
        grid, block = ((*map(int, three), 1, 1)[:3] for three in (grid, block))
        self.launches.append(Launch(kernel.name, kernel.module.file, kernel.module, grid, block, self.block, kernel.regions, kernel.events))


@contextmanager
def recording(block: int = 0, **how) -> Iterator[Recorded]:
    """Inside, CUDA kernels run in the emulator, watched, and what the threads of one block of every launch do is recorded."""
    found = Recorded(block)
    with where.emulation("check", walk=True, trace=MOST, trace_block=block, **how), watching(found):
        yield found
