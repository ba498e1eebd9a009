"""Vectors on either side, stacks broadcast in every way, long and thin, empty, and more than one tile."""
from ..case import Case, Dice


def case(name, a, b):
    return Case(name, (a, b))


CASES = [
    case("matrices",                    (3, 4),          (4, 5)),
    case("vector · vector",             (6,),            (6,)),
    case("vector · matrix",             (4,),            (4, 3)),
    case("matrix · vector",             (3, 4),          (4,)),
    case("vector · stack",              (4,),            (2, 3, 4, 2)),
    case("stack · vector",              (2, 3, 4, 5),    (5,)),
    case("stack",                       (3, 2, 4),       (3, 4, 3)),
    case("stack · matrix",              (2, 3, 2, 4),    (4, 3)),
    case("matrix · stack",              (2, 4),          (3, 4, 2)),
    case("1 against 3",                 (1, 2, 4),       (3, 4, 2)),
    case("both broadcast",              (3, 1, 2, 4),    (2, 4, 3)),
    case("both broadcast, crosswise",   (2, 1, 3, 2),    (1, 3, 2, 2)),
    case("outer product",               (5, 1),          (1, 4)),
    case("inner product of matrices",   (1, 7),          (7, 1)),
    case("one number",                  (1, 1),          (1, 1)),
    case("no rows",                     (0, 3),          (3, 2)),
    case("nothing to sum",              (2, 0),          (0, 3)),
    case("empty stack",                 (0, 2, 3),       (3, 2)),
    case("more than one tile of rows",  (70, 2),         (2, 3)),
    case("more than one tile of columns", (2, 3),        (3, 259)),
    case("more than one tile, stack",   (2, 65, 1),      (2, 1, 3)),
]


def draw(dice: Dice, op: str) -> Case:
    """A vector, a matrix or a stack on either side: the stack without some of its leading axes, or with 1 instead of their size."""
    m, k, n = dice.integers(3, 1, 4)
    stack = dice.integers(dice.integer(0, 2), 1, 3)

    def operand(matrix):
        if dice.integer(0, 3) == 3:
            return (k,)
        return (*(dice.pick(size, size, 1) for size in stack[dice.integer(0, len(stack)):]), *matrix)

    return case("drawn", operand((m, k)), operand((k, n)))
