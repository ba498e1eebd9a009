"""Rounding a scaled number of channels to one that hardware likes: a multiple of 8, never less than 90 % of what was asked for.

    rounded = max(divisor, floor(c/divisor + 1/2) · divisor),  one divisor more where rounded < 0.9·c

so that widths of 0.75, 1.1, 1.4 … keep every convolution's channels whole vectors.  The rule is that of the authors' MobileNet code;
MobileNetV2 and V3, EfficientNet and MnasNet round with it.
"""

from __future__ import annotations

import math


def round_channels(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels` (halves go up), at least `divisor` and at least 0.9·channels.

    >>> [round_channels(c) for c in (3, 12, 18, 24 * 1.1, 32 * 0.75)]
    [8, 16, 24, 24, 24]
    """
    if not channels > 0 or divisor < 1:
        raise ValueError(f"round_channels: got channels={channels} and divisor={divisor}, expected both above 0: give a positive width")
    rounded = max(divisor, math.floor(channels / divisor + 0.5) * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor
