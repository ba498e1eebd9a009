"""Group normalisation in NumPy, to be read.  Statistics and differences in float64, rounded once at the end."""
import numpy as np

from . import output_shape


def spec(x, weight, bias, *, num_groups, eps):
    """The formula, one output at a time: the oracle of every other form."""
    y = np.empty(x.shape)
    N, C = x.shape[:2]
    for n, k in np.ndindex(N, num_groups):
        channels = range(k * C // num_groups, (k + 1) * C // num_groups)
        values = [float(v) for c in channels for v in x[n, c].flat]
        mean = sum(values) / len(values)
        variance = sum((v - mean) ** 2 for v in values) / len(values)
        for c in channels:
            for i in np.ndindex(*x.shape[2:]):
                normalised = (x[n, c][i] - mean) / (variance + eps) ** 0.5
                y[(n, c, *i)] = normalised * (1 if weight is None else weight[c]) + (0 if bias is None else bias[c])
    return y


def per_channel(values, num_groups):
    """(C,) -> (1, G, C/G, 1): one value a channel, to be broadcast over the groups."""
    return values.reshape(1, num_groups, -1, 1)


def forward(x, weight, bias, *, num_groups, eps):
    output_shape(*(getattr(a, "shape", None) for a in (x, weight, bias)), num_groups=num_groups, eps=eps)
    N, C = x.shape[:2]
    P = x[0, 0].size if x.size else 0
    groups = x.reshape(N, num_groups, C // num_groups, P)                     # (N, G, C/G, P)
    D = C // num_groups * P
    mean = groups.sum((2, 3), np.float64, keepdims=True) / max(D, 1)          # (N, G, 1, 1)
    inverse_std = 1 / np.sqrt(np.square(groups - mean).sum((2, 3), keepdims=True) / max(D, 1) + eps)

    y = (groups - mean) * inverse_std
    if weight is not None:
        y = y * per_channel(weight, num_groups)
    if bias is not None:
        y = y + per_channel(bias, num_groups)
    return y.astype(x.dtype).reshape(x.shape), (groups, weight, mean, inverse_std)


def backward(grad_output, saved, needs):
    groups, weight, mean, inverse_std = saved
    N, G, _, _ = groups.shape
    normalised = (groups - mean) * inverse_std
    g = grad_output.reshape(groups.shape).astype(np.float64)

    grad_x = grad_weight = grad_bias = None
    if needs[0]:
        D = max(groups[0, 0].size, 1) if N else 1
        of_normalised = g if weight is None else g * per_channel(weight, G)   # g' in the formula
        along_1 = of_normalised.sum((2, 3), keepdims=True) / D
        along_x = (of_normalised * normalised).sum((2, 3), keepdims=True) / D
        grad_x = (inverse_std * (of_normalised - along_1 - normalised * along_x)).astype(groups.dtype).reshape(grad_output.shape)
    if needs[1]:
        grad_weight = (g * normalised).sum((0, 3)).astype(groups.dtype).reshape(-1)
    if needs[2]:
        grad_bias = g.sum((0, 3)).astype(groups.dtype).reshape(-1)
    return grad_x, grad_weight, grad_bias
