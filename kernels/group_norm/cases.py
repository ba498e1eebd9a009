"""Shapes chosen to hurt: one group, a group a channel, no plane at all, one image, one value a group, a mean far from 0, no batch."""
from math import prod

from ..case import Case, Dice


def inputs(rng, case):
    """Input off centre; factors away from 1."""
    x, weight, bias = case.shapes
    return [rng.standard_normal(x) * 2 + 0.5,
            None if weight is None else rng.uniform(-1.5, 1.5, weight),
            None if bias is None else rng.standard_normal(bias)]


def far_from_zero(rng, case):
    """Mean 100, standard deviation 1: what a variance taken as Σx² − D·μ² does not survive."""
    x, *rest = inputs(rng, case)
    return [100 + rng.standard_normal(x.shape), *rest]


def case(name, x, num_groups, eps=1e-5, weight=True, bias=True, inputs=inputs):
    return Case(name, (x, (x[1],) if weight else None, (x[1],) if bias else None), dict(num_groups=num_groups, eps=eps), inputs)


CASES = [
    case("two_groups", (2, 6, 3, 4), 2),
    case("one_group", (3, 4, 2, 5), 1),
    case("a_group_a_channel", (2, 3, 5, 2), 3),
    case("features", (4, 6), 3),
    case("one_value_a_group", (2, 3), 3, eps=0.5),
    case("sequence", (2, 4, 7), 2),
    case("volume", (1, 4, 2, 1, 3), 2),
    case("one_image_one_channel", (1, 1, 3, 2), 1),
    case("large_eps", (2, 4, 2, 3), 2, eps=0.5),
    case("no_affine", (2, 4, 3, 3), 2, weight=False, bias=False),
    case("weight_alone", (2, 4, 3), 2, bias=False),
    case("bias_alone", (2, 4, 3), 4, weight=False),
    case("vectors_and_rest", (2, 4, 9, 11), 2),
    case("far_from_zero", (2, 6, 5, 7), 3, inputs=far_from_zero),
    case("no_batch", (0, 4, 2, 2), 2),
]


def draw(dice: Dice, op: str) -> Case:
    """At least 3 values a group: x̂ of two is about ±1 whatever they are, and the gradient nearly 0."""
    plane, groups = dice.integers(dice.integer(0, 3), 1, 3), dice.integer(1, 3)
    per_group = dice.integer(-(-3 // prod(plane)), 3)
    x = (dice.integer(1, min(3, 300 // (groups * per_group * prod(plane)))), groups * per_group, *plane)
    return case("drawn", x, groups, dice.pick(1e-5, 1e-3, 0.5), dice.pick(True, True, False), dice.pick(True, True, False))
