"""Adaptive average pooling: as many windows as asked for, spread over the plane, and the mean of each.

    y[n,c,p,q] = 1/|window(p,q)| · Σ_{(h,w) ∈ window(p,q)} x[n,c,h,w]

    window(p,q) = { ⌊p·H/P⌋ ≤ h < ⌈(p+1)·H/P⌉ } × { ⌊q·W/Q⌋ ≤ w < ⌈(q+1)·W/Q⌉ }

Windows overlap by a row or column where P does not divide H; with P = Q = 1 this is the global average of the plane.

Backward: as for average pooling, each element of a window has slope 1/|window|:

    dx[n,c,h,w] = Σ_{(p,q) : (h,w) ∈ window(p,q)} g[n,c,p,q] / |window(p,q)|

Source: global average: Lin, Chen, Yan, "Network in network", 2013, section 3.2; windows as in PyTorch.

    forward(x, *, output_size) -> y, saved                                 x (N, C, H, W); y (N, C, P, Q); output_size (P, Q)
    backward(grad_output, saved, needs) -> (grad_x,)
"""
from ..pooling import adaptive_shape


def output_shape(x, *, output_size):
    """(N, C, H, W) -> (N, C, P, Q).  Raises ValueError for an x that is not 4-D, an empty plane, or an output size < 1."""
    return adaptive_shape("adaptive_avg_pool2d", x, output_size)
