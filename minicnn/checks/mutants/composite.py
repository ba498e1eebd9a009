"""Mutants of what networks are put together with: sums, branches, concatenation, means, shuffled channels, padding.

What is no kernel is built here by hand. The letters: N images, C channels; a and b have A and B channels.
"""
import numpy as np

from ...kernels.case import Case
from ...kernels.pad import output_shape, sources
from .mutant import wrong_backward, wrong_forward
from .operation import Operation, from_kernel


def several_channels(arrays, options):
    return arrays[0].shape[1] > 1


# A residual block:  y = x + relu(x·w),  x (N, C), w (C, C).

def residual(x, w):
    return x + np.maximum(x @ w, 0)


def residual_backward(grad_output, x, w):
    inside = grad_output * (x @ w > 0)                                        # relu lets through what was positive
    return grad_output + inside @ w.T, x.T @ inside                           # x was used twice: its gradients add up


def residual_case(dice):
    N, C = dice.integer(1, 4), dice.integer(1, 4)
    return Case("drawn", ((N, C), (C, C)))


RESIDUAL = Operation("residual addition", residual, residual_backward, residual_case)


def branch_lives(arrays, options):
    x, w = arrays
    return (x @ w > 0).any()


@wrong_backward(RESIDUAL, "branch dropped",
                "x seems to receive the gradient of the shortcut alone. It went into the branch too: add (g·[x·w > 0])·wᵀ.",
                shows=branch_lives)
def branch_dropped(grad_output, x, w):
    return grad_output, residual_backward(grad_output, x, w)[1]


@wrong_backward(RESIDUAL, "shortcut dropped",
                "x seems to receive the gradient of the branch alone. It also reaches y directly, by the shortcut: add g.")
def shortcut_dropped(grad_output, x, w):
    dx, dw = residual_backward(grad_output, x, w)
    return dx - grad_output, dw


@wrong_backward(RESIDUAL, "weight not transposed",
                "The branch seems to send its gradient back through w. The way back from x·w is through wᵀ.",
                shows=lambda a, o: several_channels(a, o) and branch_lives(a, o))
def not_transposed(grad_output, x, w):
    inside = grad_output * (x @ w > 0)
    return grad_output + inside @ w, x.T @ inside


@wrong_backward(RESIDUAL, "mask from the block's output",
                "The mask of relu seems to come from y = x + relu(…). It comes from what relu was given: x·w > 0.",
                shows=lambda a, o: ((residual(*a) > 0) != (a[0] @ a[1] > 0)).any())
def mask_of_the_sum(grad_output, x, w):
    inside = grad_output * (residual(x, w) > 0)
    return grad_output + inside @ w.T, x.T @ inside


# A tensor used twice:  x·x,  x + x.

def one_array(dice):
    return Case("drawn", (dice.integers(dice.integer(1, 3), 1, 4),))


PRODUCT = Operation("product with itself", lambda x: x * x, lambda grad_output, x: (2 * grad_output * x,), one_array)
SUM = Operation("sum with itself", lambda x: x + x, lambda grad_output, x: (2 * grad_output,), one_array)


@wrong_backward(PRODUCT, "second use overwrites the first",
                "x was used twice, yet it seems to receive one gradient: add to grad with += where you now assign.")
def product_overwritten(grad_output, x):
    return (grad_output * x,)


@wrong_backward(PRODUCT, "sum for product",
                "Each factor seems to receive g, as in a sum. A factor of a product receives g times the other one.")
def product_as_sum(grad_output, x):
    return (2 * grad_output,)


@wrong_forward(PRODUCT, "input overwritten", "forward seems to write into x (x *= x). backward still needs it: make a new array, x * x.")
def product_in_place(x):
    x *= x
    return x


@wrong_backward(SUM, "second use overwrites the first",
                "d(x + x) seems to be 1. x was used twice: add to grad with += where you now assign.")
def sum_overwritten(grad_output, x):
    return (grad_output,)


# Concatenation along the channels.

def concatenation_case(dice):
    N, A, B, *plane = dice.integer(1, 3), *dice.integers(2, 1, 3), *dice.integers(dice.integer(0, 2), 1, 3)
    return Case("drawn", ((N, A, *plane), (N, B, *plane)))


CONCATENATION = Operation("concatenation", lambda a, b: np.concatenate([a, b], 1),
                          lambda grad_output, a, b: (grad_output[:, :a.shape[1]], grad_output[:, a.shape[1]:]), concatenation_case)


@wrong_backward(CONCATENATION, "gradients in the wrong order",
                "a seems to receive the gradient of b, and b that of a. Return them in the order of the inputs.")
def exchanged(grad_output, a, b):
    return grad_output[:, a.shape[1]:], grad_output[:, :a.shape[1]]


@wrong_backward(CONCATENATION, "last channels to the first input",
                "The first input seems to receive the last channels. The channels of a come first in y: grad[:, :A] is a's.")
def from_the_end(grad_output, a, b):
    return grad_output[:, -a.shape[1]:], grad_output[:, :b.shape[1]]


@wrong_backward(CONCATENATION, "cut in the middle",
                "The gradient seems to be cut into halves. Cut it where a ends: after A channels.",
                shows=lambda a, o: a[0].shape[1] != (a[0].shape[1] + a[1].shape[1]) // 2)
def halved(grad_output, a, b):
    middle = grad_output.shape[1] // 2
    return grad_output[:, :middle], grad_output[:, middle:]


# Broadcast addition:  x (N, C, H, W) + b (C, 1, 1).

def broadcast_case(dice):
    x = dice.integers(4, 1, 3)
    return Case("drawn", (x, (x[1], 1, 1)))


BROADCAST = Operation("broadcast addition", lambda x, b: x + b,
                      lambda grad_output, x, b: (grad_output, grad_output.sum((0, 2, 3)).reshape(b.shape)), broadcast_case)


@wrong_backward(BROADCAST, "gradient not summed",
                "The gradient of b seems to have the shape of x. b was broadcast: sum over the axes along which it was repeated.",
                shows=lambda a, o: a[0].shape != (1, *a[1].shape))
def not_summed(grad_output, x, b):
    return grad_output, grad_output


@wrong_backward(BROADCAST, "gradient averaged",
                "The gradient of b seems to be a mean. b was added at each of these places: sum.", shows=lambda a, o: a[0].size > a[1].size)
def averaged(grad_output, x, b):
    return grad_output, grad_output.mean((0, 2, 3)).reshape(b.shape)


@wrong_backward(BROADCAST, "summed over the plane alone",
                "The gradient of b seems to leave out images. b was repeated along the batch too: sum over axis 0 as well.",
                shows=lambda a, o: a[0].shape[0] > 1)
def first_image(grad_output, x, b):
    return grad_output, grad_output[0].sum((1, 2)).reshape(b.shape)


# A mean over axes.

def mean_case(dice):
    x = dice.integers(dice.integer(2, 4), 1, 4)
    first = dice.integer(0, len(x) - 1)
    return Case("drawn", (x,), dict(axes=tuple(range(first, dice.integer(first, len(x) - 1) + 1))))


def mean_backward(grad_output, x, *, axes):
    count = np.prod([x.shape[axis] for axis in axes])
    return (np.broadcast_to(np.expand_dims(grad_output, axes), x.shape) / count,)


MEAN = Operation("mean", lambda x, *, axes: x.mean(axes), mean_backward, mean_case)


def averages(arrays, options):
    return np.prod([arrays[0].shape[axis] for axis in options["axes"]]) > 1


@wrong_backward(MEAN, "not divided",
                "The gradient seems to be that of a sum. Every value counts for 1/M of the mean: divide by the values averaged.",
                shows=averages)
def mean_as_sum(grad_output, x, *, axes):
    return (np.broadcast_to(np.expand_dims(grad_output, axes), x.shape),)


@wrong_backward(MEAN, "divided by all elements",
                "The gradient seems to be divided by all elements of x. Divide by those averaged into one: the axes' sizes.",
                shows=lambda a, o: np.prod([n for axis, n in enumerate(a[0].shape) if axis not in o["axes"]]) > 1)
def divided_by_everything(grad_output, x, *, axes):
    return (np.broadcast_to(np.expand_dims(grad_output, axes), x.shape) / x.size,)


@wrong_backward(MEAN, "gradient not expanded",
                "grad_output seems to meet x without the axes that the mean removed, so NumPy aligns it with the last ones. Give it axes "
                "of length 1 there.", shows=lambda a, o: averages(a, o) and np.prod(a[0].shape[:min(o["axes"])]) > 1)
def not_expanded(grad_output, x, *, axes):
    return (np.broadcast_to(grad_output, x.shape) / np.prod([x.shape[axis] for axis in axes]),)


# Shuffled channels, and padding.

SHUFFLE, PAD = from_kernel("channel_shuffle"), from_kernel("pad")


@wrong_backward(SHUFFLE, "shuffled forward again",
                "backward seems to shuffle with the same groups once more. The way back is the inverse: shuffle with C/G groups.",
                shows=lambda a, o: 1 < o["groups"] < a[0].shape[1] != o["groups"] ** 2)
def shuffled_again(grad_output, x, *, groups):
    return (SHUFFLE.forward(grad_output, groups=groups),)


@wrong_backward(SHUFFLE, "not shuffled back",
                "The gradient seems to pass as it came. Each channel's gradient goes back to where the channel came from.",
                shows=lambda a, o: 1 < o["groups"] < a[0].shape[1])
def not_shuffled(grad_output, x, *, groups):
    return (grad_output,)


def pads(arrays, options):
    return any(n > 0 for pair in options["padding"] for n in pair)


def elsewhere(arrays, options, padding):
    """Whether with this padding some element comes from elsewhere, or there is none to come."""
    x, mode = arrays[0], options["mode"]
    try:
        output_shape(x.shape, **{**options, "padding": padding})
    except ValueError:
        return True
    sizes = x.shape[-len(padding):]
    right, wrong = ([sources(n, before, after, mode) for n, (before, after) in zip(sizes, pairs)]
                    for pairs in (options["padding"], padding))
    return not all(map(np.array_equal, right, wrong))


def exchanged_ends(padding):
    return [pair[::-1] for pair in padding]


@wrong_backward(PAD, "gradients of the copies dropped",
                "Only the middle of the gradient seems to come back. An element that padding copied receives the gradients of its copies "
                "too.", shows=lambda a, o: o["mode"] != "constant" and pads(a, o))
def copies_dropped(grad_output, x, *, padding, mode, value):
    return PAD.backward(grad_output, x, padding=padding, mode="constant", value=value)


@wrong_backward(PAD, "before and after exchanged",
                "The gradient seems to be cut out at the wrong place: it starts `before` from the beginning, not `after`.",
                shows=lambda a, o: elsewhere(a, o, exchanged_ends(o["padding"])))
def other_end(grad_output, x, *, padding, mode, value):
    return PAD.backward(grad_output, x, padding=exchanged_ends(padding), mode=mode, value=value)


@wrong_forward(PAD, "axes in the reverse order",
               "The pairs seem to be read from the last axis backwards, as PyTorch does. Here they stand in the order of the axes.",
               shows=lambda a, o: elsewhere(a, o, o["padding"][::-1]))
def axes_reversed(x, *, padding, mode, value):
    return PAD.forward(x, padding=padding[::-1], mode=mode, value=value)
