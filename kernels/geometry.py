"""The arithmetic of windows: pairs, padding and output sizes, for every operation that slides one.

The letters of the whole project:  N batch · C input channels · K output channels · H W input plane · R S window · P Q output plane ·
G groups.
"""
from collections.abc import Sequence
from numbers import Integral
from typing import Any

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]              # ((top, bottom), (left, right))


def pair(value, op: str, name: str, least: int = 1) -> Pair:
    """3 -> (3, 3);  (3, 5) -> (3, 5).  ValueError for anything else, or for less than `least`."""
    if type(value) is tuple and [type(v) for v in value] == [int, int] and min(value) >= least:
        return value                                                       # as layers keep it: each of their calls comes by here
    several = isinstance(value, Sequence) and not isinstance(value, str)
    values: tuple[Any, ...] = (value, value) if isinstance(value, Integral) else tuple(value) if several else ()
    if len(values) == 1:
        values *= 2
    if len(values) != 2 or not all(isinstance(v, Integral) and not isinstance(v, bool) for v in values):
        raise ValueError(f"{op}: {name} should be a whole number or a pair (height, width), got {value!r}")
    if min(values) < least:
        raise ValueError(f"{op}: {name} should be at least {least}, got {value!r}")
    return int(values[0]), int(values[1])


def same(size: int, window: int, stride: int, dilation: int = 1) -> Pair:
    """Padding (before, after) with which ceil(size / stride) outputs fit; the odd pixel comes after, as in TensorFlow."""
    total = max(0, (-(-size // stride) - 1) * stride + dilation * (window - 1) + 1 - size)
    return total // 2, total - total // 2


def padding_pairs(padding, op: str, plane: Sequence[int], window: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Padding:
    """Every form of padding as ((top, bottom), (left, right)).

    padding: p, (vertical, horizontal), ((top, bottom), (left, right)), "valid", or "same" (the output has ceil(size / stride)).
    plane: (H, W), which "same" depends on.
    """
    if isinstance(padding, str):
        if padding == "valid":
            return (0, 0), (0, 0)
        if padding == "same":
            (H, W), (R, S) = plane, window
            return same(H, R, stride[0], dilation[0]), same(W, S, stride[1], dilation[1])
        raise ValueError(f"{op}: padding should be a number, a pair, ((top, bottom), (left, right)), 'same' or 'valid', got {padding!r}")
    if isinstance(padding, Sequence) and len(padding) == 2 and any(isinstance(p, Sequence) for p in padding):
        return pair(padding[0], op, "padding", 0), pair(padding[1], op, "padding", 0)
    vertical, horizontal = pair(padding, op, "padding", 0)
    return (vertical, vertical), (horizontal, horizontal)


def output_size(size: int, window: int, stride: int = 1, padding: Pair = (0, 0), dilation: int = 1, ceil_mode: bool = False) -> int:
    """How many windows fit: (size + padding − dilation·(window − 1) − 1) / stride + 1, rounded down, or up with ceil_mode.

    The last window of ceil mode must start inside the input or its leading padding. 0 or less: the window does not fit.
    """
    room = size + sum(padding) - dilation * (window - 1) - 1
    if room < 0:
        return 0
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (count - 1) * stride >= size + padding[0]:
        count -= 1
    return count


def plane_output(op: str, plane: Sequence[int], window: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1),
                 ceil_mode: bool = False) -> Pair:
    """(H, W) -> (P, Q).  ValueError if the window is larger than the padded input."""
    sizes = tuple(output_size(plane[i], window[i], stride[i], padding[i], dilation[i], ceil_mode) for i in (0, 1))
    if min(sizes) < 1:
        span = tuple(dilation[i] * (window[i] - 1) + 1 for i in (0, 1))
        padded = tuple(plane[i] + sum(padding[i]) for i in (0, 1))
        spanning = f" (spanning {span[0]}×{span[1]} with dilation {dilation})" if span != window else ""
        raise ValueError(f"{op}: a window of {window[0]}×{window[1]}{spanning} does not fit into the padded input "
                         f"of {padded[0]}×{padded[1]} (input {plane[0]}×{plane[1]}, padding {padding}); "
                         f"use a larger input, more padding or a smaller window")
    return sizes[0], sizes[1]
