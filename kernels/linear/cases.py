"""Vectors, batches of several axes, no bias, one of everything, empty, and more than one tile."""
from ..case import Case, Dice


def case(name, x, weight, bias=True):
    return Case(name, (x, weight, (weight[0],) if bias else None))


CASES = [
    case("batch",                       (3, 5),       (4, 5)),
    case("no bias",                     (2, 3),       (5, 3),    bias=False),
    case("one example",                 (1, 6),       (2, 6)),
    case("a vector",                    (5,),         (3, 5)),
    case("three leading axes",          (2, 3, 2, 4), (3, 4)),
    case("one input",                   (3, 1),       (4, 1)),
    case("one output",                  (4, 3),       (1, 3)),
    case("one number",                  (1, 1),       (1, 1)),
    case("empty batch",                 (0, 3),       (2, 3)),
    case("long sum",                    (2, 3000),    (2, 3000)),
    case("more than one tile of rows",  (131, 3),     (2, 3)),
    case("more than one tile of columns", (2, 2),     (259, 2)),
]


def draw(dice: Dice, op: str) -> Case:
    """More than one output: a single sum may be nearly 0, and that is rounding alone."""
    C, K = dice.integer(1, 6), dice.integer(2, 6)
    return case("drawn", (*dice.integers(dice.integer(0, 3), 1, 3), C), (K, C), dice.pick(True, False))
