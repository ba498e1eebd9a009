"""Transposed convolution in NumPy, to be read: conv2d's im2col and col2im with their roles exchanged.

conv2d gathers patches (im2col), then multiplies. Here every pixel is first multiplied into a whole patch, then the patches are laid down
where they belong and added up (col2im). See conv2d/reference.py for what the two do.
"""
import numpy as np

from ..conv2d.reference import col2im, im2col
from . import output_shape


def spec(x, weight, bias=None, *, stride, padding, output_padding, dilation, groups):
    """The formula, one stamp at a time: the oracle of every other form."""
    (C, P, Q), (_, Kg, R, S), ((top, _), (left, _)) = x.shape[1:], weight.shape, padding
    N, K, H, W = output_shape(x.shape, weight.shape, stride=stride, padding=padding, output_padding=output_padding,
                              dilation=dilation, groups=groups)
    y = np.zeros((N, K, H, W))
    if bias is not None:
        y += bias.reshape(K, 1, 1)
    for n, c, p, q in np.ndindex(N, C, P, Q):
        group = c // (C // groups)
        for k, r, s in np.ndindex(Kg, R, S):
            h = p * stride[0] - top + r * dilation[0]
            w = q * stride[1] - left + s * dilation[1]
            if 0 <= h < H and 0 <= w < W:
                y[n, group * Kg + k, h, w] += x[n, c, p, q] * weight[c, k, r, s]
    return y


def forward(x, weight, bias=None, *, stride, padding, output_padding, dilation, groups):
    N, K, H, W = output_shape(x.shape, weight.shape, None if bias is None else bias.shape, stride=stride, padding=padding,
                              output_padding=output_padding, dilation=dilation, groups=groups)
    (C, P, Q), (_, Kg, R, S) = x.shape[1:], weight.shape
    rows = weight.reshape(groups, C // groups, Kg * R * S)
    # every pixel becomes a patch:  (G, K/G·R·S, C/G) @ (N, G, C/G, P·Q) -> (N, G, K/G·R·S, P·Q)
    columns = rows.swapaxes(1, 2) @ x.reshape(N, groups, C // groups, P * Q)
    y = col2im(columns.reshape(N, K, R, S, P, Q), (H, W), stride, padding, dilation)
    if bias is not None:
        y += bias[:, None, None]
    return y, (x, weight, stride, padding, dilation, groups)


def backward(grad_output, saved, needs):
    x, weight, stride, padding, dilation, groups = saved
    (N, C, P, Q), (_, Kg, R, S) = x.shape, weight.shape
    rows = weight.reshape(groups, C // groups, Kg * R * S)
    grad_x = grad_weight = grad_bias = None
    if needs[0] or needs[1]:                                                 # one im2col serves both
        columns = im2col(grad_output, (R, S), (P, Q), stride, padding, dilation).reshape(N, groups, Kg * R * S, P * Q)
        if needs[0]:
            grad_x = (rows @ columns).reshape(x.shape)                       # (N, G, C/G, P·Q)
        if needs[1]:
            pixels = x.reshape(N, groups, C // groups, P * Q)
            grad_weight = (pixels @ columns.swapaxes(2, 3)).sum(axis=0).reshape(weight.shape)
    if needs[2]:
        grad_bias = grad_output.sum(axis=(0, 2, 3), dtype=np.float64).astype(grad_output.dtype)
    return grad_x, grad_weight, grad_bias
