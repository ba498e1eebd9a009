"""MobileNets: a convolution in two steps, one plane at a time, then across channels, for an eighth of the multiply-adds.

    conv            3×3 / 2        32     112×112
    stage1          64                    112×112        a row: depthwise 3×3, then pointwise 1×1 to these channels;
    stage2          128 / 2, 128           56×56         /2: the stride of the depthwise
    stage3          256 / 2, 256           28×28
    stage4          512 / 2, 512 × 5       14×14
    stage5          1024 / 2, 1024          7×7
    classify        average, 1000 linear

A 3×3 convolution from C to K channels costs 9·C·K multiply-adds a pixel; a depthwise and a pointwise one cost 9·C + C·K.
Two factors trade accuracy for size: the width multiplier α scales all channels (width=0.5); the resolution multiplier ρ scales the image,
and is no part of the network: give it images of 192, 160 or 128 pixels.

Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam, "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", 2017, table 1, sections 3.2 to 3.4.

Deviations: table 1 prints stride 2 for the last depthwise convolution, whose output it says is 7×7 as its input is; the stride is 1.
ReLU as in the paper; the authors' code has ReLU6 (activation=nn.ReLU6, which weights of others take as well).  Batch norm has PyTorch's
constants, ε = 1e-5 and a step of 0.1 for the running statistics, where the authors' code (TF-slim) has 1e-3 and 0.0003.
"""
from collections.abc import Mapping
from functools import partial
from typing import Any

from .. import nn
from .blocks import average_and_classify, check_stages, conv_bn, start, truncated
from .network import Network
from .recipe import Recipe
from .registry import Published, model
from .rounding import check_factor, round_channels

#            (channels, stride) of each block
STAGES = {
    "stage1": ((64, 1),),
    "stage2": ((128, 2), (128, 1)),
    "stage3": ((256, 2), (256, 1)),
    "stage4": ((512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1)),
    "stage5": ((1024, 2), (1024, 1)),
}


def separable(c_in: int, c_out: int, stride: int, activation: Any = nn.ReLU) -> nn.Sequential:
    """relu(bn(W₁ relu(bn(w₃ ∗ x)))): 3×3 within each plane, 1×1 across them.  (N, c_in, H, W) → (N, c_out, H/stride, W/stride)"""
    return nn.Sequential(dict(depthwise=conv_bn(c_in, c_in, 3, stride, groups=c_in, activation=activation),
                              pointwise=conv_bn(c_in, c_out, 1, activation=activation)))


def mobilenet_v1(num_classes: int = 1000, in_channels: int = 3, width: float = 1.0, dropout: float = 0.0,
                 activation: Any = nn.ReLU, stages: Mapping[str, Any] = STAGES) -> Network:
    """MobileNet filters each map by a 3×3 of its own, then mixes the maps by 1×1.

    width: α, all channels times this, rounded to multiples of 8.  dropout: before the linear layer.  stages: as STAGES.
    Starts with w ~ N(0, 0.09²) cut off at two standard deviations, biases 0: the authors' code, read; the paper does not say.
    """
    check_factor(width, "mobilenet_v1", advice="1.0, 0.75, 0.5 and 0.25 are the paper's")
    c = round_channels(32 * width)
    stem = conv_bn(in_channels, c, 3, stride=2, activation=activation)
    body = {}
    for name, row in check_stages("mobilenet_v1", stages, "channels, stride").items():
        blocks = []
        for channels, stride in row:
            c, c_in = round_channels(channels * width), c
            blocks.append(separable(c_in, c, stride, activation))
        body[name] = nn.Sequential(*blocks)
    head = average_and_classify(c, num_classes, dropout=nn.Dropout(dropout))
    return start(Network(stem, body, head, (in_channels, 224, 224)), conv=truncated(0.09), linear=truncated(0.09))


RECIPE = Recipe(optimizer="rmsprop", lr=0.045, momentum=0.9, weight_decay=4e-5, batch_size=32, epochs=100, schedule="step",
                schedule_options={"step_size": 2, "gamma": 0.94}, optimizer_options={"alpha": 0.9, "eps": 1.0, "eps_inside": True},
                augment={"crop": 0.25, "flip": True}, image_size=224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
                source="section 3.2, recalled: asynchronous RMSprop as for Inception v3, whose numbers these are (see inception_v3 here) "
                       "but for the batch, which is one replica's; less distortion than there, in what amount it does not say; little or "
                       "no weight decay on depthwise weights, which is not reproduced")
#         parameters  multiply-adds  error in the paper   errors of the authors' released model
TABLE = {
    1.0:  (4_231_976, 568_740_352,   29.4,                (29.1, 10.1)),
    0.75: (2_585_560, 325_400_448,   31.6,                (31.6, 11.8)),
    0.5:  (1_331_592, 149_497_088,   36.3,                (36.7, 15.1)),
    0.25: (470_072,   41_030_272,    49.4,                (50.2, 25.8)),
}
TIMM = ((r"^conv_stem\.", "stem.conv."), (r"^bn1\.", "stem.norm."), (r"^classifier\.", "head.fc."),      # with act_layer="relu" there
        *((rf"^blocks\.{i}\.", f"body.stage{i + 1}.") for i in range(5)),
        (r"\.conv_dw\.", ".depthwise.conv."), (r"\.bn1\.", ".depthwise.norm."),
        (r"\.conv_pw\.", ".pointwise.conv."), (r"\.bn2\.", ".pointwise.norm."))

for width, (params, macs, error, released) in TABLE.items():
    sides = {"stem": (32, 112), "stage1": (64, 112), "stage2": (128, 56), "stage3": (256, 28), "stage4": (512, 14), "stage5": (1024, 7)}
    model(f"mobilenet_v1_{width}", params=params, macs=macs, year=2017, recipe=RECIPE, aliases=("mobilenet_v1",) if width == 1 else (),
          paper='Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam, "MobileNets", 2017, arXiv:1704.04861',
          stages={name: (int(width * c), side, side) for name, (c, side) in sides.items()},
          published=(Published(error), Published(*released, protocol="1 crop, the authors' released model", verified=True)),
          keys={"timm.mobilenetv1_100": TIMM} if width == 1 else {})(partial(mobilenet_v1, width=width))
