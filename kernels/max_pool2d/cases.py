"""Shapes chosen to hurt: off the square, overlapping and gapped windows, negative inputs beside padding, ties, −∞, dilation."""
import numpy as np

from ..case import Case, Dice


def options(kernel_size, stride, padding=((0, 0), (0, 0)), dilation=(1, 1), ceil_mode=False):
    return dict(kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)


def negative(rng, case):
    return [-1 - rng.random(shape) for shape in case.shapes]               # zeros in the padding would win


def equal(rng, case):
    return [np.full(shape, 0.5) for shape in case.shapes]


def minus_infinity(rng, case):
    return [np.full(shape, -np.inf) for shape in case.shapes]


def to_the_first(case, arrays, grad_output):
    """All inputs are equal: the first position of a window that lies inside the input takes the whole gradient."""
    gradient, (top, left) = np.zeros(arrays[0].shape), (case.options["padding"][0][0], case.options["padding"][1][0])
    for n, c, p, q in np.ndindex(*grad_output.shape):
        h, w = p * case.options["stride"][0] - top, q * case.options["stride"][1] - left
        gradient[n, c, max(h, 0), max(w, 0)] += grad_output[n, c, p, q]
    return [gradient]


def few_values(rng, case):
    """Ties within and across rows and columns; the differences of distinct values are far above a finite difference."""
    return [rng.integers(-2, 2, shape) / 2.0 for shape in case.shapes]


def to_the_first_of_the_largest(case, arrays, grad_output):
    """Every window searched in row-major order, without padding and dilation."""
    x, gradient, (R, S), (down, across) = arrays[0], np.zeros(arrays[0].shape), case.options["kernel_size"], case.options["stride"]
    for n, c, p, q in np.ndindex(*grad_output.shape):
        places = [(p * down + r, q * across + s) for r in range(R) for s in range(S)]
        h, w = next(place for place in places if x[n, c][place] == max(x[n, c][other] for other in places))
        gradient[n, c, h, w] += grad_output[n, c, p, q]
    return [gradient]


CASES = [
    Case("2x2", ((2, 3, 6, 8),), options((2, 2), (2, 2))),
    Case("overlapping", ((2, 2, 7, 9),), options((3, 3), (2, 2))),
    Case("overlapping_padded_negative", ((2, 2, 7, 6),), options((3, 3), (2, 2), ((1, 1), (1, 1))), inputs=negative),
    Case("stride_1", ((1, 2, 5, 4),), options((3, 2), (1, 1), ((1, 1), (1, 1)))),
    Case("gaps", ((2, 1, 9, 11),), options((2, 3), (3, 5))),
    Case("off_the_square", ((1, 3, 5, 13),), options((1, 4), (2, 3), ((0, 0), (2, 2)))),
    Case("asymmetric_padding", ((1, 2, 6, 5),), options((3, 3), (2, 2), ((0, 1), (1, 0))), inputs=negative),
    Case("ceil", ((2, 2, 6, 7),), options((3, 3), (2, 2), ceil_mode=True)),
    Case("ceil_last_window_dropped", ((1, 2, 5, 4),), options((2, 2), (3, 3), ((1, 1), (1, 1)), ceil_mode=True), inputs=negative),
    Case("dilation", ((2, 2, 9, 10),), options((3, 2), (2, 1), ((1, 1), (1, 1)), (2, 3))),
    Case("dilation_skips_padding", ((1, 1, 6, 6),), options((3, 3), (1, 1), ((2, 2), (3, 3)), (2, 3)), inputs=negative),
    Case("whole_plane", ((3, 2, 4, 5),), options((4, 5), (1, 1))),
    Case("single_pixel", ((1, 1, 1, 1),), options((1, 1), (1, 1))),
    Case("empty_batch", ((0, 2, 4, 4),), options((2, 2), (2, 2))),
    Case("many_planes", ((5, 13, 4, 5),), options((2, 2), (2, 2))),
    Case("ties", ((2, 2, 5, 6),), options((3, 3), (2, 2), ((1, 1), (1, 1))), inputs=equal, smooth=False, gradients=to_the_first),
    Case("ties_across_columns", ((2, 3, 9, 8),), options((3, 4), (2, 1)), inputs=few_values, smooth=False,
         gradients=to_the_first_of_the_largest),
    Case("ties_in_a_large_window", ((1, 2, 9, 10),), options((6, 7), (1, 2)), inputs=few_values, smooth=False,
         gradients=to_the_first_of_the_largest),
    Case("large_window_dilated", ((1, 2, 14, 13),), options((5, 7), (3, 2), ((2, 2), (1, 3)), (2, 1)), inputs=negative),
    Case("minus_infinity", ((1, 2, 4, 5),), options((2, 3), (2, 2), ((1, 1), (1, 1))), inputs=minus_infinity, smooth=False,
         gradients=to_the_first),
]


def axis(dice: Dice, dilated: bool = True) -> tuple:
    """Size, window, stride, padding and dilation along one axis, where every window sees a pixel.

    For that the padding is smaller than what a window spans, and the taps of a window are no further apart than the input is long.
    """
    window, stride = dice.integer(1, 4), dice.integer(1, 4)
    dilation = dice.integer(1, 5 - window) if dilated else 1
    span = dilation * (window - 1) + 1
    before, after = dice.integers(2, 0, span - 1)
    if before == after:
        before = after = min(before, span // 2)
    size = span + stride * dice.integer(0, 2) + dice.integer(0, stride - 1) - before - after
    return max(dilation, size), window, stride, (before, after), dilation


def draw(dice: Dice, op: str) -> Case:
    (H, W), window, stride, padding, dilation = zip(axis(dice), axis(dice))
    C = dice.integer(1, min(4, 300 // (H * W)))
    N = dice.integer(1, min(3, 300 // (C * H * W)))
    return Case("drawn", ((N, C, H, W),), options(window, stride, padding, dilation, dice.pick(False, True)), dice.pick(None, negative))
