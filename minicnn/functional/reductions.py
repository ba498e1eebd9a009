"""Reductions: sums, means, variances and extremes over some dimensions, or over all."""
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kernels import memory
from ..tensor import Op, Tensor, tensor_of
from .arithmetic import Deviation
from .shapes import expand, reshape

Dims = int | Sequence[int] | None


def _dims(input: Tensor, dim: Dims, name: str) -> tuple[int, ...]:
    rank = len(input.shape)
    wanted = range(rank) if dim is None or dim == () else (dim,) if isinstance(dim, int) else tuple(dim)
    if not rank and all(d in (-1, 0) for d in wanted):
        return ()                                                        # a number has no dimension; PyTorch lets one sum over it
    if any(not -rank <= d < rank for d in wanted):
        raise IndexError(f"{name}: a tensor of shape {input.shape} has dimensions {-rank} … {rank - 1}, got {dim}")
    return tuple(sorted(d % rank for d in wanted))


def _kept(shape: tuple, dims: tuple) -> tuple:
    return tuple(1 if i in dims else n for i, n in enumerate(shape))


class Sum(Op):
    """y = Σ x over dims, kept as size 1.  Summed in float64: the error of a long float32 sum grows with its length."""
    reads_inputs = reads_outputs = False

    def forward(self, x, dims):
        self.shape = x.shape
        if x.dtype.kind != "f":
            return x.sum(axis=dims, keepdims=True, dtype=np.int64)
        out = memory.empty(_kept(x.shape, dims), x.dtype, self.device)
        out[...] = x.sum(axis=dims, keepdims=True, dtype=np.float64)
        return out

    def infer(self, x, dims):
        return _kept(x.shape, dims)

    def backward(self, g, needs):
        return (np.broadcast_to(g, self.shape),)

    def backward_graph(self, g):
        return (expand(g, self.shape),)


class Extreme(Op):
    """The largest (or smallest) value over one dimension, kept as size 1, and its index; the first of equals takes the gradient."""
    reads_inputs = reads_outputs = False

    def forward(self, x, dim, largest):
        if x.shape[dim] == 0:
            raise ValueError(f"max: dimension {dim} of shape {x.shape} is empty and has no extreme value")
        self.shape = x.shape
        self.index = np.expand_dims(x.argmax(dim) if largest else x.argmin(dim), dim)
        return np.take_along_axis(x, self.index, dim), self.index.copy()           # a copy: the user may write to his

    def meta(self, x, dim, largest):
        shape = _kept(x.shape, (dim,))
        return np.broadcast_to(np.zeros((), x.dtype), shape), np.broadcast_to(np.zeros((), np.int64), shape)

    def backward(self, g, unused, needs):
        dx = memory.zeros(self.shape, g.dtype, self.device)
        np.put_along_axis(dx, self.index, g, self.options["dim"])
        return (dx,)

    def backward_graph(self, g, unused=None):
        return (g * tensor_of(self.backward(np.ones_like(g.data), unused, needs=(True,))[0], self.device),)


class ExtremeOfAll(Op):
    """The largest (or smallest) value of all; equals share the gradient evenly, as in PyTorch."""
    reads_inputs = reads_outputs = False

    def forward(self, x, largest):
        if not x.size:
            raise ValueError(f"max: a tensor of shape {x.shape} is empty and has no extreme value")
        y = x.max() if largest else x.min()
        hits = np.isnan(x) if np.isnan(y) else x == y
        self.share = (hits / hits.sum()).astype(x.dtype if x.dtype.kind == "f" else np.float32)
        return y

    def infer(self, x, largest):
        return ()

    def backward(self, g, needs):
        return (g * self.share,)

    def backward_graph(self, g):
        return (g * tensor_of(self.share, self.device),)


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Σ x over the dimensions dim (all by default).  IndexError for a dimension that is not there."""
    dims = _dims(input, dim, "sum")
    total = Sum.apply(input, dims=dims)
    return total if keepdim else reshape(total, tuple(n for i, n in enumerate(input.shape) if i not in dims))


def mean(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Σ x / n over the dimensions dim (all by default); NaN where there is nothing to average."""
    count = math.prod(input.shape[d] for d in _dims(input, dim, "mean"))
    return sum(input, dim, keepdim) * (1 / count if count else float("nan"))


def var(input: Tensor, dim: Dims = None, unbiased: bool = True, keepdim: bool = False) -> Tensor:
    """Σ (x − mean)² / (n − 1), or / n with unbiased=False."""
    count = math.prod(input.shape[d] for d in _dims(input, dim, "var"))
    deviation = input - mean(input, dim, True)
    divisor = count - 1 if unbiased else count
    return sum(deviation * deviation, dim, keepdim) * (1 / divisor if divisor > 0 else float("nan"))


def std(input: Tensor, dim: Dims = None, unbiased: bool = True, keepdim: bool = False) -> Tensor:
    """The square root of var."""
    return Deviation.apply(var(input, dim, unbiased, keepdim))


def _extreme(input: Tensor, dim: int | None, keepdim: bool, largest: bool, name: str) -> Any:
    if dim is not None and not isinstance(dim, (int, np.integer)):
        raise TypeError(f"{name}: dim should be one whole number, got {dim!r}; for two tensors use {name}imum(a, b)")
    if dim is None:
        return ExtremeOfAll.apply(input, largest=largest)
    d = _dims(input, dim, name)[0]
    values, indices = Extreme.apply(input, dim=d, largest=largest)
    if not keepdim:
        shape = input.shape[:d] + input.shape[d + 1:]
        values, indices = reshape(values, shape), reshape(indices, shape)
    return values, indices


def max(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The largest value; with dim, the pair (values, indices) along it. NaN wins.

    Of equals along dim the first takes the gradient; without dim they share it evenly.
    """
    return _extreme(input, dim, keepdim, True, "max")


def min(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The smallest value; with dim, the pair (values, indices) along it. NaN wins.

    Of equals along dim the first takes the gradient; without dim they share it evenly.
    """
    return _extreme(input, dim, keepdim, False, "min")


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest value stands (the first of equals), along dim or in the flattened tensor."""
    return max(input, dim, keepdim)[1] if dim is not None else reshape(max(reshape(input, (-1,)), 0)[1], ())
