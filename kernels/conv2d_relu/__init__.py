"""Convolution and ReLU in one: what VGG and its time are made of.

    y[n,k,p,q] = max(b[k] + Σ_{c,r,s} x[n, j·C/G + c, p·stride_h − top + r·dilation_h, q·stride_w − left + s·dilation_w] · w[k,c,r,s], 0)

Letters as in ../conv2d. Backward: with u = grad_output where y > 0, else 0, the gradients are those of the convolution for u.

The ReLU works in the place of the convolution's output, of which nothing is kept but what it leaves. The bits are those of the two
operations one after the other.

Source: Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 3.1.

    forward(x, weight, bias, *, stride, padding, dilation, groups) -> y, saved
    backward(grad_output, saved, needs) -> (grad_x, grad_weight, grad_bias)                    all as in ../conv2d
"""
from ..conv2d import output_shape

__all__ = ["output_shape"]
