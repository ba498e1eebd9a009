"""Normalisation:  y = (x − mean) / √(var + eps) · weight + bias, and what the mean is taken over.

    batch norm    over the batch and the plane, for each channel; in evaluation, what was measured in training
    layer norm    over the last dimensions, for each sample
    group norm    over a group of channels and the plane, for each sample
    local response normalisation is another formula: F.local_response_norm
"""
from typing import Any

import numpy as np

from .. import functional as F
from ..functional.checkpoint import replaying
from ..modes import no_grad
from ..tensor import Tensor
from . import init
from .module import Module
from .parameter import Parameter


def _as_identity(weight: Parameter | None, bias: Parameter | None) -> None:
    """Factor 1 and offset 0, where they are."""
    if weight is not None:
        init.ones_(weight)
    if bias is not None:
        init.zeros_(bias)


class _BatchNorm(Module):
    weight: Any                               # a Parameter or None
    bias: Any                                 # a Parameter or None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    dimensions: tuple[int, ...] = ()

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, device: str | None = None, dtype: Any = None, bias: bool = True):
        super().__init__()
        if not isinstance(num_features, int) or num_features < 0:
            raise ValueError(f"{type(self).__name__}: num_features should be a whole number of at least 0, got {num_features!r}")
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.register_parameter("weight", Parameter.lazy((num_features,), device=device, dtype=dtype) if affine else None)
        self.register_parameter("bias", Parameter.lazy((num_features,), device=device, dtype=dtype) if affine and bias else None)
        kind = np.dtype(dtype or np.float32)
        self.register_buffer("running_mean", Tensor(np.zeros(num_features, kind), device=device) if track_running_stats else None)
        self.register_buffer("running_var", Tensor(np.ones(num_features, kind), device=device) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", Tensor(np.zeros((), np.int64), device=device) if track_running_stats else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget what was measured: mean 0, variance 1."""
        for buffer, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
            if buffer is not None and buffer.device != "meta":
                with no_grad():
                    buffer.write(value)

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        _as_identity(self.weight, self.bias)

    def forward(self, input: Any) -> Any:
        return self._normalise(F.batch_norm, input)

    def forward_relu(self, input: Any) -> Any:
        """forward and the ReLU behind it, in one: what a Sequential calls, see fused.py."""
        return self._normalise(F.batch_norm_relu, input)

    def _normalise(self, function: Any, input: Any) -> Any:
        if len(input.shape) not in self.dimensions:
            expected = " or ".join({2: "(N, C)", 3: "(N, C, L)", 4: "(N, C, H, W)"}[n] for n in self.dimensions)
            raise ValueError(f"{type(self).__name__}: expected an input {expected}, got shape {input.shape}")
        momentum, count = self.momentum, self.num_batches_tracked
        if self.training and count is not None and not replaying() and "meta" not in (input.device, count.device):
            with no_grad():
                count.write(count.data + 1)
        if momentum is None:                                               # the plain mean of all batches
            momentum = 1 / max(1, int(count.data)) if count is not None else 0.0
        training = self.training or self.running_mean is None
        return function(input, self.running_mean, self.running_var, self.weight, self.bias, training, momentum, self.eps)

    def extra_repr(self) -> str:
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, bias={self.bias is not None}, "
                f"track_running_stats={self.track_running_stats}")


class BatchNorm1d(_BatchNorm):
    """y = (x − mean[c]) / √(var[c] + eps) · weight[c] + bias[c]  for x of (N, C) or (N, C, L); see BatchNorm2d"""
    dimensions = (2, 3)


class BatchNorm2d(_BatchNorm):
    """y[n,c,h,w] = (x[n,c,h,w] − mean[c]) / √(var[c] + eps) · weight[c] + bias[c]

    In training, mean and (biased) var are the batch's over n, h, w, and running = (1 − momentum) · running + momentum · batch, with the
    unbiased variance; in evaluation they are the running ones.  momentum=None: the plain mean of all batches.
    Ioffe, Szegedy, 2015, algorithms 1 and 2.
    """
    dimensions = (4,)


class LayerNorm(Module):
    """y = (x − mean) / √(var + eps) · weight + bias, mean and (biased) var over the last dimensions, of shape normalized_shape

    Ba, Kiros, Hinton, 2016.
    """
    weight: Any                               # a Parameter or None
    bias: Any                                 # a Parameter or None

    def __init__(self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True,
                 device: str | None = None, dtype: Any = None):
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        shape = self.normalized_shape
        self.register_parameter("weight", Parameter.lazy(shape, device=device, dtype=dtype) if elementwise_affine else None)
        self.register_parameter("bias", Parameter.lazy(shape, device=device, dtype=dtype) if elementwise_affine and bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        _as_identity(self.weight, self.bias)

    def forward(self, input: Any) -> Any:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"


class GroupNorm(Module):
    """y[n,c,h,w] = (x[n,c,h,w] − mean[n,g]) / √(var[n,g] + eps) · weight[c] + bias[c],  g = the group of c, of num_groups equal ones

    Wu, He, 2018.
    """
    weight: Any                               # a Parameter or None
    bias: Any                                 # a Parameter or None

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, device: str | None = None,
                 dtype: Any = None, bias: bool = True):
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups={num_groups} should divide num_channels={num_channels}")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.register_parameter("weight", Parameter.lazy((num_channels,), device=device, dtype=dtype) if affine else None)
        self.register_parameter("bias", Parameter.lazy((num_channels,), device=device, dtype=dtype) if affine and bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        _as_identity(self.weight, self.bias)

    def forward(self, input: Any) -> Any:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"


class LocalResponseNorm(Module):
    """y[n,c,h,w] = x[n,c,h,w] · (k + alpha/size · Σ_{j ∈ window of size channels around c} x[n,j,h,w]²)^(−beta)

    Krizhevsky, Sutskever, Hinton, 2012, section 3.3, with alpha divided by size.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Any) -> Any:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
