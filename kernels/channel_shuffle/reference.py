"""Channel shuffle in NumPy, to be read."""
import numpy as np

from . import output_shape


def spec(x, *, groups):
    """The formula, one channel at a time: the oracle of every other form."""
    y, size = np.empty_like(x), x.shape[1] // groups
    for g in range(groups):
        for j in range(size):
            y[:, j * groups + g] = x[:, g * size + j]
    return y


def shuffle(x, groups):
    N, C = x.shape[:2]
    table = x.reshape(N, groups, C // groups, *x.shape[2:])
    return table.swapaxes(1, 2).copy().reshape(x.shape)


def forward(x, *, groups):
    output_shape(x.shape, groups=groups)
    return shuffle(x, groups), groups


def backward(grad_output, saved, needs=(True,)):
    groups = saved
    return (shuffle(grad_output, grad_output.shape[1] // groups) if needs[0] else None,)
