"""Pieces that several papers share."""
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from .. import functional as F
from .. import nn

M = TypeVar("M", bound=nn.Module)
MOST, MOST_LAYERS = 100_000, 1_000         # numbers of channels and of layers a stage beyond these are slips of the keyboard


def conv_bn(c_in: int, c_out: int, kernel_size: Any, stride: int = 1, *, groups: int = 1, padding: Any = None, activation: Any = nn.ReLU,
            eps: float = 1e-5, momentum: float = 0.1, bias: bool = False) -> nn.Sequential:
    """Convolution without bias (batch norm has one), batch norm, activation.  (N, c_in, H, W) → (N, c_out, H/stride, W/stride)

    padding: half the kernel by default, so that stride 1 keeps the plane.  activation=None: none.  bias: of the convolution, all the same.
    """
    if padding is None:
        padding = kernel_size // 2 if isinstance(kernel_size, int) else tuple(k // 2 for k in kernel_size)
    layers = {"conv": nn.Conv2d(c_in, c_out, kernel_size, stride, padding, groups=groups, bias=bias),
              "norm": nn.BatchNorm2d(c_out, eps, momentum)}
    return nn.Sequential(layers if activation is None else {**layers, "activation": activation()})


def response_norm() -> nn.LocalResponseNorm:
    """b[c] = a[c] · (2 + 10⁻⁴ · Σ a[j]²)^(−0.75) over the 5 maps around c; our layer divides alpha by the 5

    Krizhevsky, Sutskever, Hinton, 2012, section 3.3.
    """
    return nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)


def average_and_classify(c: int, num_classes: int, first: Mapping[str, nn.Module] | None = None, **before: nn.Module) -> nn.Sequential:
    """(N, C, H, W) → (N, num_classes): the average over the plane, and a linear layer, which reads c numbers.

    first: layers of the maps, before the average.  before: layers of the averages, before the linear one, such as dropout=….
    """
    return nn.Sequential({**(first or {}), "pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), **before,
                          "fc": nn.Linear(c, num_classes)})


class Branches(nn.Module):
    """y = branches side by side, their channels one after another.  Branches(a=…, b=…): (N, C, H, W) → (N, C_a + C_b + …, P, Q)"""

    def __init__(self, **branches: nn.Module):
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, input):
        return F.cat([branch(input) for branch in self.children()], 1)


class SqueezeExcitation(nn.Module):
    """y[n,c,h,w] = x[n,c,h,w] · s[n,c],   s = gate(W₂ · activation(W₁ · mean_hw x + b₁) + b₂)

    Each channel is weighed by what all channels show over the whole plane.  squeezed: rows of W₁.
    Hu, Shen, Sun, "Squeeze-and-Excitation Networks", 2017, equations 2 to 4.
    """

    def __init__(self, channels: int, squeezed: int, activation: Any = nn.ReLU, gate: Any = nn.Sigmoid):
        super().__init__()
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.reduce, self.activation = nn.Conv2d(channels, squeezed, 1), activation()
        self.expand, self.gate = nn.Conv2d(squeezed, channels, 1), gate()

    def forward(self, input):
        return input * self.gate(self.expand(self.activation(self.reduce(self.squeeze(input)))))


class FitPlane(nn.Module):
    """Any plane becomes size×size, by averages over shares of it; one that has that size passes as it is.

    Before a linear layer: the paper's image is untouched, and images of other sizes get in.  (N, C, H, W) → (N, C, size, size)
    """

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, input):
        return input if input.shape[2:] == (self.size, self.size) else F.adaptive_avg_pool2d(input, self.size)

    def extra_repr(self) -> str:
        return str(self.size)


def is_whole(value: Any, least: int = 1, most: int = MOST) -> bool:
    """Whether it is an int, and no bool, from least to most."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def whole(family: str, word: str, value: int, least: int = 1, most: int = MOST, advice: str = "") -> int:
    """The value of the option `word`.  ValueError unless it is a whole number from least to most."""
    if not is_whole(value, least, most):
        raise ValueError(f"{family}: {word} should be a whole number of at least {least}{advice and ', ' + advice}, got {value!r}; "
                         f"more than {most:,} are not built")
    return value


def probability(family: str, word: str, value: float) -> float:
    """The value of the option `word`.  ValueError unless it is in [0, 1)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ValueError(f"{family}: {word} should be a probability in [0, 1), got {value!r}; 0 is none")
    return value


def check_blocks(family: str, blocks: Sequence[int], paper: tuple[int, ...], kinds: bool = False, word: str = "blocks",
                 most: int = MOST_LAYERS) -> tuple[int, ...]:
    """blocks as a tuple.  ValueError unless they are whole numbers from 1 to most, and with kinds=True as many as the paper's."""
    expected = f"{len(paper)} whole numbers of at least 1, one for each kind" if kinds else "whole numbers of at least 1, one a stage"
    if (not isinstance(blocks, Sequence) or not blocks or (kinds and len(blocks) != len(paper))
            or not all(is_whole(n, most=most) for n in blocks)):
        raise ValueError(f"{family}: {word} should be {expected}, got {blocks!r}; the paper's are {paper}, and more than {most:,} are "
                         f"not built")
    return tuple(blocks)


def check_rows(family: str, word: str, rows: Iterable[Iterable[Any]], columns: str, free: str = "") -> tuple[tuple[Any, ...], ...]:
    """rows as tuples.  ValueError unless there is one at least, and each has a whole number of at least 1 in each column.

    columns: their names, such as "channels, stride".  free: the names of those that need be no numbers.
    """
    names, other = columns.split(", "), free.split(", ")
    try:
        table = tuple(tuple(row) for row in rows)
    except TypeError:                                                        # what is no row, or no table
        table = ()
    if not table or not all(len(row) == len(names) and all(name in other or is_whole(n) for name, n in zip(names, row)) for row in table):
        raise ValueError(f"{family}: {word} should be at least one row ({columns}), of whole numbers of at least 1, got {rows!r}")
    return table


def check_stages(family: str, stages: Mapping[str, Any], columns: str, free: str = "") -> dict[str, tuple[tuple[Any, ...], ...]]:
    """{stage: its rows}.  ValueError unless there is a stage at least, and each has rows as check_rows expects."""
    if not isinstance(stages, Mapping) or not stages:
        raise ValueError(f"{family}: stages should be {{name: rows of ({columns})}} with at least one stage, got {stages!r}")
    return {name: check_rows(family, f"stages[{name!r}]", rows, columns, free) for name, rows in stages.items()}


def start(network: M, conv: Any = None, linear: Any = None, bias: float | None = 0.0) -> M:
    """Give all convolutions and linear layers their first values: conv and linear are called with each weight, biases get a constant.

        start(network, conv=nn.init.kaiming_normal_, linear=lambda w: nn.init.normal_(w, std=0.01))

    None leaves what the layer starts with by itself (PyTorch's values).  Returns the network.
    """
    for layer in network.modules():
        for kind, fill in ((nn.Conv2d, conv), (nn.Linear, linear)):
            if isinstance(layer, kind) and fill is not None:
                fill(layer.weight)
                if layer.bias is not None and bias is not None:
                    nn.init.constant_(layer.bias, bias)
    return network


def kaiming(weight: nn.Parameter) -> nn.Parameter:
    """w ~ N(0, 2 / fan_out): what the usual implementations of networks with ReLU and batch norm start from"""
    return nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")


def gaussian(std: float) -> Callable[[nn.Parameter], nn.Parameter]:
    """w ~ N(0, std²), for `start`"""
    return lambda weight: nn.init.normal_(weight, std=std)


def truncated(std: float) -> Callable[[nn.Parameter], nn.Parameter]:
    """w ~ N(0, std²) cut off at two standard deviations, as TensorFlow's truncated normal, for `start`; its own deviation is 0.88 std"""
    return lambda weight: nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)
