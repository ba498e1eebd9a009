"""EfficientNet: depth, width and resolution of one small network grow together.

    stage   operator            output     channels   layers
    1       conv 3×3 / 2        112×112        32        1
    2       MBConv1, 3×3        112×112        16        1          MBConv6: inverted bottleneck that expands its input 6 times,
    3       MBConv6, 3×3 / 2     56×56         24        2          with squeeze-and-excitation in its middle;
    4       MBConv6, 5×5 / 2     28×28         40        2          / 2: the stride of its first block
    5       MBConv6, 3×3 / 2     14×14         80        3
    6       MBConv6, 5×5         14×14        112        3
    7       MBConv6, 5×5 / 2      7×7         192        4
    8       MBConv6, 3×3          7×7         320        1
    9       conv 1×1, average     7×7        1280        1          and a linear layer

That is B0.  Compound scaling, with one number φ for how much more one can afford:
    depth α^φ,   width β^φ,   resolution γ^φ,   α = 1.2, β = 1.1, γ = 1.15
Multiply-adds grow with depth, with width² (channels in and out) and with resolution² (rows and columns), so by (α·β²·γ²)^φ. The paper
searches α, β, γ on B0 under the constraint α·β²·γ² ≈ 2 (it is 1.92): each φ doubles the cost.  B1, B2, B3 are φ = 1/2, 1, 2, rounded;
for B4 to B7 the authors' own numbers stand in the table below.

Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019, table 1, equations 2 and 3, section 5.
Where the paper is silent, the authors' code (tensorflow/tpu): rounding to multiples of 8, drop-connect, batch norm with ε = 1e-3 and a
running average of 0.99, first values.

Deviation: padding is symmetric.  TensorFlow's SAME pads one pixel less at the top and left of an even plane when the stride is 2. Planes,
parameters and multiply-adds are the same; the windows stand one pixel elsewhere, so weights trained there lose a little here.
"""
import re
from dataclasses import replace
from functools import partial
from math import ceil, sqrt
from typing import Any, NamedTuple

from .. import nn
from .blocks import MOST_LAYERS, SqueezeExcitation, average_and_classify, conv_bn, probability, whole
from .network import Network
from .recipe import IMAGENET, Recipe
from .registry import Published, model
from .rounding import check_factor, round_channels

convolution = partial(conv_bn, eps=1e-3, momentum=0.01)                      # a momentum of 0.99 in TensorFlow's terms


class Stage(NamedTuple):
    """A row of the table: expansion of the MBConv, kernel, stride of the first block, channels, layers."""
    expansion: int
    kernel: int
    stride: int
    channels: int
    layers: int


STAGES = {
    "stage2": Stage(1, 3, 1,  16, 1),
    "stage3": Stage(6, 3, 2,  24, 2),
    "stage4": Stage(6, 5, 2,  40, 2),
    "stage5": Stage(6, 3, 2,  80, 3),
    "stage6": Stage(6, 5, 1, 112, 3),
    "stage7": Stage(6, 5, 2, 192, 4),
    "stage8": Stage(6, 3, 1, 320, 1),
}
#    width depth image dropout parameters   multiply-adds   top-1, top-5
TABLE = {
    0: (1.0, 1.0, 224, 0.2,     5_288_548,     385_814_752,  22.9, 6.7),
    1: (1.0, 1.1, 240, 0.2,     7_794_184,     686_802_832,  20.9, 5.6),
    2: (1.1, 1.2, 260, 0.3,     9_109_994,     993_561_872,  19.9, 5.1),
    3: (1.2, 1.4, 300, 0.3,    12_233_232,   1_827_141_392,  18.4, 4.3),
    4: (1.4, 1.8, 380, 0.4,    19_341_616,   4_393_771_024,  17.1, 3.6),
    5: (1.6, 2.2, 456, 0.4,    30_389_784,  10_266_384_752,  16.4, 3.3),
    6: (1.8, 2.6, 528, 0.5,    43_040_704,  19_067_593_536,  16.0, 3.2),
    7: (2.0, 3.1, 600, 0.5,    66_347_960,  37_745_884_192,  15.7, 3.0),
}


class Scaling(NamedTuple):
    depth: float
    width: float
    resolution: float


def compound(phi: float, alpha: float = 1.2, beta: float = 1.1, gamma: float = 1.15) -> Scaling:
    """(α^φ, β^φ, γ^φ): the factors of depth, width and resolution; multiply-adds grow by (α·β²·γ²)^φ ≈ 2^φ

        depth, width, resolution = compound(1.5)
        models.efficientnet(width=width, depth=depth, image=round(224 * resolution))
    """
    return Scaling(alpha ** phi, beta ** phi, gamma ** phi)


class MBConv(nn.Module):
    """y = x + drop(project(squeeze(depthwise(expand(x)))));  without x where channels or planes change.  (N, c_in, H, W) → (N, c_out, P, Q)

    expand: 1×1 to expansion · c_in channels; squeeze: their weights, from c_in/4 numbers (of the input, not of what it was expanded to);
    project: 1×1 without activation.  drop ("drop-connect"): in training, the whole of it is left out of a sample with this probability.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int, drop: float, squeeze: bool, activation: Any):
        super().__init__()
        wide, layers = expansion * c_in, {}
        if expansion != 1:
            layers["expand"] = convolution(c_in, wide, 1, activation=activation)
        layers["depthwise"] = convolution(wide, wide, kernel, stride, groups=wide, activation=activation)
        if squeeze:
            layers["squeeze"] = SqueezeExcitation(wide, max(1, c_in // 4), activation)
        layers["project"] = convolution(wide, c_out, 1, activation=None)
        self.residual, self.drop, self.adds = nn.Sequential(layers), nn.DropPath(drop), (stride, c_in) == (1, c_out)

    def forward(self, x):
        return x + self.drop(self.residual(x)) if self.adds else self.residual(x)


def scaled(width: float, depth: float, fixed_ends: bool = False) -> tuple[int, dict[str, Stage], int]:
    """Channels of the stem, the stages, channels of the head.  fixed_ends: stem, head and the outer stages' layers are not scaled."""
    fixed = ("stage2", "stage8") if fixed_ends else ()
    stages = {name: row._replace(channels=round_channels(row.channels * width), layers=ceil(row.layers * (1 if name in fixed else depth)))
              for name, row in STAGES.items()}
    return (32, stages, 1280) if fixed_ends else (round_channels(32 * width), stages, round_channels(1280 * width))


def efficientnet(num_classes: int = 1000, in_channels: int = 3, width: float = 1.0, depth: float = 1.0, image: int = 224,
                 dropout: float = 0.2, drop_connect: float = 0.2, squeeze: bool = True, activation: Any = nn.SiLU,
                 fixed_ends: bool = False) -> Network:
    """EfficientNet grows depth, width and resolution of one small network together.

    width: channels times this, to multiples of 8, never below 90 %.  depth: layers of each stage times this, rounded up.  image: the side
    that it is made for; others work too.  dropout: before the linear layer.  drop_connect: from 0 at the first block in a line to this.
    squeeze, activation, fixed_ends: what EfficientNet-Lite changes.
    Starts with convolutions w ~ N(0, 2 / fan_out), fan_out = R·S·K/G, linear w ~ U(−r, r), r = 1 / √num_classes, biases 0.
    """
    check_factor(width, "efficientnet", advice="B0 has 1")
    check_factor(depth, "efficientnet", "depth", advice="B0 has 1", most=MOST_LAYERS // max(row.layers for row in STAGES.values()))
    whole("efficientnet", "image", image)
    probability("efficientnet", "drop_connect", drop_connect)
    c, stages, last = scaled(width, depth, fixed_ends)
    stem, body = convolution(in_channels, c, 3, stride=2, activation=activation), {}
    done, total = 0, sum(row.layers for row in stages.values())
    for name, row in stages.items():
        blocks = []
        for i in range(row.layers):
            blocks.append(MBConv(c, row.channels, row.kernel, row.stride if i == 0 else 1, row.expansion, drop_connect * done / total,
                                 squeeze, activation))
            c, done = row.channels, done + 1
        body[name] = nn.Sequential(*blocks)
    head = average_and_classify(last, num_classes, dict(conv=convolution(c, last, 1, activation=activation)), dropout=nn.Dropout(dropout))
    network = Network(stem, body, head, (in_channels, image, image))
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            K, _, R, S = layer.weight.shape
            nn.init.normal_(layer.weight, std=sqrt(2 / (R * S * K / layer.groups)))
        elif isinstance(layer, nn.Linear):
            nn.init.uniform_(layer.weight, -1 / sqrt(num_classes), 1 / sqrt(num_classes))
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return network


def torchvision_keys(key: str) -> str:
    """features.1 … 7 are stages 2 … 8; the blocks of stage 2 have no expansion, so that their layers are numbered one less."""
    parts = ("expand", "depthwise", "squeeze", "project")
    key = re.sub(r"^features\.([1-7])\.(\d+)\.block\.(\d)",
                 lambda m: f"body.stage{int(m[1]) + 1}.{m[2]}.residual.{parts[int(m[3]) + (m[1] == '1')]}", key)
    for pattern, name in ((r"^features\.0", "stem"), (r"^features\.8", "head.conv"), (r"^classifier\.1", "head.fc"),
                          (r"\.fc1\.", ".reduce."), (r"\.fc2\.", ".expand."), (r"\.0\.(\w+)$", r".conv.\1"), (r"\.1\.(\w+)$", r".norm.\1")):
        key = re.sub(pattern, name, key)
    return key


def shapes(width: float, depth: float, image: int, fixed_ends: bool = False) -> dict[str, tuple[int, int, int]]:
    """What stem and stages put out for an image of this side: a stride of 2 halves it, upwards."""
    c, stages, _ = scaled(width, depth, fixed_ends)
    side = ceil(image / 2)
    outputs = {"stem": (c, side, side)}
    for name, row in stages.items():
        side = ceil(side / row.stride)
        outputs[name] = (row.channels, side, side)
    return outputs


RECIPE = Recipe(
    optimizer="rmsprop", lr=0.256, momentum=0.9, weight_decay=1e-5, batch_size=4096, epochs=350, warmup_epochs=5, schedule="exponential",
    schedule_options={"gamma": 0.97 ** (1 / 2.4)}, label_smoothing=0.1, average=0.9999, augment={"crop": 0.08, "flip": True},
    optimizer_options={"alpha": 0.9, "eps": 1e-3, "eps_inside": True}, **IMAGENET,
    source="section 5.2, recalled (0.256 for 4096 images, ×0.97 every 2.4 epochs), and the authors' code (tensorflow/tpu): epochs, "
           "warm-up, smoothing, average, ε under the root. Ours falls each epoch instead of every 2.4; AutoAugment is left out")
for number, (width, depth, image, dropout, params, macs, top1, top5) in TABLE.items():
    model(f"efficientnet_b{number}", params=params, macs=macs, input_shape=(3, image, image), year=2019,
          paper='Tan, Le, "EfficientNet", 2019, arXiv:1905.11946', recipe=replace(RECIPE, image_size=image),
          stages=shapes(width, depth, image), published=Published(top1, top5, protocol=f"1 crop {image}, with AutoAugment"),
          keys={f"torchvision.efficientnet_b{number}": torchvision_keys})(
        partial(efficientnet, width=width, depth=depth, image=image, dropout=dropout))
