"""Every layer of minicnn.nn with options and an input off the square, for the check of its gradients with its parameters.

A new layer without a row here fails tests/checks/test_suite.py.
"""
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import nn
from ..modes import no_grad
from ..tensor import Tensor

PLANES = (2, 4, 5, 6)                          # N C H W


def lazy(layer: nn.Module) -> nn.Module:
    """Fitted to its input."""
    with no_grad():
        layer(Tensor(np.ones((3, 5) if isinstance(layer, nn.LazyLinear) else PLANES, np.float32)))
    return layer


# Layer -> (makes one, the shape of its input, the arrays that it takes besides: class numbers, a target)
LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], Callable[[np.random.Generator], list[Any]]]] = {}


def row(name: str, make: Callable[[], nn.Module], shape: tuple[int, ...] = PLANES,
        more: Callable[[np.random.Generator], list[Any]] = lambda rng: []) -> None:
    LAYERS[f"nn.{name}"] = make, shape, more


for activation in (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Tanh, nn.ScaledTanh, nn.SiLU, nn.Hardsigmoid, nn.Hardswish, nn.Identity):
    row(activation.__name__, activation)
row("LeakyReLU", lambda: nn.LeakyReLU(0.2))
row("ELU", lambda: nn.ELU(0.7))
row("GELU", lambda: nn.GELU("tanh"))
row("Softmax", lambda: nn.Softmax(1))
row("LogSoftmax", lambda: nn.LogSoftmax(1))

row("Conv2d", lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2))
row("ConvTranspose2d", lambda: nn.ConvTranspose2d(4, 3, (2, 3), stride=(1, 2), padding=(0, 1)), (2, 4, 3, 2))
row("LazyConv2d", lambda: lazy(nn.LazyConv2d(3, 3, padding=1)))
row("Linear", lambda: nn.Linear(5, 3), (2, 3, 5))
row("LazyLinear", lambda: lazy(nn.LazyLinear(4)), (3, 5))
row("Scale", lambda: nn.Scale(4))

row("BatchNorm1d", lambda: nn.BatchNorm1d(3, eps=0.1), (6, 3))
row("BatchNorm2d", lambda: nn.BatchNorm2d(4))
row("LazyBatchNorm2d", lambda: lazy(nn.LazyBatchNorm2d()))
row("LayerNorm", lambda: nn.LayerNorm((5, 6)))
row("GroupNorm", lambda: nn.GroupNorm(2, 4))
row("LocalResponseNorm", lambda: nn.LocalResponseNorm(3, alpha=0.5))

row("Dropout", lambda: nn.Dropout(0.4))
row("Dropout2d", lambda: nn.Dropout2d(0.4))
row("DropPath", lambda: nn.DropPath(0.4), (5, 2, 3, 2))

row("MaxPool2d", lambda: nn.MaxPool2d((3, 2), stride=(2, 1), padding=1))
row("AvgPool2d", lambda: nn.AvgPool2d((2, 3), stride=2, padding=(0, 1), count_include_pad=False))
row("AdaptiveAvgPool2d", lambda: nn.AdaptiveAvgPool2d((2, 4)))
row("AdaptiveMaxPool2d", lambda: nn.AdaptiveMaxPool2d((2, 4)))

row("Flatten", lambda: nn.Flatten())
row("Unflatten", lambda: nn.Unflatten(1, (2, 2)))
row("Upsample", lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (1, 2, 3, 4))
row("ZeroPad2d", lambda: nn.ZeroPad2d((1, 0, 2, 1)))
row("ChannelShuffle", lambda: nn.ChannelShuffle(2))
row("Shift", lambda: nn.Shift(3), (1, 9, 4, 5))

row("Sequential", lambda: nn.Sequential(nn.Conv2d(4, 2, 1), nn.Tanh()))

row("CrossEntropyLoss", lambda: nn.CrossEntropyLoss(label_smoothing=0.1), (5, 4), lambda rng: [rng.integers(0, 4, 5)])
row("NLLLoss", lambda: nn.NLLLoss(), (5, 4), lambda rng: [rng.integers(0, 4, 5)])
row("MSELoss", lambda: nn.MSELoss(), (5, 4), lambda rng: [rng.standard_normal((5, 4))])


def in_general_position(layer: nn.Module, rng: np.random.Generator) -> nn.Module:
    """Factors, offsets and statistics away from 1 and 0, where much that is wrong cannot be seen."""
    with no_grad():
        for _, p in layer.named_parameters():
            p.write(rng.uniform(0.4, 1.5, p.shape) * rng.choice([-1.0, 1.0], p.shape))
        for name, buffer in layer.named_buffers():
            if buffer.dtype.kind == "f":
                buffer.write(rng.uniform(0.5, 1.5, buffer.shape) if name.endswith("var") else rng.standard_normal(buffer.shape))
    return layer
