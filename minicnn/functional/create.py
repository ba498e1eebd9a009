"""Tensors from nothing: constants, ranges and random numbers."""
import numpy as np

from ..kernels import random
from ..tensor import Tensor


def _shape(shape) -> tuple:
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape


def zeros(*shape, dtype=np.float32, requires_grad: bool = False, device: str = "cpu") -> Tensor:
    return Tensor(np.zeros(_shape(shape), dtype), requires_grad, device=device)


def ones(*shape, dtype=np.float32, requires_grad: bool = False, device: str = "cpu") -> Tensor:
    return Tensor(np.ones(_shape(shape), dtype), requires_grad, device=device)


def full(shape, fill_value, dtype=np.float32, requires_grad: bool = False, device: str = "cpu") -> Tensor:
    return Tensor(np.full(shape, fill_value, dtype), requires_grad, device=device)


def arange(*range_, dtype=None) -> Tensor:
    """arange(end), arange(start, end) or arange(start, end, step): int64, or float32 where one of them is a float."""
    values = np.arange(*range_, dtype=dtype)
    return Tensor(values.astype(np.float32) if dtype is None and values.dtype.kind == "f" else values)


def rand(*shape, dtype=np.float32, requires_grad: bool = False, device: str = "cpu") -> Tensor:
    """Uniform in [0, 1), from the stream of manual_seed."""
    return Tensor(random.uniform(random.default_generator.next_key(), _shape(shape), dtype=dtype), requires_grad, device=device)


def randn(*shape, dtype=np.float32, requires_grad: bool = False, device: str = "cpu") -> Tensor:
    """Standard normal, from the stream of manual_seed."""
    return Tensor(random.normal(random.default_generator.next_key(), _shape(shape), dtype=dtype), requires_grad, device=device)


def meta(*shape, dtype=np.float32) -> Tensor:
    """A shape without values: whatever is computed from it is a shape too."""
    return Tensor(np.broadcast_to(np.zeros((), dtype), _shape(shape)), device="meta")
