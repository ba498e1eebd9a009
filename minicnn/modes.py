"""Whether operations are recorded for a backward: a switch of each thread's own."""
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Mode(threading.local):
    recording = True                          # inside no_grad(): False


mode = _Mode()


@contextmanager
def record(on: bool) -> Iterator[None]:
    before, mode.recording = mode.recording, on
    try:
        yield
    finally:
        mode.recording = before


def no_grad():
    """Inside `with no_grad():`, or in a function decorated with @no_grad(), no graph is built."""
    return record(False)


def enable_grad():
    """The opposite, inside a no_grad()."""
    return record(True)


def is_grad_enabled() -> bool:
    return mode.recording
