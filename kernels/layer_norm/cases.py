"""Shapes chosen to hurt: one axis and several, one row, one position, more rows than blocks, a mean far from 0, no batch."""
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


def case(name, rows, normalized_shape, eps=1e-5, weight=True, bias=True, inputs=inputs):
    shapes = ((*rows, *normalized_shape), normalized_shape if weight else None, normalized_shape if bias else None)
    return Case(name, shapes, dict(normalized_shape=normalized_shape, eps=eps), inputs)


CASES = [
    case("one_axis", (3, 2), (5,)),
    case("three_axes", (2,), (3, 4, 5)),
    case("one_row", (1,), (7,)),
    case("no_leading_axis", (), (6,)),
    case("large_eps", (4,), (3, 2), eps=0.5),
    case("two_positions", (5,), (2,), eps=0.5),
    case("one_position", (5,), (1,), eps=0.5),
    case("no_affine", (3,), (4, 2), weight=False, bias=False),
    case("weight_alone", (3,), (4,), bias=False),
    case("bias_alone", (3,), (4,), weight=False),
    case("more_rows_than_blocks", (37,), (9,)),
    case("far_from_zero", (4,), (70,), inputs=far_from_zero),
    case("no_batch", (0,), (3,)),
]


def draw(dice: Dice, op: str) -> Case:
    """At least 3 positions a row: x̂ of two is about ±1 whatever they are, and the gradient nearly 0."""
    rows, normalized_shape = dice.integers(dice.integer(0, 2), 1, 3), (*dice.integers(dice.integer(0, 2), 1, 2), dice.integer(3, 5))
    return case("drawn", rows, normalized_shape, dice.pick(1e-5, 1e-3, 0.5), dice.pick(True, True, False), dice.pick(True, True, False))
