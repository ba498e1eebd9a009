"""What was recorded of a kernel, in words: elements, lanes, costs.  The terminal and the page say the same."""
from collections.abc import Iterable, Sequence

from ..kernels.cuda.emulator.lockstep import Cost, Request, WARP
from ..kernels.cuda.emulator.recording import ADDS, Array, Launch, MEETS, READS, WAITS, WRITES

VERBS = {READS: "loads", WRITES: "stores", ADDS: "adds to", MEETS: "lanes meet", WAITS: "barrier"}
MEMORY = ("A request is one load or store of a warp. Global memory answers it in sectors of 32 bytes; shared memory has 32 banks, which "
          "give one word of 4 bytes each at a time. At best: the same elements, had they been neighbours. This is the kernel as its "
          "source has it: the compiler of a GPU may join neighbouring loads of a thread, and caches answer what was read before.")
RUNS = 4                                                       # of elements that are written out


def number(value: float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def ranges(numbers: Iterable[int]) -> str:
    """0, 1, 2, 5 -> "0–2, 5" """
    found: list[list[int]] = []
    for n in sorted(numbers):
        if found and n == found[-1][1] + 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}–{b}" if b > a + 1 else f"{a}, {b}" for a, b in found)


def ordinal(n: int) -> str:
    return f"{n}{'th' if n % 100 in (11, 12, 13) else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


def runs(indices: Sequence[int]) -> list[tuple[int, int, int]]:
    """(first, step, count) of each stretch of even steps: 0, 1, 2, 7, 7, 7 -> (0, 1, 3), (7, 0, 3)"""
    found: list[tuple[int, int, int]] = []
    for index in indices:
        if found:
            first, step, count = found[-1]
            if count == 1 or index == first + step * count:
                found[-1] = first, index - first if count == 1 else step, count + 1
                continue
        found.append((index, 0, 1))
    return found


def elements(array: Array, indices: Sequence[int], wide: int = 1) -> str:
    """The elements that lanes touch, in their order; wide: how many a lane."""
    words = []
    for first, step, count in runs(indices):
        start, end = array.element(first), array.element(first + step * (count - 1) + wide - 1)
        if count == 1 and wide == 1:
            words.append(start)
        elif step == 0:
            words.append(f"{start}{f' … {end}' if wide > 1 else ''}{f' by {count} lanes' if count > 1 else ''}")
        elif step == wide:
            words.append(f"{start} … {end}")
        elif count == 2:
            words.append(f"{start}, {array.element(first + step)}")
        else:
            every = f", every {ordinal(abs(step))}" if abs(step) > 1 else ""
            words.append(f"{start} … {end}{every}{', backwards' if step < 0 else ''}")
    left = len(words) - RUNS
    return "; ".join(words[:RUNS]) + (f"; … {left} more" if left > 0 else "")


def touched(launch: Launch, request: Request) -> str:
    """Of a request: "lanes 0–7: x[0, 0] … x[0, 7]"; without the lanes, if all take part."""
    events = launch.events[request.events[request.lanes]]
    array = launch.arrays[launch.array_of(request)]
    size = array.dtype.itemsize
    where = "" if len(request.lanes) == WARP else f"lanes {ranges(request.lanes.tolist())}: " if len(request.lanes) > 1 else \
        f"lane {request.lanes[0]}: "
    return where + elements(array, (events["offset"] // size).tolist(), max(1, int(events["size"][0]) // size))


def plural(count: float, word: str) -> str:
    return f"{count:.3g} {word}{'' if count == 1 else 's'}"


def takes(cost: Cost, shared: bool) -> str:
    """A cost: "32 sectors, 4 at best", "2-way bank conflict"."""
    if not shared:
        return plural(cost.takes, "sector") + (f", {cost.best} at best" if cost.takes > cost.best else "")
    if cost.takes == cost.best:
        return "no bank conflict"
    return f"{cost.takes}-way bank conflict" if cost.best == 1 else f"{cost.takes} rounds of the banks, {cost.best} at best"


def block_text(launch: Launch) -> str:
    """The recorded block: "block (0, 0, 1) of 1×1×2"."""
    x, y, _ = launch.grid
    b = launch.recorded
    return f"block ({b % x}, {b // x % y}, {b // (x * y)}) of {'×'.join(map(str, launch.grid))}"


def thread_text(launch: Launch, thread: int) -> str:
    x, y, _ = launch.block
    place = f" ({thread % x}, {thread // x % y}, {thread // (x * y)})" if launch.block[1:] != (1, 1) else ""
    return f"thread {thread}{place} of {launch.threads}, lane {thread % WARP} of warp {thread // WARP}"
