"""Nonlinearities, element by element, and softmax.  Any shape → the same shape.

`inplace` is accepted where PyTorch has it and changes nothing: an activation here never writes to its input.
"""
from typing import Any

from .. import functional as F
from .module import Module


class _Elementwise(Module):
    def __init__(self, inplace: bool = False):
        super().__init__()


class ReLU(_Elementwise):
    """y = max(0, x);  y' = 0 at 0"""

    def forward(self, input: Any) -> Any:
        return F.relu(input)


class ReLU6(_Elementwise):
    """y = min(max(0, x), 6)"""

    def forward(self, input: Any) -> Any:
        return F.relu6(input)


class LeakyReLU(Module):
    """y = x for x > 0, negative_slope · x otherwise"""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input: Any) -> Any:
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """y = x for x > 0, alpha · (eˣ − 1) otherwise"""

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__()
        self.alpha = alpha

    def forward(self, input: Any) -> Any:
        return F.elu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class Sigmoid(Module):
    """y = 1 / (1 + e⁻ˣ)"""

    def forward(self, input: Any) -> Any:
        return F.sigmoid(input)


class Tanh(Module):
    """y = tanh x"""

    def forward(self, input: Any) -> Any:
        return F.tanh(input)


class ScaledTanh(Module):
    """y = 1.7159 · tanh(2x/3): y(±1) = ±1, and the strongest curvature near there (LeCun et al. 1998, appendix A)"""

    def forward(self, input: Any) -> Any:
        return F.scaled_tanh(input)


class SiLU(_Elementwise):
    """y = x / (1 + e⁻ˣ), also called swish"""

    def forward(self, input: Any) -> Any:
        return F.silu(input)


class GELU(Module):
    """y = x · Φ(x), Φ the normal distribution function; approximate="tanh": by a tanh"""

    def __init__(self, approximate: str = "none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Hardsigmoid(_Elementwise):
    """y = min(max(0, x + 3), 6) / 6"""

    def forward(self, input: Any) -> Any:
        return F.hardsigmoid(input)


class Hardswish(_Elementwise):
    """y = x · min(max(0, x + 3), 6) / 6"""

    def forward(self, input: Any) -> Any:
        return F.hardswish(input)


class Softmax(Module):
    """y[i] = e^x[i] / Σ_j e^x[j] along dim"""

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """y[i] = x[i] − log Σ_j e^x[j] along dim"""

    def forward(self, input: Any) -> Any:
        return F.log_softmax(input, self.dim)
