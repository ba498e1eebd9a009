"""Shift: every channel moved by its own offset; a 3×3 neighbourhood without multiplications.

    y[n,c,h,w] = x[n,c, h + dy(c), w + dx(c)]            0 outside the input

Backward: the opposite move:

    dx[n,c,h,w] = g[n,c, h − dy(c), w − dx(c)]           0 outside the output

Source: Wu et al., "Shift: a zero FLOP, zero parameter alternative to spatial convolutions", 2017, section 3.1.

    forward(x, *, offsets) -> y, saved                   x, y (N, C, H, W); offsets ((dy, dx), …), one pair a channel
    backward(grad_output, saved, needs) -> (grad_x,)
"""


def output_shape(x, *, offsets):
    """(N, C, H, W) -> (N, C, H, W).  Raises ValueError for an x that is not 4-D, or a number of offsets other than C."""
    if len(x) != 4:
        raise ValueError(f"shift: expected an input (N, C, H, W), got shape {tuple(x)}")
    if len(offsets) != x[1]:
        raise ValueError(f"shift: expected one offset (dy, dx) for each of {x[1]} channels, got {len(offsets)}; input shape {tuple(x)}")
    return tuple(x)
