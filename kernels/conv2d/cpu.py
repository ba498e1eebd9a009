"""Convolution on the CPU: a ladder. Each rung computes the same; each is faster than the one before it, where it fits.

    direct      the formula: every tap adds its weight times a row of x to a row of y.                        columns.py
    im2col      the reference: the columns of a whole image, then one matrix product.                         columns.py
    tiled       the same, a few output rows at a time, so that the columns stay in the cache.                 columns.py
    flat        vector tiles that read the image itself: im2col without the copy.                             flat.py, weights.py
    packed      vector tiles that read columns, a few at a time, copied as tiles read best.                   packed.py, packed_weights.py
    winograd    3×3 windows, stride 1: 16 products in place of 36.                                winograd.py, winograd_weights.py
    depthwise   one channel a group: stencils, since it is no matrix product.                     depthwise.py, depthwise_weights.py
    grouped     several channels a group: stencils, the flat shift or tiles of its own, as pays for so many.      grouped.py

To stand on one rung:  F.conv2d under  minicnn.use_algorithm("conv2d", "im2col"),  or  algorithm="im2col"  here. A rung that does not fit
a shape hands it to the one that would have been chosen.
"""
from typing import Any

from .. import memory
from ..task import task
from . import (
    columns,
    depthwise,
    depthwise_weights,
    flat,
    grouped,
    output_shape,
    packed,
    packed_weights,
    weights,
    winograd,
    winograd_weights,
)

COLUMNS = ("direct", "im2col", "tiled")
MODULES: dict[str, tuple[Any, Any]] = {                      # of y and the gradient of x, and of the gradient of the weight
    "flat": (flat, weights), "packed": (packed, packed_weights), "winograd": (winograd, winograd_weights),
    "depthwise": (depthwise, depthwise_weights), "grouped": (grouped, grouped)}
ALGORITHMS = (*COLUMNS, *MODULES)
LONG = 16                        # a longer stride has more phases than is worth a thought
WIDE = 2048                      # outputs of a plane from which Winograd's transforms of the weights cost little


def choose(direction, weight_shape, stride, dilation, output, algorithm=None) -> str:
    """The rung for a direction, "forward", "gradient_x" or "gradient_weight", of a weight (G, K/G, C/G, R, S) and outputs (P, Q): the one
    that is asked for, if it fits.

    Winograd transforms every channel that goes in or comes out, and saves work for every pair of them: that takes many channels, and more
    for the gradient of the weight, where both that go in are large.
    To pack columns costs as much as to multiply them with about 12 output channels (those of the gradient of x are the C/G). That pays
    for 1×1 windows; where a plane is small against the channels, as its rows do not fill the registers of the flat shift; and with a
    stride, for which the flat shift moves numbers one by one, except for images of few colours. The weight gradient of the flat shift is
    at its best where the S·C numbers of a row of the window are about as wide as a tile.
    """
    (G, Kg, Cg, R, S), area = weight_shape, output[0] * output[1]
    if algorithm in COLUMNS:
        return algorithm
    if not Kg * Cg * R * S or max(stride) > LONG:
        return "flat"
    to_winograd = winograd.fits(weight_shape, stride, dilation)
    if algorithm and (algorithm != "winograd" or to_winograd):
        return algorithm
    few = 48 if G > 1 else 64 if direction == "gradient_weight" else 32 if area >= WIDE else 48
    if to_winograd and min(Kg, Cg) >= few:
        return "winograd"
    if G > 1:
        return "depthwise" if Cg == 1 else "grouped"
    if R * S == 1:
        return "packed"
    if direction == "gradient_weight":
        return "packed" if Cg >= 48 or Cg <= 4 and Kg >= 16 or area < Kg else "flat"
    small = area <= 4 * (Kg if direction == "forward" else Cg)
    strided = max(stride) > 1 and (Cg > 4 or direction == "gradient_x")
    return "packed" if small or strided else "flat"


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
    rung = choose("forward", weight.shape, stride, dilation, output, algorithm)
    if rung in COLUMNS:
        return columns.forward(rung, x, weight, bias, stride, before, dilation, y)
    return MODULES[rung][0].forward(x, weight, bias, stride, before, dilation, y)


def gradients(x, weight, grad_output, plane, needs, *, stride, padding, dilation, groups, algorithm=None):
    """(grad_x, grad_weight, grad_bias) of convolve, None where needs is False.  plane: (H, W).  x: None will do without grad_weight."""
    need_x, need_weight, need_bias = needs
    (N, K), dtype, by_group = grad_output.shape[:2], grad_output.dtype, weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    geometry, output = (stride, (padding[0][0], padding[1][0]), dilation), grad_output.shape[2:]
    if algorithm in COLUMNS:
        grad_x, grad_weight, grad_bias = columns.gradients(algorithm, x, by_group, grad_output, plane, needs, *geometry)
        return grad_x, None if grad_weight is None else grad_weight.reshape(weight.shape), grad_bias
    of_x, of_weight = (choose(direction, by_group.shape, stride, dilation, output, algorithm)
                       for direction in ("gradient_x", "gradient_weight"))
    grad_x = grad_weight = grad_bias = None
    if need_x:
        grad_x = memory.empty((N, groups * weight.shape[1], *plane), dtype)
        MODULES[of_x][0].gradient_x(grad_output, by_group, *geometry, grad_x)
    if need_weight:
        grad_weight = MODULES[of_weight][1].gradient_weight(x, grad_output, by_group.shape, *geometry).reshape(weight.shape)
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
