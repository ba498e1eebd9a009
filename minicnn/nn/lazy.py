"""Lazy layers: the number of input channels is taken from the first batch, or from a state_dict that is loaded.

A batch without values will do (`minicnn.summary(model, input_shape)`). From then on the layer is of the plain class.
"""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..tensor import Tensor
from .conv import Conv2d
from .linear import Linear
from .module import Module
from .norm import BatchNorm2d
from .parameter import Parameter


class _Lazy(Module):
    """Before the plain layer's forward, learns the size; a subclass says where it stands and what to do with it."""
    plain: type[Module]
    channel_dim = 1
    needs_dimensions = 4

    def forward(self, input: Any) -> Any:
        if len(input.shape) < self.needs_dimensions:
            raise ValueError(f"{type(self).__name__}: expected an input of {self.needs_dimensions} dimensions to take the size from, "
                             f"got shape {input.shape}")
        plain = self.plain
        self.become(input.shape[self.channel_dim])
        return plain.forward(self, input)

    def become(self, size: int) -> None:
        """Take the size and be a plain layer from here on."""
        self.set_size(size)
        self.__class__ = self.plain                                       # type: ignore[assignment]
        self.reset_parameters()                                           # of the plain layer

    def reset_parameters(self) -> None:
        """Nothing yet: first values depend on the size."""

    def set_size(self, size: int) -> None:
        raise NotImplementedError

    def _before_load(self, prefix: str, state: Mapping[str, Any]) -> None:
        loaded = state.get(prefix + "weight", state.get(prefix + "running_mean"))
        if loaded is not None and loaded.ndim:
            self.become(self.size_of(loaded.shape))

    def size_of(self, weight_shape: tuple[int, ...]) -> int:
        return weight_shape[0]


class LazyConv2d(_Lazy, Conv2d):
    """Conv2d without in_channels."""
    plain = Conv2d

    def __init__(self, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
                 bias: bool = True, padding_mode: str = "zeros", device: str | None = None, dtype: Any = None):
        Conv2d.__init__(self, groups, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype)
        self.in_channels = 0
        self.weight = Parameter.lazy(None, device=device, dtype=dtype)

    def set_size(self, size: int) -> None:
        if size % self.groups:
            raise ValueError(f"LazyConv2d: groups={self.groups} does not divide the {size} channels of the input")
        self.in_channels = size
        self.weight.materialize((self.out_channels, size // self.groups, *self.kernel_size))

    def size_of(self, weight_shape: tuple[int, ...]) -> int:
        return weight_shape[1] * self.groups if len(weight_shape) > 1 else self.groups


class LazyLinear(_Lazy, Linear):
    """Linear without in_features."""
    plain = Linear
    channel_dim = -1
    needs_dimensions = 1

    def __init__(self, out_features: int, bias: bool = True, device: str | None = None, dtype: Any = None):
        Linear.__init__(self, 0, out_features, bias, device, dtype)
        self.weight = Parameter.lazy(None, device=device, dtype=dtype)

    def set_size(self, size: int) -> None:
        self.in_features = size
        self.weight.materialize((self.out_features, size))

    def size_of(self, weight_shape: tuple[int, ...]) -> int:
        return weight_shape[1] if len(weight_shape) > 1 else 0


class LazyBatchNorm2d(_Lazy, BatchNorm2d):
    """BatchNorm2d without num_features."""
    plain = BatchNorm2d

    def __init__(self, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True, track_running_stats: bool = True,
                 device: str | None = None, dtype: Any = None, bias: bool = True):
        BatchNorm2d.__init__(self, 0, eps, momentum, affine, track_running_stats, device, dtype, bias)
        for name in self._parameters:
            if self._parameters[name] is not None:
                setattr(self, name, Parameter.lazy(None, device=device, dtype=dtype))

    def set_size(self, size: int) -> None:
        self.num_features = size
        for parameter in (self.weight, self.bias):
            if parameter is not None:
                parameter.materialize((size,))
        for name, start in (("running_mean", 0.0), ("running_var", 1.0)):
            old = getattr(self, name)
            if old is not None:
                setattr(self, name, Tensor(np.full(size, start, old.dtype), device=old.device))
