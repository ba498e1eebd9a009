"""ShuffleNet: 1×1 convolutions in groups, and a shuffle of channels so that groups learn from one another.

                          channels with groups =
              output       1     2     3     4     8     units
    conv1     112×112     24    24    24    24    24     3×3 / 2
    pool       56×56      24    24    24    24    24     maximum, 3×3 / 2
    stage2     28×28     144   200   240   272   384     1 of stride 2, 3 of stride 1
    stage3     14×14     288   400   480   544   768     1 of stride 2, 7 of stride 1
    stage4      7×7      576   800   960  1088  1536     1 of stride 2, 3 of stride 1
    classify    1×1     1000  1000  1000  1000  1000     average, linear

A 1×1 convolution from C to K channels in g groups costs C·K/g multiply-adds a pixel; what is saved is spent on more channels, so that
the five columns cost about the same, 140 million.  Without the shuffle a group would never see what the others found.

Zhang, Zhou, Lin, Sun, "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices", 2017, table 1, figure 2.

Deviations: the linear layer has a bias; in the authors' code it has none.  Their code shuffles after the depthwise convolution and not
before it: the same network, its depthwise weights in another order.
"""
from collections.abc import Sequence

from .. import functional as F
from .. import nn
from ..nn.fused import add_then
from .blocks import average_and_classify, check_blocks, conv_bn, gaussian, start
from .network import Network
from .recipe import IMAGENET, Recipe
from .registry import Published, model
from .rounding import check_factor, round_channels

UNITS = {"stage2": 4, "stage3": 8, "stage4": 4}
#     groups: channels of stage 2; they double from stage to stage
CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}


class Unit(nn.Module):
    """stride 1: y = relu(x + F(x));   stride 2: y = relu(F(x) beside average(x));   F: 1×1 in groups, shuffle, depthwise 3×3, 1×1 in groups

    F is as wide as a quarter of the output in its middle, and no ReLU follows the depthwise convolution.
    (N, c_in, H, W) → (N, c_out, H/stride, W/stride).  first_groups: of the first 1×1, if it differs.
    """

    def __init__(self, c_in: int, c_out: int, stride: int, groups: int, first_groups: int | None = None):
        super().__init__()
        middle, self.stride = c_out // 4, stride
        self.residual = nn.Sequential(dict(
            reduce=conv_bn(c_in, middle, 1, groups=first_groups or groups), shuffle=nn.ChannelShuffle(groups),
            depthwise=conv_bn(middle, middle, 3, stride, groups=middle, activation=None),
            expand=conv_bn(middle, c_out if stride == 1 else c_out - c_in, 1, groups=groups, activation=None)))   # the rest is the average
        self.shortcut = nn.Identity() if stride == 1 else nn.AvgPool2d(3, stride=2, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x):
        residual, shortcut = self.residual(x), self.shortcut(x)
        return add_then(self.relu, residual, shortcut) if self.stride == 1 else self.relu(F.cat([shortcut, residual], 1))


def start_as_published(network: Network) -> Network:
    """The first values of the authors' code.

    w ~ N(0, 1/c²), c the channels that one output reads, so 1 where it is depthwise; N(0, 0.01²) in the stem and the linear layer;
    offsets of batch norms 1e-4, the linear layer's 0.
    """
    start(network, conv=lambda w: nn.init.normal_(w, std=1 / w.shape[1]), linear=gaussian(0.01))
    start(network.stem, conv=gaussian(0.01))
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.constant_(layer.bias, 1e-4)
    return network


def shufflenet_v1(num_classes: int = 1000, in_channels: int = 3, groups: int = 3, width: float = 1.0,
                  units: Sequence[int] = tuple(UNITS.values())) -> Network:
    """ShuffleNet has 1×1 convolutions in groups and shuffles channels between them.

    groups: a column of the table, 1, 2, 3, 4 or 8.  width: all channels times this, in whole groups (0.25, 0.5, 1, 1.5, 2 in the paper).
    units: of each stage.  Starts as the authors' code does, see start_as_published.
    """
    if groups not in CHANNELS:
        raise ValueError(f"shufflenet_v1: got groups={groups!r}, expected one of {', '.join(map(str, CHANNELS))}, the columns of the table")
    check_factor(width, "shufflenet_v1", advice="the paper has 0.25 to 2")
    units = check_blocks("shufflenet_v1", units, (4, 8, 4), kinds=True, word="units")
    c, c_out = round_channels(24 * width, groups), round_channels(CHANNELS[groups] * width, 4 * groups)
    stem = nn.Sequential(dict(conv1=conv_bn(in_channels, c, 3, stride=2), pool=nn.MaxPool2d(3, stride=2, padding=1)))
    body = {}
    for name, count in zip(UNITS, units):
        # the stem's few channels are not worth groups
        first = Unit(c, c_out, 2, groups, first_groups=1 if name == "stage2" else groups)
        body[name] = nn.Sequential(first, *(Unit(c_out, c_out, 1, groups) for _ in range(count - 1)))
        c, c_out = c_out, 2 * c_out
    return start_as_published(Network(stem, body, average_and_classify(c, num_classes), (in_channels, 224, 224)))


RECIPE = Recipe(
    optimizer="sgd", lr=0.5, momentum=0.9, weight_decay=4e-5, batch_size=1024, epochs=240, schedule="polynomial", label_smoothing=0.1,
    augment={"crop": 0.08, "colour": 0.4, "flip": True}, image_size=224, **IMAGENET,
    source="the authors' code (megvii-model/ShuffleNet-Series): 300,000 steps, the rate in a straight line to 0. It does not normalise "
           "its images; mean and std here are the usual ones. The paper crops less aggressively (recalled)")

model("shufflenet_v1_g3", params=1_865_728, macs=137_460_672, year=2017, recipe=RECIPE,
      paper='Zhang, Zhou, Lin, Sun, "ShuffleNet", 2017, arXiv:1707.01083',
      stages={"stem": (24, 56, 56), "stage2": (240, 28, 28), "stage3": (480, 14, 14), "stage4": (960, 7, 7)},
      published=(Published(32.6, protocol="1 crop 224"),
                 Published(32.2, 12.3, protocol="1 crop 224, the authors' released weights", verified=True)))(shufflenet_v1)
