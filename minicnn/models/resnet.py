"""Residual networks: a block learns what to add to its input, so that a deeper network can always be as good as a shallower one.

output     18-layer        34-layer        50-layer          101-layer         152-layer
112×112    7×7, 64, stride 2
56×56      3×3 max pool, stride 2
56×56      [3×3, 64 ]      [3×3, 64 ]      [1×1, 64  ]       [1×1, 64  ]       [1×1, 64  ]
           [3×3, 64 ] ×2   [3×3, 64 ] ×3   [3×3, 64  ]       [3×3, 64  ]       [3×3, 64  ]
                                           [1×1, 256 ] ×3    [1×1, 256 ] ×3    [1×1, 256 ] ×3
28×28      128       ×2    128       ×4    128, 512    ×4    128, 512    ×4    128, 512    ×8
14×14      256       ×2    256       ×6    256, 1024   ×6    256, 1024   ×23   256, 1024   ×36
7×7        512       ×2    512       ×3    512, 2048   ×3    512, 2048   ×3    512, 2048   ×3
1×1        average, linear to 1000 classes

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015: table 1; A, B, C in section 4.1; plain: table 2.

Deviations:
- resnet50, 101 and 152 without a suffix are "v1.5": the stride of a bottleneck stands in its 3×3, as in torchvision, where no input is
  skipped unread. Those of the paper, with the stride in the first 1×1, end in _v1: as many parameters, 0.23 G multiply-adds fewer.
- resnet18 and resnet34 project where shapes change (B), as they are built today; table 2 has them with A: resnet18_optA, resnet34_optA.
- In the paper every γ starts at 1. zero_gamma=True starts the last batch norm of each block with γ = 0, so that a block is at first
  relu(shortcut): Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 5.1.
"""
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .. import functional as F
from .. import nn
from ..nn.fused import add_then
from .blocks import average_and_classify, check_blocks, conv_bn, start
from .network import Network
from .recipe import IMAGENET, Recipe
from .registry import Published, model
from .rounding import scaled_by


class Subsample(nn.Module):
    """Shortcut A: y[n,k,p,q] = x[n,k,p·stride,q·stride] for k < c_in, and 0 for the channels that the input lacks; no parameters.

    (N, c_in, H, W) → (N, c_out, ⌈H/stride⌉, ⌈W/stride⌉).  The paper leaves open where the zeros stand: here behind.
    """

    def __init__(self, c_in: int, c_out: int, stride: int):
        super().__init__()
        self.missing, self.stride = c_out - c_in, stride

    def forward(self, x):
        return F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, 0, self.missing))


class Residual(nn.Module):
    """y = relu(F(x) + shortcut(x));  without a shortcut, as in plain networks, y = relu(F(x))

    (N, c_in, H, W) → (N, c_out, H/stride, W/stride): what both F and the shortcut make of it.
    """

    def __init__(self, residual: nn.Module, shortcut: nn.Module | None):
        super().__init__()
        self.residual, self.shortcut, self.relu = residual, shortcut, nn.ReLU()

    def forward(self, x):
        y = self.residual(x)
        return self.relu(y) if self.shortcut is None else add_then(self.relu, y, self.shortcut(x))


def basic_layers(c_in: int, c_out: int, stride: int) -> nn.Sequential:
    """F of two layers: 3×3, 3×3."""
    return nn.Sequential(conv_bn(c_in, c_out, 3, stride), conv_bn(c_out, c_out, 3, activation=None))


def bottleneck_layers(c_in: int, c_out: int, stride: int, inner: int | None = None, groups: int = 1,
                      stride_in_1x1: bool = False) -> nn.Sequential:
    """F of three layers: 1×1 down to a quarter of the channels (or to inner), 3×3 there, 1×1 up."""
    inner, (s1, s3) = inner or c_out // 4, (stride, 1) if stride_in_1x1 else (1, stride)
    return nn.Sequential(conv_bn(c_in, inner, 1, s1), conv_bn(inner, inner, 3, s3, groups=groups),
                         conv_bn(inner, c_out, 1, activation=None))


def shortcut_of(option: str | None, c_in: int, c_out: int, stride: int) -> nn.Module | None:
    """A: never a parameter.  B: a projection (1×1, batch norm) where shapes change.  C: always a projection.  None: a plain network."""
    if option not in ("A", "B", "C", None):
        raise ValueError(f"shortcut should be 'A' (zero padding), 'B' (projections where shapes change), 'C' (projections everywhere) "
                         f"or None (a plain network), got {option!r}")
    if option is None:
        return None
    if option != "C" and (stride, c_in) == (1, c_out):
        return nn.Identity()
    return Subsample(c_in, c_out, stride) if option == "A" else conv_bn(c_in, c_out, 1, stride, activation=None)


def channels_of(family: str, blocks: Sequence[int], width: float, first: int = 64, multiple: int = 1) -> list[int]:
    """Channels of the stages: c, 2c, 4c …, where c = width · first, rounded to a multiple of `multiple`."""
    c = scaled_by(width, family, multiple)(first)
    return [c * 2 ** stage for stage in range(len(check_blocks(family, blocks, (2, 2, 2, 2))))]


def stages(block: Callable, blocks: Sequence[int], channels: Sequence[int], c: int,
           opening: Callable | None = None) -> dict[str, nn.Sequential]:
    """Stages by name: blocks[i] times block(c_in, c_out, stride), to channels[i]; each stage after the first halves the plane.

    opening: builds the very first block, where that differs.
    """
    body = {}
    for number, (count, c_out) in enumerate(zip(blocks, channels, strict=True), 1):
        first = (opening or block)(c, c_out, 1) if number == 1 else block(c, c_out, 2)
        body[f"stage{number}"] = nn.Sequential(first, *(block(c_out, c_out, 1) for _ in range(count - 1)))
        c = c_out
    return body


def residual_network(residual: Callable, expansion: int, blocks: Sequence[int], num_classes: int, in_channels: int,
                     shortcut: str | None = "B", width: float = 1.0, pool: nn.Module | None = None, zero_gamma: bool = False,
                     conv: Any = nn.init.kaiming_normal_, family: str = "resnet") -> Network:
    """The table with another F: residual(c_in, c_out, stride), c_out = expansion · 64 · width, twice that …; family: for error texts."""
    def block(c_in: int, c_out: int, stride: int) -> Residual:
        return Residual(residual(c_in, c_out, stride), shortcut_of(shortcut, c_in, c_out, stride))
    maps = channels_of(family, blocks, width)
    c, channels = maps[0], [expansion * c for c in maps]
    stem = nn.Sequential(dict(conv1=conv_bn(in_channels, c, 7, stride=2), pool=pool or nn.MaxPool2d(3, stride=2, padding=1)))
    body = stages(block, blocks, channels, c)
    network = Network(stem, body, average_and_classify(channels[-1], num_classes), (in_channels, 224, 224))
    start(network, conv=conv)
    return last_gamma_zero(network) if zero_gamma else network


def last_gamma_zero(network: Network) -> Network:
    """γ = 0 in the last batch norm of every F."""
    for module in network.modules():
        if isinstance(module, Residual):
            nn.init.zeros_([layer for layer in module.residual.modules() if isinstance(layer, nn.BatchNorm2d)][-1].weight)
    return network


def resnet(num_classes: int = 1000, in_channels: int = 3, blocks: Sequence[int] = (2, 2, 2, 2), bottleneck: bool = False,
           shortcut: str | None = "B", stride_in_1x1: bool = False, width: float = 1.0, zero_gamma: bool = False) -> Network:
    """ResNet's blocks add what they learn to their input, which a shortcut brings.

    blocks: of each stage.  bottleneck: blocks of 1×1, 3×3, 1×1.  shortcut: "A", "B", "C" or None.  width: factor of all channels.
    stride_in_1x1: of a bottleneck, else in its 3×3.  zero_gamma: γ = 0 at the start in the last batch norm of a block.
    Starts from w ~ N(0, 2 / fan_in), γ = 1, β = 0, and the classifier, of which the paper says nothing, from U(±1/√fan_in).
    """
    layers = partial(bottleneck_layers, stride_in_1x1=stride_in_1x1) if bottleneck else basic_layers
    return residual_network(layers, 4 if bottleneck else 1, blocks, num_classes, in_channels, shortcut, width, zero_gamma=zero_gamma)


def plain(num_classes: int = 1000, in_channels: int = 3, blocks: Sequence[int] = (2, 2, 2, 2), width: float = 1.0) -> Network:
    """A plain network is a residual network without its shortcuts.

    What residual networks were compared with: deeper ones train worse.  width: factor of all channels.  Starts as they do.
    """
    return residual_network(basic_layers, 1, blocks, num_classes, in_channels, None, width)


RECIPE = Recipe(optimizer="sgd", lr=0.1, momentum=0.9, weight_decay=1e-4, batch_size=256, epochs=120, schedule="step",
                augment={"crop": 0.22, "flip": True, "lighting": 0.1}, image_size=224,
                **IMAGENET,
                source="section 3.4, recalled: 600,000 steps. There the rate falls when the error stops falling, the mean is subtracted "
                       "pixel by pixel, and the 224×224 are cut out of an image whose shorter side was drawn from 256 … 480")
TORCHVISION = (
    (r"^conv1\.", "stem.conv1.conv."), (r"^bn1\.", "stem.conv1.norm."), (r"^layer(\d)\.", r"body.stage\1."), (r"^fc\.", "head.fc."),
    *((rf"(\d)\.{there}{i + 1}\.", rf"\1.residual.{i}.{here}.") for i in range(3) for there, here in (("conv", "conv"), ("bn", "norm"))),
    (r"\.downsample\.0\.", ".shortcut.conv."), (r"\.downsample\.1\.", ".shortcut.norm."))
PAPER = "He, Zhang, Ren, Sun, \"Deep Residual Learning for Image Recognition\", 2015, arXiv:1512.03385"
imagenet = partial(model, year=2015, paper=PAPER, recipe=RECIPE)


def shapes(expansion: int, stem: int = 64) -> dict[str, tuple[int, ...]]:
    """Shapes of the stages, for images of 224×224."""
    return {"stem": (stem, 56, 56), **{f"stage{i + 1}": (expansion * 64 * 2 ** i, 56 // 2 ** i, 56 // 2 ** i) for i in range(4)}}


ten_crops = partial(Published, protocol="10 crops")
torchvision_result = partial(Published, protocol="1 crop 224, weights IMAGENET1K_V1 of torchvision", verified=True)

#                    blocks a stage  shortcut  parameters  multiply-adds
for name, (blocks, option, params, macs, *published) in {
    "resnet18":      ((2, 2, 2, 2),  "B",      11_689_512, 1_814_073_344, torchvision_result(30.242, 10.922)),
    "resnet34":      ((3, 4, 6, 3),  "B",      21_797_672, 3_663_761_408, ten_crops(24.52, 7.46), torchvision_result(26.686, 8.58)),
    "resnet18_optA": ((2, 2, 2, 2),  "A",      11_515_688, 1_794_805_760, ten_crops(27.88)),
    "resnet34_optA": ((3, 4, 6, 3),  "A",      21_623_848, 3_644_493_824, ten_crops(25.03, 7.76)),
    "plain18":       ((2, 2, 2, 2),  None,     11_515_688, 1_794_805_760, ten_crops(27.94)),
    "plain34":       ((3, 4, 6, 3),  None,     21_623_848, 3_644_493_824, ten_crops(28.54, 10.02)),
}.items():
    imagenet(name, params=params, macs=macs, stages=shapes(1), published=tuple(published),
             keys={f"torchvision.{name}": TORCHVISION, f"timm.{name}": TORCHVISION} if option == "B" else {})(
        partial(plain, blocks=blocks) if option is None else partial(resnet, blocks=blocks, shortcut=option))

#           blocks a stage  parameters  multiply-adds: v1, v1.5         published: v1 with 10 crops, with 1; v1.5
for depth, (blocks, params, v1, v1_5, *published) in {
    50:    ((3, 4, 6, 3),   25_557_032, 3_857_973_248,  4_089_184_256,  (22.85, 6.71), (24.7, 7.8), (23.87, 7.138)),
    101:   ((3, 4, 23, 3),  44_549_160, 7_570_194_432,  7_801_405_440,  (21.75, 6.05), (23.6, 7.1), (22.626, 6.454)),
    152:   ((3, 8, 36, 3),  60_192_808, 11_282_415_616, 11_513_626_624, (21.43, 5.71), (23.0, 6.7), (21.688, 5.954)),
}.items():
    imagenet(f"resnet{depth}_v1", params=params, macs=v1, stages=shapes(4),
             published=(ten_crops(*published[0]), Published(*published[1], protocol="1 crop 224, authors' weights", verified=True)))(
        partial(resnet, blocks=blocks, bottleneck=True, stride_in_1x1=True))
    imagenet(f"resnet{depth}_v1_5", params=params, macs=v1_5, stages=shapes(4), aliases=(f"resnet{depth}",),
             published=torchvision_result(*published[2]),
             keys={f"torchvision.resnet{depth}": TORCHVISION, f"timm.resnet{depth}": TORCHVISION})(
        partial(resnet, blocks=blocks, bottleneck=True))
