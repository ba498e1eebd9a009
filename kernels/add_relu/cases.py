"""Odd sizes, more than one block of cpu.py, nothing at all; and sums of exactly 0, of −0, and far outside."""
import numpy as np

from ..case import Case, Dice

A = (-2.0, 2.0, 0.0, -0.0, 1.5, -1e30, 1e-30, 3.0)
B = (2.0, -2.0, 0.0, -0.0, -2.0, 1e30, 1e-30, 3.0)


def at_the_kink(rng, case):
    return [np.array(A).reshape(case.shapes[0]), np.array(B).reshape(case.shapes[1])]


def mask(case, arrays, grad_output):
    """The convention: nothing passes where the sum is 0."""
    passes = grad_output * (arrays[0] + arrays[1] > 0)
    return [passes, passes]


CASES = [
    Case("odd sizes", ((3, 2, 5, 7),) * 2),
    Case("one number a row", ((4, 1),) * 2),
    Case("no images", ((0, 3, 4, 4),) * 2),
    Case("two blocks", ((1, 4099),) * 2),
    Case("at the kink", ((2, 4),) * 2, {}, at_the_kink, smooth=False, gradients=mask),
]


def draw(dice: Dice, op: str) -> Case:
    x = dice.integers(dice.integer(1, 4), 1, 4)
    return Case("drawn", (x, x))
