"""Batch normalisation in NumPy, to be read.

Statistics and differences are taken in float64: next to a mean of 10⁴ the difference x − μ of two float32 numbers would keep three
digits. The result is rounded once, at the end.
"""
import numpy as np

from . import output_shape


def spec(x, weight, bias, running_mean, running_var, *, training, momentum, eps):
    """The formula, one output at a time: the oracle of every other form."""
    y = np.empty(x.shape)
    for c in range(x.shape[1]):
        values = [float(v) for v in x[:, c].flat]
        M = len(values)
        if training and M:
            mean = sum(values) / M
            variance = sum((v - mean) ** 2 for v in values) / M
            if running_mean is not None:
                running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean
                running_var[c] = (1 - momentum) * running_var[c] + momentum * variance * M / (M - 1)
        elif M:
            assert running_mean is not None and running_var is not None           # output_shape: evaluation needs both
            mean, variance = running_mean[c], running_var[c]
        for i in np.ndindex(x[:, c].shape):
            normalised = (x[:, c][i] - mean) / (variance + eps) ** 0.5
            y[:, c][i] = normalised * (1 if weight is None else weight[c]) + (0 if bias is None else bias[c])
    return y


def per_channel(values, x):
    """(C,) -> (1, C, 1, …): one value a channel, to be broadcast over x."""
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


def forward(x, weight, bias, running_mean, running_var, *, training, momentum, eps):
    output_shape(*(getattr(a, "shape", None) for a in (x, weight, bias, running_mean, running_var)),
                 training=training, momentum=momentum, eps=eps)
    over = (0, *range(2, x.ndim))                                             # all axes but that of the channels
    M = x.size // x.shape[1] if x.size else 0
    if training and M:
        mean = x.mean(over, np.float64)
        variance = np.square(x - per_channel(mean, x)).mean(over)             # second pass: no Σx² − M·μ², whose digits cancel
        if running_mean is not None:
            running_mean[...] = (1 - momentum) * running_mean + momentum * mean
            running_var[...] = (1 - momentum) * running_var + momentum * variance * (M / (M - 1))
    elif training:
        mean, variance = np.zeros(x.shape[1]), np.ones(x.shape[1])            # an empty batch has none, and nothing to normalise
    else:
        mean, variance = running_mean.astype(np.float64), running_var.astype(np.float64)
    inverse_std = 1 / np.sqrt(variance + eps)

    y = (x - per_channel(mean, x)) * per_channel(inverse_std, x)
    if weight is not None:
        y = y * per_channel(weight, x)
    if bias is not None:
        y = y + per_channel(bias, x)
    return y.astype(x.dtype), (x, weight, mean, inverse_std, training)


def backward(grad_output, saved, needs):
    x, weight, mean, inverse_std, training = saved
    over = (0, *range(2, x.ndim))
    M = x.size // x.shape[1] if x.size else 0

    normalised = (x - per_channel(mean, x)) * per_channel(inverse_std, x)     # x̂ again: cheaper to compute than to keep
    grad_bias = grad_output.sum(over, np.float64)
    grad_weight = (grad_output * normalised).sum(over)

    grad_x = None
    if needs[0]:
        g = grad_output.astype(np.float64)
        if training and M:
            g = g - per_channel(grad_bias / M, x) - normalised * per_channel(grad_weight / M, x)
        scale = inverse_std if weight is None else inverse_std * weight
        grad_x = (g * per_channel(scale, x)).astype(x.dtype)
    return (grad_x,
            grad_weight.astype(x.dtype) if needs[1] else None,
            grad_bias.astype(x.dtype) if needs[2] else None,
            None, None)
