"""Layers that multiply: each output a sum over all inputs, or a factor a channel."""
from typing import Any

from .. import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class Linear(Module):
    """y[…,k] = bias[k] + Σ_c x[…,c] · weight[k,c]

    (…, C) → (…, K).  weight: (K, C).
    """
    weight: Parameter
    bias: Any                                 # a Parameter or None

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: str | None = None, dtype: Any = None):
        super().__init__()
        for word, value in (("in_features", in_features), ("out_features", out_features)):
            if not isinstance(value, int) or value < 0:
                raise ValueError(f"Linear: {word} should be a whole number of at least 0, got {value!r}")
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter.lazy((out_features, in_features), device=device, dtype=dtype)
        self.register_parameter("bias", Parameter.lazy((out_features,), device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """PyTorch's first values: U(−r, r), r = 1 / √in_features, for the weight and the bias."""
        init.torch_default_(self.weight, self.bias)

    def forward(self, input: Any) -> Any:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Scale(Module):
    """y[n,c,…] = x[n,c,…] · weight[c] + bias[c]: a learnt factor and offset a channel

    (N, C, …) → the same.  Starts as the identity.  Caffe's Scale layer; the coefficient and bias of LeNet-5's subsampling.
    """
    weight: Parameter
    bias: Any                                 # a Parameter or None

    def __init__(self, num_features: int, bias: bool = True, device: str | None = None, dtype: Any = None):
        super().__init__()
        self.num_features = num_features
        self.weight = Parameter.lazy((num_features,), device=device, dtype=dtype)
        self.register_parameter("bias", Parameter.lazy((num_features,), device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        if len(input.shape) < 2 or input.shape[1] != self.num_features:
            raise ValueError(f"Scale: expected (N, {self.num_features}, …), got an input of shape {input.shape}")
        per_channel = (self.num_features,) + (1,) * (len(input.shape) - 2)
        y = input * self.weight.reshape(*per_channel)
        return y if self.bias is None else y + self.bias.reshape(*per_channel)

    def extra_repr(self) -> str:
        return f"{self.num_features}" + ("" if self.bias is not None else ", bias=False")
