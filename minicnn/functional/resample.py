"""Padding and interpolation.  Formulas and conventions: kernels/pad, kernels/interpolate."""
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from ..kernels.geometry import pair
from ..tensor import Tensor
from .linear_map import LinearMap


class Pad(LinearMap):
    kernel = "pad"

    def homogeneous(self) -> dict:
        return {**self.options, "value": 0.0}              # y = A·x + value outside


class Interpolate(LinearMap):
    kernel = "interpolate"


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """y[…,j,…] = x[…, j − before, …] inside the input; outside it the constant, a mirror image, the edge, or the other side

    pad: (before, after) of the last axis, then of the one before it, and so on, in elements; negative numbers crop.
    mode: "constant" (value, 0 by default), "reflect" (the edge is not repeated), "replicate", "circular".
    Any number of axes can be padded in any mode. Returns the input's shape, grown by before + after.
    Raises ValueError for an odd number of entries, more axes than the input has, an unknown mode, a value with another mode than
    constant, crops of more than there is, and padding larger than the mode can take from the input.
    """
    if not (isinstance(pad, Sequence) and not isinstance(pad, str) and len(pad) % 2 == 0 and all(isinstance(p, Integral) for p in pad)):
        raise ValueError(f"pad: pad should be an even number of whole numbers, (before, after) of the last axis first, got {pad!r}")
    if mode != "constant" and value:
        raise ValueError(f"pad: mode {mode!r} takes its elements from the input; leave out value={value!r}, or use mode 'constant'")
    pairs = tuple((int(pad[i]), int(pad[i + 1])) for i in range(len(pad) - 2, -1, -2))
    return Pad.apply(input, padding=pairs or ((0, 0),), mode=mode, value=float(value or 0.0))


def interpolate(input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
                recompute_scale_factor: bool | None = None) -> Tensor:
    """y[n,c,p,q] = x[n,c, ⌊p/scale⌋, ⌊q/scale⌋] (nearest), or the weighted mean of the four pixels around it (bilinear)

    input (N, C, H, W); size: a number or a pair (P, Q), or scale_factor: a number or a pair, output pixels an input pixel, then
    P = ⌊H·scale⌋. Coordinates are computed from scale_factor as given; with recompute_scale_factor=True from P/H, as if size were given.
    align_corners (bilinear): the centres of the corner pixels coincide, rather than the outer edges. Returns (N, C, P, Q).
    Raises ValueError for neither or both of size and scale_factor, an output without pixels, an unknown mode, align_corners with
    nearest, or an input that is not 4-D.
    """
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: give size or scale_factor, one of the two, got size={size!r} and scale_factor={scale_factor!r}")
    if align_corners is not None and mode == "nearest":
        raise ValueError(f"interpolate: align_corners={align_corners} belongs to mode 'bilinear'; leave it out with mode 'nearest'")
    if recompute_scale_factor and size is not None:
        raise ValueError("interpolate: recompute_scale_factor=True belongs to scale_factor; leave it out with size")
    if len(input.shape) != 4:
        raise ValueError(f"interpolate: expected an input (N, C, H, W), got shape {input.shape}")
    scale = None
    if size is None:
        factors = (scale_factor, scale_factor) if isinstance(scale_factor, Real) else tuple(scale_factor)
        if len(factors) != 2 or not all(isinstance(f, Real) and 0 < float(f) < float("inf") for f in factors):
            raise ValueError(f"interpolate: scale_factor should be a positive number or a pair of them, got {scale_factor!r}")
        factors = tuple(float(f) for f in factors)
        size = tuple(int(n * f) for n, f in zip(input.shape[2:], factors))
        scale = None if recompute_scale_factor else factors
    return Interpolate.apply(input, size=pair(size, "interpolate", "size", 0), scale=scale, mode=mode, align_corners=bool(align_corners))
