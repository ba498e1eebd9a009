"""Average pooling: the mean of each window.

    y[n,c,p,q] = 1/D[p,q] · Σ_{r,s} x[n,c, p·stride_h − top + r, q·stride_w − left + s]        r < R, s < S; zero outside the input

    D[p,q] = rows(p) · columns(q)                                     how many positions window (p, q) holds
        count_include_pad=True:   input and padding count, what ceil mode adds beyond the padding does not
        count_include_pad=False:  input alone
    D[p,q] = divisor_override                                         where that is given

Backward: the mean is linear, each element of a window has slope 1/D:

    dx[n,c,h,w] = Σ_{(p,q) : (h,w) ∈ window(p,q)} g[n,c,p,q] / D[p,q]

Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998, section II.B (there with a trainable factor and
bias); divisors as in PyTorch.

    forward(x, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override) -> y, saved
        x (N, C, H, W); y (N, C, P, Q); padding ((top, bottom), (left, right)); divisor_override a number or None
    backward(grad_output, saved, needs) -> (grad_x,)
"""
import numpy as np

from ..geometry import plane_output
from ..pooling import check_half, check_input, check_seen


def output_shape(x, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """(N, C, H, W) -> (N, C, P, Q).

    Raises ValueError for an x that is not 4-D, a window that does not fit into the padded input, symmetric padding of more than half
    a window, a divisor of 0, given or because a window sees padding alone and count_include_pad=False.
    """
    check_input("avg_pool2d", x)
    check_half("avg_pool2d", kernel_size, padding)
    output = plane_output("avg_pool2d", x[2:], kernel_size, stride, padding, (1, 1), ceil_mode)
    if divisor_override == 0:
        raise ValueError("avg_pool2d: divisor_override is 0; give another divisor, or None to divide by the number of positions")
    if not count_include_pad and divisor_override is None:
        check_seen("avg_pool2d", x[2:], output, kernel_size, stride, padding)
    return (*x[:2], *output)


def windows(size, count, window, stride, padding, count_include_pad):
    """Along one axis, for each window: its first position inside the input, the one after its last, and how many count."""
    start = np.arange(count) * stride - padding[0]
    stop = np.minimum(start + window, size + padding[1])                   # ceil mode may reach beyond the padding
    first, last = np.maximum(start, 0), np.minimum(stop, size)
    return first, last, (stop - start if count_include_pad else last - first)
