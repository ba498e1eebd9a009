"""Interpolation: a plane at another resolution.

    bilinear   y[n,c,p,q] = Σ_{i,j ∈ {0,1}} α_i(p)·β_j(q) · x[n,c, h_i(p), w_j(q)]
    nearest    y[n,c,p,q] = x[n,c, h(p), w(q)]

Along one axis, from size n to size m, with r = 1/scale where a scale was given, else n/m:

    bilinear   u = r·(p + ½) − ½, not below 0                 pixels are squares, and their areas are aligned
               u = p·(n − 1)/(m − 1)                          align_corners: the centres of the corner pixels are aligned
               h_0 = ⌊u⌋, h_1 = min(h_0 + 1, n − 1), α_1 = u − h_0, α_0 = 1 − α_1
    nearest    h = min(⌊p·r⌋, n − 1)

Conventions of PyTorch: where m = n the plane is copied, whatever the scale; for nearest, r and p·r are rounded to float32, since a
floor at an exact border depends on it, and m = 2n takes ⌊p/2⌋.

Backward: y is linear in x, so each output gives to the pixels that it took from, with the same weights:

    dx[n,c,h,w] = Σ_{p,q} Σ_{i,j : h_i(p)=h, w_j(q)=w} α_i(p)·β_j(q) · g[n,c,p,q]

Source: conventions of PyTorch's torch.nn.functional.interpolate; learnt alternatives: Shelhamer, Long, Darrell, "Fully convolutional
networks", 2015, section 3.3.

    forward(x, *, size, scale, mode, align_corners) -> y, saved     x (N, C, H, W); y (N, C, P, Q); size (P, Q); scale (P/H, Q/W) or None
    backward(grad_output, saved, needs) -> (grad_x,)
"""
import numpy as np

MODES = ("nearest", "bilinear")


def output_shape(x, *, size, scale, mode, align_corners):
    """(N, C, H, W) -> (N, C, P, Q).

    Raises ValueError for an x that is not 4-D, an empty plane, an output size < 1, a scale that is not positive, an unknown mode, and
    align_corners with mode nearest, which has no corners to align.
    """
    if len(x) != 4:
        raise ValueError(f"interpolate: expected an input (N, C, H, W), got shape {tuple(x)}")
    if mode not in MODES:
        raise ValueError(f"interpolate: mode should be 'nearest' or 'bilinear', got {mode!r}")
    if align_corners and mode == "nearest":
        raise ValueError("interpolate: align_corners belongs to mode 'bilinear'; leave it out with mode 'nearest'")
    if min(*x[2:], *size) < 1:
        raise ValueError(f"interpolate: input and output planes should have at least one pixel, got {x[2]}×{x[3]} to {size[0]}×{size[1]}; "
                         f"use a larger size or scale_factor")
    if scale is not None and not min(scale) > 0:
        raise ValueError(f"interpolate: scale_factor should be positive, got {scale}")
    return (*x[:2], *size)


def taps(n, m, scale, mode, align_corners):
    """Along one axis, for each output position: the two input positions that it takes from, and the weight of the second."""
    p = np.arange(m)
    if m == n:
        return p, p, np.zeros(m)
    if mode == "nearest":
        ratio = np.float32(1 / scale) if scale is not None else np.float32(n) / np.float32(m)
        nearest = p // 2 if m == 2 * n else np.minimum((p.astype(np.float32) * ratio).astype(np.int64), n - 1)
        return nearest, nearest, np.zeros(m)
    if align_corners:
        u = p * ((n - 1) / (m - 1) if m > 1 else 0.0)
    else:
        u = np.maximum((1 / scale if scale is not None else n / m) * (p + 0.5) - 0.5, 0.0)
    first = np.minimum(u.astype(np.int64), n - 1)
    return first, np.minimum(first + 1, n - 1), np.minimum(u - first, 1.0)
