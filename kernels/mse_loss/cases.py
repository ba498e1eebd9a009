"""The three reductions, no dimensions, nothing at all, and more than one block."""
from ..case import Case, Dice

CASES = [
    Case("mean",         ((3, 5), (3, 5)),       dict(reduction="mean")),
    Case("sum",          ((2, 3, 5), (2, 3, 5)), dict(reduction="sum")),
    Case("none",         ((2, 3, 5), (2, 3, 5)), dict(reduction="none")),
    Case("one element",  ((1, 1), (1, 1)),       dict(reduction="none")),
    Case("a number",     ((), ()),               dict(reduction="mean")),
    Case("no rows",      ((0, 3), (0, 3)),       dict(reduction="sum")),
    Case("two blocks",   ((5, 1639), (5, 1639)), dict(reduction="mean")),
]


def draw(dice: Dice, op: str) -> Case:
    shape = dice.integers(dice.integer(0, 4), 1, 4)
    return Case("drawn", (shape, shape), dict(reduction=dice.pick("mean", "sum", "none")))
