"""Moving channels without arithmetic.  Formulas and sources: kernels/channel_shuffle, kernels/shift."""
from collections.abc import Sequence

from ..kernels.geometry import pair
from ..tensor import Tensor
from .linear_map import LinearMap


class ChannelShuffle(LinearMap):
    kernel = "channel_shuffle"


class Shift(LinearMap):
    kernel = "shift"


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """y[n, j·G + g, …] = x[n, g·(C/G) + j, …]

    input (N, C, …); groups G divides C. Returns the input's shape. ValueError for groups that do not divide the channels.
    Zhang et al., "ShuffleNet", 2017, section 3.1.
    """
    return ChannelShuffle.apply(input, groups=int(groups))


def shift(input: Tensor, kernel_size: int | Sequence[int] = 3, dilation: int | Sequence[int] = 1) -> Tensor:
    """y[n,c,h,w] = x[n,c, h + dy(c), w + dx(c)]      0 outside the input

    input (N, C, H, W); the offsets are those of a kernel_size window around a pixel, dilation apart, in row-major order. Each offset
    takes ⌊C/(R·S)⌋ channels in turn; the channels that remain, the last ones, stay where they are (the centre). Returns (N, C, H, W).
    Raises ValueError for an input that is not 4-D or an even kernel_size, which has no centre.
    Wu et al., "Shift: a zero FLOP, zero parameter alternative to spatial convolutions", 2017, section 3.1.
    """
    (R, S), (down, across) = pair(kernel_size, "shift", "kernel_size"), pair(dilation, "shift", "dilation")
    if R % 2 == 0 or S % 2 == 0:
        raise ValueError(f"shift: kernel_size should be odd, since an even window has no centre, got {kernel_size!r}")
    if len(input.shape) != 4:
        raise ValueError(f"shift: expected an input (N, C, H, W), got shape {input.shape}")
    C = input.shape[1]
    each = C // (R * S)
    offsets = [((r - R // 2) * down, (s - S // 2) * across) for r in range(R) for s in range(S) for _ in range(each)]
    return Shift.apply(input, offsets=tuple(offsets + [(0, 0)] * (C - len(offsets))))
