"""ShiftNet: instead of weighing a pixel's neighbours, move each channel by one pixel in a direction of its own, and mix with 1×1.

                  output    ShiftNet-A              ShiftNet-B              ShiftNet-C
    conv1         112×112   7×7 / 2, 32             7×7 / 2, 16             7×7 / 2, 16
    group1         56×56     64, E 4 then 4, × 5     32, E 4 then 4, × 5     32, E 4, × 1
    group2         28×28    128, E 4 then 3, × 6     64, E 4 then 3, × 6     64, E 4, × 4        × modules; the first halves the plane
    group3         14×14    256, E 3 then 2, × 7    128, E 3 then 2, × 7    128, E 1, × 4        E: expansion, first module then others
    group4          7×7     512, E 2 then 1, × 3    256, E 2 then 1, × 3    256, E 1, × 3
    classify        1×1     1000                    1000                    1000                average, linear
    shifts                  5×5 in groups 1, 2; 3×3 in 3, 4                 3×3

    ShiftResNet (CIFAR): 3×3 convolution to 16 channels, then three stages of n blocks with 16, 32, 64 channels on 32×32, 16×16, 8×8;
    depth = 6n + 2, and shiftresnet20_6 is depth 20 with expansion 6.

A shift has no parameters and no multiply-adds.  A module with it, "CSC", is 1×1 convolution, shift, 1×1 convolution.

Wu, Wan, Yue, Jin, Zhao, Golmant, Gholaminejad, Gonzalez, Keutzer, "Shift: A Zero FLOP, Zero Parameter Alternative to Spatial Convolutions",
2017, figure 3, table 4.  ShiftResNet: as in the authors' repository, alvinwan/shiftresnet-cifar.

What is known of the totals: the paper's figures, recalled, are 4.1, 1.1 and 0.78 million parameters, and for A and B 1.4 G and 371 M
multiply-adds.  The exact numbers declared below are counts of this code: 4.19 million (4.16 without batch norms), 1.18 (1.17) and 0.78;
1.424 G and 371.0 M.  A and B are the paper's table, recalled.  Of C, modules and channels are recalled; its expansions and its stem of 16
are ours, the ones that give 0.78 million: take it for a reconstruction.

Deviations: a shift here deals its offsets out in equal shares and leaves the rest in the centre (functional.shift); any other order is the
same network with its 1×1 weights permuted.  In ShiftResNet no ReLU follows the sum, as in the repository at the time of the paper; a
later version there puts it after the sum.
"""
from functools import partial
from typing import NamedTuple

from .. import functional as F
from .. import nn
from .blocks import MOST_LAYERS, average_and_classify, check_rows, conv_bn, is_whole, kaiming, start
from .network import Network
from .recipe import IMAGENET, Recipe
from .registry import Published, model
from .rounding import scaled_by


class Row(NamedTuple):
    """A group: channels after it, expansion in its first module and in the others, kernel of the shift, modules."""
    channels: int
    first: int
    others: int
    kernel: int
    modules: int


A = (Row(64, 4, 4, 5, 5), Row(128, 4, 3, 5, 6), Row(256, 3, 2, 3, 7), Row(512, 2, 1, 3, 3))
C = (Row(64, 4, 4, 3, 1), Row(128, 4, 4, 3, 4), Row(256, 1, 1, 3, 4), Row(512, 1, 1, 3, 3))


class CSC(nn.Module):
    """stride 1: y = x + F(x);   stride 2: y = F(x) beside average(x);   F: norm, ReLU, 1×1, shift, norm, ReLU, 1×1

    (N, c_in, H, W) → (N, c_out, H/stride, W/stride).  F is expansion times as wide within as its own output, which at stride 2 is what
    the average leaves of c_out.
    """

    def __init__(self, c_in: int, c_out: int, stride: int, expansion: int, kernel: int):
        super().__init__()
        own, self.stride = c_out if stride == 1 else c_out - c_in, stride
        wide = expansion * own
        self.residual = nn.Sequential(dict(
            norm1=nn.BatchNorm2d(c_in), relu1=nn.ReLU(), conv1=nn.Conv2d(c_in, wide, 1, bias=False), shift=nn.Shift(kernel),
            norm2=nn.BatchNorm2d(wide), relu2=nn.ReLU(), conv2=nn.Conv2d(wide, own, 1, stride, bias=False)))
        self.shortcut = nn.Identity() if stride == 1 else nn.AvgPool2d(3, stride=2, padding=1)

    def forward(self, x):
        residual, shortcut = self.residual(x), self.shortcut(x)
        return shortcut + residual if self.stride == 1 else F.cat([residual, shortcut], 1)


def shiftnet(num_classes: int = 1000, in_channels: int = 3, rows: tuple[Row, ...] = A, width: float = 1.0) -> Network:
    """ShiftNet moves channels by a pixel in the place of spatial convolutions.

    rows: the groups, each (channels, first expansion, other expansions, kernel, modules).  width: all channels times this; 0.5 for B.
    Starts with convolutions w ~ N(0, 2 / fan_out), the linear layer as PyTorch's; the paper does not say.
    """
    scaled, table = scaled_by(width, "shiftnet"), check_rows("shiftnet", "rows", rows, ", ".join(Row._fields))
    c = scaled(32)
    stem, body = nn.Conv2d(in_channels, c, 7, 2, 3, bias=False), {}              # the first module begins with its norm
    for i, row in enumerate(map(Row._make, table)):
        c_out = scaled(row.channels)
        if c_out <= c:
            raise ValueError(f"shiftnet: group {i + 1} has {c_out} channels after {c}; expected more, since its first module keeps the {c} "
                             f"and adds the rest: give it more channels")
        modules = [CSC(c, c_out, 2, row.first, row.kernel), *(CSC(c_out, c_out, 1, row.others, row.kernel) for _ in range(row.modules - 1))]
        body[f"group{i + 1}"], c = nn.Sequential(*modules), c_out
    head = average_and_classify(c, num_classes, dict(norm=nn.BatchNorm2d(c), relu=nn.ReLU()))
    network = Network(stem, body, head, (in_channels, 224, 224))
    start(network, conv=kaiming)
    return network


class ShiftBlock(nn.Module):
    """y = relu(bn(W₂ shift(relu(bn(W₁ x))))) + shortcut(x).   (N, c_in, H, W) → (N, c_out, H/stride, W/stride); expansion · c_out within"""

    def __init__(self, c_in: int, c_out: int, stride: int, expansion: int):
        super().__init__()
        wide = expansion * c_out
        self.residual = nn.Sequential(dict(conv1=conv_bn(c_in, wide, 1), shift=nn.Shift(3), conv2=conv_bn(wide, c_out, 1, stride)))
        self.shortcut = nn.Identity() if (stride, c_in) == (1, c_out) else conv_bn(c_in, c_out, 1, stride, activation=None)

    def forward(self, x):
        return self.residual(x) + self.shortcut(x)


def shiftresnet(num_classes: int = 100, in_channels: int = 3, depth: int = 20, expansion: int = 6, width: float = 1.0) -> Network:
    """ShiftResNet is a ResNet for CIFAR with shifts in the place of 3×3 convolutions.

    depth: 6n + 2.  expansion: channels between the 1×1 convolutions, times those after.  width: all channels times this.
    Starts as PyTorch's layers do, as in the authors' repository.
    """
    if not is_whole(depth, 8, 6 * MOST_LAYERS) or depth % 6 != 2:
        raise ValueError(f"shiftresnet: got depth={depth!r}, expected 6n + 2 with n blocks a stage, as 20, 56 or 110")
    if not is_whole(expansion):
        raise ValueError(f"shiftresnet: got expansion={expansion!r}, expected at least 1; the paper has 6 and 9")
    narrow = c = scaled_by(width, "shiftresnet")(16)
    stem, body = conv_bn(in_channels, c, 3), {}
    for stage in range(3):
        blocks = []
        for i in range(depth // 6):
            c_out = narrow * 2 ** stage
            blocks.append(ShiftBlock(c, c_out, 2 if i == 0 and stage > 0 else 1, expansion))
            c = c_out
        body[f"stage{stage + 1}"] = nn.Sequential(*blocks)
    return Network(stem, body, average_and_classify(c, num_classes), (in_channels, 32, 32))


PAPER = 'Wu, Wan, Yue and others, "Shift: A Zero FLOP, Zero Parameter Alternative to Spatial Convolutions", 2017, arXiv:1711.08141'
LARGE_RECIPE = Recipe(
    optimizer="sgd", lr=0.1, momentum=0.9, weight_decay=1e-4, batch_size=256, epochs=90, schedule="step",
    schedule_options={"step_size": 30}, augment={"crop": 0.08, "flip": True}, image_size=224,
    **IMAGENET, source="all of it ours: what residual networks are usually trained with; how the paper trained ShiftNet is not known to us")
SMALL_RECIPE = Recipe(
    optimizer="sgd", lr=0.1, momentum=0.9, weight_decay=5e-4, batch_size=128, epochs=160, schedule="multi_step",
    schedule_options={"milestones": (82, 124)}, augment={"shift": 4, "flip": True}, image_size=32,
    mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010),
    source="the authors' repository, main.py, read; nothing of it ours")

#                rows, width   parameters  multiply-adds   top-1, top-5
IMAGENET_TABLE = {
    "shiftnet_a": (A,  1.0,    4_188_680,  1_424_306_176,  29.9, 10.3),
    "shiftnet_b": (A,  0.5,    1_183_480,    370_956_288,  38.8, 16.4),
    "shiftnet_c": (C,  0.5,      776_568,    179_083_264,  41.2, 18.0),
}
for name, (rows, width, params, macs, top1, top5) in IMAGENET_TABLE.items():
    model(name, params=params, macs=macs, year=2017, paper=PAPER, recipe=LARGE_RECIPE,
          published=Published(top1, top5, protocol="1 crop 224"),
          stages={"stem": (round(32 * width), 112, 112),
                  **{f"group{i + 1}": (round(row.channels * width), 56 >> i, 56 >> i) for i, row in enumerate(rows)}})(
        partial(shiftnet, rows=rows, width=width))

#   depth, expansion: parameters  multiply-adds  top-1
CIFAR_TABLE = {
    (20, 6):           (192_596,   32_168_192,   31.36),
    (20, 9):           (283_700,   47_896_832,   30.18),
    (56, 6):           (589_076,   88_791_296,   27.87),
    (110, 6):        (1_183_796,  173_725_952,   27.44),
}
for (depth, expansion), (params, macs, top1) in CIFAR_TABLE.items():
    model(f"shiftresnet{depth}_{expansion}_cifar100", params=params, macs=macs, input_shape=(3, 32, 32), year=2017, paper=PAPER,
          recipe=SMALL_RECIPE, stages={"stem": (16, 32, 32), "stage1": (16, 32, 32), "stage2": (32, 16, 16), "stage3": (64, 8, 8)},
          published=Published(top1, data="CIFAR-100", protocol="1 crop, the best epoch on the test set; authors' code", verified=True))(
        partial(shiftresnet, depth=depth, expansion=expansion))
