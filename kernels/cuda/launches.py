"""Who may watch launches: a list of watchers, each told before and after every launch, and every product of cuBLAS.

    with watching(mine): …                    mine.before(launch), mine.after(launch)

The profile of a GPU (minicnn/inspect/launches.py) and the recording of threads (emulator/recording.py) use nothing else. A launch on a
GPU has not run when `after` is called, it has been sent off. With an empty list a launch pays one `if`.
"""
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple, Protocol


class Launch(NamedTuple):
    """file: "conv2d/gpu.cu", or "cuBLAS"; name: "forward_tiles<float>"; kernel: CuPy's or the emulator's, None of cuBLAS.

    arguments: as the kernel gets them, arrays and NumPy's scalars; of cuBLAS's product the two factors, as they are multiplied, and the
    output."""
    file: str
    name: str
    kernel: Any
    grid: Any
    block: Any
    arguments: tuple


class Watcher(Protocol):
    def before(self, launch: Launch) -> None: ...

    def after(self, launch: Launch) -> None: ...


watchers: list[Watcher] = []
NOBODY = nullcontext()


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Inside, the watcher is told of every launch."""
    watchers.append(watcher)
    try:
        yield
    finally:
        watchers.remove(watcher)


@contextmanager
def told(*launch: Any) -> Iterator[None]:
    """Around a launch, which is described as Launch is; of the end of one that raises, too."""
    found = Launch(*launch)
    for watcher in list(watchers):
        watcher.before(found)
    try:
        yield
    finally:
        for watcher in list(watchers):
            watcher.after(found)
