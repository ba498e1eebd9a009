"""The shapes of ../batch_norm; a channel that is off altogether; and outputs of exactly 0."""
import numpy as np

from ..batch_norm import cases as batch_norm
from ..batch_norm.cases import EVAL, TRAIN, inputs, shapes
from ..case import Case, Dice


def one_channel_off(rng, case):
    """β so low that nothing of channel 0 gets through: its gradients are 0."""
    arrays = inputs(rng, case)
    arrays[2][0] = -100.0
    return arrays


def at_the_kink(rng, case):
    """x = μ in half of the places, and β = 0."""
    x, weight, bias, mean, variance = inputs(rng, case)
    x[:, :, ::2] = mean.reshape(1, -1, *[1] * (x.ndim - 2))
    return [x, weight, 0 * bias, mean, variance]


def mask(case, arrays, grad_output):
    """The convention: nothing passes where y is 0."""
    x, weight, _, mean, variance = arrays
    row = (1, -1, *[1] * (x.ndim - 2))
    inverse = 1 / np.sqrt(variance + case.options["eps"])
    normalised = (x - mean.reshape(row)) * inverse.reshape(row)
    u, over = grad_output * (normalised * weight.reshape(row) > 0), (0, *range(2, x.ndim))
    return [u * (weight * inverse).reshape(row), (u * normalised).sum(over), u.sum(over)]


CASES = [
    *batch_norm.CASES,
    Case("one_channel_off", shapes((3, 4, 5, 7)), TRAIN, one_channel_off),
    Case("evaluation_one_channel_off", shapes((3, 4, 5, 2)), EVAL, one_channel_off),
    Case("at_the_kink", shapes((3, 4, 5, 2)), EVAL, at_the_kink, smooth=False, gradients=mask),
]


def draw(dice: Dice, op: str) -> Case:
    return batch_norm.draw(dice, op)
