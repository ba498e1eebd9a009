"""Max pooling: the strongest response in each window, and where it stood.

    y[n,c,p,q]       = max_{r,s} x[n,c, h(p,r), w(q,s)]          h(p,r) = p·stride_h − top  + r·dilation_h
    indices[n,c,p,q] = h·W + w of that element                   w(q,s) = q·stride_w − left + s·dilation_w

    over the r < R, s < S for which h, w lie inside the input: padding counts as −∞.

Conventions: of equal elements the first in row-major order wins; a NaN wins over every number, the last of several over the others
(PyTorch). Output sizes round down, or up with ceil_mode, where the last window must start inside the input or its leading padding.
A window that sees padding alone has no maximum and is an error.

Backward: y depends on the winner alone, with slope 1, so each output sends its gradient there:

    dx[n,c,i] = Σ_{p,q : indices[n,c,p,q] = i} g[n,c,p,q]

Source: Riesenhuber and Poggio, "Hierarchical models of object recognition in cortex", 1999; overlapping windows (stride < R):
Krizhevsky, Sutskever, Hinton 2012, section 3.4.

    forward(x, *, kernel_size, stride, padding, dilation, ceil_mode) -> (y, indices), saved
        x (N, C, H, W); y (N, C, P, Q); indices (N, C, P, Q) int32; padding ((top, bottom), (left, right)), the other options pairs
    backward(grad_output, saved, needs) -> (grad_x,)                       grad_output: that of y
"""
from ..geometry import plane_output
from ..pooling import check_half, check_input, check_seen


def output_shape(x, *, kernel_size, stride, padding, dilation, ceil_mode):
    """(N, C, H, W) -> (N, C, P, Q), twice: of y and of indices.

    Raises ValueError for an x that is not 4-D, a window that does not fit into the padded input or sees padding alone, and
    symmetric padding of more than half a window.
    """
    check_input("max_pool2d", x)
    check_half("max_pool2d", kernel_size, padding, dilation)
    output = plane_output("max_pool2d", x[2:], kernel_size, stride, padding, dilation, ceil_mode)
    check_seen("max_pool2d", x[2:], output, kernel_size, stride, padding, dilation)
    return (*x[:2], *output), (*x[:2], *output)
