"""Mutants of average pooling, plain and adaptive: what the sum is divided by, and windows that overlap.

x (N, C, H, W) · y and g (N, C, P, Q) · divisor (P, Q). Plain average pooling is written here with the divisor as an argument:

    y = sums over the windows / divisor                     dx = g / divisor, added to all that the window sees
"""
from functools import wraps

import numpy as np

from ...kernels import avg_pool2d
from ...kernels.pooling import adaptive_windows
from .mutant import REFERENCE, add, wrong_backward, wrong_forward
from .operation import from_kernel
from .windows import overlap, places

AVG, ADAPTIVE = from_kernel("avg_pool2d"), from_kernel("adaptive_avg_pool2d")


# Average pooling.

def seen(x, options, **wrong):
    """The pixel h·W + w that each tap of each window sees, −1 on the padding: (P, Q, R, S)."""
    output = avg_pool2d.output_shape(x.shape, **options)[2:]
    return places(x.shape[2:], options["kernel_size"], output, (options | wrong)["stride"], options["padding"])


def counted(x, options, count_include_pad):
    """How many positions each window holds (P, Q), as in avg_pool2d/__init__.py."""
    P, Q = avg_pool2d.output_shape(x.shape, **options)[2:]
    rows, columns = (avg_pool2d.windows(x.shape[2 + i], (P, Q)[i], options["kernel_size"][i], options["stride"][i], options["padding"][i],
                                        count_include_pad)[2] for i in (0, 1))
    return np.outer(rows, columns)


def divisor_of(x, options):
    override = options["divisor_override"]
    return counted(x, options, options["count_include_pad"]) if override is None else np.full(seen(x, options).shape[:2], override)


def averaged(x, options, divisor):
    pixels = np.append(x.reshape(*x.shape[:2], -1), np.zeros((*x.shape[:2], 1)), axis=2)            # the last one, −1, is the padding
    return pixels[:, :, seen(x, options)].sum((-2, -1)) / divisor


def spread(g, x, options, divisor, **wrong):
    grad_x = np.zeros((*x.shape[:2], x.shape[2] * x.shape[3] + 1))
    where, share = seen(x, options, **wrong), g / divisor
    for p, q in np.ndindex(*g.shape[2:]):
        grad_x[:, :, where[p, q].ravel()] += share[:, :, p, q, None]
    return (grad_x[:, :, :-1].reshape(x.shape),)


def differs(arrays, options, divisor):
    """Whether another divisor makes a difference: for a window that sees more than padding."""
    x = arrays[0]
    return bool(((divisor != divisor_of(x, options)) & (seen(x, options) >= 0).any((-2, -1))).any())


def wrong_divisor(name, hint):
    """Decorates divisor(x, options) -> (P, Q), wrong in forward and backward alike."""
    def register(divisor):
        @wraps(divisor)
        def forward(x, **options):
            return averaged(x, options, divisor(x, options))

        @wraps(divisor)
        def backward(g, x, **options):
            return spread(g, x, options, divisor(x, options))
        add(AVG, name, hint, forward, backward, lambda a, o: differs(a, o, divisor(a[0], o)), REFERENCE)
        return divisor
    return register


@wrong_divisor("padding-not-counted", "The divisor leaves the padding out: with count_include_pad, the default, it counts.")
def padding_not_counted(x, options):
    if options["divisor_override"] is not None:
        return divisor_of(x, options)
    return np.maximum(counted(x, options, False), 1)                         # 0 / 1 for a window that sees padding alone


@wrong_divisor("padding-counted", "The divisor counts padding although count_include_pad is False: divide by the number of pixels that the "
               "window sees.")
def padding_counted(x, options):
    return divisor_of(x, options | {"count_include_pad": True})


@wrong_divisor("ceil-mode-counted", "The divisor is always R·S: what ceil_mode adds beyond the padding does not count, min(start + R, H + "
               "bottom) − start.")
def ceil_mode_counted(x, options):
    right = divisor_of(x, options)
    by_count = options["count_include_pad"] and options["divisor_override"] is None
    return np.full_like(right, np.prod(options["kernel_size"])) if by_count else right


@wrong_divisor("override-ignored", "divisor_override is not used: where it is given, it is what the sum is divided by.")
def override_ignored(x, options):
    return counted(x, options, options["count_include_pad"]) if options["divisor_override"] else divisor_of(x, options)


@wrong_forward(AVG, "sum", "The output is the sum of the window: divide it by the number of positions.",
               lambda a, o: differs(a, o, np.ones(())))
def sum_of_window(x, **options):
    return averaged(x, options, 1)


@wrong_backward(AVG, "not-divided", "Every pixel of a window gets its whole gradient: the slope of a mean is 1 / (number of positions).",
                lambda a, o: differs(a, o, np.ones(())))
def not_divided(g, x, **options):
    return spread(g, x, options, 1)


@wrong_backward(AVG, "divided-by-window", "Backward divides by R·S where forward divided by something else, as beside padding: use the "
                "same divisor in both.", lambda a, o: differs(a, o, np.prod(o["kernel_size"])))
def divided_by_window(g, x, **options):
    return spread(g, x, options, np.prod(options["kernel_size"]))


@wrong_backward(AVG, "overlap-overwrites", "Windows that overlap overwrite each other's gradient: add with += where you now assign.",
                lambda a, o: overlap(seen(a[0], o)))
def overlap_overwrites(g, x, **options):
    grad_x = np.zeros((*x.shape[:2], x.shape[2] * x.shape[3] + 1))
    where, share = seen(x, options), g / divisor_of(x, options)
    for p, q in np.ndindex(*g.shape[2:]):
        grad_x[:, :, where[p, q].ravel()] = share[:, :, p, q, None]
    return (grad_x[:, :, :-1].reshape(x.shape),)


def as_sets(where):
    return np.sort(where.reshape(*where.shape[:2], -1))                      # in a mean the order of the pixels does not matter


@wrong_backward(AVG, "stride-ignored", "Backward spreads window (p, q) from (p, q), as if the stride were 1: it starts at p·stride − top.",
                lambda a, o: not np.array_equal(as_sets(seen(a[0], o)), as_sets(seen(a[0], o, stride=(1, 1)))))
def stride_ignored(g, x, **options):
    return spread(g, x, options, divisor_of(x, options), stride=(1, 1))


@wrong_backward(AVG, "one-cell", "One pixel of the window gets the whole gradient, as in max pooling: a mean depends on all of them alike.",
                lambda a, o: (seen(a[0], o) >= 0).sum((-2, -1)).max() > 1)
def one_cell(g, x, **options):
    grad_x = np.zeros((*x.shape[:2], x.shape[2] * x.shape[3]))
    for p, q in np.ndindex(*g.shape[2:]):
        where = seen(x, options)[p, q]
        grad_x[:, :, where[where >= 0][:1]] += g[:, :, p, q, None]
    return (grad_x.reshape(x.shape),)


def rounding_matters(arrays, options):
    x, rounded = arrays[0].shape, options | {"ceil_mode": False}
    return avg_pool2d.output_shape(x, **options) != avg_pool2d.output_shape(x, **rounded)


@wrong_forward(AVG, "ceil-mode-ignored", "The last windows are missing: with ceil_mode the size of the output is rounded up.",
               rounding_matters)
def ceil_mode_ignored(x, **options):
    return AVG.forward(x, **options | {"ceil_mode": False})


# Adaptive average pooling: window p is  ⌊p·H/P⌋ ≤ h < ⌈(p+1)·H/P⌉.

def spans(x, output_size):
    """The first position of each window and the one after its last, down and across."""
    return adaptive_windows(x.shape[2], output_size[0]), adaptive_windows(x.shape[3], output_size[1])


def sizes(x, output_size):
    """How many pixels each window holds, (P, Q)."""
    (top, bottom), (left, right) = spans(x, output_size)
    return np.outer(bottom - top, right - left)


def ends(size, count):
    """The ends of the windows along one axis rounded down; but a window holds at least one position."""
    first, _ = adaptive_windows(size, count)
    return np.maximum((np.arange(count) + 1) * size // count, first + 1)


def cut_short(arrays, options):
    axes = zip(arrays[0].shape[2:], options["output_size"])
    return any((ends(size, count) < adaptive_windows(size, count)[1]).any() for size, count in axes)


def share_a_pixel(arrays, options):
    return any((end[:-1] > start[1:]).any() for start, end in spans(arrays[0], options["output_size"]))


@wrong_forward(ADAPTIVE, "ends-rounded-down", "The windows end too early where the sizes do not divide: the end is rounded up, ⌈(p + 1)·H "
               "/ P⌉ = -(-(p + 1) * H // P).", cut_short)
def ends_rounded_down(x, *, output_size):
    ((top, _), (left, _)), bottom, right = spans(x, output_size), ends(x.shape[2], output_size[0]), ends(x.shape[3], output_size[1])
    y = np.zeros((*x.shape[:2], *output_size))
    for p, q in np.ndindex(*output_size):
        y[:, :, p, q] = x[:, :, top[p]:bottom[p], left[q]:right[q]].mean((2, 3))
    return y


@wrong_forward(ADAPTIVE, "output-swapped", "Height and width of the output are swapped: output_size is (height, width).",
               lambda a, o: o["output_size"][0] != o["output_size"][1])
def output_swapped(x, *, output_size):
    return ADAPTIVE.forward(x, output_size=output_size[::-1])


@wrong_backward(ADAPTIVE, "not-divided", "Every pixel of a window gets its whole gradient: the slope of a mean is 1 / (number of pixels).",
                lambda a, o: sizes(a[0], o["output_size"]).max() > 1)
def adaptive_not_divided(g, x, *, output_size):
    return ADAPTIVE.backward(g * sizes(x, output_size), x, output_size=output_size)


@wrong_backward(ADAPTIVE, "divided-by-average", "Backward divides by H·W / (P·Q), the size of the windows on average: where the sizes do "
                "not divide, each window has a size of its own.",
                lambda a, o: (sizes(a[0], o["output_size"]) != a[0][0, 0].size / np.prod(o["output_size"])).any())
def divided_by_average(g, x, *, output_size):
    average = x[0, 0].size / np.prod(output_size)
    return ADAPTIVE.backward(g * sizes(x, output_size) / average, x, output_size=output_size)


@wrong_backward(ADAPTIVE, "overlap-overwrites", "Windows that share a row or column overwrite each other's gradient: add with += where you "
                "now assign.", share_a_pixel)
def adaptive_overlap_overwrites(g, x, *, output_size):
    ((top, bottom), (left, right)), share = spans(x, output_size), g / sizes(x, output_size)
    grad_x = np.zeros_like(x)
    for p, q in np.ndindex(*output_size):
        grad_x[:, :, top[p]:bottom[p], left[q]:right[q]] = share[:, :, p, q, None, None]
    return (grad_x,)
