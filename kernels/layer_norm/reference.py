"""Layer normalisation in NumPy, to be read.  Statistics and differences in float64, rounded once at the end."""
from math import prod

import numpy as np

from . import output_shape


def spec(x, weight, bias, *, normalized_shape, eps):
    """The formula, one row and one output at a time: the oracle of every other form."""
    y, D = np.empty(x.shape), prod(normalized_shape)
    for r in np.ndindex(x.shape[:x.ndim - len(normalized_shape)]):
        mean = sum(float(x[r][d]) for d in np.ndindex(*normalized_shape)) / D
        variance = sum((x[r][d] - mean) ** 2 for d in np.ndindex(*normalized_shape)) / D
        for d in np.ndindex(*normalized_shape):
            normalised = (x[r][d] - mean) / (variance + eps) ** 0.5
            y[r][d] = normalised * (1 if weight is None else weight[d]) + (0 if bias is None else bias[d])
    return y


def forward(x, weight, bias, *, normalized_shape, eps):
    output_shape(*(getattr(a, "shape", None) for a in (x, weight, bias)), normalized_shape=normalized_shape, eps=eps)
    D = prod(normalized_shape)
    rows = x.reshape(x.size // D if D else 0, D)
    mean = rows.sum(1, np.float64, keepdims=True) / D                         # (rows, 1)
    inverse_std = 1 / np.sqrt(np.square(rows - mean).sum(1, keepdims=True) / D + eps)

    y = (rows - mean) * inverse_std
    if weight is not None:
        y = y * weight.reshape(D)
    if bias is not None:
        y = y + bias.reshape(D)
    return y.astype(x.dtype).reshape(x.shape), (rows, weight, mean, inverse_std, normalized_shape)


def backward(grad_output, saved, needs):
    rows, weight, mean, inverse_std, normalized_shape = saved
    D = rows.shape[1]
    normalised = (rows - mean) * inverse_std
    g = grad_output.reshape(rows.shape).astype(np.float64)

    grad_x = grad_weight = grad_bias = None
    if needs[0]:
        of_normalised = g if weight is None else g * weight.reshape(D)        # g' in the formula
        along_1 = of_normalised.sum(1, keepdims=True) / D
        along_x = (of_normalised * normalised).sum(1, keepdims=True) / D
        grad_x = (inverse_std * (of_normalised - along_1 - normalised * along_x)).astype(rows.dtype).reshape(grad_output.shape)
    if needs[1]:
        grad_weight = (g * normalised).sum(0).astype(rows.dtype).reshape(normalized_shape)
    if needs[2]:
        grad_bias = g.sum(0).astype(rows.dtype).reshape(normalized_shape)
    return grad_x, grad_weight, grad_bias
