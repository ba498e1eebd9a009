"""Scaled numbers of channels: the nearest whole number, or one that hardware likes.

check_factor     that a factor, such as every family's width, is one
scaled_by        round(width · c), at least 1: for families whose papers do not say how they round
round_channels   a multiple of 8, never less than 90 % of what was asked for:

    rounded = max(divisor, floor(c/divisor + 1/2) · divisor),  one divisor more where rounded < 0.9·c

so that widths of 0.75, 1.1, 1.4 … keep every convolution's channels whole vectors.  The rule is that of the authors' MobileNet code;
MobileNet V1, V2 and V3, EfficientNet and the ShuffleNets round with it.
"""
import math
from collections.abc import Callable


def check_factor(factor: float, family: str, word: str = "width", advice: str = "1.0 is the network as published",
                 most: float = 1000) -> float:
    """factor.  ValueError unless it is a number above 0, and at most `most`."""
    if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not 0 < factor <= most:
        raise ValueError(f"{family}: {word} should be a number above 0, got {factor!r}; {advice}, and more than {most:,} is not built")
    return factor


def scaled_by(width: float, family: str, multiple: int = 1) -> Callable[[float], int]:
    """channels → width · channels, rounded to a multiple of `multiple`, at least that.  ValueError for a width that is not above 0.

    >>> [scaled_by(0.5, "alexnet", multiple=2)(c) for c in (96, 7, 1)]
    [48, 4, 2]
    """
    check_factor(width, family)
    return lambda channels: multiple * max(1, round(width * channels / multiple))


def round_channels(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels` (halves go up), at least `divisor` and at least 0.9·channels.

    >>> [round_channels(c) for c in (3, 12, 18, 24 * 1.1, 32 * 0.75)]
    [8, 16, 24, 24, 24]
    """
    if not 0 < channels < math.inf or divisor < 1:
        raise ValueError(f"round_channels: got channels={channels} and divisor={divisor}, expected both above 0: give a positive width")
    rounded = max(divisor, math.floor(channels / divisor + 0.5) * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor
