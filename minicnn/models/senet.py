"""Squeeze-and-excitation networks: a block weighs the channels of F by what all of them show over the whole plane.

output     SE-ResNet-50                                              SENet-154
112×112    7×7, 64, stride 2                                         3×3, 64, stride 2; 3×3, 64; 3×3, 128
56×56      3×3 max pool, stride 2                                    3×3 max pool, stride 2
56×56      [1×1, 64;  3×3, 64;  1×1, 256;  fc, 16, 256  ] × 3        [1×1, 128;  3×3, 256,  64 groups; 1×1, 256;  fc, 16, 256  ] × 3
28×28      [1×1, 128; 3×3, 128; 1×1, 512;  fc, 32, 512  ] × 4        [1×1, 256;  3×3, 512,  64 groups; 1×1, 512;  fc, 32, 512  ] × 8
14×14      [1×1, 256; 3×3, 256; 1×1, 1024; fc, 64, 1024 ] × 6        [1×1, 512;  3×3, 1024, 64 groups; 1×1, 1024; fc, 64, 1024 ] × 36
7×7        [1×1, 512; 3×3, 512; 1×1, 2048; fc, 128, 2048] × 3        [1×1, 1024; 3×3, 2048, 64 groups; 1×1, 2048; fc, 128, 2048] × 3
1×1        average, linear to 1000 classes                           average, dropout 0.2, linear

fc, 16, 256: the two layers of a squeeze-and-excitation, between them a 16th of the channels. SE-ResNet-101: 3, 4, 23, 3 blocks;
SE-ResNet-152: 3, 8, 36, 3. SENet-154 projects with 3×3 convolutions where the plane is halved.

Hu, Shen, Sun, "Squeeze-and-Excitation Networks", 2017, table 1, sections 3 and 6.4, and the appendix for SENet-154.

Deviations: the networks of the paper follow the authors' released ones: stride in the first 1×1 (not SENet-154), a max pool that rounds
up in the place of one that pads. se_resnet50_v1_5 has the stride in the 3×3 and a pool that pads, as timm's seresnet50.
"""
from collections.abc import Sequence
from functools import partial
from math import gcd

from .. import nn
from .blocks import SqueezeExcitation, average_and_classify, conv_bn, is_whole, start, whole
from .network import Network
from .recipe import IMAGENET, Recipe
from .registry import Published, model
from .resnet import TORCHVISION, Residual, bottleneck_layers, channels_of, residual_network, shapes, shortcut_of, stages


def senet(num_classes: int = 1000, in_channels: int = 3, blocks: Sequence[int] = (3, 4, 6, 3), reduction: int = 16, width: float = 1.0,
          stride_in_1x1: bool = True, ceil_mode: bool = True, zero_gamma: bool = False) -> Network:
    """SE-ResNet's blocks weigh each channel by a look at all of them.

    blocks: of each stage.  reduction: channels over those that a squeeze-and-excitation has inside.  width: factor of all channels.
    stride_in_1x1, ceil_mode: as released by the authors.  zero_gamma: γ = 0 in the last batch norm of a block.
    Starts from w ~ N(0, 2 / fan_in) in convolutions, biases and β 0, γ 1, and the classifier from U(±1/√fan_in); the paper cites
    "He et al., 2015" alone.
    """
    def layers(c_in: int, c_out: int, stride: int) -> nn.Sequential:
        return bottleneck_layers(c_in, c_out, stride, stride_in_1x1=stride_in_1x1).append(squeeze(c_out, reduction))
    pool = nn.MaxPool2d(3, stride=2, ceil_mode=True) if ceil_mode else None
    return residual_network(layers, 4, blocks, num_classes, in_channels, width=width, pool=pool, zero_gamma=zero_gamma, family="senet")


def squeeze(channels: int, reduction: int) -> SqueezeExcitation:
    """The layers fc, channels/reduction, channels of the table.  (N, channels, H, W) → the same"""
    if not is_whole(reduction, most=channels):
        raise ValueError(f"senet: reduction should be a whole number from 1 to {channels}, the channels of a block, got {reduction!r}")
    return SqueezeExcitation(channels, channels // reduction)


def senet154(num_classes: int = 1000, in_channels: int = 3, blocks: Sequence[int] = (3, 8, 36, 3), reduction: int = 16, groups: int = 64,
             width: float = 1.0, dropout: float = 0.2) -> Network:
    """SENet-154 weighs channels in wide bottlenecks of 64 groups; it won in 2017.

    width: factor of all channels, of which the 3×3 keep whole groups.  groups: of the 3×3.  dropout: before the classifier.
    Starts as the SE-ResNets.
    """
    # a 3×3 goes from 2c to 4c, 4c to 8c … channels
    maps = channels_of("senet154", blocks, width, multiple=max(1, whole("senet154", "groups", groups) // gcd(groups, 2)))
    c, channels = maps[0], [4 * c for c in maps]

    def block(c_in: int, c_out: int, stride: int) -> Residual:
        layers = nn.Sequential(conv_bn(c_in, c_out // 2, 1), conv_bn(c_out // 2, c_out, 3, stride, groups=groups),
                               conv_bn(c_out, c_out, 1, activation=None), squeeze(c_out, reduction))
        return Residual(layers, shortcut_of("B", c_in, c_out, 1) if stride == 1 else conv_bn(c_in, c_out, 3, stride, activation=None))
    stem = nn.Sequential(dict(conv1=conv_bn(in_channels, c, 3, stride=2), conv2=conv_bn(c, c, 3), conv3=conv_bn(c, 2 * c, 3),
                              pool=nn.MaxPool2d(3, stride=2, ceil_mode=True)))
    head = average_and_classify(channels[-1], num_classes, dropout=nn.Dropout(dropout))
    network = Network(stem, stages(block, blocks, channels, 2 * c), head, (in_channels, 224, 224))
    start(network, conv=nn.init.kaiming_normal_)
    return network


PAPER = "Hu, Shen, Sun, \"Squeeze-and-Excitation Networks\", 2017, arXiv:1709.01507"
RECIPE = Recipe(optimizer="sgd", lr=0.6, momentum=0.9, weight_decay=1e-4, batch_size=1024, epochs=100, schedule="step",
                schedule_options={"step_size": 30}, augment={"crop": 0.08, "flip": True}, image_size=224,
                **IMAGENET,
                source="section 5, recalled; the weight decay is that of residual networks, not the paper's. The released weights: "
                       "256 images a step, rate 0.1, also turned by ±10° and pixels shifted by ±20")
LEGACY = ((r"^layer0\.conv(\d)\.", r"stem.conv\1.conv."), (r"^layer0\.bn(\d)\.", r"stem.conv\1.norm."), (r"^last_linear\.", "head.fc."),
          (r"\.se_module\.fc1\.", ".residual.3.reduce."), (r"\.se_module\.fc2\.", ".residual.3.expand."), *TORCHVISION)
TIMM = ((r"\.se\.fc1\.", ".residual.3.reduce."), (r"\.se\.fc2\.", ".residual.3.expand."), *TORCHVISION)


def released(top1: float, top5: float) -> Published:
    """Errors of the authors' weights, read in their repository."""
    return Published(top1, top5, protocol="1 crop 224, authors' weights", verified=True)


#                  parameters  multiply-adds  blocks a stage                                     published
for name, (params, macs, build, keys, *published) in {
    "se_resnet50":      (28_088_024, 3_860_488_192, partial(senet, blocks=(3, 4, 6, 3)), {"timm.legacy_seresnet50": LEGACY},
                         Published(23.29, 6.62, protocol="1 crop 224"), released(22.37, 6.36)),
    "se_resnet101":     (49_326_872, 7_574_937_600, partial(senet, blocks=(3, 4, 23, 3)), {"timm.legacy_seresnet101": LEGACY},
                         released(21.75, 5.72)),
    "se_resnet152":     (66_821_848, 11_288_993_792, partial(senet, blocks=(3, 8, 36, 3)), {"timm.legacy_seresnet152": LEGACY},
                         released(21.34, 5.54)),
    "senet154":         (115_088_984, 20_688_363_520, senet154, {"timm.legacy_senet154": LEGACY}, released(18.68, 4.47)),
    "se_resnet50_v1_5": (28_088_024, 4_091_699_200, partial(senet, stride_in_1x1=False, ceil_mode=False), {"timm.seresnet50": TIMM},
                         Published(19.74, 4.932, protocol="1 crop 224, weights of timm", verified=True)),
}.items():
    model(name, params=params, macs=macs, year=2017, paper=PAPER, recipe=RECIPE, published=tuple(published), keys=keys,
          stages=shapes(4, 128 if name == "senet154" else 64))(build)
