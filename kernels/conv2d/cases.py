"""Shapes chosen to hurt: off the square, odd, stride below and above the window, uneven padding, dilation, groups, one of everything."""
from ..case import Case, Dice


def case(name, x, weight, bias=True, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1):
    return Case(name, (x, weight, (weight[0],) if bias else None),
                {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups})


ONE = ((1, 1), (1, 1))
CASES = [
    #    name                       x (N, C, H, W)    weight (K, C/G, R, S)
    case("plain",                   (2, 3, 5, 6),     (4, 3, 3, 3)),
    case("no bias",                 (2, 2, 4, 5),     (3, 2, 2, 3),   bias=False),
    case("padding",                 (1, 2, 4, 3),     (2, 2, 3, 3),   padding=ONE),
    case("padding wider than x",    (1, 1, 2, 1),     (2, 1, 3, 2),   padding=((3, 4), (5, 2))),
    case("uneven padding",          (2, 2, 3, 5),     (2, 2, 2, 4),   padding=((0, 1), (2, 1))),
    case("stride below window",     (2, 2, 7, 6),     (3, 2, 3, 3),   stride=(2, 1), padding=ONE),
    case("stride above window",     (2, 2, 7, 8),     (3, 2, 2, 1),   stride=(3, 4)),
    case("stride leaves a rest",    (1, 1, 8, 9),     (1, 1, 3, 4),   stride=(2, 3)),
    case("dilation",                (1, 2, 7, 8),     (2, 2, 3, 2),   dilation=(2, 3), padding=((1, 1), (2, 0))),
    case("dilation and stride",     (2, 1, 9, 8),     (2, 1, 2, 3),   dilation=(3, 2), stride=(2, 3), padding=ONE),
    case("groups",                  (2, 4, 5, 4),     (6, 2, 3, 2),   groups=2, padding=((1, 0), (1, 1))),
    case("groups too wide for direct loops", (1, 10, 3, 4), (8, 5, 2, 2), groups=2),
    case("depthwise",               (2, 3, 6, 5),     (3, 1, 3, 3),   groups=3, padding=ONE),
    case("depthwise, stride 2",     (2, 3, 7, 6),     (3, 1, 3, 3),   groups=3, padding=ONE, stride=(2, 2), bias=False),
    case("depthwise, two a channel", (1, 2, 5, 7),    (4, 1, 3, 2),   groups=2, dilation=(2, 1)),
    case("1×1",                     (3, 5, 4, 3),     (2, 5, 1, 1)),
    case("1×1, groups",             (2, 10, 3, 3),    (10, 5, 1, 1),  groups=2, bias=False),
    case("1×1, stride 2",           (2, 3, 5, 4),     (2, 3, 1, 1),   stride=(2, 2)),
    case("1×1, padding",            (1, 2, 3, 2),     (2, 2, 1, 1),   padding=((1, 0), (0, 2))),
    case("window as large as x",    (2, 2, 3, 4),     (3, 2, 3, 4)),
    case("one number",              (1, 1, 1, 1),     (1, 1, 1, 1)),
    case("empty batch",             (0, 2, 4, 4),     (3, 2, 3, 3),   padding=ONE),
    case("more than one tile",      (1, 2, 34, 29),   (1, 2, 8, 9),   bias=False),
    case("1×1, more than one tile", (1, 1100, 11, 7), (1, 1100, 1, 1)),
    case("depthwise, more than one tile", (1, 4, 26, 22), (4, 1, 16, 16), groups=4),
    case("more output channels than a tile has columns", (2, 9, 4, 5), (50, 9, 2, 3), stride=(2, 1), padding=ONE),
    case("more images than partial sums", (19, 1, 3, 4), (2, 1, 2, 2)),
]


def axis(dice: Dice) -> tuple:
    """Size, window, stride, padding and dilation along one axis: so large that about 1 … 3 windows fit, with a rest below the stride."""
    window, stride, padding = dice.integer(1, 4), dice.integer(1, 3), dice.integers(2, 0, 2)
    dilation = dice.pick(1, dice.integer(1, 5 - window))
    size = dilation * (window - 1) + 1 + stride * dice.integer(0, 2) + dice.integer(0, stride - 1) - sum(padding)
    return max(1, size), window, stride, padding, dilation


def draw(dice: Dice, op: str) -> Case:
    """One group, several, or one a channel (with one output channel or more for each)."""
    (H, W), (R, S), stride, padding, dilation = zip(axis(dice), axis(dice))
    room = 300 // (H * W)                                                  # planes of x, N·C
    groups = dice.integer(1, min(3, room))
    Cg = dice.integer(1, min(3, room // groups))
    N = dice.integer(1, min(3, room // (groups * Cg)))
    return case("drawn", (N, groups * Cg, H, W), (groups * dice.integer(1, 3), Cg, R, S), dice.pick(True, False),
                stride, padding, dilation, groups)
