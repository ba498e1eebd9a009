"""ShuffleNet V2: half of the channels pass a unit untouched, and a shuffle mixes the halves for the next one.

              output     0.5×   1×    1.5×   2×      units
    conv1     112×112     24    24     24    24      3×3 / 2
    pool       56×56      24    24     24    24      maximum, 3×3 / 2
    stage2     28×28      48   116    176   244      1 of stride 2, 3 of stride 1
    stage3     14×14      96   232    352   488      1 of stride 2, 7 of stride 1
    stage4      7×7      192   464    704   976      1 of stride 2, 3 of stride 1
    conv5       7×7     1024  1024   1024  2048      1×1
    classify    1×1     1000  1000   1000  1000      average, linear

Multiply-adds are not time.  What the paper measured, and what the unit does about it:
    G1  equal widths of input and output move the least memory        every 1×1 keeps its width
    G2  groups cost memory traffic                                    no groups
    G3  many small pieces hinder parallel work                        two branches, one of which is nothing
    G4  element-wise operations are not free                          no addition; split, concatenation and shuffle are one reordering

Ma, Zhang, Zheng, Sun, "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", 2018, table 5, figure 3 (c), (d).

Deviation: the linear layer has a bias, as in torchvision; in the authors' code it has none.
"""
from collections.abc import Sequence
from functools import partial

from .. import functional as F
from .. import nn
from .blocks import average_and_classify, check_blocks, conv_bn
from .network import Network
from .registry import Published, model
from .rounding import check_factor, round_channels
from .shufflenet_v1 import RECIPE, UNITS, start_as_published

#     width  channels of stage 2, of conv5   parameters  multiply-adds   top-1, there; top-1 and top-5 of the authors' released weights
TABLE = {
    0.5:    ((48,  1024),                    1_366_792,   40_476_448,    39.7, 38.9, 17.4),
    1.0:    ((116, 1024),                    2_278_604,  144_907_992,    30.6, 30.6, 11.1),
    1.5:    ((176, 1024),                    3_503_624,  295_759_392,    27.4, 27.4,  9.4),
    2.0:    ((244, 2048),                    7_393_996,  583_253_464,    25.1, 25.0,  7.6),
}


class Unit(nn.Module):
    """stride 1: y = shuffle(a beside F(b)), a and b the halves of x;   stride 2: y = shuffle(G(x) beside F(x))

    F: 1×1, depthwise 3×3 without ReLU, 1×1;   G: depthwise 3×3 without ReLU, 1×1.   (N, c_in, H, W) → (N, c_out, H/stride, W/stride)
    """

    def __init__(self, c_in: int, c_out: int, stride: int):
        super().__init__()
        self.stride, half = stride, c_out // 2
        self.left = nn.Identity() if stride == 1 else nn.Sequential(dict(
            depthwise=conv_bn(c_in, c_in, 3, stride, groups=c_in, activation=None), pointwise=conv_bn(c_in, half, 1)))
        self.right = nn.Sequential(dict(
            pointwise1=conv_bn(half if stride == 1 else c_in, half, 1),
            depthwise=conv_bn(half, half, 3, stride, groups=half, activation=None), pointwise2=conv_bn(half, half, 1)))
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x):
        left, right = F.chunk(x, 2, 1) if self.stride == 1 else (x, x)
        return self.shuffle(F.cat([self.left(left), self.right(right)], 1))


def shufflenet_v2(num_classes: int = 1000, in_channels: int = 3, width: float = 1.0, dropout: float = 0.0,
                  units: Sequence[int] = tuple(UNITS.values())) -> Network:
    """ShuffleNet V2 lets half of the channels pass each unit untouched, to save time.

    width: a column of the table, or any other factor of the channels at 1×, with a conv5 of 1024.  dropout: before the linear layer, 0.2
    at 2× in the authors' code.  units: of each stage.  Starts as the authors' code does, see shufflenet_v1.start_as_published.
    """
    check_factor(width, "shufflenet_v2", advice=f"{', '.join(map(str, TABLE))} are the paper's")
    units = check_blocks("shufflenet_v2", units, (4, 8, 4), kinds=True, word="units")
    c_out, last = TABLE[width][0] if width in TABLE else (round_channels(116 * width, 4), 1024)
    stem = nn.Sequential(dict(conv1=conv_bn(in_channels, 24, 3, stride=2), pool=nn.MaxPool2d(3, stride=2, padding=1)))
    body, c = {}, 24
    for name, count in zip(UNITS, units):
        body[name] = nn.Sequential(Unit(c, c_out, 2), *(Unit(c_out, c_out, 1) for _ in range(count - 1)))
        c, c_out = c_out, 2 * c_out
    head = average_and_classify(last, num_classes, dict(conv5=conv_bn(c, last, 1)), dropout=nn.Dropout(dropout))
    return start_as_published(Network(stem, body, head, (in_channels, 224, 224)))


TORCHVISION = (
    (r"^conv1\.0", "stem.conv1.conv"), (r"^conv1\.1", "stem.conv1.norm"), (r"^stage", "body.stage"),
    (r"^conv5\.0", "head.conv5.conv"), (r"^conv5\.1", "head.conv5.norm"), (r"^fc", "head.fc"),
    (r"branch1\.0", "left.depthwise.conv"), (r"branch1\.1", "left.depthwise.norm"),
    (r"branch1\.2", "left.pointwise.conv"), (r"branch1\.3", "left.pointwise.norm"),
    (r"branch2\.0", "right.pointwise1.conv"), (r"branch2\.1", "right.pointwise1.norm"),
    (r"branch2\.3", "right.depthwise.conv"), (r"branch2\.4", "right.depthwise.norm"),
    (r"branch2\.5", "right.pointwise2.conv"), (r"branch2\.6", "right.pointwise2.norm"),
)
for width, ((c, _), params, macs, top1, released1, released5) in TABLE.items():
    model(f"shufflenet_v2_{width}", params=params, macs=macs, year=2018, recipe=RECIPE,
          paper='Ma, Zhang, Zheng, Sun, "ShuffleNet V2", 2018, arXiv:1807.11164',
          stages={"stem": (24, 56, 56), "stage2": (c, 28, 28), "stage3": (2 * c, 14, 14), "stage4": (4 * c, 7, 7)},
          published=(Published(top1, protocol="1 crop 224"),
                     Published(released1, released5, protocol="1 crop 224, the authors' released weights", verified=True)),
          keys={"torchvision.shufflenet_v2_x" + str(width).replace(".", "_"): TORCHVISION})(
        partial(shufflenet_v2, width=width, dropout=0.2 if width == 2.0 else 0.0))
