"""Activations: functions of one number, applied to every element, and softmax over a dimension.  Kernels: activation, softmax.

`inplace` is accepted where PyTorch has it and changes nothing: an activation here never writes to its input.
"""
import math

import numpy as np

from ..device import move
from ..kernels.activation import A, S
from ..tensor import Op, Tensor, tensor_of
from .kernel_op import KernelOp
from .where import where


class FromInput(KernelOp):
    """An activation whose derivative is computed from its input.  gradient(g, x, **options): backward in basic operations."""
    reads_outputs = False

    def forward(self, x, **options):
        return super().forward(x, **options)[...]              # NumPy computes a number from an array without dimensions: an array again

    def backward(self, grad, *unused, needs):
        gradient = super().backward(grad, needs=needs)[0]
        return (None if gradient is None else gradient[...],)

    def backward_graph(self, g):
        return (self.gradient(g, self.input_tensors()[0], **self.options),)

    def gradient(self, g, x, **options) -> Tensor:
        raise NotImplementedError


class FromOutput(FromInput):
    """An activation whose derivative is read off its output: the input need not stay in memory."""
    reads_inputs, reads_outputs = False, True

    def forward(self, x, **options):
        self.output = super().forward(x, **options)
        return self.output

    def keep_inputs(self, arrays):
        pass

    def backward_graph(self, g):
        return (self.gradient(g, tensor_of(self.output, self.device, self), **self.options),)


class ReLU(FromOutput):
    """The Op of relu in kernels/activation, where formulas, sources and derivatives of all activations stand."""
    kernel = "relu"

    def gradient(self, g, y):
        return where(y <= 0, 0.0, g)


class ReLU6(FromOutput):
    """The Op of relu6 in kernels/activation."""
    kernel = "relu6"

    def gradient(self, g, y):
        return where(y <= 0, 0.0, where(y >= 6, 0.0, g))


class LeakyReLU(FromInput):
    """The Op of leaky_relu in kernels/activation."""
    kernel = "leaky_relu"

    def gradient(self, g, x, *, negative_slope):
        return where(x > 0, g, negative_slope * g)


class ELU(FromInput):
    """The Op of elu in kernels/activation."""
    kernel = "elu"

    def gradient(self, g, x, *, alpha):
        return where(x <= 0, g * alpha * where(x <= 0, x, 0.0).exp(), g)


class Sigmoid(FromOutput):
    """The Op of sigmoid in kernels/activation."""
    kernel = "sigmoid"

    def gradient(self, g, y):
        return g * y * (1 - y)


class Tanh(FromOutput):
    """The Op of tanh in kernels/activation."""
    kernel = "tanh"

    def gradient(self, g, y):
        return g * (1 - y * y)


class ScaledTanh(FromOutput):
    """The Op of scaled_tanh in kernels/activation."""
    kernel = "scaled_tanh"

    def gradient(self, g, y):
        return g * (A * S - S / A * y * y)


class SiLU(FromInput):
    """The Op of silu in kernels/activation."""
    kernel = "silu"

    def gradient(self, g, x):
        s = Sigmoid.apply(x)
        return g * s * (1 + x * (1 - s))


class NormalDistribution(Op):
    """Φ(x) = erfc(−x/√2) / 2, with derivative φ(x) = e^(−x²/2) / √(2π).  Needed for second derivatives of gelu only."""
    reads_outputs = False

    def forward(self, x):
        from scipy.special import erfc                         # on the host, wherever x is: CuPy has none of its own
        self.inputs = (x,)
        return move(np.asarray(erfc(-move(x, self.device, "cpu") / math.sqrt(2)) / 2, x.dtype), "cpu", self.device)

    def infer(self, x):
        return x.shape

    def backward(self, g, needs):
        x = self.inputs[0]
        return ((g * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)).astype(x.dtype, copy=False),)

    def backward_graph(self, g):
        x = self.input_tensors()[0]
        return (g * (-x * x / 2).exp() / math.sqrt(2 * math.pi),)


class GELU(FromInput):
    """The Op of gelu in kernels/activation."""
    kernel = "gelu"

    def gradient(self, g, x, *, approximate):
        if approximate == "none":
            return g * (NormalDistribution.apply(x) + x * (-x * x / 2).exp() / math.sqrt(2 * math.pi))
        t = Tanh.apply(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))
        du = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
        return g * ((1 + t) / 2 + x / 2 * (1 - t * t) * du)


class Hardsigmoid(FromInput):
    """The Op of hardsigmoid in kernels/activation."""
    kernel = "hardsigmoid"

    def gradient(self, g, x):
        return where(abs(x) < 3, g / 6, 0.0)


class Hardswish(FromInput):
    """The Op of hardswish in kernels/activation."""
    kernel = "hardswish"

    def gradient(self, g, x):
        return where(x <= -3, 0.0, where(x < 3, g * (x / 3 + 0.5), g))


class Softmax(FromOutput):
    """The Op of softmax in kernels/softmax: formula, source and derivation stand there."""
    kernel = "softmax"

    def gradient(self, g, y, *, dim):
        return y * (g - (g * y).sum(dim, True))


class LogSoftmax(FromOutput):
    """The Op of log_softmax in kernels/softmax."""
    kernel = "log_softmax"

    def gradient(self, g, y, *, dim):
        return g - y.exp() * g.sum(dim, True)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """y[i] = max(x[i], 0), with derivative 0 at 0.  Any shape -> the same.  Nair, Hinton 2010."""
    return ReLU.apply(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """y[i] = min(max(x[i], 0), 6), with derivative 0 at 0 and 6.  Any shape -> the same.  Krizhevsky 2010."""
    return ReLU6.apply(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """y[i] = x[i] for x[i] > 0, else negative_slope·x[i].  Any shape -> the same.  Maas et al. 2013."""
    return LeakyReLU.apply(input, negative_slope=float(negative_slope))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """y[i] = x[i] for x[i] > 0, else alpha·(e^x[i] − 1).  Any shape -> the same.  Clevert et al. 2015."""
    return ELU.apply(input, alpha=float(alpha))


def sigmoid(input: Tensor) -> Tensor:
    """y[i] = 1 / (1 + e^(−x[i])).  Any shape -> the same."""
    return Sigmoid.apply(input)


def tanh(input: Tensor) -> Tensor:
    """y[i] = tanh x[i].  Any shape -> the same."""
    return Tanh.apply(input)


def scaled_tanh(input: Tensor) -> Tensor:
    """y[i] = 1.7159 · tanh(2/3 · x[i]), so that y(±1) = ±1.  Any shape -> the same.  LeCun et al. 1998, appendix A."""
    return ScaledTanh.apply(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """y[i] = x[i] / (1 + e^(−x[i])), also known as swish.  Any shape -> the same.  Ramachandran et al. 2017."""
    return SiLU.apply(input)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """y[i] = x[i] · Φ(x[i]), Φ the distribution function of the normal distribution.  Any shape -> the same.

    approximate="tanh": x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))).  ValueError for any other.  Hendrycks, Gimpel 2016.
    """
    return GELU.apply(input, approximate=approximate)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """y[i] = min(max(x[i] + 3, 0), 6) / 6.  Any shape -> the same.  Howard et al. 2019, section 5.2."""
    return Hardsigmoid.apply(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """y[i] = x[i] · min(max(x[i] + 3, 0), 6) / 6.  Any shape -> the same.  Howard et al. 2019, section 5.2."""
    return Hardswish.apply(input)


def softmax(input: Tensor, dim: int) -> Tensor:
    """y[…,c,…] = e^x[…,c,…] / Σ_j e^x[…,j,…], j along dim.  Any shape -> the same.  ValueError for a dim that is not there."""
    return Softmax.apply(input, dim=dim)


def log_softmax(input: Tensor, dim: int) -> Tensor:
    """y[…,c,…] = x[…,c,…] − ln Σ_j e^x[…,j,…], j along dim.  Any shape -> the same.  ValueError for a dim that is not there."""
    return LogSoftmax.apply(input, dim=dim)
