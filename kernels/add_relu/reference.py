"""Addition and ReLU in NumPy, to be read."""
import numpy as np

from . import output_shape


def spec(a, b):
    """The formula, one output at a time: the oracle of every other form."""
    y = np.empty(a.shape)
    for i in np.ndindex(a.shape):
        total = float(a[i]) + float(b[i])
        y[i] = 0.0 if total <= 0 else total
    return y


def forward(a, b):
    output_shape(a.shape, b.shape)
    y = np.maximum(a + b, 0)                                    # NumPy's maximum lets NaN through
    return y, y


def backward(grad_output, saved, needs):
    y = saved
    grad = np.where(y <= 0, 0, grad_output) if any(needs) else None
    return grad if needs[0] else None, grad if needs[1] else None
