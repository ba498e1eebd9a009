"""Convolution on the CPU: a ladder. Each rung computes the same; each is faster than the one before it, where it fits.

    direct      the formula: every tap adds its weight times a row of x to a row of y.                        columns.py
    im2col      the reference: the columns of a whole image, then one matrix product.                         columns.py
    tiled       the same, a few output rows at a time, so that the columns stay in the cache.                 columns.py
    flat        vector tiles that read the image itself: im2col without the copy.                             flat.py, weights.py
<<<<<<< HEAD
    winograd    3×3 windows, stride 1: 16 products in place of 36.                               winograd.py, winograd_weights.py
=======
    packed      vector tiles that read columns, a few at a time, copied as tiles read best.                   packed.py, packed_weights.py
>>>>>>> 6a059776bd9977707118a2353f6783810aa40f9f

To stand on one rung:  F.conv2d under  minicnn.use_algorithm("conv2d", "im2col"),  or  algorithm="im2col"  here. A rung that does not fit
a shape hands it to the one that would have been chosen.
"""
from typing import Any

from .. import memory
from ..task import task
<<<<<<< HEAD
from . import columns, flat, output_shape, weights, winograd, winograd_weights

ALGORITHMS = ("direct", "im2col", "tiled", "flat", "depthwise", "grouped", "winograd")
COLUMNS = ("direct", "im2col", "tiled")
MODULES: dict[str, tuple[Any, Any]] = {                       # of y and the gradient of x, and of the gradient of the weights
    "flat": (flat, weights), "depthwise": (depthwise, depthwise_weights), "grouped": (grouped, grouped),
    "winograd": (winograd, winograd_weights)}
FEW, FEW_OF_GROUP = 32, 48       # channels, of one group or several: of fewer, Winograd's transforms cost more than they save


def choose(weight_shape, stride, dilation, algorithm=None) -> str:
    """The rung for a weight (G, K/G, C/G, R, S): the one that is asked for, if it fits."""
    G, Kg, Cg, R, S = weight_shape
    to_winograd = winograd.fits(weight_shape, stride, dilation)
    if algorithm and (algorithm != "winograd" or to_winograd):
        return algorithm
    if to_winograd and min(Kg, Cg) >= (FEW if G == 1 else FEW_OF_GROUP):
        return "winograd"
    return "direct" if G > 1 and Kg * Cg <= 16 else "flat"
=======
from . import columns, flat, output_shape, packed, packed_weights, weights

ALGORITHMS = ("direct", "im2col", "tiled", "flat", "packed")
COLUMNS = ("direct", "im2col", "tiled")
SMALL_PLANE, MANY_ROWS = 200, 64                             # up to 14×14; measured where packed overtakes flat
FORWARD = {"flat": flat.forward, "packed": packed.forward}
GRADIENT_X = {"flat": flat.gradient_x, "packed": packed.gradient_x}
GRADIENT_WEIGHT = {"flat": weights.gradient_weight, "packed": packed_weights.gradient_weight}


def choose(direction, weight_shape, stride, output) -> str:
    """The rung for one direction, "forward", "gradient_x" or "gradient_weight", of a weight (G, K/G, C/G, R, S) and outputs (P, Q).

    To pack a column costs as much as to multiply it with 12 rows: what the flat shift loses at small planes, where rows do not fill the
    registers, and at large ones, where a step of the sum is a page of memory away, pays for that if there are rows enough.
    """
    G, Kg, Cg, R, S = weight_shape
    if G > 1 and Kg * Cg <= 16:
        return "direct"
    rows, small = Cg if direction == "gradient_x" else Kg, output[0] * output[1] <= SMALL_PLANE
    strided = max(stride) > 1 and direction != "gradient_weight"           # there the flat shift moves numbers one by one
    return "packed" if R * S == 1 or strided or rows >= MANY_ROWS or small and 2 * rows >= MANY_ROWS else "flat"
>>>>>>> 6a059776bd9977707118a2353f6783810aa40f9f


@task("int64, T[:,:,:,::1], T[::1]")
def sum_planes(k, grad_output, totals):
    """The gradient of the bias:  totals[k] = Σ_n,p,q grad_output[n, k, p, q].  Runs of 512 numbers are added up in float64."""
    N, _, P, Q = grad_output.shape
    total = 0.0
    for n in range(N):
        plane = grad_output[n, k].reshape(-1)
        for first in range(0, P * Q, 512):
            run, part = plane[first:first + 512], grad_output.dtype.type(0)
            for i in range(run.size):
                part += run[i]
            total += part
    totals[k] = total


def convolve(x, weight, bias, output, *, stride, padding, dilation, groups, algorithm=None):
    """y (N, K, P, Q) of x (N, C, H, W), weight (K, C/G, R, S), bias (K,) or None.  output: (P, Q)."""
    weight = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    before, y = (padding[0][0], padding[1][0]), memory.empty((x.shape[0], weight.shape[0] * weight.shape[1], *output), x.dtype)
<<<<<<< HEAD
    rung = choose(weight.shape, stride, dilation, algorithm)
    if rung in COLUMNS:
        return columns.forward(rung, x, weight, bias, stride, before, dilation, y)
    return (winograd if rung == "winograd" else flat).forward(x, weight, bias, stride, before, dilation, y)
=======
    rung = algorithm or choose("forward", weight.shape, stride, output)
    if rung in COLUMNS:
        return columns.forward(rung, x, weight, bias, stride, before, dilation, y)
    return FORWARD[rung](x, weight, bias, stride, before, dilation, y)
>>>>>>> 6a059776bd9977707118a2353f6783810aa40f9f


def gradients(x, weight, grad_output, plane, needs, *, stride, padding, dilation, groups, algorithm=None):
    """(grad_x, grad_weight, grad_bias) of convolve, None where needs is False.  plane: (H, W).  x: None will do without grad_weight."""
    need_x, need_weight, need_bias = needs
    (N, K), dtype, grouped = grad_output.shape[:2], grad_output.dtype, weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    geometry = stride, (padding[0][0], padding[1][0]), dilation
<<<<<<< HEAD
    rung = choose(grouped.shape, stride, dilation, algorithm)
    if rung in COLUMNS:
        grad_x, grad_weight, grad_bias = columns.gradients(rung, x, grouped, grad_output, plane, needs, *geometry)
=======
    of_x, of_weight = (algorithm or choose(direction, grouped.shape, stride, grad_output.shape[2:])
                       for direction in ("gradient_x", "gradient_weight"))
    if of_x in COLUMNS:
        grad_x, grad_weight, grad_bias = columns.gradients(of_x, x, grouped, grad_output, plane, needs, *geometry)
>>>>>>> 6a059776bd9977707118a2353f6783810aa40f9f
        return grad_x, None if grad_weight is None else grad_weight.reshape(weight.shape), grad_bias
    grad_x = grad_weight = grad_bias = None
    by_x, by_weight = MODULES[rung]
    if need_x:
<<<<<<< HEAD
        grad_x = by_x.gradient_x(grad_output, grouped, *geometry, memory.empty((N, groups * weight.shape[1], *plane), dtype))
    if need_weight:
        grad_weight = by_weight.gradient_weight(x, grad_output, grouped.shape, *geometry).reshape(weight.shape)
=======
        grad_x = GRADIENT_X[of_x](grad_output, grouped, *geometry, memory.empty((N, groups * weight.shape[1], *plane), dtype))
    if need_weight:
        grad_weight = GRADIENT_WEIGHT[of_weight](x, grad_output, grouped.shape, *geometry).reshape(weight.shape)
>>>>>>> 6a059776bd9977707118a2353f6783810aa40f9f
    if need_bias:
        grad_bias = memory.empty(K, dtype)
        sum_planes.run(K, grad_output, grad_bias)
    return grad_x, grad_weight, grad_bias


def forward(x, weight, bias=None, *, stride, padding, dilation, groups, algorithm=None):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    output = output_shape(x.shape, weight.shape, None if bias is None else bias.shape, **options)[2:]
    options["algorithm"] = algorithm
    return convolve(x, weight, bias, output, **options), (x, weight, options)


def backward(grad_output, saved, needs):
    x, weight, options = saved
    if not any(needs):
        return None, None, None
    return gradients(x, weight, grad_output, x.shape[2:], needs, **options)
