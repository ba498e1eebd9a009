"""Arrays on the device."""
from typing import Any

import numpy as np

from .. import memory
from .where import emulated


def empty(shape, dtype) -> Any:
    """An array of the shape on the device, with arbitrary content."""
    if emulated():
        return memory.empty(shape, dtype)
    import cupy                                   # pyright: ignore[reportMissingImports]
    return cupy.empty(shape, dtype)


def to_device(array: np.ndarray) -> Any:
    """A host array on the device: a copy.  (An array that is there already, itself.)"""
    if emulated():
        copy = memory.empty(array.shape, array.dtype)
        copy[...] = array
        return copy
    import cupy                                   # pyright: ignore[reportMissingImports]
    return cupy.asarray(array, order="C")


def table(numbers, dtype) -> Any:
    """A table on the device, of numbers that the host has worked out: shapes, offsets, windows.  Keep it: to move it costs a launch."""
    return to_device(np.array(numbers, dtype))


def to_host(array: Any) -> np.ndarray:
    """A copy of a device array on the host."""
    if emulated():
        return np.array(array)
    import cupy                                   # pyright: ignore[reportMissingImports]
    return cupy.asnumpy(array)


class Upload:
    """upload(array): a copy of a host array on the device, through page-locked memory, while kernels run.

    Made by the thread that launches the kernels, on the stream of that moment; called by one other thread, which waits until the copy is
    there."""

    def __init__(self):
        self.kernels: Any = None                          # the stream of the kernels
        if not emulated():
            import cupy                                   # pyright: ignore[reportMissingImports]
            self.kernels, self.stream = cupy.cuda.get_current_stream(), cupy.cuda.Stream(non_blocking=True)

    def __call__(self, array: np.ndarray) -> Any:
        if emulated():
            return to_device(array)
        import cupy                               # pyright: ignore[reportMissingImports]
        import cupyx                              # pyright: ignore[reportMissingImports]
        locked: Any = cupyx.empty_pinned(array.shape, array.dtype)         # pyright: ignore[reportArgumentType]
        locked[...] = array
        # The block may be one that was given back while kernels that read it are still under way: the copy comes after those.
        with self.kernels:
            copy = cupy.empty(array.shape, array.dtype)
        self.stream.wait_event(self.kernels.record())
        copy.set(locked, stream=self.stream)
        self.stream.synchronize()
        return copy


def address(array: Any) -> int:
    """Where the array begins on the device, for tables of addresses."""
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr
