"""Shapes chosen to hurt: every direction, offsets as large as the plane and larger, one row, no move at all."""
from ..case import Case, Dice

NINE = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))

CASES = [
    Case("3x3", ((2, 9, 4, 5),), dict(offsets=NINE)),
    Case("dilated", ((1, 9, 5, 4),), dict(offsets=tuple((2 * dy, 2 * dx) for dy, dx in NINE))),
    Case("out_of_the_plane", ((1, 4, 3, 2),), dict(offsets=((3, 0), (0, -2), (-5, 1), (2, 1)))),
    Case("one_row", ((1, 3, 1, 6),), dict(offsets=((0, 2), (1, 0), (0, -4)))),
    Case("still", ((2, 2, 3, 3),), dict(offsets=((0, 0), (0, 0)))),
    Case("empty_batch", ((0, 1, 3, 3),), dict(offsets=((1, 1),))),
    Case("many_planes", ((5, 18, 3, 4),), dict(offsets=NINE + NINE)),
]


def draw(dice: Dice, op: str) -> Case:
    """Offsets within the plane and out of it."""
    N, C, H, W = *dice.integers(2, 1, 4), *dice.integers(2, 1, 4)
    return Case("drawn", ((N, C, H, W),), dict(offsets=tuple((dice.integer(-2, 2), dice.integer(-2, 2)) for _ in range(C))))
