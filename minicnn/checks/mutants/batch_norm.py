"""Mutants of batch normalisation: the statistics, what is written for evaluation, and the paths of the gradient."""
from math import prod

import numpy as np

from ...kernels.batch_norm.reference import per_channel
from .mutant import REFERENCE, wrong_backward, wrong_forward
from .operation import from_kernel

BATCH = from_kernel("batch_norm")


# The output.

def over(x):
    """All axes but that of the channels."""
    return (0, *range(2, x.ndim))


def moments(x, axes, ddof=0):
    return x.mean(axes, keepdims=True), x.var(axes, ddof=ddof, keepdims=True)


def statistics(x, running, training, momentum):
    """μ and σ² as the formula has them, (1, C, 1, …); training also writes the running values."""
    if training:
        BATCH.forward(x, None, None, *running, training=True, momentum=momentum, eps=1)
        return moments(x, over(x))
    mean, variance = running
    return per_channel(mean, x), per_channel(variance, x)


def affine(normalised, weight, bias):
    y = normalised if weight is None else normalised * per_channel(weight, normalised)
    return y if bias is None else y + per_channel(bias, normalised)


def factor_differs(wrong):
    """shows, for a wrong factor in place of 1/√(σ² + ε): the two, times the spread σ of x, are not about the same."""
    def shows(arrays, options):
        x, _, _, *running = arrays
        variance = x.var(over(x)) if options["training"] else running[1]
        return np.ptp(np.sqrt(variance) * np.stack([wrong(variance, options["eps"]), (variance + options["eps"]) ** -0.5]), 0).max() > 0.02
    return shows


def trains(arrays, options):
    return options["training"]


def evaluates(arrays, options):
    return not options["training"]


def writes(arrays, options):
    return options["training"] and arrays[3] is not None


def values(x):
    """M, the values a channel."""
    return x.size // x.shape[1]


@wrong_forward(BATCH, "variance divided by M − 1",
               "Your variance looks unbiased (ddof=1). The output is normalised by the biased one, Σ(x − μ)² / M; M − 1 belongs into "
               "running_var alone.", shows=trains)
def unbiased(x, weight, bias, *running, training, momentum, eps):
    mean, variance = statistics(x, running, training, momentum)
    if training:
        variance = x.var(over(x), ddof=1, keepdims=True)
    return affine((x - mean) / np.sqrt(variance + eps), weight, bias)


@wrong_forward(BATCH, "eps outside the root",
               "eps seems to be added to the standard deviation. It belongs under the root: √(σ² + ε).",
               shows=factor_differs(lambda variance, eps: 1 / (np.sqrt(variance) + eps)))
def eps_outside(x, weight, bias, *running, training, momentum, eps):
    mean, variance = statistics(x, running, training, momentum)
    return affine((x - mean) / (np.sqrt(variance) + eps), weight, bias)


@wrong_forward(BATCH, "eps missing",
               "eps seems to be missing: divide by √(σ² + ε), or a constant channel divides by 0.",
               shows=factor_differs(lambda variance, eps: 1 / np.sqrt(variance)))
def no_eps(x, weight, bias, *running, training, momentum, eps):
    mean, variance = statistics(x, running, training, momentum)
    return affine((x - mean) / np.sqrt(variance), weight, bias)


@wrong_forward(BATCH, "divided by the variance",
               "You seem to divide by the variance. Divide by its root, the standard deviation.",
               shows=factor_differs(lambda variance, eps: 1 / (variance + eps)))
def no_root(x, weight, bias, *running, training, momentum, eps):
    mean, variance = statistics(x, running, training, momentum)
    return affine((x - mean) / (variance + eps), weight, bias)


@wrong_forward(BATCH, "batch statistics in evaluation",
               "With training=False you seem to normalise by the mean and variance of the batch. Use running_mean and running_var there.",
               shows=evaluates)
def always_batch(x, weight, bias, *running, training, momentum, eps):
    statistics(x, running, training, momentum)
    mean, variance = moments(x, over(x))
    return affine((x - mean) / np.sqrt(variance + eps), weight, bias)


@wrong_forward(BATCH, "statistics for every pixel",
               "You seem to average over the batch alone, so that every pixel has its own mean. Average over N, H and W: axis=(0, 2, 3), "
               "one mean a channel.", shows=lambda a, o: o["training"] and prod(a[0].shape[2:]) > 1)
def per_pixel(x, weight, bias, *running, training, momentum, eps):
    mean, variance = statistics(x, running, training, momentum)
    if training:
        mean, variance = moments(x, 0)                                        # (1, C, H, W)
    return affine((x - mean) / np.sqrt(variance + eps), weight, bias)


@wrong_forward(BATCH, "weight along the last axis",
               "weight seems to be multiplied along the last axis, where NumPy puts an array (C,). Give it the shape (1, C, 1, 1) first.",
               shows=lambda a, o: a[1] is not None and a[0].ndim > 2 and a[0].shape[1] > 1)
def weight_on_last_axis(x, weight, bias, *running, training, momentum, eps):
    y = BATCH.forward(x, None, None, *running, training=training, momentum=momentum, eps=eps)
    y = y if weight is None else y * weight                                   # fits, silently, where C is the width
    return affine(y, None, bias)


# What training leaves for evaluation: only the arrays written differ.

@wrong_forward(BATCH, "running values change in evaluation",
               "running_mean and running_var change with training=False. Update them in training only.",
               shows=evaluates, found_by=REFERENCE)
def update_in_evaluation(x, weight, bias, running_mean, running_var, *, training, momentum, eps):
    y = BATCH.forward(x, weight, bias, running_mean, running_var, training=training, momentum=momentum, eps=eps)
    if not training:
        running_mean += momentum * (x.mean(over(x)) - running_mean)
        running_var += momentum * (x.var(over(x)) - running_var)
    return y


@wrong_forward(BATCH, "momentum the other way round",
               "momentum seems to weigh the old running value. Here, as in PyTorch, it weighs the new one: (1 − m)·running + m·batch.",
               shows=lambda a, o: writes(a, o) and abs(2 * o["momentum"] - 1) > 0.01, found_by=REFERENCE)
def momentum_reversed(x, weight, bias, *running, training, momentum, eps):
    return BATCH.forward(x, weight, bias, *running, training=training, momentum=1 - momentum, eps=eps)


@wrong_forward(BATCH, "running variance biased",
               "running_var seems to take the variance divided by M. It keeps the unbiased one: times M/(M − 1).",
               shows=lambda a, o: writes(a, o) and o["momentum"] > 1e-2 * values(a[0]), found_by=REFERENCE)
def running_biased(x, weight, bias, running_mean, running_var, *, training, momentum, eps):
    before = None if running_var is None else running_var.copy()
    y = BATCH.forward(x, weight, bias, running_mean, running_var, training=training, momentum=momentum, eps=eps)
    if training and running_var is not None:
        running_var[...] = (1 - momentum) * before + momentum * x.var(over(x))
    return y


@wrong_forward(BATCH, "running values not written in place",
               "running_mean and running_var come back unchanged: running_mean = … only gives the name to a new array. Write into the old "
               "one: running_mean[...] = …", shows=writes, found_by=REFERENCE)
def not_in_place(x, weight, bias, running_mean, running_var, *, training, momentum, eps):
    kept = (None, None) if training else (running_mean, running_var)
    return BATCH.forward(x, weight, bias, *kept, training=training, momentum=momentum, eps=eps)


# The gradients.

def paths(g, x, weight, bias, running_mean, running_var, *, training, momentum, eps):
    """What dx = scale · (g − along_1 − along_x) is made of: γ/√(σ² + ε), and the paths through the mean and through the variance."""
    mean, variance = statistics(x, (None, None) if training else (running_mean, running_var), training, 0)
    normalised = (x - mean) / np.sqrt(variance + eps)
    along_1 = g.mean(over(x), keepdims=True) if training else 0
    along_x = normalised * (g * normalised).mean(over(x), keepdims=True) if training else 0
    return (1 if weight is None else per_channel(weight, x)) / np.sqrt(variance + eps), along_1, along_x


def three_values(arrays, options):
    """x̂ of two values is ±1 whatever they are: dx, all but 0, would show nothing."""
    return not options["training"] or values(arrays[0]) > 2


@wrong_backward(BATCH, "path through the mean dropped",
                "grad_x seems to lack the path through the mean: every x also moves μ. Subtract Σg / M of the channel.", shows=trains)
def mean_path_dropped(grad_output, *arrays, **options):
    scale, _, along_x = paths(grad_output, *arrays, **options)
    return scale * (grad_output - along_x), *BATCH.backward(grad_output, *arrays, **options)[1:]


@wrong_backward(BATCH, "path through the variance dropped",
                "grad_x seems to lack the path through the variance: every x also moves σ². Subtract x̂ · Σ(g·x̂) / M of the channel.",
                shows=trains)
def variance_path_dropped(grad_output, *arrays, **options):
    scale, along_1, _ = paths(grad_output, *arrays, **options)
    return scale * (grad_output - along_1), *BATCH.backward(grad_output, *arrays, **options)[1:]


@wrong_backward(BATCH, "mean and variance taken as constants",
                "grad_x = γ·g/σ is right in evaluation only. In training μ and σ² depend on x too: subtract Σg / M and x̂ · Σ(g·x̂) / M.",
                shows=trains)
def both_paths_dropped(grad_output, *arrays, **options):
    scale, _, _ = paths(grad_output, *arrays, **options)
    return scale * grad_output, *BATCH.backward(grad_output, *arrays, **options)[1:]


@wrong_backward(BATCH, "evaluation differentiated as training",
                "With training=False μ and σ² are constants: grad_x is γ·g/√(running_var + ε), with nothing subtracted.", shows=evaluates)
def evaluation_as_training(grad_output, x, weight, bias, mean, variance, *, training, momentum, eps):
    g = grad_output
    if not training:
        normalised = (x - per_channel(mean, x)) / np.sqrt(per_channel(variance, x) + eps)
        g = g - g.mean(over(x), keepdims=True) - normalised * (g * normalised).mean(over(x), keepdims=True)
    options = dict(training=training, momentum=momentum, eps=eps)
    dx, *_ = BATCH.backward(g, x, weight, bias, mean, variance, **options)
    return dx, *BATCH.backward(grad_output, x, weight, bias, mean, variance, **options)[1:]


@wrong_backward(BATCH, "weight missing in grad_x",
                "grad_x seems to lack the factor weight: y = γ·x̂ + β, so x̂ receives γ·g.",
                shows=lambda a, o: a[1] is not None and three_values(a, o))
def no_weight(grad_output, x, weight, *rest, **options):
    dx, *_ = BATCH.backward(grad_output, x, None, *rest, **options)
    return dx, *BATCH.backward(grad_output, x, weight, *rest, **options)[1:]


@wrong_backward(BATCH, "averages over N instead of N·H·W",
                "The sums in grad_x seem to be divided by the number of images. Divide them by the values a channel, M = N·H·W.",
                shows=lambda a, o: o["training"] and prod(a[0].shape[2:]) > 1)
def divided_by_N(grad_output, *arrays, **options):
    scale, along_1, along_x = paths(grad_output, *arrays, **options)
    plane = prod(grad_output.shape[2:])                                       # M / N
    return scale * (grad_output - plane * along_1 - plane * along_x), *BATCH.backward(grad_output, *arrays, **options)[1:]


@wrong_backward(BATCH, "grad_weight from x",
                "grad_weight seems to be Σ g·x. weight is multiplied with the normalised x̂: take Σ g·x̂.",
                shows=lambda a, o: a[1] is not None)
def weight_from_x(grad_output, x, weight, *rest, **options):
    dx, _, *others = BATCH.backward(grad_output, x, weight, *rest, **options)
    return dx, None if weight is None else (grad_output * x).sum(over(x)), *others


@wrong_backward(BATCH, "grad_bias averaged",
                "grad_bias seems to be the mean of g. bias is added to every value of its channel: take the sum.",
                shows=lambda a, o: a[2] is not None and values(a[0]) > 1)
def bias_averaged(grad_output, x, weight, bias, *rest, **options):
    dx, dweight, _, *others = BATCH.backward(grad_output, x, weight, bias, *rest, **options)
    return dx, dweight, None if bias is None else grad_output.mean(over(x)), *others
