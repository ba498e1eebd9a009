"""GoogLeNet, ResNet-50 and DenseNet-121 as a widely copied set of Keras listings writes them, slips included.

                           blocks                                                      parameters    multiply-adds
googlenet_seed_keras       9 inceptions, four branches of equal width                  7,738,728     1,381,017,280
resnet50_seed_keras        3, 4, 6, 3 bottlenecks with projections of 3×3              47,734,760    6,735,265,792
densenet121_seed_keras     6, 12, 24, 16 dense layers, growth 32, no compression       14,045,224    3,917,253,632
  with compression=0.5                                                                 8,062,504     2,834,161,664

Szegedy et al., 2014, arXiv:1409.4842; He et al., 2015, arXiv:1512.03385; Huang et al., 2016, arXiv:1608.06993. What these papers say is
in the files of their own; AlexNet, ZFNet and VGG-16 of the same set are in keras_listings.py.

Slips of the listings against the papers:
- GoogLeNet: the branches of an inception are equally wide, and so are its 1×1 reductions; where the 5×5 belongs stands a second 1×1; no
  1×1 before the 3×3 of the stem; no auxiliary heads and no response normalisation, but batch norm, which is younger than the paper, and
  after the ReLU; a Dense(1000, relu) before the last layer; no Flatten, so that the answer has the shape 1×1×1000.
- ResNet-50: convolution → ReLU → batch norm for convolution → batch norm → ReLU, also in the last 1×1 and in the shortcut, and no ReLU
  after the addition; the projections are 3×3 for 1×1 (25,583,592 parameters with those, counted with the biases).
- DenseNet-121: reduction=0.0 by default, so that transitions keep all channels: 256–640–1408–1920 for 256–512–1024–1024; the layer Scale
  is not defined: here a factor and an offset a channel, as Caffe's. It repeats those of the batch norm: with compression, 83,648
  parameters too many. weight_decay is never used.

Deviations: a softmax at the end is left to the loss. GoogLeNet's two Dense layers on 1×1 maps are 1×1 convolutions, the same sums, and the
missing Flatten follows them. The 7×7 averages are of the whole plane, so that images of other sizes get in. All start as Keras does:
Xavier uniform ("Glorot"), biases 0; batch norm has eps 1e-3 (DenseNet: 1.1e-5) and keeps 0.99 of its running statistics.
"""
from typing import Any

from .. import functional as F
from .. import nn
from .blocks import Branches, average_and_classify, check_blocks, whole
from .keras_listings import SOURCE, keras_start, recipe
from .network import Network
from .registry import model
from .rounding import scaled_by

INCEPTIONS = {"inception_3a": 64, "inception_3b": 120, "pool3": None,                                # maps a branch
              "inception_4a": 128, "inception_4b": 128, "inception_4c": 128, "inception_4d": 132, "inception_4e": 208, "pool4": None,
              "inception_5a": 208, "inception_5b": 256}


def conv_relu_bn(c_in: int, c_out: int, kernel_size: int, stride: int = 1, padding: Any = "same") -> nn.Sequential:
    """y = batch norm(relu(convolution with bias)): the listings' Conv2d_BN.  (N, c_in, H, W) → (N, c_out, ⌈H/stride⌉, ⌈W/stride⌉)"""
    return nn.Sequential(dict(conv=nn.Conv2d(c_in, c_out, kernel_size, stride, padding), relu=nn.ReLU(),
                              norm=nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.01)))


def inception(c_in: int, c: int) -> Branches:
    """Four branches of c maps.  (N, c_in, H, W) → (N, 4c, H, W)"""
    return Branches(branch1x1=conv_relu_bn(c_in, c, 1),
                    branch3x3=nn.Sequential(conv_relu_bn(c_in, c, 1), conv_relu_bn(c, c, 3)),
                    branch5x5=nn.Sequential(conv_relu_bn(c_in, c, 1), conv_relu_bn(c, c, 1)),        # no 5×5
                    branchpool=nn.Sequential(nn.MaxPool2d(3, 1, "same"), conv_relu_bn(c_in, c, 1)))


@model("googlenet_seed_keras", params=7_738_728, macs=1_381_017_280, year=2018, paper=f"{SOURCE}: GoogLeNet",
       recipe=recipe(0.01, 128, 2e-4, 224, "the rate and momentum of the AlexNet paper"),
       stages={"stem": (64, 56, 56), "conv2": (192, 28, 28), "inception_3a": (256, 28, 28), "inception_3b": (480, 28, 28),
               "pool3": (480, 14, 14), "inception_4a": (512, 14, 14), "inception_4b": (512, 14, 14), "inception_4c": (512, 14, 14),
               "inception_4d": (528, 14, 14), "inception_4e": (832, 14, 14), "pool4": (832, 7, 7), "inception_5a": (832, 7, 7),
               "inception_5b": (1024, 7, 7)})
def googlenet_seed_keras(num_classes: int = 1000, in_channels: int = 3, width: float = 1.0, dropout: float = 0.4) -> Network:
    """GoogLeNet of a Keras listing has equal branches, no 5×5, and norms after ReLU.

    width: factor of all numbers of maps.  Starts as Keras: Xavier uniform, biases 0.
    """
    scaled = scaled_by(width, "googlenet_seed_keras")
    c, hidden = scaled(64), scaled(1000)
    stem = nn.Sequential(dict(conv1=conv_relu_bn(in_channels, c, 7, 2), pool=nn.MaxPool2d(3, 2, "same")))
    body: dict[str, nn.Module] = {
        "conv2": nn.Sequential(dict(conv=conv_relu_bn(c, c := scaled(192), 3), pool=nn.MaxPool2d(3, 2, "same")))}
    for stage, maps in INCEPTIONS.items():
        body[stage] = nn.MaxPool2d(3, 2, "same") if maps is None else inception(c, scaled(maps))
        c = c if maps is None else 4 * scaled(maps)
    head = nn.Sequential(dict(pool=nn.AdaptiveAvgPool2d(1), dropout=nn.Dropout(dropout), fc1=nn.Conv2d(c, hidden, 1), relu=nn.ReLU(),
                              fc2=nn.Conv2d(hidden, num_classes, 1), flatten=nn.Flatten()))
    return keras_start(Network(stem, body, head, (in_channels, 224, 224)))


class Bottleneck(nn.Module):
    """y = F(x) + shortcut(x), without a ReLU.  F is 1×1, 3×3, 1×1 with a norm after each ReLU; a projection is 3×3.

    (N, c_in, H, W) → (N, 4c, ⌈H/stride⌉, ⌈W/stride⌉)
    """

    def __init__(self, c_in: int, c: int, stride: int, projection: bool):
        super().__init__()
        self.residual = nn.Sequential(conv_relu_bn(c_in, c, 1, stride), conv_relu_bn(c, c, 3), conv_relu_bn(c, 4 * c, 1))
        self.shortcut = conv_relu_bn(c_in, 4 * c, 3, stride) if projection else nn.Identity()

    def forward(self, input):
        return self.residual(input) + self.shortcut(input)


@model("resnet50_seed_keras", params=47_734_760, macs=6_735_265_792, year=2018, paper=f"{SOURCE}: ResNet-50",
       recipe=recipe(0.1, 256, 1e-4, 224, "the ResNet paper's"),
       stages={"stem": (64, 56, 56), "stage1": (256, 56, 56), "stage2": (512, 28, 28), "stage3": (1024, 14, 14), "stage4": (2048, 7, 7)})
def resnet50_seed_keras(num_classes: int = 1000, in_channels: int = 3, width: float = 1.0,
                        blocks: tuple[int, ...] = (3, 4, 6, 3)) -> Network:
    """ResNet-50 of a Keras listing norms after ReLU and projects by 3×3.

    blocks: how many a stage.  width: factor of all numbers of maps.  Starts as Keras: Xavier uniform, biases 0.
    """
    scaled, blocks = scaled_by(width, "resnet50_seed_keras"), check_blocks("resnet50_seed_keras", blocks, (3, 4, 6, 3))
    c = scaled(64)
    stem = nn.Sequential(dict(conv1=conv_relu_bn(in_channels, c, 7, 2, padding=3), pool=nn.MaxPool2d(3, 2, "same")))
    body: dict[str, nn.Module] = {}
    for stage, count in enumerate(blocks):
        layers, maps = [], scaled(64 * 2 ** stage)
        for i in range(count):
            layers.append(Bottleneck(c, maps, 2 if stage > 0 and i == 0 else 1, projection=i == 0))
            c = 4 * maps
        body[f"stage{stage + 1}"] = nn.Sequential(*layers)
    return keras_start(Network(stem, body, average_and_classify(c, num_classes), (in_channels, 224, 224)))


def bn_scale_relu(c: int) -> nn.Sequential:
    """relu(scale(batch norm(x)))"""
    return nn.Sequential(dict(norm=nn.BatchNorm2d(c, eps=1.1e-5, momentum=0.01), scale=nn.Scale(c), relu=nn.ReLU()))


def dropped(p: float) -> list[nn.Module]:
    """The listing's `if dropout_rate: Dropout`: a layer, or none.  (N, C, H, W) → the same"""
    return [nn.Dropout(p)] if p else []


class DenseLayer(nn.Module):
    """y = x and what 1×1 and 3×3 find in it, side by side.  (N, c_in, H, W) → (N, c_in + growth, H, W)"""

    def __init__(self, c_in: int, growth: int, dropout: float):
        super().__init__()
        self.x1 = nn.Sequential(bn_scale_relu(c_in), nn.Conv2d(c_in, 4 * growth, 1, bias=False), *dropped(dropout))
        self.x2 = nn.Sequential(bn_scale_relu(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False), *dropped(dropout))

    def forward(self, input):
        return F.cat([input, self.x2(self.x1(input))], 1)


@model("densenet121_seed_keras", params=14_045_224, macs=3_917_253_632, year=2018, paper=f"{SOURCE}: DenseNet-121",
       recipe=recipe(0.1, 256, 1e-4, 224, "the DenseNet paper's"),
       stages={"stem": (64, 56, 56), "block1": (256, 56, 56), "transition1": (256, 28, 28), "block2": (640, 28, 28),
               "transition2": (640, 14, 14), "block3": (1408, 14, 14), "transition3": (1408, 7, 7), "block4": (1920, 7, 7)})
def densenet121_seed_keras(num_classes: int = 1000, in_channels: int = 3, growth: int = 32, compression: float = 1.0, dropout: float = 0.0,
                           blocks: tuple[int, ...] = (6, 12, 24, 16)) -> Network:
    """DenseNet-121 of a Keras listing does not compress and scales after each norm.

    compression: the share of channels that a transition keeps, 1 − reduction of the listing; the paper's DenseNet-BC has 0.5.
    growth: channels that a layer adds.  Starts as Keras: Xavier uniform, biases 0, factors 1.
    """
    if not 0 < compression <= 1:
        raise ValueError(f"densenet121_seed_keras: compression should be above 0 and at most 1, got {compression!r}; 1.0 is the listing, "
                         f"0.5 the paper")
    blocks = check_blocks("densenet121_seed_keras", blocks, (6, 12, 24, 16))
    c, body = 2 * whole("densenet121_seed_keras", "growth", growth), {}
    stem = nn.Sequential(dict(conv1=nn.Conv2d(in_channels, c, 7, 2, padding=3, bias=False), before=bn_scale_relu(c),
                              pool=nn.MaxPool2d(3, 2, padding=1)))
    for stage, count in enumerate(blocks, 1):
        body[f"block{stage}"] = nn.Sequential(*(DenseLayer(c + i * growth, growth, dropout) for i in range(count)))
        c += count * growth
        if stage < len(blocks):
            kept = max(1, int(c * compression))
            body[f"transition{stage}"] = nn.Sequential(bn_scale_relu(c), nn.Conv2d(c, kept, 1, bias=False), *dropped(dropout),
                                                       nn.AvgPool2d(2))
            c = kept
    head = nn.Sequential(dict(before=bn_scale_relu(c), pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc6=nn.Linear(c, num_classes)))
    return keras_start(Network(stem, body, head, (in_channels, 224, 224)))
