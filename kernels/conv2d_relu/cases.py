"""The shapes of ../conv2d; and outputs of exactly 0."""
import numpy as np

from ..case import Case, Dice
from ..conv2d import cases as conv2d


def at_the_kink(rng, case):
    """1×1, one input channel, one weight: y = w·x + b is 0 where x is −b/w, powers of two."""
    x = rng.standard_normal(case.shapes[0])
    x[..., ::2] = 0.5
    return [x, np.full(case.shapes[1], 2.0), np.full(case.shapes[2], -1.0)]


def mask(case, arrays, grad_output):
    """The convention: nothing passes where y is 0."""
    x, weight, bias = arrays
    u = grad_output * (weight.reshape(1, -1, 1, 1) * x + bias.reshape(1, -1, 1, 1) > 0)
    return [(u * 2).sum(1, keepdims=True), (u * x).sum((0, 2, 3)).reshape(weight.shape), u.sum((0, 2, 3))]


CASES = [
    *conv2d.CASES,
    Case("at the kink", ((2, 1, 3, 4), (2, 1, 1, 1), (2,)),
         {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}, at_the_kink, smooth=False, gradients=mask),
]


def draw(dice: Dice, op: str) -> Case:
    return conv2d.draw(dice, op)
