"""A file that one process at a time can hold: held by the operating system, which lets go when a process ends, however it ends."""
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)           # what the systems say when another holds the lock


@contextmanager
def held(path: str | os.PathLike, message: str) -> Iterator[None]:
    """Inside the with block nobody else can hold this file; it is made, and stays there, empty.  BlockingIOError(message) if another does.

    The file is never removed: between opening and locking it, somebody else could otherwise lock a new one of the same name.
    """
    with open(path, "a") as file:
        try:
            _lock(file.fileno())
        except OSError as error:
            if error.errno in HELD:
                raise BlockingIOError(message) from error
            # else a file system without locks (some network ones): there, nothing can be promised, and training goes on as without
        yield


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
