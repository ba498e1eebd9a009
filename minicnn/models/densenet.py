"""Densely connected networks: each layer of a block reads the maps of all layers before it, and adds a few of its own.

                  224         DenseNet-121   169       201       264
    conv          112         7×7 to 2k maps, stride 2
    pool           56         3×3 maximum, stride 2
    block 1        56         6 layers       6         6         6
    transition     28         1×1 to half the maps, 2×2 average, stride 2
    block 2        28         12             12        12        12
    transition     14         as above
    block 3        14         24             32        48        64
    transition      7         as above
    block 4         7         16             32        32        48
    classify        1         7×7 average, 1000 linear

A layer has k new maps (growth): BN, ReLU, 1×1 to 4k, BN, ReLU, 3×3 to k ("B", bottleneck); k = 32 above, k = 48 and blocks of 6, 12, 36,
24 in DenseNet-161.  A transition keeps half of the maps ("C", compression).  On CIFAR: 3×3 to 2k maps (16 in the plain form) at 32×32,
three blocks of (L − 4)/3 layers, a bottleneck counting twice.

Huang, Liu, van der Maaten, Weinberger, "Densely Connected Convolutional Networks", 2016, section 3, table 1 (ImageNet), table 2 (CIFAR).
DenseNet-161 stands in the paper's first version and in the authors' repository.

Stored as they are read, the concatenated inputs of L layers grow as L².  memory_sparing=True computes them again in the backward:
Pleiss, Chen, Huang, Li, van der Maaten, Weinberger, "Memory-Efficient Implementation of DenseNets", 2017.

Deviations: none in the network; table 1's blocks of DenseNet-264 make 265 layers with weights, not 264.  Pleiss et al. keep what the first
convolution gives; here it is computed again too, in a block that is given its inputs alone (as in torchvision).
"""
from functools import partial
from typing import Any

from .. import functional as F
from .. import nn
from ..functional.checkpoint import checkpoint
from .blocks import average_and_classify, check_blocks, conv_bn, kaiming, start, whole
from .network import Network
from .recipe import CIFAR, IMAGENET, Recipe
from .registry import Published, model


def bn_relu_conv(c_in: int, c_out: int, kernel_size: int, dropout: float = 0.0) -> nn.Sequential:
    """The paper's H: what is read is normalised first.  (N, c_in, H, W) → (N, c_out, H, W)"""
    layers: dict[str, Any] = {"norm": nn.BatchNorm2d(c_in), "relu": nn.ReLU(),
                              "conv": nn.Conv2d(c_in, c_out, kernel_size, padding=kernel_size // 2, bias=False)}
    return nn.Sequential(layers if dropout == 0 else {**layers, "dropout": nn.Dropout(dropout)})


class DenseLayer(nn.Module):
    """x_l = H([x_0, x_1, …, x_{l−1}]), k new maps.  l maps (N, C_i, H, W) → (N, k, H, W)

    H is 3×3, or, as a bottleneck, 1×1 to 4k and 3×3.  memory_sparing: only the given maps are kept for the backward, which concatenates
    and normalises them, and computes the first convolution, again.
    """

    def __init__(self, c_in: int, growth: int, bottleneck: bool, dropout: float, memory_sparing: bool):
        super().__init__()
        self.memory_sparing = memory_sparing
        if bottleneck:
            self.first, self.second = bn_relu_conv(c_in, 4 * growth, 1, dropout), bn_relu_conv(4 * growth, growth, 3, dropout)
        else:
            self.first, self.second = bn_relu_conv(c_in, growth, 3, dropout), nn.Identity()

    def read(self, *maps):
        return self.first(F.cat(maps, 1))

    def forward(self, *maps):
        read = checkpoint(self.read) if self.memory_sparing else self.read
        return self.second(read(*maps))


class DenseBlock(nn.Sequential):
    """y = [x_0, x_1, …, x_L].  (N, C, H, W) → (N, C + L·k, H, W)"""

    def __init__(self, c_in: int, layers: int, growth: int, *options: Any):
        super().__init__({f"layer{i + 1}": DenseLayer(c_in + i * growth, growth, *options) for i in range(layers)})

    def forward(self, input):
        maps = [input]
        for layer in self:
            maps.append(layer(*maps))
        return F.cat(maps, 1)


def densenet(num_classes: int = 1000, in_channels: int = 3, growth: int = 32, blocks: tuple[int, ...] = (6, 12, 24, 16),
             compression: float = 0.5, bottleneck: bool = True, first: int | None = None, small_images: bool = False,
             dropout: float = 0.0, memory_sparing: bool = False) -> Network:
    """DenseNet's layers each read the maps of all layers before them in their block.

    growth: k, the maps that a layer adds.  blocks: layers of each block.  compression: share of the maps that a transition keeps.
    first: maps of the first convolution, 2·growth by default.  small_images: CIFAR's 3×3 without pooling in the place of 7×7 and pool.
    dropout: after each convolution but the first (0.2 in the paper where images are not distorted).
    memory_sparing: less memory in training, for more time; the same numbers to the last bit.
    Starts with w ~ N(0, 2 / fan_out), the linear layer with U(−r, r), r = 1 / √C, its bias with 0.
    """
    growth, blocks = whole("densenet", "growth", growth), check_blocks("densenet", blocks, (6, 12, 24, 16))
    if not 0 < compression <= 1:
        raise ValueError(f"densenet: got compression={compression}, expected a share above 0 and at most 1 (1: transitions keep all maps)")
    c = 2 * growth if first is None else first
    if small_images:
        stem = nn.Sequential(dict(conv=nn.Conv2d(in_channels, c, 3, padding=1, bias=False)))
    else:
        stem = nn.Sequential(dict(conv=conv_bn(in_channels, c, 7, stride=2), pool=nn.MaxPool2d(3, stride=2, padding=1)))
    body: dict[str, nn.Module] = {}
    for i, layers in enumerate(blocks, 1):
        if i > 1:
            kept = int(c * compression)
            body[f"transition{i - 1}"] = nn.Sequential(dict(reduce=bn_relu_conv(c, kept, 1, dropout), pool=nn.AvgPool2d(2)))
            c = kept
        body[f"block{i}"] = DenseBlock(c, layers, growth, bottleneck, dropout, memory_sparing)
        c += layers * growth
    head = average_and_classify(c, num_classes, dict(norm=nn.BatchNorm2d(c), relu=nn.ReLU()))
    side = 32 if small_images else 224
    return start(Network(stem, body, head, (in_channels, side, side)), conv=kaiming, linear=nn.init.torch_default_)


PAPER = 'Huang, Liu, van der Maaten, Weinberger, "Densely Connected Convolutional Networks", 2016, arXiv:1608.06993'
LARGE_RECIPE = Recipe(optimizer="sgd", lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4, batch_size=256, epochs=90,
                      schedule="multi_step", schedule_options={"milestones": (30, 60)}, image_size=224,
                      augment={"crop": 0.08, "flip": True, "colour": 0.4, "lighting": 0.1},
                      **IMAGENET, source="section 4.2, recalled; batch and epochs as in the authors' repository; augmentation of "
                                         "fb.resnet.torch")
SMALL_RECIPE = Recipe(optimizer="sgd", lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4, batch_size=64, epochs=300,
                      schedule="multi_step", schedule_options={"milestones": (150, 225)}, image_size=32, augment={"shift": 4, "flip": True},
                      **CIFAR, source="section 4.2, recalled; batch and epochs as in the authors' repository; dropout 0.2 where images "
                                      "are not distorted")
ONE, TEN, RELEASED = "1 crop", "10 crops", "1 crop, the authors' released model"
#         growth  blocks            parameters   multiply-adds
TABLE = {
    121: (32,     (6, 12, 24, 16),   7_978_856,  2_834_161_664),
    169: (32,     (6, 12, 32, 32),  14_149_480,  3_359_843_328),
    201: (32,     (6, 12, 48, 32),  20_013_928,  4_291_365_888),
    161: (48,     (6, 12, 36, 24),  28_681_000,  7_727_907_072),
    264: (32,     (6, 12, 64, 48),  33_337_704,  5_751_653_376),
}
PUBLISHED = {
    121: (Published(25.02, 7.71, protocol=ONE), Published(23.61, 6.66, protocol=TEN)),
    169: (Published(23.80, 6.85, protocol=ONE), Published(22.08, 5.92, protocol=TEN)),
    201: (Published(22.58, 6.34, protocol=ONE), Published(21.46, 5.54, protocol=TEN)),
    161: (Published(22.2, protocol=RELEASED, verified=True),),
    264: (Published(22.15, 6.12, protocol=ONE), Published(20.80, 5.29, protocol=TEN)),
}
TORCHVISION = (                                                                  # torchvision's names, and timm's, which are the same
    (r"^features\.conv0\.", "stem.conv.conv."), (r"^features\.norm0\.", "stem.conv.norm."),
    (r"^features\.denseblock(\d)\.denselayer(\d+)\.", r"body.block\1.layer\2."),
    (r"\.(norm|conv)1\.", r".first.\1."), (r"\.(norm|conv)2\.", r".second.\1."),
    (r"^features\.transition(\d)\.", r"body.transition\1.reduce."),
    (r"^features\.norm5\.", "head.norm."), (r"^classifier\.", "head.fc."),
)


def shapes(c: int, side: int, growth: int, blocks: tuple[int, ...], compression: float) -> dict[str, tuple[int, int, int]]:
    """Stage → shape of its output, by the table's rule: a block adds k maps a layer, a transition halves the plane."""
    outputs = {"stem": (c, side, side)}
    for i, layers in enumerate(blocks, 1):
        if i > 1:
            c, side = int(c * compression), side // 2
            outputs[f"transition{i - 1}"] = (c, side, side)
        c += layers * growth
        outputs[f"block{i}"] = (c, side, side)
    return outputs


for depth, (growth, blocks, params, macs) in TABLE.items():
    name = f"densenet{depth}"
    model(name, params=params, macs=macs, year=2016, paper=PAPER, recipe=LARGE_RECIPE, published=PUBLISHED[depth],
          stages=shapes(2 * growth, 56, growth, blocks, 0.5),
          keys={} if depth == 264 else {f"torchvision.{name}": TORCHVISION, f"timm.{name}": TORCHVISION})(
        partial(densenet, growth=growth, blocks=blocks))

#                        first  blocks        bottleneck  compression  parameters  multiply-adds  errors as they are, distorted
CIFAR_TABLE = {
    "densenet_bc_100_12": (24,   (16, 16, 16), True,       0.5,         769_162,    287_929_692,   5.92, 4.51),
    "densenet_40_12":     (16,   (12, 12, 12), False,      1.0,         1_019_722,  264_812_928,   7.00, 5.24),
}
for name, (first, blocks, bottleneck, compression, params, macs, plain, distorted) in CIFAR_TABLE.items():
    model(name, params=params, macs=macs, input_shape=(3, 32, 32), year=2016, paper=PAPER, recipe=SMALL_RECIPE,
          stages=shapes(first, 32, 12, blocks, compression),
          published=(Published(plain, data="CIFAR-10", protocol="not augmented", verified=True),
                     Published(distorted, data="CIFAR-10", protocol="shift 4 and flip", verified=True)))(
        partial(densenet, num_classes=10, growth=12, blocks=blocks, compression=compression, bottleneck=bottleneck, first=first,
                small_images=True))
