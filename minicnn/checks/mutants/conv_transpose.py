"""Mutants of transposed convolution: stamps that overlap, padding that cuts, output padding, stride, the order of the weight's axes.

x (N, C, P, Q) · weight (C, K/G, R, S) · bias (K,) or None · y and g (N, K, H, W). Here the windows, or stamps, lie on the output.
"""
import numpy as np

from ...kernels.conv_transpose2d import output_shape
from .conv import CONV
from .mutant import REFERENCE, wrong_forward
from .operation import from_kernel
from .windows import laid_down, off_centre, overlap, overwritten, patches, places, wrong_gradient

TRANSPOSED = from_kernel("conv_transpose2d")
X, WEIGHT, BIAS = 0, 1, 2
NONE = (0, 0)


def plane(x, weight, options):
    return output_shape(x.shape, weight.shape, **options)[2:]


def stamped(arrays, options, size=None):
    """The output pixel h·W + w on which tap (r, s) of stamp (p, q) falls, −1 where it is cut off: (P, Q, R, S).  size: (H, W)."""
    x, weight = arrays[:2]
    return places(size or plane(x, weight, options), weight.shape[2:], x.shape[2:],
                  options["stride"], options["padding"], options["dilation"])


def stamps(arrays, options):
    return bool((stamped(arrays, options) >= 0).any())                       # else padding cuts all of them off


def stride_matters(arrays, options):
    size = plane(arrays[X], arrays[WEIGHT], options)
    return not np.array_equal(stamped(arrays, options), stamped(arrays, options | {"stride": (1, 1)}, size))


def order_matters(arrays, options):
    """Whether a forward with the strides swapped puts its stamps elsewhere, size of the output apart."""
    swapped = options | {"stride": options["stride"][::-1]}
    try:
        size = plane(arrays[X], arrays[WEIGHT], swapped)
    except ValueError:                                                       # nothing is left of the output, or output_padding too large
        return True
    return not np.array_equal(stamped(arrays, swapped, size), stamped(arrays, options, size))


def output_without(arrays, options):
    """Whether there is output padding, and an output without it."""
    return options["output_padding"] != NONE and all(np.greater(plane(arrays[X], arrays[WEIGHT], options), options["output_padding"]))


@wrong_forward(TRANSPOSED, "stamps-overwrite", "Stamps that overlap overwrite each other: add them up, += instead of =.",
               lambda a, o: overlap(stamped(a, o)))
def stamps_overwrite(x, weight, bias, *, stride, padding, dilation, groups, **rest):
    size = plane(x, weight, dict(stride=stride, padding=padding, dilation=dilation, groups=groups, **rest))
    y = overwritten(patches(x, weight, groups), size, stride, padding, dilation)
    return y if bias is None else y + bias[:, None, None]


@wrong_forward(TRANSPOSED, "padding-kept", "The output still has its padding: padding of a transposed convolution cuts the output, "
               "[top:top + H, left:left + W].", lambda a, o: any(before for before, _ in o["padding"]))
def padding_kept(x, weight, bias, *, stride, padding, dilation, groups, **rest):
    size = plane(x, weight, dict(stride=stride, padding=padding, dilation=dilation, groups=groups, **rest))
    y = laid_down(patches(x, weight, groups), size, stride, padding, dilation)
    return y if bias is None else y + bias[:, None, None]


@wrong_forward(TRANSPOSED, "output-padding-ignored", "The output is too small: output_padding adds rows at the bottom and columns on the "
               "right, H = (P − 1)·stride − top − bottom + dilation·(R − 1) + output_padding + 1.", output_without, REFERENCE)
def output_padding_ignored(x, weight, bias, **options):
    return TRANSPOSED.forward(x, weight, bias, **options | {"output_padding": NONE})


@wrong_forward(TRANSPOSED, "output-padding-first", "The rows and columns of output_padding stand at the top and on the left: they belong "
               "at the bottom and on the right.", lambda a, o: output_without(a, o) and stamps(a, o))
def output_padding_first(x, weight, bias, **options):
    rows, columns = options["output_padding"]
    y = TRANSPOSED.forward(x, weight, bias, **options | {"output_padding": NONE})
    return np.pad(y, (NONE, NONE, (rows, 0), (columns, 0)))


@wrong_forward(TRANSPOSED, "stride-swapped", "The vertical and the horizontal stride are swapped: stride is (height, width).",
               order_matters)
def stride_swapped(x, weight, bias, **options):
    return TRANSPOSED.forward(x, weight, bias, **options | {"stride": options["stride"][::-1]})


@wrong_forward(TRANSPOSED, "kernel-turned", "The stamp is laid down turned round: pixel (p, q) puts w[r, s] at (p + r, q + s); only a form "
               "that correlates the spread-out input has to turn the kernel.", lambda a, o: off_centre(stamped(a, o)))
def kernel_turned(x, weight, bias, **options):
    return TRANSPOSED.forward(x, weight[:, :, ::-1, ::-1], bias, **options)


@wrong_forward(TRANSPOSED, "weight-axes-swapped", "The weight is read as (K, C, R, S), as for a convolution: here it is (C, K/G, R, S), "
               "input channels first.", lambda a, o: o["groups"] == 1 and a[WEIGHT].shape[:2] != (1, 1) and stamps(a, o))
def weight_axes_swapped(x, weight, bias, **options):
    return TRANSPOSED.forward(x, weight.swapaxes(0, 1), bias, **options)


@wrong_forward(TRANSPOSED, "bias-missing", "The bias is not added: y += bias[:, None, None].", lambda a, o: a[BIAS] is not None)
def bias_missing(x, weight, bias, **options):
    return TRANSPOSED.forward(x, weight, None, **options)


# The gradient of x is the convolution of g with the same weight.

@wrong_gradient(TRANSPOSED, X, "x-kernel-turned", "The gradient of x is made with the kernel turned round: it is the plain convolution of "
                "g with the weight as it is.", lambda a, o: off_centre(stamped(a, o)))
def x_kernel_turned(g, x, weight, bias, **options):
    return TRANSPOSED.backward(g, x, weight[:, :, ::-1, ::-1], bias, **options)[X]


@wrong_gradient(TRANSPOSED, X, "x-stride-ignored", "The gradient of x takes patches of g one pixel apart: they are stride pixels apart, "
                "where the stamps were laid down.", stride_matters)
def x_stride_ignored(g, x, weight, bias, *, padding, dilation, groups, **rest):
    P, Q = x.shape[2:]
    return CONV.forward(g, weight, None, stride=(1, 1), padding=padding, dilation=dilation, groups=groups)[:, :, :P, :Q]


@wrong_gradient(TRANSPOSED, WEIGHT, "weight-first-image", "The weight's gradient comes from the first image alone: sum over the batch.",
                lambda a, o: a[X].shape[0] > 1 and stamps(a, o))
def weight_first_image(g, x, weight, bias, **options):
    return TRANSPOSED.backward(g[:1], x[:1], weight, bias, **options)[WEIGHT]


@wrong_gradient(TRANSPOSED, BIAS, "bias-every-image", "The bias gradient has one row for every image: sum over N as well, axis=(0, 2, 3).",
                lambda a, o: a[BIAS] is not None)
def bias_every_image(g, x, weight, bias, **options):
    return g.sum(axis=(2, 3))                                                # (N, K)
