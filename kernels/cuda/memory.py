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
    """A copy of a host array on the device."""
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
    """upload(array): a copy of a host array on the device, through page-locked memory, while kernels run.  For one thread, not the one that
    launches the kernels: it waits until the copy is there."""

    def __init__(self):
        self.stream: Any = None

    def __call__(self, array: np.ndarray) -> Any:
        if emulated():
            return to_device(array)
        import cupy                               # pyright: ignore[reportMissingImports]
        import cupyx                              # pyright: ignore[reportMissingImports]
        if self.stream is None:
            self.stream = cupy.cuda.Stream(non_blocking=True)             # beside the stream of the kernels
        locked: Any = cupyx.empty_pinned(array.shape, array.dtype)         # pyright: ignore[reportArgumentType]
        locked[...] = array
        # The block may be one that was given back while kernels that read it are still under way: the copy comes after those.
        copy = cupy.empty(array.shape, array.dtype)
        self.stream.wait_event(cupy.cuda.get_current_stream().record())
        copy.set(locked, stream=self.stream)
        self.stream.synchronize()
        return copy


def address(array: Any) -> int:
    """Where the array begins on the device, for tables of addresses."""
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr
