"""MobileNetV2: a block widens few channels, filters the many, and narrows them again without an activation; shortcuts join the narrow ends.

                t    c      n    s
    conv             32     1    2    112×112      t: expansion, how many times wider the block is inside
    stage1      1    16     1    1    112×112      c: output channels
    stage2      6    24     2    2     56×56       n: blocks
    stage3      6    32     3    2     28×28       s: stride of the first block's depthwise convolution, 1 in the others
    stage4      6    64     4    2     14×14
    stage5      6    96     3    1     14×14
    stage6      6    160    3    2      7×7
    stage7      6    320    1    1      7×7
    conv             1280              7×7         1×1
    classify         1000                          average, dropout, linear

An activation loses what it sets to 0.  Where channels are many that is harmless, since others hold it too; where they are few it is not:
so the narrow ends are linear, and the shortcuts go between them.

Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, tables 1 and 2.

Deviations: none in the layers; the first block, with t = 1, has no 1×1 before its depthwise convolution, as in the authors' code.  Batch
norm has PyTorch's constants, ε = 1e-5 and a step of 0.1 for the running statistics, where the authors' code (TF-slim) has 1e-3 and 0.003.
"""
from collections.abc import Sequence

from .. import nn
from .blocks import average_and_classify, check_rows, conv_bn, start, truncated, whole
from .network import Network
from .recipe import Recipe
from .registry import Published, model
from .rounding import check_factor, round_channels

#    t  c    n  s
ROWS = (
    (1, 16,  1, 1),
    (6, 24,  2, 2),
    (6, 32,  3, 2),
    (6, 64,  4, 2),
    (6, 96,  3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """y = x + W₂ d(W₁ x): 1×1 up to t·c_in channels, ReLU6, 3×3 on each, ReLU6, 1×1 down; without x where shapes differ.

    Batch norm after each convolution.  (N, c_in, H, W) → (N, c_out, H/stride, W/stride)
    """

    def __init__(self, c_in: int, c_out: int, stride: int, expansion: int):
        super().__init__()
        wide = expansion * c_in
        layers = {"expand": conv_bn(c_in, wide, 1, activation=nn.ReLU6)} if expansion > 1 else {}
        layers["depthwise"] = conv_bn(wide, wide, 3, stride, groups=wide, activation=nn.ReLU6)
        layers["project"] = conv_bn(wide, c_out, 1, activation=None)                    # the linear bottleneck
        self.residual, self.shortcut = nn.Sequential(layers), (stride, c_in) == (1, c_out)

    def forward(self, x):
        return x + self.residual(x) if self.shortcut else self.residual(x)


def mobilenet_v2(num_classes: int = 1000, in_channels: int = 3, width: float = 1.0, dropout: float = 0.2,
                 rows: Sequence[tuple[int, int, int, int]] = ROWS, last: int = 1280) -> Network:
    """MobileNetV2 has blocks that are wide inside, and shortcuts between narrow ends.

    width: all channels times this, rounded to multiples of 8; the last 1280 grow with it but never shrink (section 6.1).
    dropout: before the linear layer.  rows: (t, c, n, s) of each stage, as ROWS.  last: channels that are averaged.
    Starts with w ~ N(0, 0.09²) cut off at two standard deviations, biases 0: the authors' code, read; the paper does not say.
    """
    check_factor(width, "mobilenet_v2", advice="the paper has 0.35 to 1.4")
    c = round_channels(32 * width)
    stem, body = conv_bn(in_channels, c, 3, stride=2, activation=nn.ReLU6), {}
    for row, (t, channels, n, s) in enumerate(check_rows("mobilenet_v2", "rows", rows, "t, c, n, s"), 1):
        blocks = []
        for i in range(n):
            c, c_in = round_channels(channels * width), c
            blocks.append(InvertedResidual(c_in, c, s if i == 0 else 1, t))
        body[f"stage{row}"] = nn.Sequential(*blocks)
    last = max(whole("mobilenet_v2", "last", last), round_channels(last * width))
    head = average_and_classify(last, num_classes, dict(conv=conv_bn(c, last, 1, activation=nn.ReLU6)), dropout=nn.Dropout(dropout))
    return start(Network(stem, body, head, (in_channels, 224, 224)), conv=truncated(0.09), linear=truncated(0.09))


RECIPE = Recipe(optimizer="rmsprop", lr=0.045, momentum=0.9, weight_decay=4e-5, batch_size=96, epochs=300, schedule="exponential",
                schedule_options={"gamma": 0.98}, optimizer_options={"alpha": 0.9, "eps": 1.0, "eps_inside": True},
                label_smoothing=0.1, average=0.9999,
                augment={"crop": 0.08, "flip": True, "colour": 0.4}, image_size=224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
                source="section 6.1, recalled, and the authors' repository (rate, batch of each of 16 asynchronous workers, smoothing, "
                       "average); the number of epochs is not given, 300 is usual; Inception's distortions, by our crop and colour")

PLACES = tuple(f"body.stage{row}.{i}" for row, (_, _, n, _) in enumerate(ROWS, 1) for i in range(n))
TORCHVISION = (
    (r"^features\.0\.0\.", "stem.conv."), (r"^features\.0\.1\.", "stem.norm."),
    (r"^features\.18\.0\.", "head.conv.conv."), (r"^features\.18\.1\.", "head.conv.norm."), (r"^classifier\.1\.", "head.fc."),
    *((rf"^features\.{i}\.conv\.", f"{place}.residual.") for i, place in enumerate(PLACES, 1)),
    (r"(stage1\.0\.residual)\.2\.", r"\1.3."), (r"(stage1\.0\.residual)\.1\.", r"\1.2."), (r"(stage1\.0\.residual)\.0\.", r"\1.1."),
    (r"residual\.0\.0\.", "residual.expand.conv."), (r"residual\.0\.1\.", "residual.expand.norm."),
    (r"residual\.1\.0\.", "residual.depthwise.conv."), (r"residual\.1\.1\.", "residual.depthwise.norm."),
    (r"residual\.2\.", "residual.project.conv."), (r"residual\.3\.", "residual.project.norm."),
)
TIMM = (
    (r"^conv_stem\.", "stem.conv."), (r"^bn1\.", "stem.norm."),
    (r"^conv_head\.", "head.conv.conv."), (r"^bn2\.", "head.conv.norm."), (r"^classifier\.", "head.fc."),
    (r"^blocks\.0\.0\.bn2", "blocks.0.0.bn3"), (r"^blocks\.0\.0\.bn1", "blocks.0.0.bn2"),                 # no expansion in the first
    (r"^blocks\.0\.0\.conv_pw\.", "blocks.0.0.conv_pwl."),
    *((rf"^blocks\.{i}\.(\d)\.", rf"body.stage{i + 1}.\1.residual.") for i in range(7)),
    (r"conv_pw\.", "expand.conv."), (r"conv_dw\.", "depthwise.conv."), (r"conv_pwl\.", "project.conv."),
    (r"bn1\.", "expand.norm."), (r"bn2\.", "depthwise.norm."), (r"bn3\.", "project.norm."),
)

model("mobilenet_v2", params=3_504_872, macs=300_774_272, year=2018, recipe=RECIPE,
      paper='Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, arXiv:1801.04381',
      stages={"stem": (32, 112, 112), "stage1": (16, 112, 112), "stage2": (24, 56, 56), "stage3": (32, 28, 28), "stage4": (64, 14, 14),
              "stage5": (96, 14, 14), "stage6": (160, 7, 7), "stage7": (320, 7, 7)},
      published=(Published(28.0), Published(28.2, 9.0, protocol="1 crop, the authors' released model", verified=True)),
      keys={"torchvision.mobilenet_v2": TORCHVISION, "timm.mobilenetv2_100": TIMM})(mobilenet_v2)
