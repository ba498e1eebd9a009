"""Residual networks for small images: 6n + 2 layers, of which more than a thousand can be trained.

output    layers                        n = 3, 5, 7, 9, 18, 200 for 20, 32, 44, 56, 110, 1202 layers
32×32     3×3, 16
32×32     [3×3, 16; 3×3, 16] × n
16×16     [3×3, 32; 3×3, 32] × n        the first with stride 2
8×8       [3×3, 64; 3×3, 64] × n        the first with stride 2
1×1       average, linear to 10 classes

Shortcuts are of kind A, without a parameter: a residual network has exactly the weights of the plain one. Plain networks of 56 layers
are worse than those of 20, on the training images too; residual networks get better with depth, but for 1202 layers, which overfit.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015, section 4.2 and table 6.

Deviation: the zero channels of a shortcut stand behind those of the input; the paper leaves their place open.
"""
from dataclasses import replace
from functools import partial

from .. import nn
from .blocks import MOST_LAYERS, average_and_classify, conv_bn, start, whole
from .network import Network
from .recipe import CIFAR, Recipe
from .registry import Published, model
from .resnet import Residual, basic_layers, channels_of, last_gamma_zero, shortcut_of, stages


def resnet_cifar(num_classes: int = 10, in_channels: int = 3, depth: int = 20, shortcut: str | None = "A", width: float = 1.0,
                 zero_gamma: bool = False) -> Network:
    """ResNet for 32×32 has 6n + 2 layers, and no parameters in its shortcuts.

    depth: 6n + 2.  shortcut: "A", "B", "C" or None.  width: factor of all channels.  zero_gamma: γ = 0 in the last norm of a block.
    Starts from w ~ N(0, 2 / fan_in), γ = 1, β = 0, and the classifier, of which the paper says nothing, from U(±1/√fan_in).
    ValueError for another depth.
    """
    n, rest = divmod(whole("resnet_cifar", "depth", depth, most=6 * MOST_LAYERS, advice="of the form 6n + 2") - 2, 6)
    if rest or n < 1:
        raise ValueError(f"resnet_cifar: depth should be 6n + 2 with n of at least 1 (8, 14, 20, 26 …), got {depth!r}")

    def block(c_in: int, c_out: int, stride: int) -> Residual:
        return Residual(basic_layers(c_in, c_out, stride), shortcut_of(shortcut, c_in, c_out, stride))
    channels = channels_of("resnet_cifar", (n, n, n), width, 16)
    stem = nn.Sequential(dict(conv1=conv_bn(in_channels, channels[0], 3)))
    body = stages(block, (n, n, n), channels, channels[0])
    network = Network(stem, body, average_and_classify(channels[-1], num_classes), (in_channels, 32, 32))
    start(network, conv=nn.init.kaiming_normal_)
    return last_gamma_zero(network) if zero_gamma else network


def plain_cifar(num_classes: int = 10, in_channels: int = 3, depth: int = 20, width: float = 1.0) -> Network:
    """A plain network for 32×32 is the residual network without its shortcuts.

    What residual networks were compared with.  width: factor of all channels.  Starts as they do.
    """
    return resnet_cifar(num_classes, in_channels, depth, None, width)


RECIPE = Recipe(optimizer="sgd", lr=0.1, momentum=0.9, weight_decay=1e-4, batch_size=128, epochs=182, schedule="multi_step",
                schedule_options={"milestones": (91, 136.5)}, augment={"shift": 4, "flip": True}, image_size=32,
                **CIFAR,
                source="section 4.2, recalled: 64,000 steps on 45,000 images, a tenth of the rate after 32,000 and 48,000. There the mean "
                       "is subtracted pixel by pixel")
# 110 layers: 400 steps of 0.01 first, there until the training error is below 80 %
WARM = replace(RECIPE, warmup_epochs=1.14, schedule_options={"milestones": (89.9, 135.4)},
               source=RECIPE.source + ", and 0.01 is the rate of the first 400 steps or so; here it rises in a straight line")
STAGES = {"stem": (16, 32, 32), "stage1": (16, 32, 32), "stage2": (32, 16, 16), "stage3": (64, 8, 8)}
PAPER = "He, Zhang, Ren, Sun, \"Deep Residual Learning for Image Recognition\", 2015, arXiv:1512.03385, section 4.2"

#         parameters  multiply-adds  error, CIFAR-10
for depth, (params, macs, error) in {
    20:   (269_722,    40_551_040,    8.75),
    32:   (464_154,    68_862_592,    7.51),
    44:   (658_586,    97_174_144,    7.17),
    56:   (853_018,    125_485_696,   6.97),
    110:  (1_727_962,  252_887_680,   6.43),
    1202: (19_421_274, 2_829_238_912, 7.93),
}.items():
    model(f"resnet{depth}_cifar", params=params, macs=macs, input_shape=(3, 32, 32), year=2015, paper=PAPER, aliases=(f"resnet{depth}",),
          recipe=WARM if depth > 100 else RECIPE, stages=STAGES,
          published=Published(error, data="CIFAR-10", protocol="best of 5 (mean 6.61)" if depth == 110 else "1 crop"))(
        partial(resnet_cifar, depth=depth))
    if depth in (20, 56):
        model(f"plain{depth}_cifar", params=params, macs=macs, input_shape=(3, 32, 32), year=2015, paper=PAPER, aliases=(f"plain{depth}",),
              recipe=RECIPE, stages=STAGES)(partial(plain_cifar, depth=depth))
