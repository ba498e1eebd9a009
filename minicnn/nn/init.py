"""First values of parameters.

The functions end in an underscore: they set a tensor in place and return it, with PyTorch's names, arguments and distributions. On a
Parameter that has not drawn its values yet they only settle what will be drawn. Each takes the next random key of the generator that
`minicnn.manual_seed` starts.

The mean square of a unit's sum is fan_in · Var(w) · E[x²], and of the gradient that goes back through it fan_out · Var(w) · E[g²]. What
keeps a signal from dying or growing from layer to layer is therefore a variance of weights near gain² / fan.

    LeCun      Var(w) = 1 / fan_in                       LeCun, Bottou, Orr, Müller, "Efficient BackProp", 1998, section 4.6
    Xavier     Var(w) = gain² · 2 / (fan_in + fan_out)   Glorot, Bengio, 2010, equation 16
    Kaiming    Var(w) = gain² / fan                      He, Zhang, Ren, Sun, 2015, section 2.2; gain² = 2 for ReLU: it halves E[x²]
    orthogonal all singular values equal gain            Saxe, McClelland, Ganguli, 2013
"""
from math import prod, sqrt
from typing import Any, TypeVar

import numpy as np

from ..kernels import random
from ..kernels.threads import single_threaded_blas
from ..modes import no_grad
from ..tensor import Tensor
from .parameter import Draw, Parameter

T = TypeVar("T", bound=Tensor)


def _fill(tensor: T, draw: Draw, random_values: bool = True) -> T:
    key = random.default_generator.next_key() if random_values else None
    if isinstance(tensor, Parameter):
        tensor.redraw(draw, key)
    else:
        with no_grad():
            tensor.write(draw(key, tensor.shape, tensor.dtype))
    return tensor


def fans(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out): the inputs that one output unit sums, and the outputs that one input unit goes to.

    A weight (K, C/G, R, S) has fan_in = C/G·R·S and fan_out = K·R·S; a linear one (K, C) has C and K.
    ValueError for fewer than 2 dimensions, where "in" and "out" have no meaning.
    """
    shape = tensor.shape
    if len(shape) < 2:
        raise ValueError(f"initialisation by fan needs a weight of at least 2 dimensions (outputs, inputs, …), got shape {shape}; "
                         f"use uniform_, normal_ or constant_ for a bias")
    return shape[1] * prod(shape[2:]), shape[0] * prod(shape[2:])


def _fan(tensor: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"initialisation: mode should be 'fan_in' or 'fan_out', got {mode!r}")
    return max(1, fans(tensor)[mode == "fan_out"])


GAINS = {"linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose2d": 1.0, "sigmoid": 1.0,
         "tanh": 5 / 3, "relu": sqrt(2), "selu": 3 / 4}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights before a nonlinearity should be larger: 1, tanh 5/3, relu √2, leaky_relu √(2 / (1 + slope²)).

    param: the negative slope of leaky_relu, 0.01 by default.  ValueError for an unknown nonlinearity.
    """
    if nonlinearity == "leaky_relu":
        return sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        raise ValueError(f"calculate_gain: unknown nonlinearity {nonlinearity!r}; there are {', '.join([*GAINS, 'leaky_relu'])}")
    return GAINS[nonlinearity]


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0) -> T:
    """w ~ U[a, b)"""
    return _fill(tensor, lambda key, shape, dtype: random.uniform(_key(key), shape, a, b, dtype))


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0) -> T:
    """w ~ N(mean, std²)"""
    if std < 0:
        raise ValueError(f"normal_: std should be 0 or more, got {std!r}")
    return _fill(tensor, lambda key, shape, dtype: random.normal(_key(key), shape, mean, std, dtype))


def trunc_normal_(tensor: T, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> T:
    """w ~ N(mean, std²), given that a ≤ w ≤ b

    Drawn by the inverse of the distribution function: w = mean + std · Φ⁻¹(u), u uniform between Φ((a − mean)/std) and Φ((b − mean)/std).
    """
    if not a < b or std <= 0:
        raise ValueError(f"trunc_normal_: expected a < b and std > 0, got a={a!r}, b={b!r}, std={std!r}")

    def draw(key, shape, dtype):
        from scipy.special import ndtr, ndtri                              # Φ and its inverse
        low, high = ndtr((a - mean) / std), ndtr((b - mean) / std)
        words = random.bits(_key(key), prod(shape)).reshape(shape)
        return np.clip(mean + std * ndtri(low + (high - low) * (words + 0.5) * 2.0 ** -32), a, b).astype(dtype)
    return _fill(tensor, draw)


def constant_(tensor: T, val: float) -> T:
    """w = val"""
    return _fill(tensor, lambda key, shape, dtype: np.full(shape, val, dtype), random_values=False)


def zeros_(tensor: T) -> T:
    return constant_(tensor, 0.0)


def ones_(tensor: T) -> T:
    return constant_(tensor, 1.0)


def xavier_uniform_(tensor: T, gain: float = 1.0) -> T:
    """w ~ U(−r, r),  r = gain · √(6 / (fan_in + fan_out))"""
    bound = gain * sqrt(6 / max(1, sum(fans(tensor))))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: T, gain: float = 1.0) -> T:
    """w ~ N(0, gain² · 2 / (fan_in + fan_out))"""
    return normal_(tensor, 0.0, gain * sqrt(2 / max(1, sum(fans(tensor)))))


def kaiming_uniform_(tensor: T, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> T:
    """w ~ U(−r, r),  r = gain · √(3 / fan)

    a: the negative slope, for leaky_relu.  mode: "fan_in" keeps the variance of activations, "fan_out" that of gradients.
    """
    bound = calculate_gain(nonlinearity, a) * sqrt(3 / _fan(tensor, mode))
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor: T, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> T:
    """w ~ N(0, gain² / fan)"""
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / sqrt(_fan(tensor, mode)))


def lecun_uniform_(tensor: T) -> T:
    """w ~ U(−r, r),  r = √(3 / fan_in)"""
    bound = sqrt(3 / _fan(tensor, "fan_in"))
    return uniform_(tensor, -bound, bound)


def lecun_normal_(tensor: T) -> T:
    """w ~ N(0, 1 / fan_in)"""
    return normal_(tensor, 0.0, sqrt(1 / _fan(tensor, "fan_in")))


def orthogonal_(tensor: T, gain: float = 1.0) -> T:
    """w as a matrix (K, rest) with orthonormal rows, or columns if K is larger, times gain

    Q of the QR decomposition of a normal matrix, with the signs that make R's diagonal positive, so that every Q is equally likely.
    """
    fans(tensor)                                                           # refuses fewer than 2 dimensions

    def draw(key, shape, dtype):
        rows, columns = shape[0], prod(shape[1:])
        exact: Any = np.float64
        a = random.normal(_key(key), (max(rows, columns), min(rows, columns)), dtype=exact)
        with single_threaded_blas():                                       # the same bits with any number of threads
            q, r = np.linalg.qr(a)
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(dtype)
    return _fill(tensor, draw)


def torch_default_(weight: T, bias: Any = None) -> T:
    """What PyTorch's Conv2d and Linear start from: weight and bias ~ U(−r, r), r = 1 / √fan_in  (kaiming_uniform_ with a = √5)"""
    kaiming_uniform_(weight, a=sqrt(5))
    if bias is not None:
        bound = 1 / sqrt(_fan(weight, "fan_in"))
        uniform_(bias, -bound, bound)
    return weight


def _key(key: random.Key | None) -> random.Key:
    assert key is not None
    return key

