"""Activations in NumPy, to be read: one class a function, the formula in `spec` and `forward`, its derivative in `backward`."""
import math

import numpy as np
from scipy.special import erfc

from . import A, S, output_shape


def every(x, f):
    """f of each element, one at a time."""
    y = np.empty(x.shape, np.float64)
    for i in np.ndindex(x.shape):
        y[i] = f(float(x[i]))
    return y


def logistic(x):
    """1 / (1 + e⁻ˣ) by e^(−|x|) ≤ 1, which never overflows: for x < 0 it is e^x / (1 + e^x)."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


class relu:
    spec = staticmethod(lambda x: every(x, lambda v: 0.0 if v <= 0 else v))

    @staticmethod
    def forward(x):
        y = np.maximum(x, 0)                                    # NumPy's maximum lets NaN through
        return y, y

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        y = saved
        return (np.where(y <= 0, 0, grad_output),) if needs[0] else (None,)


class relu6:
    spec = staticmethod(lambda x: every(x, lambda v: 0.0 if v <= 0 else 6.0 if v >= 6 else v))

    @staticmethod
    def forward(x):
        y = np.minimum(np.maximum(x, 0), 6)
        return y, y

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        y = saved
        return (np.where((y <= 0) | (y >= 6), 0, grad_output),) if needs[0] else (None,)


class leaky_relu:
    spec = staticmethod(lambda x, *, negative_slope: every(x, lambda v: v if v > 0 else negative_slope * v))

    @staticmethod
    def forward(x, *, negative_slope):
        return np.where(x > 0, x, negative_slope * x), (x, negative_slope)

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        x, negative_slope = saved
        return (np.where(x > 0, grad_output, negative_slope * grad_output),) if needs[0] else (None,)


class elu:
    spec = staticmethod(lambda x, *, alpha: every(x, lambda v: alpha * math.expm1(v) if v <= 0 else v))

    @staticmethod
    def forward(x, *, alpha):
        return np.where(x <= 0, alpha * np.expm1(np.minimum(x, 0)), x), (x, alpha)

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        x, alpha = saved
        return (np.where(x <= 0, grad_output * alpha * np.exp(np.minimum(x, 0)), grad_output),) if needs[0] else (None,)


class sigmoid:
    spec = staticmethod(lambda x: every(x, lambda v: (1 + math.tanh(v / 2)) / 2))

    @staticmethod
    def forward(x):
        y = logistic(x)
        return y, y

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        y = saved
        return (grad_output * y * (1 - y),) if needs[0] else (None,)


class tanh:
    spec = staticmethod(lambda x: every(x, math.tanh))

    @staticmethod
    def forward(x):
        y = np.tanh(x)
        return y, y

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        y = saved
        return (grad_output * (1 - y * y),) if needs[0] else (None,)


class scaled_tanh:
    spec = staticmethod(lambda x: every(x, lambda v: A * math.tanh(S * v)))

    @staticmethod
    def forward(x):
        y = A * np.tanh(S * x)
        return y, y

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        y = saved
        return (grad_output * (A * S - S / A * y * y),) if needs[0] else (None,)


class silu:
    spec = staticmethod(lambda x: every(x, lambda v: v * (1 + math.tanh(v / 2)) / 2))

    @staticmethod
    def forward(x):
        return x * logistic(x), x

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        x = saved
        s = logistic(x)
        return (grad_output * s * (1 + x * (1 - s)),) if needs[0] else (None,)


class gelu:
    @staticmethod
    def spec(x, *, approximate):
        if approximate == "none":
            return every(x, lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2)
        return every(x, lambda v: v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v ** 3))) / 2)

    @staticmethod
    def forward(x, *, approximate):
        output_shape(x.shape, approximate=approximate)
        if approximate == "none":
            return x * erfc(-x / math.sqrt(2)) / 2, (x, approximate)
        u = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
        return x / 2 * (1 + np.tanh(u)), (x, approximate)

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        x, approximate = saved
        if not needs[0]:
            return (None,)
        if approximate == "none":
            density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
            return (grad_output * (erfc(-x / math.sqrt(2)) / 2 + x * density),)
        t = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))
        du = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
        return (grad_output * ((1 + t) / 2 + x / 2 * (1 - t * t) * du),)


class hardsigmoid:
    spec = staticmethod(lambda x: every(x, lambda v: 0.0 if v <= -3 else 1.0 if v >= 3 else (v + 3) / 6))

    @staticmethod
    def forward(x):
        return np.minimum(np.maximum(x + 3, 0), 6) / 6, x

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        x = saved
        return (np.where((x > -3) & (x < 3), grad_output / 6, 0),) if needs[0] else (None,)


class hardswish:
    spec = staticmethod(lambda x: every(x, lambda v: 0.0 if v <= -3 else v if v >= 3 else v * (v + 3) / 6))

    @staticmethod
    def forward(x):
        return np.maximum(x, -3) * (np.minimum(np.maximum(x + 3, 0), 6) / 6), x           # −∞ · 0 would be NaN

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        x = saved
        middle = grad_output * (x / 3 + 0.5)
        return (np.where(x <= -3, 0, np.where(x < 3, middle, grad_output)),) if needs[0] else (None,)
