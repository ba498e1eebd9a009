"""MobileNetV3: MobileNetV2's blocks, with sizes found by search, squeeze and excitation, and activations without exponentials.

    large       k    exp    c    SE   NL   s                   small       k    exp    c    SE   NL   s
    conv        3           16        HS   2    112×112        conv        3           16        HS   2    112×112
    stage1      3     16    16        RE   1    112×112        stage1      3     16    16   ✓    RE   2     56×56
    stage2      3     64    24        RE   2     56×56         stage2      3     72    24        RE   2     28×28
                3     72    24        RE   1                               3     88    24        RE   1
    stage3      5     72    40   ✓    RE   2     28×28         stage3      5     96    40   ✓    HS   2     14×14
                5    120    40   ✓    RE   1  twice                        5    240    40   ✓    HS   1  twice
    stage4      3    240    80        HS   2     14×14         stage4      5    120    48   ✓    HS   1     14×14
                3    200    80        HS   1                               5    144    48   ✓    HS   1
                3    184    80        HS   1  twice            stage5      5    288    96   ✓    HS   2      7×7
    stage5      3    480   112   ✓    HS   1     14×14                     5    576    96   ✓    HS   1  twice
                3    672   112   ✓    HS   1
    stage6      5    672   160   ✓    HS   2      7×7
                5    960   160   ✓    HS   1  twice
    conv        1          960        HS          7×7          conv        1          576        HS          7×7
    classify    average, linear 1280, HS, linear 1000          classify    average, linear 1024, HS, linear 1000

k: kernel of the depthwise convolution; exp: channels inside the block; SE: squeeze and excitation there, to a quarter of exp; NL: relu or
h-swish, x·relu6(x + 3)/6; s: stride.  The layer of 1280 stands after the average, where it costs a 49th of what it cost in MobileNetV2.

Howard, Sandler, Chu, Chen, Chen, Tan, Wang, Zhu, Pang, Vasudevan, Le, Adam, "Searching for MobileNetV3", 2019, tables 1 and 2.

Deviations: table 2 marks the last convolution of Small with SE; neither the authors' code nor others have one there.
"""
from collections.abc import Mapping
from functools import partial
from typing import Any

from .. import nn
from .blocks import SqueezeExcitation, average_and_classify, check_stages, conv_bn, start, truncated, whole
from .network import Network
from .recipe import Recipe
from .registry import Published, model
from .rounding import check_factor, round_channels

RE, HS = nn.ReLU, nn.Hardswish
#    k  exp  c    SE     NL  s
LARGE = {
    "stage1": (
        (3, 16,  16,  False, RE, 1),),
    "stage2": (
        (3, 64,  24,  False, RE, 2),
        (3, 72,  24,  False, RE, 1)),
    "stage3": (
        (5, 72,  40,  True,  RE, 2),
        (5, 120, 40,  True,  RE, 1),
        (5, 120, 40,  True,  RE, 1)),
    "stage4": (
        (3, 240, 80,  False, HS, 2),
        (3, 200, 80,  False, HS, 1),
        (3, 184, 80,  False, HS, 1),
        (3, 184, 80,  False, HS, 1)),
    "stage5": (
        (3, 480, 112, True,  HS, 1),
        (3, 672, 112, True,  HS, 1)),
    "stage6": (
        (5, 672, 160, True,  HS, 2),
        (5, 960, 160, True,  HS, 1),
        (5, 960, 160, True,  HS, 1)),
}
SMALL = {
    "stage1": (
        (3, 16,  16,  True,  RE, 2),),
    "stage2": (
        (3, 72,  24,  False, RE, 2),
        (3, 88,  24,  False, RE, 1)),
    "stage3": (
        (5, 96,  40,  True,  HS, 2),
        (5, 240, 40,  True,  HS, 1),
        (5, 240, 40,  True,  HS, 1)),
    "stage4": (
        (5, 120, 48,  True,  HS, 1),
        (5, 144, 48,  True,  HS, 1)),
    "stage5": (
        (5, 288, 96,  True,  HS, 2),
        (5, 576, 96,  True,  HS, 1),
        (5, 576, 96,  True,  HS, 1)),
}
conv = partial(conv_bn, eps=1e-3, momentum=0.01)                 # batch norm of TensorFlow's MobileNets: its decay 0.99 is our 1 − momentum


class Block(nn.Module):
    """y = x + W₂ s(d(W₁ x)): 1×1 up to exp channels, k×k on each, excitation, 1×1 down without activation; without x where shapes differ.

    Batch norm after each convolution.  (N, c_in, H, W) → (N, c_out, H/stride, W/stride)
    """

    def __init__(self, c_in: int, wide: int, c_out: int, kernel_size: int, excite: bool, activation: Any, stride: int):
        super().__init__()
        layers: dict[str, nn.Module] = {"expand": conv(c_in, wide, 1, activation=activation)} if wide != c_in else {}
        layers["depthwise"] = conv(wide, wide, kernel_size, stride, groups=wide, activation=activation)
        if excite:
            layers["excite"] = SqueezeExcitation(wide, round_channels(wide / 4), gate=nn.Hardsigmoid)
        layers["project"] = conv(wide, c_out, 1, activation=None)
        self.residual, self.shortcut = nn.Sequential(layers), (stride, c_in) == (1, c_out)

    def forward(self, x):
        return x + self.residual(x) if self.shortcut else self.residual(x)


def mobilenet_v3(num_classes: int = 1000, in_channels: int = 3, stages: Mapping[str, Any] = LARGE, hidden: int = 1280,
                 width: float = 1.0, dropout: float = 0.2) -> Network:
    """MobileNetV3 has sizes found by search, squeeze-and-excitation and h-swish.

    stages: rows (k, exp, c, SE, NL, s) of each stage, as LARGE and SMALL.  hidden: width of the layer before the last.
    width: all channels times this, rounded to multiples of 8; hidden grows with it but never shrinks.  dropout: before the last layer.
    Starts with w ~ N(0, 0.09²) cut off at two standard deviations, biases 0: the authors' code, recalled; the paper does not say.
    """
    check_factor(width, "mobilenet_v3", advice="the paper has 0.35 to 1.25")
    c, c_of_table = round_channels(16 * width), 16
    stem, body = conv(in_channels, c, 3, stride=2, activation=HS), {}
    for name, rows in check_stages("mobilenet_v3", stages, "k, exp, c, SE, NL, s", free="SE, NL").items():
        blocks = []
        for kernel_size, exp, channels, excite, activation, stride in rows:
            # as TF-slim: what the rounding made of the input's channels, expanded by the ratio that the table has there
            wide, c_out = round_channels(c * exp / c_of_table), round_channels(channels * width)
            blocks.append(Block(c, wide, c_out, kernel_size, excite, activation, stride))
            c, c_of_table = c_out, channels
        body[name] = nn.Sequential(*blocks)
    hidden = max(whole("mobilenet_v3", "hidden", hidden), round_channels(hidden * width))
    head = average_and_classify(hidden, num_classes, dict(conv=conv(c, 6 * c, 1, activation=HS)),
                                hidden=nn.Linear(6 * c, hidden), activation=HS(), dropout=nn.Dropout(dropout))
    return start(Network(stem, body, head, (in_channels, 224, 224)), conv=truncated(0.09), linear=truncated(0.09))


RECIPE = Recipe(optimizer="rmsprop", lr=0.1, momentum=0.9, weight_decay=1e-5, batch_size=4096, epochs=600, schedule="step",
                schedule_options={"step_size": 3, "gamma": 0.99}, optimizer_options={"alpha": 0.9, "eps": 1.0, "eps_inside": True},
                average=0.9999,
                augment={"crop": 0.08, "flip": True, "colour": 0.4}, image_size=224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
                source="section 6.1.1, recalled: 'decay rate of 0.01 every 3 epochs', taken as ×0.99; the number of epochs is not given, "
                       "600 is torchvision's; alpha and eps as for MobileNetV2; Inception's distortions, by our crop and colour")


def torchvision_keys(stages: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Their blocks and the layers in them are numbered through, and a layer that is not there has no number."""
    rules, c, number = [(r"^features\.0\.", "stem."), (r"^classifier\.0\.", "head.hidden."), (r"^classifier\.3\.", "head.fc.")], 16, 1
    for stage, rows in stages.items():
        for i, (_, exp, channels, excite, _, _) in enumerate(rows):
            layers = ["expand"] * (exp != c) + ["depthwise"] + ["excite"] * excite + ["project"]
            rules += [(rf"^features\.{number}\.block\.{j}\.", f"body.{stage}.{i}.residual.{layer}.") for j, layer in enumerate(layers)]
            c, number = channels, number + 1
    return (*rules, (rf"^features\.{number}\.", "head.conv."), (r"\.fc1\.", ".reduce."), (r"\.fc2\.", ".expand."),
            (r"(stem|expand|depthwise|project|head\.conv)\.0\.", r"\1.conv."),
            (r"(stem|expand|depthwise|project|head\.conv)\.1\.", r"\1.norm."))


PAPER = 'Howard, Sandler, Chu, Chen, Chen, Tan, Wang, Zhu, Pang, Vasudevan, Le, Adam, "Searching for MobileNetV3", 2019, arXiv:1905.02244'
RELEASED = "1 crop, the authors' released model"

model("mobilenet_v3_large", params=5_483_032, macs=216_589_760, year=2019, paper=PAPER, recipe=RECIPE, aliases=("mobilenet_v3",),
      stages={"stem": (16, 112, 112), "stage1": (16, 112, 112), "stage2": (24, 56, 56), "stage3": (40, 28, 28), "stage4": (80, 14, 14),
              "stage5": (112, 14, 14), "stage6": (160, 7, 7)},
      published=(Published(24.8), Published(24.8, protocol=RELEASED, verified=True)),
      keys={"torchvision.mobilenet_v3_large": torchvision_keys(LARGE)})(partial(mobilenet_v3, stages=LARGE, hidden=1280))

model("mobilenet_v3_small", params=2_542_856, macs=56_510_400, year=2019, paper=PAPER, recipe=RECIPE,
      stages={"stem": (16, 112, 112), "stage1": (16, 56, 56), "stage2": (24, 28, 28), "stage3": (40, 14, 14), "stage4": (48, 14, 14),
              "stage5": (96, 7, 7)},
      published=(Published(32.6), Published(32.5, protocol=RELEASED, verified=True)),
      keys={"torchvision.mobilenet_v3_small": torchvision_keys(SMALL)})(partial(mobilenet_v3, stages=SMALL, hidden=1024))
