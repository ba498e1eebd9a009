"""Wide residual networks: sixteen or twenty-eight layers that are wide are as good as a thousand that are thin, and train faster.

CIFAR, WRN-d-k, d = 6n + 4 layers                       ImageNet
32×32   3×3, 16                                         112×112  7×7, 64, stride 2
32×32   [3×3, 16k; 3×3, 16k] × n                        56×56    3×3 max pool, stride 2
16×16   [3×3, 32k; 3×3, 32k] × n                        56×56    [1×1, 64k;  3×3, 64k;  1×1, 256 ] × 3
8×8     [3×3, 64k; 3×3, 64k] × n                        28×28    [1×1, 128k; 3×3, 128k; 1×1, 512 ] × 4
1×1     norm, ReLU, average, linear to 10 classes       14×14    [1×1, 256k; 3×3, 256k; 1×1, 1024] × 6 (23 for 101 layers)
                                                        7×7      [1×1, 512k; 3×3, 512k; 1×1, 2048] × 3
For CIFAR norm and ReLU come before each convolution, with dropout, if any, between the two of a block; for ImageNet after it.

Zagoruyko, Komodakis, "Wide Residual Networks", 2016, table 1 and sections 2.3, 2.4 and 3.

Deviations: the stride of a bottleneck stands in its 3×3, as in the authors' code and torchvision. WRN-101-2 is torchvision's.
"""
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from .. import nn
from .blocks import MOST_LAYERS, average_and_classify, start, whole
from .network import Network
from .preact_resnet import Unit
from .recipe import CIFAR, Recipe
from .registry import Published, model
from .resnet import RECIPE, TORCHVISION, bottleneck_layers, residual_network, shapes, stages, torchvision_result
from .rounding import check_factor, scaled_by


def wide_resnet(num_classes: int = 10, in_channels: int = 3, depth: int = 28, widening: float = 10, dropout: float = 0.0,
                width: float = 1.0) -> Network:
    """Wide ResNet for 32×32 has few layers, but k times as many channels.

    depth: 6n + 4.  widening: k.  width: factor of all channels, those of the stem too.
    dropout: between the convolutions of a block; 0.3 in the paper's variant with it.
    Starts from w ~ N(0, 2 / fan_in), γ = 1, β = 0, and the classifier, of which the paper says nothing, from U(±1/√fan_in).
    ValueError for another depth.
    """
    n, rest = divmod(whole("wide_resnet", "depth", depth, most=6 * MOST_LAYERS, advice="of the form 6n + 4") - 4, 6)
    if rest or n < 1:
        raise ValueError(f"wide_resnet: depth should be 6n + 4 with n of at least 1 (10, 16, 22, 28, 34, 40 …), got {depth!r}")
    k, scaled = check_factor(widening, "wide_resnet", "widening", "the paper has 1 to 12"), scaled_by(width, "wide_resnet")
    first, channels = scaled(16), [scaled(16 * k), scaled(32 * k), scaled(64 * k)]
    stem = nn.Sequential(dict(conv1=nn.Conv2d(in_channels, first, 3, padding=1, bias=False)))
    unit = partial(Unit, dropout=dropout)
    # norm and ReLU of the first unit belong to the stem, which has none: shortcut and F share them
    body = stages(unit, (n, n, n), channels, first, opening=partial(unit, shared=True))
    head = average_and_classify(channels[-1], num_classes, dict(norm=nn.BatchNorm2d(channels[-1]), activation=nn.ReLU()))
    network = Network(stem, body, head, (in_channels, 32, 32))
    start(network, conv=nn.init.kaiming_normal_)
    return network


def wide_resnet_large(num_classes: int = 1000, in_channels: int = 3, blocks: Sequence[int] = (3, 4, 6, 3), widening: float = 2,
                      width: float = 1.0, zero_gamma: bool = False) -> Network:
    """Wide ResNet for 224×224 has bottlenecks whose 3×3 is k times as wide.

    blocks: of each stage.  widening: k, factor of the channels inside a bottleneck, which its 3×3 reads and gives, alone.
    width: factor of all channels, of the inner ones besides k.  zero_gamma: γ = 0 in the last batch norm of a block.
    Starts as those for small images do.
    """
    inside = scaled_by(check_factor(widening, "wide_resnet", "widening", "the paper has 2"), "wide_resnet")

    def layers(c_in: int, c_out: int, stride: int) -> nn.Sequential:
        return bottleneck_layers(c_in, c_out, stride, inner=inside(c_out // 4))
    return residual_network(layers, 4, blocks, num_classes, in_channels, width=width, zero_gamma=zero_gamma, family="wide_resnet")


PAPER = "Zagoruyko, Komodakis, \"Wide Residual Networks\", 2016, arXiv:1605.07146"
SMALL_RECIPE = Recipe(optimizer="sgd", lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4, batch_size=128, epochs=200,
                      schedule="multi_step", schedule_options={"milestones": (60, 120, 160), "gamma": 0.2},
                      augment={"shift": 4, "flip": True}, image_size=32, **CIFAR,
                      source="section 3, recalled. There shifted images are continued by reflection")
LARGE_RECIPE = replace(RECIPE, epochs=90, source="section 3, recalled: as fb.resnet.torch trains residual networks, whose crops take from "
                                                 "8 % of the area and whose colours are distorted too")

#           depth  k   parameters  multiply-adds  errors: data, what it is, whether read in the authors' repository
for name, (depth, k, params, macs, *published) in {
    "wrn28_10": (28, 10, 36_479_194, 5_243_328_768, (4.0, "CIFAR-10", "median of 5", True), (3.89, "CIFAR-10", "dropout 0.3", True),
                 (19.25, "CIFAR-100", "median of 5", True)),
    "wrn40_4":  (40, 4,  8_949_210,  1_298_582_016, (4.53, "CIFAR-10", "1 crop", False)),
    "wrn16_8":  (16, 8,  10_961_370, 1_548_145_664, (4.27, "CIFAR-10", "1 crop", False)),
}.items():
    model(name, params=params, macs=macs, input_shape=(3, 32, 32), year=2016, paper=PAPER, recipe=SMALL_RECIPE,
          published=tuple(Published(error, data=data, protocol=protocol, verified=read) for error, data, protocol, read in published),
          stages={"stem": (16, 32, 32), "stage1": (16 * k, 32, 32), "stage2": (32 * k, 16, 16), "stage3": (64 * k, 8, 8)})(
        partial(wide_resnet, depth=depth, widening=k))

#          blocks a stage  parameters   multiply-adds   published
for depth, (blocks, params, macs, *published) in {
    50:   ((3, 4, 6, 3),   68_883_240,  11_398_021_120, Published(21.9, 5.79, protocol="1 crop 224", verified=True),
           torchvision_result(21.532, 5.914)),
    101:  ((3, 4, 23, 3),  126_886_696, 22_753_050_624, torchvision_result(21.152, 5.716)),
}.items():
    model(f"wrn{depth}_2", params=params, macs=macs, year=2016, paper=PAPER, recipe=LARGE_RECIPE, stages=shapes(4),
          aliases=(f"wide_resnet{depth}_2",), published=tuple(published),
          keys={f"torchvision.wide_resnet{depth}_2": TORCHVISION, f"timm.wide_resnet{depth}_2": TORCHVISION})(
        partial(wide_resnet_large, blocks=blocks))
