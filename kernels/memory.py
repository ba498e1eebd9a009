"""The one place where kernels allocate.

A fresh array costs more than most kernels: the system hands out its pages one fault at a time, zeroed. So memory is kept: a block
goes back to a list of its size class when the last view of the array made from it dies, and the next array of that class takes it.

How a block knows: an array handed out is built on the block, which is no NumPy array, and NumPy gives every view of that array, and
every view of such a view, the array itself as its base. A weak reference to it therefore dies exactly when nobody can read the block
any more. (Built on a NumPy array, or on a memoryview of one, views would point past it to that array, and it could die before them.)
"""
import ctypes
import os
import threading
import weakref
from collections import defaultdict
from math import prod
from typing import Any

import numpy as np

ALIGNMENT = 64                         # bytes: a cache line, and the widest vector register
KEEP = 1 << 30                         # bytes: idle blocks beyond this go back to the system

_idle: defaultdict[int, list] = defaultdict(list)              # size class -> blocks that nobody uses
_live: dict[int, "_Lease"] = {}                                # id of the lease -> the lease, kept alive until its array dies
_lock = threading.RLock()                                      # re-entrant: a collection inside a locked section may end another lease
if hasattr(os, "register_at_fork"):    # no other thread is inside while a process is forked: in the child nobody would ever leave again
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


class _Count:
    live = idle = peak = 0             # bytes


class _Lease(weakref.ref):
    __slots__ = ("block", "size")


def _size_class(size: int) -> int:
    """A multiple of 64, and above 512 of an eighth of a power of two: at most an eighth is wasted."""
    step = 1 << size.bit_length() - 4 if size > 1024 else ALIGNMENT
    return -(-size // step) * step or ALIGNMENT


def _block(size: int) -> Any:
    raw = np.empty(size + ALIGNMENT, np.uint8)
    return (ctypes.c_uint8 * size).from_buffer(raw, -raw.ctypes.data % ALIGNMENT)      # pyright: ignore[reportArgumentType]


def _give_back(lease: _Lease):
    with _lock:
        del _live[id(lease)]
        _Count.live -= lease.size
        if _Count.idle + lease.size > KEEP:
            release()                                  # sizes that nobody asks for any more would fill it for ever
        if lease.size <= KEEP:
            _idle[lease.size].append(lease.block)
            _Count.idle += lease.size


def empty(shape, dtype, device: str = "cpu") -> np.ndarray:
    """An array of the shape, C-contiguous, with arbitrary content.  MemoryError, with the size, if there is not enough."""
    if device != "cpu":
        from .cuda import memory as cuda               # pyright: ignore[reportMissingImports]  the GPU's own pool
        return cuda.empty(shape, dtype)
    dtype = np.dtype(dtype)
    size = _size_class(dtype.itemsize * (prod(shape) if isinstance(shape, tuple) else shape))
    with _lock:
        if idle := _idle.get(size):
            block = idle.pop()
            _Count.idle -= size
        else:
            try:
                block = _block(size)
            except MemoryError:
                if _Count.idle:                        # what is kept for later is needed now
                    release()
                    return empty(shape, dtype)
                raise MemoryError(f"cannot allocate {size / 2**20:,.0f} MiB for an array of shape {shape}, {dtype}; "
                                  f"{_Count.live / 2**20:,.0f} MiB are in use. A smaller batch needs less") from None
        array = np.ndarray(shape, dtype, block)
        lease = _Lease(array, _give_back)
        lease.block, lease.size = block, size
        _live[id(lease)] = lease
        _Count.live += size
        if _Count.live > _Count.peak:
            _Count.peak = _Count.live
    return array


def zeros(shape, dtype, device: str = "cpu") -> np.ndarray:
    array = empty(shape, dtype, device)
    array[...] = 0
    return array


def owns(array: np.ndarray) -> bool:
    """Whether an array, or what it is a view of, came from here."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return any(isinstance(lease, _Lease) for lease in weakref.getweakrefs(array))


def statistics() -> dict[str, int]:
    """Bytes: live (in arrays that somebody holds), idle (kept for the next), peak (the most that was live)."""
    return {"live": _Count.live, "idle": _Count.idle, "peak": _Count.peak}


def reset_peak() -> None:
    """Measure the peak anew from here."""
    _Count.peak = _Count.live


def release() -> None:
    """Give all idle blocks back to the system."""
    with _lock:
        _idle.clear()
        _Count.idle = 0
