"""What the mutants of sliding windows share: which tap of which window sees which pixel, and how patches are laid down again.

Convolution and average pooling are linear in x: their results depend on nothing but these places, and two forms differ where their
places do.
"""
from functools import wraps

import numpy as np

from ...kernels.conv2d.reference import taps
from .mutant import DIFFERENCES, add, always


def wrong_gradient(operation, i, name, hint, shows=always, found_by=DIFFERENCES):
    """Decorates the backward of one input only; the gradients of the others are right."""
    def register(function):
        @wraps(function)
        def backward(g, *arrays, **options):
            gradients = list(operation.backward(g, *arrays, **options))
            if gradients[i] is not None:
                gradients[i] = function(g, *arrays, **options)
            return tuple(gradients)
        add(operation, name, hint, None, backward, shows, found_by)
        return function
    return register


def places(plane, window, output, stride, padding, dilation=(1, 1)):
    """The pixel h·W + w that tap (r, s) of window (p, q) sees, −1 where it sees padding: (P, Q, R, S)."""
    p, q, r, s = np.ogrid[:output[0], :output[1], :window[0], :window[1]]
    h, w = p * stride[0] - padding[0][0] + r * dilation[0], q * stride[1] - padding[1][0] + s * dilation[1]
    return np.where((h >= 0) & (h < plane[0]) & (w >= 0) & (w < plane[1]), h * plane[1] + w, -1)


def overlap(found):
    pixels = found[found >= 0]
    return np.unique(pixels).size < pixels.size


def off_centre(found):
    return not np.array_equal(found, found[:, :, ::-1, ::-1])                # a centre tap alone is the same when turned round


def patches(g, weight, groups):
    """d columns = weightᵀ · g: what every window hands back to its patch, (N, C, R, S, P, Q)."""
    (N, K, P, Q), (_, Cg, R, S) = g.shape, weight.shape
    rows = weight.reshape(groups, K // groups, Cg * R * S)
    return (rows.swapaxes(1, 2) @ g.reshape(N, groups, K // groups, P * Q)).reshape(N, groups * Cg, R, S, P, Q)


def laid_down(columns, plane, stride, padding, dilation):
    """The patches added up on the padded plane, (N, C, top + H + bottom, left + W + right)."""
    padded = np.zeros((*columns.shape[:2], plane[0] + sum(padding[0]), plane[1] + sum(padding[1])))
    for r, s, where in taps(columns.shape[2:4], columns.shape[4:], stride, dilation):
        padded[where] += columns[:, :, r, s]
    return padded


def overwritten_by_windows(columns, plane, stride, padding, dilation):
    """Patch by patch, p and q in loops, each written over what stood there: at every pixel the last window wins."""
    (H, W), ((top, bottom), (left, right)), (R, S) = plane, padding, columns.shape[2:4]
    padded = np.zeros((*columns.shape[:2], top + H + bottom, left + W + right))
    for p, q in np.ndindex(*columns.shape[4:]):
        h, w = p * stride[0], q * stride[1]
        padded[:, :, h:h + R * dilation[0]:dilation[0], w:w + S * dilation[1]:dilation[1]][:, :, :R, :S] = columns[..., p, q]
    return padded[:, :, top:top + H, left:left + W]


def overwritten(columns, plane, stride, padding, dilation):
    """Tap by tap, r and s in loops: at every pixel the last tap wins."""
    (H, W), ((top, bottom), (left, right)) = plane, padding
    padded = np.zeros((*columns.shape[:2], top + H + bottom, left + W + right))
    for r, s, where in taps(columns.shape[2:4], columns.shape[4:], stride, dilation):
        padded[where] = columns[:, :, r, s]
    return padded[:, :, top:top + H, left:left + W]
