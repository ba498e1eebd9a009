"""The windows of pooling as the structs of windows.cuh, on the device."""
from functools import lru_cache
from typing import Any

import numpy as np

from ..geometry import Padding, Pair
from . import where
from .loader import grid_for
from .memory import table

LARGE = 32                               # positions of a window that a warp shares; a smaller one is a thread's


@lru_cache(maxsize=512)
def _on_device(mode: str, numbers: tuple[tuple[int, ...], ...]) -> Any:
    return table(numbers, np.int32)


def sliding(plane: Pair, output: Pair, window: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1), padding_counts=False) -> Any:
    """Two structs Sliding, of rows and of columns."""
    return _on_device(where.mode(), tuple(
        (size, count, R, step, before, taps, *((-before, size + after) if padding_counts else (0, size)))
        for size, count, R, step, (before, after), taps in zip(plane, output, window, stride, padding, dilation)))


def spread(plane: Pair, output: Pair) -> Any:
    """Two structs Spread."""
    return _on_device(where.mode(), tuple(zip(plane, output)))


def forms() -> tuple[str, ...]:
    """Of a pooling's kernels: forward by one thread a window or by a warp, backward; for both kinds of windows."""
    kinds = ("Sliding", "Spread")
    return (*(f"forward<{{T}}, {kind}, {lanes}>" for kind in kinds for lanes in (1, 32)), *(f"backward<{{T}}, {kind}>" for kind in kinds))


def sharing(positions: int, outputs: int) -> tuple[int, tuple, tuple]:
    """How many threads share a window of so many positions, 1 or 32, and grid and block for so many outputs."""
    lanes = 32 if positions >= LARGE else 1
    return lanes, *grid_for(outputs * lanes)
