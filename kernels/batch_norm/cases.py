"""Shapes chosen to hurt: off the square, no plane at all, one image, two values a channel, one channel, a mean far from 0, no batch."""
from math import prod

from ..case import Case, Dice

TRAIN = dict(training=True, momentum=0.1, eps=1e-5)
EVAL = dict(training=False, momentum=0.1, eps=1e-5)


def inputs(rng, case):
    """Input off centre; factors away from 1; running variances positive."""
    x, weight, bias, mean, variance = case.shapes
    return [rng.standard_normal(x) * 2 + 0.5,
            None if weight is None else rng.uniform(-1.5, 1.5, weight),
            None if bias is None else rng.standard_normal(bias),
            None if mean is None else rng.standard_normal(mean),
            None if variance is None else rng.uniform(0.3, 3, variance)]


def far_from_zero(rng, case):
    """Mean 1000, standard deviation 1: what a variance taken as Σx² − M·μ² does not survive."""
    x, *rest = inputs(rng, case)
    return [1000 + rng.standard_normal(x.shape), *rest]


def one_far_out(rng, case):
    """All of a channel alike but one, the first or another: a sum that starts from the first number starts far from the mean."""
    x, *rest = inputs(rng, case)
    x[...] = 3 + 0.01 * x
    for c in range(x.shape[1]):
        x[:, c].flat[c ** 3] = 100.0
    return [x, *rest]


def shapes(x, affine=True, running=True):
    channel = (x[1],)
    return (x, *[channel if affine else None] * 2, *[channel if running else None] * 2)


CASES = [
    Case("plane", shapes((3, 4, 5, 2)), TRAIN, inputs),
    Case("features", shapes((6, 5)), TRAIN, inputs),
    Case("sequence", shapes((2, 3, 7)), TRAIN, inputs),
    Case("volume", shapes((2, 2, 3, 1, 2)), TRAIN, inputs),
    Case("one_image", shapes((1, 3, 2, 5)), TRAIN, inputs),
    Case("two_values", shapes((2, 3)), dict(training=True, momentum=0.5, eps=0.5), inputs),
    Case("one_channel", shapes((4, 1, 3, 3)), TRAIN, inputs),
    Case("large_eps", shapes((2, 3, 3, 2)), dict(training=True, momentum=0.3, eps=0.5), inputs),
    Case("no_affine", shapes((2, 3, 4, 3), affine=False), TRAIN, inputs),
    Case("no_running", shapes((2, 3, 4, 3), running=False), TRAIN, inputs),
    Case("weight_alone", ((3, 2, 2, 2), (2,), None, None, None), TRAIN, inputs),
    Case("far_from_zero", shapes((3, 4, 5, 7)), TRAIN, far_from_zero),
    Case("far_from_zero_in_runs", shapes((2, 3, 23, 29)), TRAIN, far_from_zero),
    Case("one_far_out", shapes((2, 3, 19, 31)), TRAIN, one_far_out),
    Case("runs_and_rest", shapes((1, 2, 37, 17), affine=False), TRAIN, inputs),
    Case("vectors_and_rest", shapes((2, 5, 9, 11)), TRAIN, inputs),
    Case("evaluation", shapes((3, 4, 2, 5)), EVAL, inputs),
    Case("evaluation_vectors_and_rest", shapes((2, 3, 7, 9)), EVAL, inputs),
    Case("evaluation_features", shapes((5, 3)), EVAL, inputs),
    Case("evaluation_one_value", shapes((1, 3)), dict(training=False, momentum=0.1, eps=0.5), inputs),
    Case("evaluation_no_affine", shapes((2, 3, 3, 1), affine=False), EVAL, inputs),
    Case("no_batch", shapes((0, 3, 2, 2)), TRAIN, inputs),
    Case("evaluation_no_batch", shapes((0, 3, 2, 2)), EVAL, inputs),
]


def draw(dice: Dice, op: str) -> Case:
    """In training mostly 3 values a channel or more: x̂ of two values is about ±1 whatever they are, and the gradient nearly 0."""
    training, C, plane = dice.pick(True, False), dice.integer(1, 4), dice.integers(dice.integer(0, 3), 1, 3)
    least = dice.pick(3, 3, 3, 3, 2) if training else 1
    fewest = -(-least // prod(plane))                                      # images, for as many values
    x, channel = (dice.integer(fewest, fewest + 2), C, *plane), (C,)
    running = channel if dice.pick(True, True, False) or not training else None
    eps = 0.5 if least == 2 else dice.pick(1e-5, 1e-3, 0.5)                # two values that are close would need too small a step
    return Case("drawn", (x, dice.pick(channel, channel, None), dice.pick(channel, channel, None), running, running),
                dict(training=training, momentum=dice.pick(0.1, 0.4, 1.0), eps=eps), inputs)
