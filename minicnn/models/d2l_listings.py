"""AlexNet, VGG-11, NiN and GoogLeNet as D2L's listings write them: for grey images of 224×224, ten classes, and sizes found by themselves.

                 layers                                                                parameters     multiply-adds
alexnet_d2l      11×11/4 padded by 1, 5×5, 3×3, 3×3, 3×3;  4096, 4096, classes         46,764,746     938,146,176
vgg11_d2l        blocks of 1, 1, 2, 2, 2 convolutions 3×3;  4096, 4096, classes        128,806,154    7,547,232,256
nin_d2l          11×11/4, 5×5, 3×3, 3×3, each followed by 1×1, 1×1; average            1,992,166      762,297,352
googlenet_d2l    stem, 9 inceptions with the paper's widths; average, classes          5,977,530      1,502,982,144

D2L's listings (Zhang, Lipton, Li, Smola, "Dive into Deep Learning", 2021, arXiv:2106.11342, sections 8.1 to 8.4) simplify the papers'
networks on purpose, and say so: no second tower and no response normalisation in AlexNet, no auxiliary heads in GoogLeNet.

In copies of the listings lines are lost; here is what they evidently mean:
- AlexNet, VGG, GoogLeNet: the last layer, LazyLinear(num_classes). As printed they end at a dropout or at the average.
- vgg_block: the ReLU after each convolution and the pool after the block, which the text describes. As printed, 105,252,703,488 parameters.
- NiN: Dropout(0.5) before the last block, Flatten after the average.
- Inception: torch.cat of the four branches.
What stays: padding 1 in AlexNet's first convolution gives planes of 54–26–12–5, where the paper has 55–27–13–6.

Deviations: the plane before AlexNet's and VGG's linear layers is fitted to 5×5 or 7×7, so that images of other sizes get in.
All start as there: weights Xavier uniform, biases with PyTorch's values, uniform in ±1 / √fan_in.
"""
from collections.abc import Callable
from typing import Any

from .. import nn
from ..functional import meta
from ..modes import no_grad
from .blocks import Branches, FitPlane, check_rows, start
from .network import Network
from .recipe import Recipe
from .registry import model
from .rounding import scaled_by

PAPER = "Zhang, Lipton, Li, Smola, \"Dive into Deep Learning\", 2021, arXiv:2106.11342"
ARCH = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))


def recipe(lr: float) -> Recipe:
    """What D2L trains with: plain gradient descent on Fashion-MNIST."""
    return Recipe(optimizer="sgd", lr=lr, batch_size=128, epochs=10, image_size=224,
                  source="D2L, recalled: Fashion-MNIST, enlarged to 224 there (GoogLeNet: 96), not padded")


def conv_relu(maps: int, kernel_size: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
    """A convolution to that many maps and ReLU.  (N, C, H, W) → (N, maps, P, Q)"""
    return [nn.LazyConv2d(maps, kernel_size, stride, padding), nn.ReLU()]


def classifier(plane: int, num_classes: int, scaled: Callable[[float], int], dropout: float) -> nn.Sequential:
    """(N, C, plane, plane) → (N, num_classes), the same for AlexNet and VGG"""
    hidden = scaled(4096)
    return nn.Sequential(FitPlane(plane), nn.Flatten(), nn.LazyLinear(hidden), nn.ReLU(), nn.Dropout(dropout),
                         nn.LazyLinear(hidden), nn.ReLU(), nn.Dropout(dropout), nn.LazyLinear(num_classes))


def assemble(stem: nn.Module, body: dict[str, nn.Module], head: nn.Module, in_channels: int) -> Network:
    """The network, once an image without values has told the lazy layers their sizes; weights Xavier uniform."""
    network = Network(stem, body, head, (in_channels, 224, 224))
    with no_grad():
        network.eval()(meta(1, *network.image))
    start(network.train(), conv=nn.init.xavier_uniform_, linear=nn.init.xavier_uniform_, bias=None)
    return network


@model("alexnet_d2l", params=46_764_746, macs=938_146_176, input_shape=(1, 224, 224), year=2021, paper=f"{PAPER}, section 8.1",
       recipe=recipe(0.01),
       stages={"stem": (96, 26, 26), "conv2": (256, 12, 12), "conv3": (384, 12, 12), "conv4": (384, 12, 12), "conv5": (256, 5, 5)})
def alexnet_d2l(num_classes: int = 10, in_channels: int = 1, width: float = 1.0, dropout: float = 0.5) -> Network:
    """AlexNet of D2L has one tower, padding 1 and no response normalisation.

    width: factor of all numbers of maps and of the hidden linear layers.  Starts from Xavier's uniform weights.
    """
    scaled = scaled_by(width, "alexnet_d2l")

    def pool():
        return nn.MaxPool2d(kernel_size=3, stride=2)
    stem = nn.Sequential(*conv_relu(scaled(96), 11, stride=4, padding=1), pool())                # 96×54×54 → 96×26×26
    body: dict[str, nn.Module] = {
        "conv2": nn.Sequential(*conv_relu(scaled(256), 5, padding=2), pool()),                   # 256×26×26 → 256×12×12
        "conv3": nn.Sequential(*conv_relu(scaled(384), 3, padding=1)),
        "conv4": nn.Sequential(*conv_relu(scaled(384), 3, padding=1)),
        "conv5": nn.Sequential(*conv_relu(scaled(256), 3, padding=1), pool())}                   # 256×12×12 → 256×5×5
    return assemble(stem, body, classifier(5, num_classes, scaled, dropout), in_channels)


def vgg_block(num_convs: int, maps: int) -> nn.Sequential:
    """num_convs times convolution and ReLU, then half the plane.  (N, C, H, W) → (N, maps, H/2, W/2)"""
    layers = [layer for _ in range(num_convs) for layer in conv_relu(maps, 3, padding=1)]
    return nn.Sequential(*layers, nn.MaxPool2d(kernel_size=2, stride=2))


@model("vgg11_d2l", params=128_806_154, macs=7_547_232_256, input_shape=(1, 224, 224), year=2021, paper=f"{PAPER}, section 8.2",
       recipe=recipe(0.01),
       stages={"stem": (64, 112, 112), "block2": (128, 56, 56), "block3": (256, 28, 28), "block4": (512, 14, 14), "block5": (512, 7, 7)})
def vgg11_d2l(num_classes: int = 10, in_channels: int = 1, arch: tuple[tuple[int, int], ...] = ARCH, width: float = 1.0,
              dropout: float = 0.5) -> Network:
    """VGG-11 of D2L is built from a list of blocks, which makes other VGGs as well.

    arch: (convolutions, maps) a block.  width: factor of all numbers of maps and of the hidden linear layers.
    Starts from Xavier's uniform weights.
    """
    arch = check_rows("vgg11_d2l", "arch", arch, "convolutions, maps")
    scaled = scaled_by(width, "vgg11_d2l")
    stages: dict[str, nn.Module] = {f"block{i}": vgg_block(n, scaled(maps)) for i, (n, maps) in enumerate(arch, 1)}
    return assemble(stages.pop("block1"), stages, classifier(7, num_classes, scaled, dropout), in_channels)


def nin_block(maps: int, kernel_size: int, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """A convolution, then at each place two linear layers over the channels.  (N, C, H, W) → (N, maps, P, Q)"""
    return nn.Sequential(*conv_relu(maps, kernel_size, stride, padding), *conv_relu(maps, 1), *conv_relu(maps, 1))


@model("nin_d2l", params=1_992_166, macs=762_297_352, input_shape=(1, 224, 224), year=2021, paper=f"{PAPER}, section 8.3",
       recipe=recipe(0.05), stages={"stem": (96, 26, 26), "block2": (256, 12, 12), "block3": (384, 5, 5)})
def nin_d2l(num_classes: int = 10, in_channels: int = 1, width: float = 1.0, dropout: float = 0.5) -> Network:
    """Network in network of D2L averages as many maps as there are classes.

    width: factor of the numbers of maps, but for the last block's.  Starts from Xavier's uniform weights.
    """
    scaled = scaled_by(width, "nin_d2l")

    def pool():
        return nn.MaxPool2d(3, stride=2)
    stem = nn.Sequential(nin_block(scaled(96), 11, stride=4), pool())                            # 96×54×54 → 96×26×26
    body: dict[str, nn.Module] = {"block2": nn.Sequential(nin_block(scaled(256), 5, padding=2), pool()),
                                  "block3": nn.Sequential(nin_block(scaled(384), 3, padding=1), pool())}
    head = nn.Sequential(nn.Dropout(dropout), nin_block(num_classes, 3, padding=1), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())
    return assemble(stem, body, head, in_channels)


def inception(scaled: Callable[[float], int], c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int) -> Branches:
    """(N, C, H, W) → (N, c1 + c2[1] + c3[1] + c4, H, W), each scaled"""
    def branch(*layers: Any) -> nn.Sequential:
        return nn.Sequential(*layers)
    (c2_1, c2_2), (c3_1, c3_2) = (map(scaled, pair) for pair in (c2, c3))
    return Branches(b1=branch(*conv_relu(scaled(c1), 1)),
                    b2=branch(*conv_relu(c2_1, 1), *conv_relu(c2_2, 3, padding=1)),
                    b3=branch(*conv_relu(c3_1, 1), *conv_relu(c3_2, 5, padding=2)),
                    b4=branch(nn.MaxPool2d(3, stride=1, padding=1), *conv_relu(scaled(c4), 1)))


#            b1   b2          b3         b4
INCEPTIONS = {
    "b3": ((64, (96, 128), (16, 32), 32), (128, (128, 192), (32, 96), 64)),
    "b4": ((192, (96, 208), (16, 48), 64), (160, (112, 224), (24, 64), 64), (128, (128, 256), (24, 64), 64),
           (112, (144, 288), (32, 64), 64), (256, (160, 320), (32, 128), 128)),
    "b5": ((256, (160, 320), (32, 128), 128), (384, (192, 384), (48, 128), 128)),
}


@model("googlenet_d2l", params=5_977_530, macs=1_502_982_144, input_shape=(1, 224, 224), year=2021, paper=f"{PAPER}, section 8.4",
       recipe=recipe(0.01),
       stages={"stem": (64, 56, 56), "b2": (192, 28, 28), "b3": (480, 14, 14), "b4": (832, 7, 7), "b5": (1024, 7, 7)})
def googlenet_d2l(num_classes: int = 10, in_channels: int = 1, width: float = 1.0) -> Network:
    """GoogLeNet of D2L has the paper's inceptions, without auxiliary heads and norms.

    width: factor of all numbers of maps.  Starts from Xavier's uniform weights.
    """
    scaled = scaled_by(width, "googlenet_d2l")

    def pool():
        return nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
    stem = nn.Sequential(*conv_relu(scaled(64), 7, stride=2, padding=3), pool())
    body: dict[str, nn.Module] = {
        "b2": nn.Sequential(*conv_relu(scaled(64), 1), *conv_relu(scaled(192), 3, padding=1), pool())}
    for stage, rows in INCEPTIONS.items():
        body[stage] = nn.Sequential(*(inception(scaled, *row) for row in rows), *([pool()] if stage != "b5" else []))
    head = nn.Sequential(nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.LazyLinear(num_classes))
    return assemble(stem, body, head, in_channels)
