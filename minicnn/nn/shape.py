"""Layers that move, repeat or reorder numbers without changing them."""
from typing import Any

from .. import functional as F
from .module import Module


class Flatten(Module):
    """(N, C, H, W) → (N, C·H·W): the dimensions start_dim … end_dim become one"""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Any:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """(N, C·H·W) → (N, C, H, W): dimension dim becomes those of unflattened_size; one of them may be −1"""

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]):
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Any) -> Any:
        dim = self.dim % len(input.shape)
        return input.reshape(*input.shape[:dim], *self.unflattened_size, *input.shape[dim + 1:])

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Upsample(Module):
    """(N, C, H, W) → a plane of `size`, or `scale_factor` times as large; mode "nearest" or "bilinear" """

    def __init__(self, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
                 recompute_scale_factor: bool | None = None):
        super().__init__()
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input: Any) -> Any:
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        return (f"scale_factor={self.scale_factor}" if self.scale_factor is not None else f"size={self.size}") + f", mode={self.mode!r}"


class ZeroPad2d(Module):
    """(N, C, H, W) → (N, C, H + top + bottom, W + left + right), with zeros around; padding: a number or (left, right, top, bottom)"""

    def __init__(self, padding: int | tuple[int, int, int, int]):
        super().__init__()
        self.padding = (padding,) * 4 if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != 4:
            raise ValueError(f"ZeroPad2d: padding should be a number or (left, right, top, bottom), got {padding!r}")

    def forward(self, input: Any) -> Any:
        return F.pad(input, self.padding)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ChannelShuffle(Module):
    """y[n, i·groups + g] = x[n, g·(C/groups) + i]: each group of the next layer sees every group of this one

    Zhang, Zhou, Lin, Sun, "ShuffleNet", 2017.
    """

    def __init__(self, groups: int):
        super().__init__()
        self.groups = groups

    def forward(self, input: Any) -> Any:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"


class Shift(Module):
    """y[n,c,h,w] = x[n,c,h+dy,w+dx], the offset (dy, dx) fixed for each channel: a 3×3 neighbourhood without a multiplication

    Wu et al., "Shift", 2017; how channels are dealt out to offsets stands at F.shift.
    """

    def __init__(self, kernel_size: int = 3, dilation: int = 1):
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation

    def forward(self, input: Any) -> Any:
        return F.shift(input, self.kernel_size, self.dilation)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}"
