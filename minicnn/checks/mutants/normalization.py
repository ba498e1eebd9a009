"""Mutants of layer, group and local response normalisation: which values share a mean, what stands inside the sums, whose window it is."""
from math import prod

import numpy as np

from ...kernels.local_response_norm.reference import window_sum
from .mutant import wrong_backward, wrong_forward
from .operation import from_kernel

LAYER, GROUP, LRN = map(from_kernel, ("layer_norm", "group_norm", "local_response_norm"))


def normalise(x, over, eps, ddof=0):
    """x̂ with mean 0 and variance 1 over these axes, and 1/√(σ² + ε)."""
    inverse_std = 1 / np.sqrt(x.var(over, ddof=ddof, keepdims=True) + eps)
    return (x - x.mean(over, keepdims=True)) * inverse_std, inverse_std


def affine(normalised, weight, bias):
    return normalised * (1 if weight is None else weight) + (0 if bias is None else bias)


# Layer normalisation: a row is what lies in the last axes, normalized_shape.

def axes(normalized_shape):
    return tuple(range(-len(normalized_shape), 0))


def several_positions(arrays, options):
    return prod(options["normalized_shape"]) > 1


def matters(arrays, options):
    """x̂ of two values is ±1 whatever they are, and dx is all but 0: a wrong factor would not show."""
    return arrays[1] is not None and prod(options["normalized_shape"]) > 2


@wrong_forward(LAYER, "statistics over the batch",
               "You seem to average over the first axis, as batch normalisation does. Each sample has a mean and a variance of its own, "
               "over the axes of normalized_shape.", shows=lambda a, o: a[0].ndim > len(o["normalized_shape"]) and a[0].size > 1)
def over_the_batch(x, weight, bias, *, normalized_shape, eps):
    return affine(normalise(x, 0, eps)[0], weight, bias)


@wrong_forward(LAYER, "statistics over the last axis alone",
               "You seem to average over the last axis alone. Average over all axes of normalized_shape.",
               shows=lambda a, o: prod(o["normalized_shape"][:-1]) > 1)
def last_axis_alone(x, weight, bias, *, normalized_shape, eps):
    return affine(normalise(x, -1, eps)[0], weight, bias)


@wrong_forward(LAYER, "variance divided by D − 1",
               "Your variance looks unbiased (ddof=1). Divide Σ(x − μ)² by D, the number of positions in a row.", shows=several_positions)
def unbiased_row(x, weight, bias, *, normalized_shape, eps):
    return affine(normalise(x, axes(normalized_shape), eps, ddof=1)[0], weight, bias)


@wrong_backward(LAYER, "weight outside the sums",
                "In grad_x weight seems to be multiplied after the means are subtracted, as in batch normalisation. It varies along the "
                "row: take the means of γ·g, not of g.", shows=matters)
def weight_outside(grad_output, x, weight, bias, *, normalized_shape, eps):
    over = axes(normalized_shape)
    normalised, inverse_std = normalise(x, over, eps)
    g = grad_output
    dx = inverse_std * (g - g.mean(over, keepdims=True) - normalised * (g * normalised).mean(over, keepdims=True))
    right = LAYER.backward(grad_output, x, weight, bias, normalized_shape=normalized_shape, eps=eps)
    return dx if weight is None else weight * dx, *right[1:]


@wrong_backward(LAYER, "path through the variance dropped",
                "grad_x seems to lack the path through the variance: every x also moves σ² of its row. Subtract x̂ times the mean of "
                "γ·g·x̂.", shows=several_positions)
def row_variance_dropped(grad_output, x, weight, bias, *, normalized_shape, eps):
    over = axes(normalized_shape)
    _, inverse_std = normalise(x, over, eps)
    of_normalised = affine(grad_output, weight, None)
    dx = inverse_std * (of_normalised - of_normalised.mean(over, keepdims=True))
    return dx, *LAYER.backward(grad_output, x, weight, bias, normalized_shape=normalized_shape, eps=eps)[1:]


# Group normalisation: the channels as a table (N, G, C/G, …).

def per_channel(values, x):
    return None if values is None else values.reshape(1, -1, *[1] * (x.ndim - 2))


def in_groups(x, num_groups):
    """(N, C, …) -> (N, G, C/G, …), and the axes that a group's mean goes over."""
    return x.reshape(x.shape[0], num_groups, -1, *x.shape[2:]), tuple(range(2, x.ndim + 1))


@wrong_forward(GROUP, "all channels in one group",
               "You seem to average over all channels. Each of the num_groups groups of channels has a mean and a variance of its own.",
               shows=lambda a, o: o["num_groups"] > 1)
def one_group(x, weight, bias, *, num_groups, eps):
    normalised, _ = normalise(x, tuple(range(1, x.ndim)), eps)
    return affine(normalised, per_channel(weight, x), per_channel(bias, x))


@wrong_forward(GROUP, "groups of every G-th channel",
               "Your groups seem to take every G-th channel. A group is C/G neighbours: reshape to (N, G, C/G, …), not to (N, C/G, G, …).",
               shows=lambda a, o: 1 < o["num_groups"] < a[0].shape[1])
def interleaved(x, weight, bias, *, num_groups, eps):
    table, over = in_groups(x, x.shape[1] // num_groups)
    normalised = normalise(table, (1, *over[1:]), eps)[0].reshape(x.shape)
    return affine(normalised, per_channel(weight, x), per_channel(bias, x))


@wrong_forward(GROUP, "statistics over the batch too",
               "You seem to average over the batch too. In group normalisation no image sees another: leave axis 0 out of the mean and "
               "the variance.", shows=lambda a, o: a[0].shape[0] > 1)
def batch_too(x, weight, bias, *, num_groups, eps):
    table, over = in_groups(x, num_groups)
    normalised = normalise(table, (0, *over), eps)[0].reshape(x.shape)
    return affine(normalised, per_channel(weight, x), per_channel(bias, x))


@wrong_backward(GROUP, "weight outside the sums",
                "In grad_x weight seems to be multiplied after the means are subtracted, as in batch normalisation. It varies within a "
                "group: take the means of γ·g, not of g.",
                shows=lambda a, o: a[1] is not None and o["num_groups"] < a[0].shape[1] and a[0][0].size > 2 * o["num_groups"])
def weight_outside_the_group(grad_output, x, weight, bias, *, num_groups, eps):
    dx, _, _ = GROUP.backward(grad_output, x, None, None, num_groups=num_groups, eps=eps)
    return affine(dx, per_channel(weight, x), None), *GROUP.backward(grad_output, x, weight, bias, num_groups=num_groups, eps=eps)[1:]


@wrong_backward(GROUP, "averages over the channels alone",
                "The sums in grad_x seem to be divided by the channels of a group. Divide them by all its values, D = C/G·H·W.",
                shows=lambda a, o: prod(a[0].shape[2:]) > 1)
def plane_not_counted(grad_output, x, weight, bias, *, num_groups, eps):
    table, over = in_groups(x, num_groups)
    normalised, inverse_std = normalise(table, over, eps)
    g, _ = in_groups(affine(grad_output, per_channel(weight, x), None), num_groups)
    channels = x.shape[1] // num_groups
    dx = inverse_std * (g - g.sum(over, keepdims=True) / channels - normalised * (g * normalised).sum(over, keepdims=True) / channels)
    return dx.reshape(x.shape), *GROUP.backward(grad_output, x, weight, bias, num_groups=num_groups, eps=eps)[1:]


# Local response normalisation.

def damping(x, size, alpha, k):
    """D of the formula, y = x·D^(−β)."""
    return k + alpha / size * window_sum(x * x, size // 2, (size - 1) // 2)


def damped_by(arrays, options):
    return damping(arrays[0], options["size"], options["alpha"], options["k"])


def felt(arrays, options):
    """The neighbours damp by more than a few hundredths."""
    return options["beta"] * np.log(damped_by(arrays, options) / options["k"]).max() > 0.05


def felt_among_several(arrays, options):
    return options["size"] > 1 and felt(arrays, options)


@wrong_forward(LRN, "window over the row instead of the channels",
               "Your window seems to slide along the row. It runs across the channels, at one place of the plane.",
               shows=lambda a, o: felt_among_several(a, o) and (a[0].shape[1] > 1 or a[0].shape[-1] > 1))
def over_space(x, *, size, alpha, beta, k):
    rows = np.swapaxes(x, 1, -1)                                              # the width where the channels were
    return np.swapaxes(rows * damping(rows, size, alpha, k) ** -beta, 1, -1)


@wrong_forward(LRN, "alpha not divided by size",
               "alpha seems to be taken undivided, as in AlexNet's paper. Here, as in PyTorch, it is alpha / size.",
               shows=felt_among_several)
def undivided(x, *, size, alpha, beta, k):
    return x * damping(x, size, alpha * size, k) ** -beta


@wrong_forward(LRN, "k missing",
               "k seems to be missing: what damps is k + α/size·Σx².", shows=lambda a, o: o["beta"] * o["k"] > 0.05 * damped_by(a, o).max())
def no_k(x, *, size, alpha, beta, k):
    return x * damping(x, size, alpha, 0) ** -beta


@wrong_forward(LRN, "sign of beta",
               "Strong neighbours seem to amplify. They damp: divide by (…)^beta, or raise to −beta.",
               shows=lambda a, o: o["beta"] * np.abs(np.log(damped_by(a, o))).max() > 0.05)
def amplified(x, *, size, alpha, beta, k):
    return x * damping(x, size, alpha, k) ** beta


def gradient(grad_output, x, before, after, factor, *, size, alpha, beta, k):
    """g·D^(−β) − factor·αβ/size · x · Σ g·y/D, the sum over this window."""
    D = damping(x, size, alpha, k)
    others = window_sum(grad_output * x * D ** (-beta - 1), before, after)
    return (grad_output * D ** -beta - factor * alpha * beta / size * x * others,)


@wrong_backward(LRN, "own term alone",
                "grad_x seems to be g·D^(−β) alone. x[i] also stands in the D of every channel whose window holds it: the second term of "
                "the formula.", shows=felt)
def own_term(grad_output, x, *, size, alpha, beta, k):
    return gradient(grad_output, x, 0, 0, 0, size=size, alpha=alpha, beta=beta, k=k)


@wrong_backward(LRN, "own channel in the sum alone",
                "The second term of grad_x seems to hold c = i alone. It sums over all channels whose window holds i.",
                shows=lambda a, o: felt(a, o) and o["size"] > 1 and a[0].shape[1] > 1)
def no_neighbours(grad_output, x, **options):
    return gradient(grad_output, x, 0, 0, 2, **options)


@wrong_backward(LRN, "window not mirrored",
                "With an even size backward seems to use the window of forward. c's window holds i from c − size//2 on; seen from i, it "
                "is the mirrored window, up to i + size//2.",
                shows=lambda a, o: o["size"] % 2 == 0 and o["size"] // 2 < a[0].shape[1] and felt(a, o))
def not_mirrored(grad_output, x, *, size, alpha, beta, k):
    return gradient(grad_output, x, size // 2, (size - 1) // 2, 2, size=size, alpha=alpha, beta=beta, k=k)


@wrong_backward(LRN, "factor 2 missing", "The second term of grad_x seems half as large as it should be: d(x²) = 2x·dx.", shows=felt)
def no_factor_2(grad_output, x, *, size, alpha, beta, k):
    return gradient(grad_output, x, (size - 1) // 2, size // 2, 1, size=size, alpha=alpha, beta=beta, k=k)
