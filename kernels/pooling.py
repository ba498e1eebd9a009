"""What the poolings share: the part of the input that a window sees.

A window of max or average pooling starts at p·stride − before and looks at every dilation-th position; a window of adaptive pooling
runs from ⌊p·size/count⌋ to ⌈(p+1)·size/count⌉. All of it holds for one axis at a time.
"""
from collections.abc import Sequence

import numpy as np

from .geometry import Pair, Padding


def check_input(op: str, x: Sequence[int]) -> None:
    """ValueError for anything but (N, C, H, W)."""
    if len(x) != 4:
        raise ValueError(f"{op}: expected an input (N, C, H, W), got shape {tuple(x)}")


def check_half(op: str, window: Pair, padding: Padding, dilation: Pair = (1, 1)) -> None:
    """PyTorch's rule: padding that is the same on both sides is at most half of the window.  ValueError otherwise.

    Half of what the window spans: PyTorch takes no account of dilation here, which would exclude padding="same".
    """
    for axis, name in enumerate(("height", "width")):
        (before, after), span = padding[axis], dilation[axis] * (window[axis] - 1) + 1
        if before == after and before > span // 2:
            spanning = f" (spanning {span} with dilation {dilation[axis]})" if dilation[axis] > 1 else ""
            raise ValueError(f"{op}: padding should be at most half of the window, but along the {name} it is {before} for a window of "
                             f"{window[axis]}{spanning}; use padding of at most {span // 2}")


def check_seen(op: str, plane: Sequence[int], output: Pair, window: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)) -> None:
    """ValueError if a window sees padding alone: it has no maximum, and no pixel to average."""
    for axis, name in enumerate(("height", "width")):
        size, before, last = plane[axis], padding[axis][0], output[axis] - 1
        # only the windows that start in the leading padding, and the last one, can miss the input
        for p in {last, *range(min(output[axis], -(-before // stride[axis])))}:
            start = p * stride[axis] - before
            tap = max(0, -(start // dilation[axis]))                       # the first tap at or after position 0
            if tap >= window[axis] or start + tap * dilation[axis] >= size:
                raise ValueError(f"{op}: window {p} along the {name} lies entirely in the padding {padding[axis]} of an input of {size} "
                                 f"(window {window[axis]}, stride {stride[axis]}, dilation {dilation[axis]}); use less padding")


def seen(size: int, count: int, window: int, stride: int, before: int, dilation: int) -> tuple[np.ndarray, np.ndarray]:
    """Along one axis, for each window: the first position that it sees of the input, and one beyond its last."""
    start = np.arange(count) * stride - before
    first = np.where(start < 0, start + -(start // dilation) * dilation, start)          # the first tap that is not negative
    return first, np.minimum(start + dilation * (window - 1) + 1, size)


def adaptive_shape(op: str, x: Sequence[int], output_size: Pair) -> tuple[int, int, int, int]:
    """(N, C, H, W) -> (N, C, P, Q).  ValueError for an x that is not 4-D, an empty plane, or an output size < 1."""
    check_input(op, x)
    N, C, H, W = x
    if min(H, W) < 1:
        raise ValueError(f"{op}: the input plane is empty, got shape {tuple(x)}")
    if min(output_size) < 1:
        raise ValueError(f"{op}: output_size should be at least 1, got {output_size}")
    return N, C, *output_size


def adaptive_windows(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first position of each of `count` windows over `size` positions, and the one after its last."""
    p = np.arange(count)
    return p * size // count, -(-(p + 1) * size // count)
