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


def address(array: Any) -> int:
    """Where the array begins on the device, for tables of addresses."""
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr
