"""Adaptive max pooling: as many windows as asked for, spread over the plane, and the strongest response of each.

    y[n,c,p,q]       = max_{(h,w) ∈ window(p,q)} x[n,c,h,w]
    indices[n,c,p,q] = h·W + w of that element

    window(p,q) = { ⌊p·H/P⌋ ≤ h < ⌈(p+1)·H/P⌉ } × { ⌊q·W/Q⌋ ≤ w < ⌈(q+1)·W/Q⌉ }

Conventions of max pooling: of equal elements the first in row-major order wins; a NaN wins over every number, the last of several
over the others (PyTorch).

Backward: each output sends its gradient to its winner:   dx[n,c,i] = Σ_{p,q : indices[n,c,p,q] = i} g[n,c,p,q]

Source: windows as in PyTorch.

    forward(x, *, output_size) -> (y, indices), saved       x (N, C, H, W); y (N, C, P, Q); indices (N, C, P, Q) int32; output_size (P, Q)
    backward(grad_output, saved, needs) -> (grad_x,)        grad_output: that of y
"""
from ..pooling import adaptive_shape


def output_shape(x, *, output_size):
    """(N, C, H, W) -> (N, C, P, Q), twice: of y and of indices.

    Raises ValueError for an x that is not 4-D, an empty plane, or an output size < 1.
    """
    shape = adaptive_shape("adaptive_max_pool2d", x, output_size)
    return shape, shape
