"""Pooling: the maximum or the mean of windows.  Formulas, conventions and sources: kernels/max_pool2d, avg_pool2d, adaptive_*."""
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from ..device import meta_array, move
from ..kernels.geometry import Pair, pair, padding_pairs
from ..tensor import Tensor
from .kernel_op import KernelOp
from .linear_map import LinearMap
from .shapes import Scatter, reshape

Size = int | Sequence[int]
Padding = int | Sequence[int] | Sequence[Sequence[int]] | str


class MaxPool2d(KernelOp):
    """Outputs y, and where asked for the positions of the winners.  Backward reads the positions alone: neither x nor y is kept."""
    kernel = "max_pool2d"
    reads_inputs = reads_outputs = False

    def forward(self, x, *, return_indices=True, **options):
        self.shape = x.shape
        y, self.indices = super().forward(x, **options)
        return (y, self.indices.astype(np.int64)) if return_indices else y     # a copy, in PyTorch's type: the user may write to his

    def keep_inputs(self, arrays):
        pass

    def meta(self, *arrays, return_indices=True, **options):
        y, indices = super().meta(*arrays, **options)
        return (y, meta_array(indices.shape, np.int64)) if return_indices else y

    def backward_graph(self, g, *unused) -> tuple:
        """Gradients added at the winners, as a Tensor operation."""
        (N, C, _, W), indices = self.shape, move(self.indices, self.device, "cpu")
        n, c = np.arange(N)[:, None, None, None], np.arange(C)[:, None, None]
        return (Scatter.apply(g, index=(n, c, indices // W, indices % W), shape=self.shape),)


class AdaptiveMaxPool2d(MaxPool2d):
    kernel = "adaptive_max_pool2d"


class AvgPool2d(LinearMap):
    kernel = "avg_pool2d"


class AdaptiveAvgPool2d(LinearMap):
    kernel = "adaptive_avg_pool2d"


def _batch(input: Tensor, op: str) -> Tensor:
    """(N, C, H, W) as it is, (C, H, W) as a batch of one.  ValueError for anything else."""
    if len(input.shape) not in (3, 4):
        raise ValueError(f"{op}: expected an input (N, C, H, W) or (C, H, W), got shape {input.shape}")
    return reshape(input, (1, *input.shape)) if len(input.shape) == 3 else input


def _like(output: Tensor, input: Tensor) -> Tensor:
    """Without the batch of one that _batch put before."""
    return reshape(output, output.shape[1:]) if len(input.shape) == 3 else output


def _windows(op: str, x: Tensor, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size = 1) -> dict[str, Any]:
    window, steps = pair(kernel_size, op, "kernel_size"), pair(dilation, op, "dilation")
    strides = window if stride is None else pair(stride, op, "stride")
    return {"kernel_size": window, "stride": strides, "padding": padding_pairs(padding, op, x.shape[2:], window, strides, steps)}


def _output_size(op: str, output_size: Any, plane: Sequence[int]) -> Pair:
    """6, (6, 7), or None where the size of the input stays."""
    sizes = (output_size, output_size) if output_size is None or isinstance(output_size, Integral) else output_size
    if isinstance(sizes, Sequence) and len(sizes) == 2 and not isinstance(sizes, str):
        sizes = tuple(have if want is None else want for want, have in zip(sizes, plane))
    return pair(sizes, op, "output_size")


def max_pool2d(input: Tensor, kernel_size: Size, stride: Size | None = None, padding: Padding = 0, dilation: Size = 1,
               ceil_mode: bool = False, return_indices: bool = False) -> Any:
    """y[n,c,p,q] = max_{r,s} x[n,c, p·stride − padding + r·dilation, q·stride − padding + s·dilation]      padding is −∞

    input (N, C, H, W) or (C, H, W); kernel_size, stride (default: kernel_size), dilation: numbers or pairs (height, width), in pixels.
    padding: a number, a pair, ((top, bottom), (left, right)), "valid", or "same": ⌈H/stride⌉ × ⌈W/stride⌉ outputs, the odd pixel after.
    ceil_mode: round the output size up; the last window must start inside the input or its leading padding.
    Returns (N, C, P, Q), and with return_indices also the positions h·W + w of the maxima, int64.
    Of equal elements the first in row-major order takes the whole gradient.
    Raises ValueError for a window that does not fit or sees padding alone, and symmetric padding of more than half a window.
    """
    x = _batch(input, "max_pool2d")
    found = MaxPool2d.apply(x, **_windows("max_pool2d", x, kernel_size, stride, padding, dilation),
                            dilation=pair(dilation, "max_pool2d", "dilation"), ceil_mode=bool(ceil_mode), return_indices=return_indices)
    return tuple(_like(part, input) for part in found) if return_indices else _like(found, input)


def avg_pool2d(input: Tensor, kernel_size: Size, stride: Size | None = None, padding: Padding = 0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Tensor:
    """y[n,c,p,q] = 1/D[p,q] · Σ_{r,s} x[n,c, p·stride − padding + r, q·stride − padding + s]

    D counts the positions of the window: those in the padding too unless count_include_pad=False, never those that ceil_mode adds
    beyond it; or is divisor_override. padding="same" leaves padding out of D: it means count_include_pad=False.
    Sizes, padding and ceil_mode as in max_pool2d. Returns (N, C, P, Q).
    Raises ValueError for a window that does not fit, symmetric padding of more than half a window, or a divisor of 0.
    """
    x = _batch(input, "avg_pool2d")
    y = AvgPool2d.apply(x, **_windows("avg_pool2d", x, kernel_size, stride, padding), ceil_mode=bool(ceil_mode),
                        count_include_pad=bool(count_include_pad) and padding != "same", divisor_override=divisor_override)
    return _like(y, input)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """y[n,c,p,q] = mean of x[n,c,h,w] over ⌊p·H/P⌋ ≤ h < ⌈(p+1)·H/P⌉, ⌊q·W/Q⌋ ≤ w < ⌈(q+1)·W/Q⌉

    input (N, C, H, W) or (C, H, W); output_size: a number or a pair (P, Q), None for the size of the input. Returns (N, C, P, Q).
    Raises ValueError for an empty plane or an output size < 1.
    """
    x = _batch(input, "adaptive_avg_pool2d")
    return _like(AdaptiveAvgPool2d.apply(x, output_size=_output_size("adaptive_avg_pool2d", output_size, x.shape[2:])), input)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """y[n,c,p,q] = max of x[n,c,h,w] over ⌊p·H/P⌋ ≤ h < ⌈(p+1)·H/P⌉, ⌊q·W/Q⌋ ≤ w < ⌈(q+1)·W/Q⌉

    input (N, C, H, W) or (C, H, W); output_size: a number or a pair (P, Q), None for the size of the input. Returns (N, C, P, Q), and
    with return_indices also the positions h·W + w of the maxima, int64.
    Raises ValueError for an empty plane or an output size < 1.
    """
    x = _batch(input, "adaptive_max_pool2d")
    found = AdaptiveMaxPool2d.apply(x, output_size=_output_size("adaptive_max_pool2d", output_size, x.shape[2:]),
                                    return_indices=return_indices)
    return tuple(_like(part, input) for part in found) if return_indices else _like(found, input)
