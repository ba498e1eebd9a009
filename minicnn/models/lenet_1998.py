"""LeNet-5 as it was published: 60,000 parameters, and three things that nobody builds any more.

C3   is not connected to all of S2: a table says which of the 6 maps each of its 16 maps sees, 60 kernels instead of 96. "It forces a
     break of symmetry in the network", and keeps the number of connections down.
S2, S4   add up the four pixels of a window, multiply by one learnt coefficient a map, add one learnt bias, and squash.
OUTPUT   is the squared distance between the 84 numbers of F6 and a drawing of the digit, 7×12 pixels of ±1, which is not learnt.

    layer    maps  plane   parameters                      multiply-adds
    C1         6   28×28      156 = 6·(25 + 1)                   117,600
    S2         6   14×14       12 = 6·2
    C3        16   10×10    1,516 = 60·25 + 16                   150,000
    S4        16     5×5       32 = 16·2
    C5       120     1×1   48,120 = 120·(400 + 1)                 48,000
    F6        84           10,164 = 84·(120 + 1)                  10,080
    OUTPUT    10              840, fixed
    sum                    60,000                                325,680

LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", Proceedings of the IEEE 86(11), 1998,
section II.B, figure 2, table I, equations 5 to 9 and appendix A.

Deviations: the output is minus the distance, so that the largest is the answer and cross-entropy applies; it then is the paper's
criterion (equation 9) without the constant e⁻ʲ of its rubbish class. The paper's drawings cover printable ASCII (figure 3); the ten
digits below are our own rendering in the same 7×12 pixels. The paper trains one image at a time by stochastic diagonal Levenberg–Marquardt.
"""
import numpy as np

from .. import functional as F
from .. import nn
from ..kernels.random import default_generator, uniform
from ..tensor import Tensor
from .network import Network
from .recipe import Recipe
from .registry import Published, model

# Table I: a row is a map of S2, a column one of C3.  Columns 0–5 see 3 neighbouring maps, 6–11 see 4, 12–14 see 2 + 2, 15 sees all.
TABLE = """
    X . . . X X X . . X X X X . X X
    X X . . . X X X . . X X X X . X
    X X X . . . X X X . . X . X X X
    . X X X . . X X X X . . X . X X
    . . X X X . . X X X X . X X . X
    . . . X X X . . X X X X . X X X
"""
CONNECTIONS = np.array([row.split() for row in TABLE.split("\n") if row.strip()]) == "X"            # (6, 16)

DIGITS = """
    . . # # # . .   . . . # . . .   . # # # # . .   . # # # # # .   . . . . # # .
    . # # . # # .   . . # # . . .   # # . . # # .   # # . . . # #   . . . # # # .
    # # . . . # #   . # # # . . .   # . . . . # #   . . . . . # #   . . . # # # .
    # # . . . # #   . . # # . . .   . . . . . # #   . . . . . # #   . . # # # # .
    # # . . . # #   . . # # . . .   . . . . . # #   . . . . # # .   . . # . # # .
    # # . . . # #   . . # # . . .   . . . . # # .   . . # # # . .   . # # . # # .
    # # . . . # #   . . # # . . .   . . . # # . .   . . . . # # .   . # . . # # .
    # # . . . # #   . . # # . . .   . . # # . . .   . . . . . # #   # # # # # # #
    # # . . . # #   . . # # . . .   . # # . . . .   . . . . . # #   . . . . # # .
    # # . . . # #   . . # # . . .   # # . . . . .   . . . . . # #   . . . . # # .
    . # # . # # .   . . # # . . .   # # . . . . .   # # . . . # #   . . . . # # .
    . . # # # . .   . # # # # . .   # # # # # # #   . # # # # # .   . . . . # # .

    # # # # # # #   . . . # # # .   # # # # # # #   . # # # # # .   . # # # # . .
    # # . . . . .   . . # # . . .   # # # # # # #   # # . . . # #   # # . . # # .
    # # . . . . .   . # # . . . .   . . . . . # #   # # . . . # #   # # . . . # #
    # # . . . . .   . # . . . . .   . . . . . # .   # # . . . # #   # # . . . # #
    # # # # # . .   # # . . . . .   . . . . # # .   # # . . . # #   # # . . . # #
    . . . . # # .   # # # # # . .   . . . . # . .   . # # # # # .   . # # . . # #
    . . . . . # #   # # . . # # .   . . . # # . .   . # # # # # .   . . # # # # #
    . . . . . # #   # # . . . # #   . . . # . . .   # # . . . # #   . . . . . # #
    . . . . . # #   # # . . . # #   . . # # . . .   # # . . . # #   . . . . . # .
    # . . . . # #   # # . . . # #   . . # . . . .   # # . . . # #   . . . . # # .
    # # . . # # .   . # # . # # .   . # # . . . .   # # . . . # #   . . . # # . .
    . # # # # . .   . . # # # . .   . # # . . . .   . # # # # # .   . # # # . . .
"""


def digit_codes() -> np.ndarray:
    """(10, 84): the drawings as +1 (ink) and −1, each row by row."""
    blocks = [block.strip("\n").split("\n") for block in DIGITS.strip("\n").split("\n\n")]              # five digits side by side, twice
    pixels = [np.array([line.split() for line in block]).reshape(12, 5, 7).transpose(1, 0, 2) for block in blocks]
    return np.where(np.concatenate(pixels) == "#", 1.0, -1.0).reshape(10, 84)


class Subsampling(nn.Module):
    """y[n,c,p,q] = weight[c] · Σ of the 2×2 pixels of x[n,c] at (2p, 2q) + bias[c]   (N, C, H, W) → (N, C, H/2, W/2)"""

    def __init__(self, channels: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter.lazy((channels,)), nn.Parameter.lazy((channels,))

    def forward(self, input):
        return 4 * F.avg_pool2d(input, 2) * self.weight.reshape(-1, 1, 1) + self.bias.reshape(-1, 1, 1)


class TableConv2d(nn.Module):
    """y[n,k] = bias[k] + Σ of the kernels that the table gives to map k, each sliding over its map c of x

    table: (C, K) of bool.  weight: (number of connections, R, S), column after column of the table.  (N, C, H, W) → (N, K, P, Q)
    Neighbouring columns with equally many connections make one convolution in groups, a group a map, on the inputs laid out one group
    after another: nothing is computed that is not connected.
    """

    def __init__(self, table: np.ndarray, kernel_size: int):
        super().__init__()
        self.weight = nn.Parameter.lazy((int(table.sum()), kernel_size, kernel_size))
        self.bias = nn.Parameter.lazy((table.shape[1],))
        self.sources = np.nonzero(table.T)[1]                                                   # the input map of each kernel
        sizes = table.sum(0)
        starts = [k for k in range(len(sizes)) if k == 0 or sizes[k] != sizes[k - 1]]           # columns 0, 6, 15
        self.connections = f"{table.sum()} of {table.size} connections, kernel_size={kernel_size}"
        self.runs = [(int(sizes[a]), b - a) for a, b in zip(starts, [*starts[1:], len(sizes)])]

    def forward(self, input):
        parts, first = [], 0
        for size, count in self.runs:                                                           # (3, 6), (4, 9), (6, 1)
            kernels = slice(first, first + size * count)
            weight = self.weight[kernels].reshape(count, size, *self.weight.shape[1:])
            parts.append(F.conv2d(input[:, self.sources[kernels]], weight, groups=count))
            first += size * count
        return F.cat(parts, 1) + self.bias.reshape(-1, 1, 1)

    def extra_repr(self) -> str:
        return self.connections


class RBFOutput(nn.Module):
    """y[n,k] = −Σ_j (x[n,j] − code[k,j])²: the nearer to the drawing of k, the larger.  (N, 84) → (N, K)   Equation 7, with a minus."""
    code: Tensor

    def __init__(self, num_classes: int):
        super().__init__()
        self.register_buffer("code", Tensor(digit_codes()[:num_classes].astype(np.float32)))

    def forward(self, input):
        return -((input.unsqueeze(1) - self.code) ** 2).sum(2)


def start_as_in_1998(parameter: nn.Parameter, fan_in: int | np.ndarray) -> None:
    """Uniform in ±2.4 / fan_in, the number of inputs of the unit that a weight or bias belongs to (appendix A)."""
    key = default_generator.next_key()
    parameter.redraw(lambda key, shape, dtype: (uniform(key, shape, -1, 1) * 2.4 / fan_in).astype(dtype), key)      # type: ignore[arg-type]


@model("lenet5_1998", params=60_000, macs=325_680, input_shape=(1, 32, 32), year=1998,
       paper="LeCun, Bottou, Bengio, Haffner, Proceedings of the IEEE 86(11), 1998, section II.B",
       published=(Published(0.95, data="MNIST", protocol="trained without distortions"),
                  Published(0.8, data="MNIST", protocol="trained on distorted digits too")),
       # background −0.1 and ink 1.175, so that the mean is near 0 and the variance near 1
       recipe=Recipe(optimizer="sgd", lr=3e-3, momentum=0.9, batch_size=16, epochs=20, schedule="cosine", clip_norm=10.0,
                     image_size=32, mean=(0.1 / 1.275,), std=(1 / 1.275,),
                     source="image, 20 passes: the paper; the rest ours, in the place of its Levenberg–Marquardt rates 5e-4 … 1e-5"),
       stages={"stem": (6, 14, 14), "c3": (16, 10, 10), "t3": (16, 10, 10), "s4": (16, 5, 5), "t4": (16, 5, 5),
               "c5": (120, 1, 1), "t5": (120, 1, 1)})
def lenet5_1998(num_classes: int = 10, in_channels: int = 1) -> Network:
    """LeNet-5 of the paper has a connection table, learnt pooling and drawn digits.

    (N, 1, 32, 32) → (N, 10), minus the squared distances to the ten drawings.  num_classes: at most 10, one a drawing.
    Starts uniform in ±2.4 / fan_in, biases too (appendix A).
    """
    if num_classes > 10:
        raise ValueError(f"lenet5_1998: num_classes={num_classes}, but its outputs are distances to the drawings of ten digits; "
                         f"use at most 10, or lenet5_textbook, whose last layer learns")
    squash = nn.ScaledTanh
    stem = dict(c1=nn.Conv2d(in_channels, 6, 5),  t1=squash(),                                      # 6×28×28
                s2=Subsampling(6),                t2=squash())                                      # 6×14×14
    body = dict(c3=TableConv2d(CONNECTIONS, 5),   t3=squash(),                                      # 16×10×10
                s4=Subsampling(16),               t4=squash(),                                      # 16×5×5
                c5=nn.Conv2d(16, 120, 5),         t5=squash())                                      # 120×1×1
    head = dict(flatten=nn.Flatten(), f6=nn.Linear(120, 84), t6=squash(), output=RBFOutput(num_classes))
    for layer, fan_in in ((stem["c1"], 25 * in_channels), (stem["s2"], 4), (body["s4"], 4), (body["c5"], 400), (head["f6"], 120)):
        for parameter in layer.parameters():
            start_as_in_1998(parameter, fan_in)
    sources = CONNECTIONS.sum(0)                                                                    # maps that each map of C3 sees
    start_as_in_1998(body["c3"].weight, 25 * sources.repeat(sources).reshape(-1, 1, 1))
    start_as_in_1998(body["c3"].bias, 25 * sources)
    return Network(nn.Sequential(stem), body, nn.Sequential(head), (in_channels, 32, 32), any_size=False)
