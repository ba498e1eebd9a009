"""Activations on a GPU: which formula, and its launches; the formulas are in gpu.cu."""
import numpy as np

from ..cuda import empty, grid_for, load
from . import output_shape

FORMULAS = ("Relu", "Relu6", "LeakyRelu", "Elu", "Sigmoid", "Tanh", "ScaledTanh", "Silu", "GeluExact", "GeluTanh", "HardSigmoid",
            "HardSwish")
kernels = load(__file__, forms=tuple(f"{kernel}<{{T}}, {formula}>" for kernel in ("value", "gradient") for formula in FORMULAS))


class Elementwise:
    """A subclass names its formula; keeps_output: the gradient is that of the output, and the input need not be kept."""
    formula = ""
    keeps_output = False

    @classmethod
    def forward(cls, x, a=0.0):
        y = empty(x.shape, x.dtype)
        kernels[f"value<{{T}}, {cls.formula}>"](*grid_for(x.size), (x, y, np.float64(a), np.int64(x.size)))
        return y, (y if cls.keeps_output else x, float(a))

    @classmethod
    def backward(cls, grad_output, saved, needs=(True,)):
        if not needs[0]:
            return (None,)
        kept, a = saved
        dx = empty(kept.shape, kept.dtype)
        kernels[f"gradient<{{T}}, {cls.formula}>"](*grid_for(dx.size), (grad_output, kept, dx, np.float64(a), np.int64(dx.size)))
        return (dx,)


class relu(Elementwise):
    formula, keeps_output = "Relu", True


class relu6(Elementwise):
    formula, keeps_output = "Relu6", True


class leaky_relu(Elementwise):
    formula = "LeakyRelu"

    @classmethod
    def forward(cls, x, *, negative_slope):
        return super().forward(x, negative_slope)


class elu(Elementwise):
    formula = "Elu"

    @classmethod
    def forward(cls, x, *, alpha):
        return super().forward(x, alpha)


class sigmoid(Elementwise):
    formula, keeps_output = "Sigmoid", True


class tanh(Elementwise):
    formula, keeps_output = "Tanh", True


class scaled_tanh(Elementwise):
    formula, keeps_output = "ScaledTanh", True


class silu(Elementwise):
    formula = "Silu"


class gelu_exact(Elementwise):
    formula = "GeluExact"


class gelu_tanh(Elementwise):
    formula = "GeluTanh"


class gelu:
    """Its two forms, by the option `approximate`."""
    FORMS = {"none": gelu_exact, "tanh": gelu_tanh}

    @classmethod
    def forward(cls, x, *, approximate):
        output_shape(x.shape, approximate=approximate)
        y, saved = cls.FORMS[approximate].forward(x)
        return y, (approximate, saved)

    @classmethod
    def backward(cls, grad_output, saved, needs=(True,)):
        approximate, saved = saved
        return cls.FORMS[approximate].backward(grad_output, saved, needs)


class hardsigmoid(Elementwise):
    formula = "HardSigmoid"


class hardswish(Elementwise):
    formula = "HardSwish"
