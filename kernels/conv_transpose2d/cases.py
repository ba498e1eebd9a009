"""Shapes chosen to hurt: off the square, odd, overlapping and gaping stamps, uneven padding, output padding, dilation, groups."""
from ..case import Case, Dice


def case(name, x, weight, bias=True, stride=(1, 1), padding=((0, 0), (0, 0)), output_padding=(0, 0), dilation=(1, 1), groups=1):
    return Case(name, (x, weight, (weight[1] * groups,) if bias else None),
                {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation, "groups": groups})


ONE = ((1, 1), (1, 1))
CASES = [
    #    name                       x (N, C, P, Q)    weight (C, K/G, R, S)
    case("plain",                   (2, 3, 3, 4),     (3, 2, 3, 2)),
    case("no bias",                 (1, 2, 3, 2),     (2, 3, 2, 2),   bias=False),
    case("stamps overlap",          (2, 2, 3, 4),     (2, 2, 3, 4),   stride=(2, 3), padding=ONE),
    case("stamps gape",             (1, 2, 3, 2),     (2, 2, 2, 1),   stride=(3, 2)),
    case("output padding",          (2, 1, 3, 2),     (1, 2, 3, 3),   stride=(2, 3), padding=ONE, output_padding=(1, 2)),
    case("output padding ≥ stride", (1, 2, 2, 3),     (2, 1, 2, 2),   dilation=(3, 2), output_padding=(2, 1)),
    case("uneven padding",          (1, 2, 4, 3),     (2, 2, 3, 3),   padding=((2, 0), (0, 1)), stride=(2, 1)),
    case("padding cuts whole stamps", (1, 1, 5, 6),   (1, 1, 2, 1),   padding=((3, 0), (2, 2))),
    case("dilation",                (2, 2, 3, 2),     (2, 1, 2, 3),   dilation=(2, 3), stride=(1, 2)),
    case("groups",                  (1, 4, 3, 2),     (4, 3, 2, 3),   groups=2, stride=(2, 1)),
    case("groups too wide for direct loops", (1, 8, 2, 2), (8, 5, 2, 2), groups=2),
    case("depthwise",               (2, 3, 3, 4),     (3, 1, 3, 3),   groups=3, stride=(2, 2), padding=ONE, output_padding=(1, 1)),
    case("1×1",                     (2, 3, 3, 2),     (3, 2, 1, 1)),
    case("one number",              (1, 1, 1, 1),     (1, 1, 1, 1)),
    case("empty batch",             (0, 2, 3, 3),     (2, 3, 3, 3)),
    case("more than one tile",      (1, 1, 17, 15),   (1, 2, 8, 9),   stride=(2, 1), bias=False),
]


def axis(dice: Dice) -> tuple:
    """Size, window, stride, padding, output padding and dilation along one axis: the padding leaves at least one pixel of the output."""
    window, stride, count = dice.integer(1, 4), dice.integer(1, 3), dice.integer(1, 3)
    dilation = dice.pick(1, dice.integer(1, 5 - window))
    output_padding = dice.integer(0, max(stride, dilation) - 1)
    most = (count - 1) * stride + dilation * (window - 1) + output_padding          # one less than the output without padding
    before = dice.integer(0, min(most, 3))
    return count, window, stride, (before, dice.integer(0, min(most - before, 3))), output_padding, dilation


def draw(dice: Dice, op: str) -> Case:
    """One group, several, or one a channel."""
    (P, Q), (R, S), stride, padding, output_padding, dilation = zip(axis(dice), axis(dice))
    groups, (N, per_group) = dice.integer(1, 3), dice.integers(2, 1, 2)
    return case("drawn", (N, groups * per_group, P, Q), (groups * per_group, dice.integer(1, 2), R, S), dice.pick(True, False),
                stride, padding, output_padding, dilation, groups)
