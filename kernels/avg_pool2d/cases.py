"""Shapes chosen to hurt: every divisor rule beside padding and ceil mode, off the square, overlapping and gapped windows."""
from ..case import Case, Dice
from ..max_pool2d.cases import axis


def options(kernel_size, stride, padding=((0, 0), (0, 0)), ceil_mode=False, count_include_pad=True, divisor_override=None):
    return dict(kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode, count_include_pad=count_include_pad,
                divisor_override=divisor_override)


ONE = ((1, 1), (1, 1))

CASES = [
    Case("2x2", ((2, 3, 6, 8),), options((2, 2), (2, 2))),
    Case("overlapping", ((2, 2, 7, 9),), options((3, 3), (2, 2))),
    Case("padding_counts", ((2, 2, 7, 6),), options((3, 3), (2, 2), ONE)),
    Case("padding_left_out", ((2, 2, 7, 6),), options((3, 3), (2, 2), ONE, count_include_pad=False)),
    Case("ceil_counts_padding_alone", ((1, 2, 6, 7),), options((3, 3), (2, 2), ONE, ceil_mode=True)),
    Case("ceil_padding_left_out", ((1, 2, 6, 7),), options((3, 3), (2, 2), ONE, ceil_mode=True, count_include_pad=False)),
    Case("ceil_last_window_dropped", ((1, 1, 5, 4),), options((2, 2), (3, 3), ONE, ceil_mode=True)),
    Case("divisor_override", ((2, 1, 5, 6),), options((3, 2), (2, 1), ONE, divisor_override=5)),
    Case("asymmetric_padding", ((1, 2, 6, 5),), options((3, 3), (2, 2), ((0, 1), (2, 0)), count_include_pad=False)),
    Case("asymmetric_window_in_padding", ((1, 2, 4, 3),), options((2, 2), (1, 2), ((0, 3), (0, 0)))),
    Case("gaps", ((2, 1, 9, 11),), options((2, 3), (3, 5))),
    Case("off_the_square", ((1, 3, 5, 13),), options((1, 4), (2, 3), ((0, 0), (2, 2)))),
    Case("whole_plane", ((3, 2, 4, 5),), options((4, 5), (1, 1))),
    Case("large_window", ((1, 1, 37, 41),), options((35, 40), (1, 1))),
    Case("single_pixel", ((1, 1, 1, 1),), options((1, 1), (1, 1))),
    Case("empty_batch", ((0, 2, 4, 4),), options((2, 2), (2, 2))),
    Case("many_planes", ((5, 13, 4, 5),), options((2, 2), (2, 2))),
]


def draw(dice: Dice, op: str) -> Case:
    (H, W), window, stride, padding, _ = zip(axis(dice, dilated=False), axis(dice, dilated=False))
    C = dice.integer(1, min(4, 300 // (H * W)))
    N = dice.integer(1, min(3, 300 // (C * H * W)))
    ceil_mode, count_include_pad, divisor = dice.pick(False, True), dice.pick(True, False), dice.pick(None, None, 3, 7)
    return Case("drawn", ((N, C, H, W),), options(window, stride, padding, ceil_mode, count_include_pad, divisor))
