"""Convolution and its transpose."""
from typing import Any

from .. import functional as F
from ..kernels.geometry import pair, padding_pairs
from . import init
from .module import Module
from .parameter import Parameter

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def _channels(layer: Module, in_channels: int, out_channels: int, groups: int) -> None:
    name = type(layer).__name__
    for word, value in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}: {word} should be a whole number of at least 1, got {value!r}")
    if in_channels % groups or out_channels % groups:
        raise ValueError(f"{name}: groups={groups} should divide in_channels={in_channels} and out_channels={out_channels}")


class _Conv(Module):
    """What both directions share: the names of the parameters, their first values and the repr."""
    weight: Parameter
    bias: Any                                 # a Parameter or None

    transposed = False

    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype):
        super().__init__()
        _channels(self, in_channels, out_channels, groups)
        name = type(self).__name__
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"{name}: padding_mode should be one of {', '.join(PADDING_MODES)}, got {padding_mode!r}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = pair(kernel_size, name, "kernel_size"), pair(stride, name, "stride")
        self.dilation, self.padding_mode = pair(dilation, name, "dilation"), padding_mode
        self.padding = pair(padding, name, "padding", 0) if isinstance(padding, int) else padding
        padding_pairs(padding, name, self.kernel_size, self.kernel_size, self.stride, self.dilation)      # refuses what is no padding
        shape = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = Parameter.lazy((*shape, *self.kernel_size), device=device, dtype=dtype)
        self.register_parameter("bias", Parameter.lazy((out_channels,), device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """PyTorch's first values: U(−r, r), r = 1 / √fan_in, for the weight and the bias."""
        init.torch_default_(self.weight, self.bias)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        parts = [("padding", (0, 0)), ("output_padding", (0, 0)), ("dilation", (1, 1)), ("groups", 1), ("padding_mode", "zeros")]
        text += "".join(f", {name}={getattr(self, name)}" for name, usual in parts if getattr(self, name, usual) != usual)
        return text + (", bias=False" if self.bias is None else "")


class Conv2d(_Conv):
    """y[n,k,p,q] = bias[k] + Σ_c,r,s x[n,c,p·stride+r·dilation−top,q·stride+s·dilation−left] · weight[k,c,r,s]

    (N, C, H, W) → (N, K, P, Q).  weight: (K, C/G, R, S); group g of the outputs sees group g of the inputs only.
    padding: a number, a pair, ((top, bottom), (left, right)), "same" or "valid".  padding_mode: what stands in the padding:
    zeros, or the image reflected, replicated at its edge, or taken as circular.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
                 groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: str | None = None, dtype: Any = None):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype)

    def forward(self, input: Any) -> Any:
        return self._convolve(F.conv2d, input)

    def forward_relu(self, input: Any) -> Any:
        """forward and the ReLU behind it, in one: what a Sequential calls, see fused.py."""
        return self._convolve(F.conv2d_relu, input)

    def _convolve(self, function: Any, input: Any) -> Any:
        padding = self.padding
        if self.padding_mode != "zeros":
            (top, bottom), (left, right) = padding_pairs(padding, "Conv2d", input.shape[2:], self.kernel_size, self.stride, self.dilation)
            input, padding = F.pad(input, (left, right, top, bottom), self.padding_mode), 0
        return function(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class ConvTranspose2d(_Conv):
    """y[n,k,p·stride+r·dilation−top,q·stride+s·dilation−left] += x[n,c,p,q] · weight[c,k,r,s], plus bias[k]: Conv2d's gradient as a layer

    (N, C, P, Q) → (N, K, H, W),  H = (P−1)·stride − 2·padding + dilation·(R−1) + output_padding + 1.  weight: (C, K/G, R, S).
    """
    transposed = True

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
                 groups: int = 1, bias: bool = True, dilation: Any = 1, padding_mode: str = "zeros", device: str | None = None,
                 dtype: Any = None):
        if padding_mode != "zeros":
            raise ValueError(f"ConvTranspose2d: only padding_mode='zeros' has a meaning here, got {padding_mode!r}")
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype)
        self.output_padding = pair(output_padding, "ConvTranspose2d", "output_padding", 0)

    def forward(self, input: Any) -> Any:
        return F.conv_transpose2d(input, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation)
