"""A fully connected layer in NumPy, to be read."""
import numpy as np

from . import output_shape


def spec(x, weight, bias=None):
    """The formula, one output at a time: the oracle of every other form."""
    y = np.zeros(output_shape(x.shape, weight.shape))
    for *where, k in np.ndindex(*y.shape):
        row = x[tuple(where)]
        y[(*where, k)] = (0.0 if bias is None else bias[k]) + sum(row[c] * weight[k, c] for c in range(len(row)))
    return y


def forward(x, weight, bias=None):
    output_shape(x.shape, weight.shape, None if bias is None else bias.shape)
    y = np.asarray(x @ weight.T)                                             # (…, C) @ (C, K) -> (…, K)
    if bias is not None:
        y += bias
    return y, (x, weight)


def backward(grad_output, saved, needs):
    x, weight = saved
    K, C = weight.shape
    count = int(np.prod(x.shape[:-1]))
    rows, g = x.reshape(count, C), grad_output.reshape(count, K)             # all leading axes are one long batch
    grad_x = (g @ weight).reshape(x.shape) if needs[0] else None
    grad_weight = g.T @ rows if needs[1] else None
    grad_bias = g.sum(axis=0, dtype=np.float64).astype(g.dtype) if needs[2] else None
    return grad_x, grad_weight, grad_bias
