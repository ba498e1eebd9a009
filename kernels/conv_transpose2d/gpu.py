"""Transposed convolution on a GPU: the kernels of conv2d with their roles exchanged.

y is the input gradient of a convolution, grad_x that convolution, grad_weight its weight gradient with grad_output as the input and x as
the gradient.
"""
from typing import Any

import numpy as np

from ..conv2d.gpu import convolve, gradients, kernels, THREADS
from ..cuda import empty, grid_for
from . import output_shape


def forward(x, weight, bias=None, *, stride, padding, output_padding, dilation, groups):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    N, K, H, W = output_shape(x.shape, weight.shape, None if bias is None else bias.shape, output_padding=output_padding, **options)
    y: Any = gradients(None, weight, x, (H, W), (True, False, False), **options)[0]
    if bias is not None and y.size:
        kernels.add_bias(*grid_for(y.size), (y, bias, np.int32(N), np.int32(K), np.int32(H * W)))
    return y, (x, weight, options)


def backward(grad_output, saved, needs):
    x, weight, options = saved
    N, K, H, W = grad_output.shape
    grad_x = grad_weight = grad_bias = None
    if needs[0]:
        grad_x = convolve(grad_output, weight, None, x.shape[2:], **options)
    if needs[1]:
        grad_weight = gradients(grad_output, weight, x, (H, W), (False, True, False), **options)[1]
    if needs[2]:
        grad_bias = empty((K,), grad_output.dtype)
        kernels.gradient_bias((min(K, 4096),), (THREADS,), (grad_output, grad_bias, np.int32(N), np.int32(K), np.int32(H * W)))
    return grad_x, grad_weight, grad_bias
