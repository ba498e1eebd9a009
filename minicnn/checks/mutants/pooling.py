"""Mutants of max pooling: who is the maximum, who gets its gradient, and what stands in the padding.

x (N, C, H, W) · y and g (N, C, P, Q). Max pooling is written here as a choice: `choose` says to which pixel h·W + w of the plane each
window sends its gradient, (N, C, P, Q), and `sent` sends it; most mutants choose another pixel.
"""
from functools import wraps

import numpy as np

from ...kernels import max_pool2d
from ...kernels.case import Case
from ...kernels.max_pool2d import cases
from .mutant import DIFFERENCES, REFERENCE, add, wrong_backward, wrong_forward
from .operation import Operation, from_kernel
from .windows import places

MAX = from_kernel("max_pool2d")


def draw_ties(dice):
    """Max pooling of few values, so that most windows have several largest elements."""
    case = cases.draw(dice, "max_pool2d")
    return Case("drawn with ties", case.shapes, case.options, cases.few_values, smooth=False)


TIES = Operation("max_pool2d", MAX.forward, MAX.backward, draw_ties)


def windows(x, options, **wrong):
    """What the windows see: values (N, C, P, Q, R·S), −∞ on the padding, and their places h·W + w (P, Q, R·S), −1 there."""
    (_, _, P, Q), _ = max_pool2d.output_shape(x.shape, **options)
    o = options | wrong
    where = places(x.shape[2:], o["kernel_size"], (P, Q), o["stride"], o["padding"], o["dilation"]).reshape(P, Q, -1)
    pixels = x.reshape(*x.shape[:2], -1)
    return np.where(where < 0, -np.inf, pixels[:, :, where]), where


def chosen(where, tap):
    """The place that each window sees with its tap (N, C, P, Q)."""
    return np.take_along_axis(np.broadcast_to(where, (*tap.shape, where.shape[-1])), tap[..., None], -1)[..., 0]


def winners(x, options, **wrong):
    values, where = windows(x, options, **wrong)
    return chosen(where, values.argmax(-1))


def sent(g, indices, shape):
    """dx: the gradient of every window added to the pixel it chose."""
    N, C, H, W = shape
    grad_x = np.zeros((N * C, H * W + 1))                                    # the last column, −1, is the padding
    np.add.at(grad_x, (np.arange(N * C)[:, None], indices.reshape(N * C, -1)), g.reshape(N * C, -1))
    return grad_x[:, :-1].reshape(shape)


def wrong_choice(name, hint, operation=MAX, found_by=DIFFERENCES):
    """Decorates choose(x, options) -> the pixel that gets each window's gradient, (N, C, P, Q).  It shows where one is not the winner."""
    def register(choose):
        @wraps(choose)
        def backward(g, x, **options):
            return (sent(g, choose(x, options), x.shape),)
        add(operation, name, hint, None, backward, lambda a, o: not np.array_equal(choose(a[0], o), winners(a[0], o)), found_by)
        return choose
    return register


@wrong_choice("last-of-ties", "Of several equal maxima the last one gets the gradient: the convention is the first in row-major order, so "
              "a later element wins only if it is larger, > instead of >=.", TIES, REFERENCE)
def last_of_ties(x, options):
    values, where = windows(x, options)
    return chosen(where, values.shape[-1] - 1 - values[..., ::-1].argmax(-1))


@wrong_choice("minimum", "The gradient goes to the smallest element of the window: argmax instead of argmin.")
def minimum(x, options):
    values, where = windows(x, options)
    return chosen(where, np.where(where < 0, np.inf, values).argmin(-1))


@wrong_choice("maximum-of-plane", "All windows send their gradient to the largest pixel of the whole plane: look for the maximum inside "
              "the window only.")
def maximum_of_plane(x, options):
    shape, _ = max_pool2d.output_shape(x.shape, **options)
    return np.broadcast_to(x.reshape(*x.shape[:2], 1, 1, -1).argmax(-1), shape)


@wrong_choice("first-cell", "The gradient goes to the first cell of the window, whichever was the largest: remember where the maximum "
              "stood.")
def first_cell(x, options):
    values, where = windows(x, options)
    return chosen(where, (values > -np.inf).argmax(-1))


@wrong_choice("position-in-window", "The position of the maximum is counted from the corner of its window, not of the plane: add the "
              "window's own start, h = p·stride − top + r.")
def position_in_window(x, options):
    values, _ = windows(x, options)
    r, s = np.divmod(values.argmax(-1), options["kernel_size"][1])
    return r * x.shape[3] + s


@wrong_choice("rows-and-columns-swapped", "The flat position of the maximum is read or written column by column: it is h·W + w, so h, w = "
              "divmod(index, W).")
def rows_and_columns_swapped(x, options):
    h, w = np.divmod(winners(x, options), x.shape[3])
    return w * x.shape[2] + h


@wrong_choice("stride-ignored", "Backward looks for the maximum of window (p, q) at (p, q), as if the stride were 1: it starts at p·stride "
              "− top.")
def stride_ignored(x, options):
    return winners(x, options, stride=(1, 1))


def shared(g, x, options, share):
    """dx: each element of a window gets a share of its gradient, share (N, C, P, Q, R·S)."""
    _, where = windows(x, options)
    grad_x = np.zeros((*x.shape[:2], x.shape[2] * x.shape[3] + 1))           # the last one, −1, is the padding
    for p, q in np.ndindex(*where.shape[:2]):
        grad_x[:, :, where[p, q]] += share[:, :, p, q] * g[:, :, p, q, None]
    return (grad_x[:, :, :-1].reshape(x.shape),)


def largest(x, options):
    values, _ = windows(x, options)
    return values == values.max(-1, keepdims=True)                           # True more than once where there are ties


def tied(arrays, options):
    return largest(arrays[0], options).sum(-1).max() > 1


@wrong_backward(TIES, "every-tie", "All of several equal maxima get the whole gradient, which is then too large: only the first does. A "
                "mask x == y finds all of them; remember the position in forward.", tied, REFERENCE)
def every_tie(g, x, **options):
    return shared(g, x, options, largest(x, options))


@wrong_backward(TIES, "ties-split", "Several equal maxima divide the gradient among them: a possible convention, but here the first in "
                "row-major order takes it all.", tied, REFERENCE)
def ties_split(g, x, **options):
    mask = largest(x, options)
    return shared(g, x, options, mask / mask.sum(-1, keepdims=True))


def several_seen(arrays, options):
    return (windows(arrays[0], options)[1] >= 0).sum(-1).max() > 1


@wrong_backward(MAX, "whole-window", "Every element of the window gets the gradient: y depends on the largest alone.", several_seen)
def whole_window(g, x, **options):
    return shared(g, x, options, np.ones((*g.shape, 1)))


@wrong_backward(MAX, "divided-by-window", "The gradient is divided by the size of the window, as for a mean: the maximum has slope 1.",
                lambda a, o: o["kernel_size"] != (1, 1))
def divided_by_window(g, x, **options):
    return (sent(g / np.prod(options["kernel_size"]), winners(x, options), x.shape),)


@wrong_backward(MAX, "first-window", "Only the first window of each plane sends a gradient: a return stands inside the loop over windows.",
                lambda a, o: winners(a[0], o)[0, 0].size > 1)
def first_window(g, x, **options):
    first = np.zeros_like(g)
    first[:, :, 0, 0] = g[:, :, 0, 0]
    return (sent(first, winners(x, options), x.shape),)


def won_twice(arrays, options):
    found = winners(arrays[0], options)
    return any(np.unique(plane).size < plane.size for plane in found.reshape(-1, found[0, 0].size))


@wrong_backward(MAX, "maximum-overwrites", "A pixel that is the maximum of several windows keeps the gradient of the last one only: add "
                "with += where you now assign.", won_twice)
def maximum_overwrites(g, x, **options):
    N, C, H, W = x.shape
    grad_x, found = np.zeros((N, C, H * W)), winners(x, options)
    for n, c, p, q in np.ndindex(*g.shape):
        grad_x[n, c, found[n, c, p, q]] = g[n, c, p, q]
    return (grad_x.reshape(x.shape),)


def seen_later(arrays, options):
    """Whether a window sees the maximum of one before it."""
    (_, where), found = windows(arrays[0], options), winners(arrays[0], options)
    last = np.zeros(arrays[0][0, 0].size + 1, int)                           # the last window that sees each pixel
    for i, seen in enumerate(where.reshape(-1, where.shape[-1])):
        last[seen] = i
    return bool((last[found] != np.arange(found[0, 0].size).reshape(found.shape[2:])).any())


@wrong_backward(MAX, "windows-overwrite", "Each window assigns its mask times g to all its pixels, zeros too, and so wipes out the "
                "gradients of windows before it that overlap: add with +=.", seen_later)
def windows_overwrite(g, x, **options):
    (_, where), found = windows(x, options), winners(x, options)
    grad_x = np.zeros((*x.shape[:2], x.shape[2] * x.shape[3] + 1))
    for p, q in np.ndindex(*where.shape[:2]):
        grad_x[:, :, where[p, q]] = (where[p, q] == found[:, :, p, q, None]) * g[:, :, p, q, None]
    return (grad_x[:, :, :-1].reshape(x.shape),)


@wrong_forward(MAX, "padded-with-zero", "Padding is 0, which wins over negative elements: pad with −∞ (or look only at what lies inside).",
               lambda a, o: ((windows(a[0], o)[1] < 0).any(-1) & (MAX.forward(a[0], **o) < 0)).any())
def padded_with_zero(x, **options):
    values, where = windows(x, options)
    return np.where(where < 0, 0.0, values).max(-1)


@wrong_forward(MAX, "starts-at-zero", "The search for the maximum starts at 0, so negative windows give 0: start at −∞.",
               lambda a, o: MAX.forward(a[0], **o).min() < 0)
def starts_at_zero(x, **options):
    return np.maximum(MAX.forward(x, **options), 0.0)


def other_winners(arrays, options):
    try:
        return not np.array_equal(winners(arrays[0], options), winners(arrays[0], options | {"dilation": (1, 1)}))
    except ValueError:                                                       # the padding is too wide for such small windows
        return True


@wrong_forward(MAX, "dilation-ignored", "The windows have no gaps: tap (r, s) stands at r·dilation, s·dilation.", other_winners)
def dilation_ignored(x, **options):
    return MAX.forward(x, **options | {"dilation": (1, 1)})


def rounding_matters(arrays, options):
    x, rounded = arrays[0].shape, options | {"ceil_mode": False}
    return max_pool2d.output_shape(x, **options) != max_pool2d.output_shape(x, **rounded)


@wrong_forward(MAX, "ceil-mode-ignored", "The last windows are missing: with ceil_mode the size of the output is rounded up.",
               rounding_matters)
def ceil_mode_ignored(x, **options):
    return MAX.forward(x, **options | {"ceil_mode": False})
