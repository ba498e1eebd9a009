"""Transposed convolution in Numba: the compiled loops of conv2d with their roles exchanged; nothing new is compiled.

y is the input gradient of a convolution, grad_x that convolution, grad_weight its weight gradient with grad_output as the input and x as
the gradient. The algorithms, and their choice, are conv2d's.
"""
import numpy as np

from .. import memory
from ..conv2d.cpu import convolve, gradients
from . import output_shape


def forward(x, weight, bias=None, *, stride, padding, output_padding, dilation, groups):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    H, W = output_shape(x.shape, weight.shape, None if bias is None else bias.shape, output_padding=output_padding, **options)[2:]
    y = gradients(None, weight, x, (H, W), (True, False, False), **options)[0]
    if bias is not None:
        y += bias[:, None, None]
    return y, (x, weight, options)


def backward(grad_output, saved, needs):
    x, weight, options = saved
    grad_x = grad_weight = grad_bias = None
    if needs[0]:
        grad_x = convolve(grad_output, weight, None, x.shape[2:], **options)
    if needs[1]:
        grad_weight = gradients(grad_output, weight, x, grad_output.shape[2:], (False, True, False), **options)[1]
    if needs[2]:
        grad_bias = memory.empty(grad_output.shape[1], grad_output.dtype)
        grad_bias[...] = grad_output.sum(axis=(0, 2, 3), dtype=np.float64)
    return grad_x, grad_weight, grad_bias
