"""ConvNeXt: a ResNet brought up to date step by step with what transformers have, until it is as good as they are and still a ConvNet.

                 plane      tiny            small           base
    stem         56×56      4×4, stride 4, layer norm
    stage1       56×56       96 × 3          96 × 3         128 × 3          channels × blocks
    stage2       28×28      192 × 3         192 × 3         256 × 3          stages 2 to 4 begin with
    stage3       14×14      384 × 9         384 × 27        512 × 27         layer norm, 2×2, stride 2
    stage4       7×7        768 × 3         768 × 3        1024 × 3
    head         1×1        average, layer norm, linear

    block        x + scale · W₂ gelu(W₁ norm(7×7 depthwise x)): one convolution over the plane and two layers over channels, 4 times as
                 wide between, as in a transformer's block; one norm, one activation.  The scale starts at 10⁻⁶: a block starts as nothing.

Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, "A ConvNet for the 2020s", 2022, section 2 and table 9.

Deviations: none known.
"""
from functools import partial
from math import inf

from .. import nn
from .blocks import check_blocks, probability, start, whole
from .network import Network
from .recipe import IMAGENET, Recipe
from .registry import Published, model

#           blocks a stage    C₁     drop path  parameters   multiply-adds    top-1 error
TABLE = {
    "tiny":  ((3, 3,  9, 3),   96,   0.1,       28_589_128,   4_455_531_264,  17.9),
    "small": ((3, 3, 27, 3),   96,   0.4,       50_223_688,   8_683_712_256,  16.9),
    "base":  ((3, 3, 27, 3),  128,   0.5,       88_591_464,  15_354_729_472,  16.2),
}


class ChannelNorm(nn.LayerNorm):
    """Layer norm of each pixel over its channels.  (N, C, H, W) → the same

    LayerNorm is over the last axis, so the channels go there and back.
    """

    def forward(self, input):
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    """y = x + DropPath(scale · W₂ gelu(W₁ norm(depthwise x))).  (N, C, H, W) → the same

    The two 1×1 convolutions of the paper's figure are linear layers over the last axis: the same sums, and one turn of the axes serves the
    norm as well.  scale: (C,), learnt, starts at layer_scale.
    """

    def __init__(self, channels: int, drop_path: float, layer_scale: float):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.expand, self.activation = nn.Linear(channels, 4 * channels), nn.GELU()
        self.reduce = nn.Linear(4 * channels, channels)
        self.scale = nn.init.constant_(nn.Parameter.lazy((channels,)), layer_scale)
        self.drop_path = nn.DropPath(drop_path)

    def forward(self, x):
        y = self.depthwise(x).permute(0, 2, 3, 1)                                 # N H W C
        y = self.reduce(self.activation(self.expand(self.norm(y))))               # N H W 4C between
        return x + self.drop_path((self.scale * y).permute(0, 3, 1, 2))           # N C H W


def convnext(num_classes: int = 1000, in_channels: int = 3, blocks: tuple[int, ...] = (3, 3, 9, 3), channels: int = 96,
             drop_path: float = 0.1, layer_scale: float = 1e-6) -> Network:
    """ConvNeXt is a modern ConvNet: 7×7 depthwise, layer norm, GELU, layer scale.

    blocks: a stage.  channels: of the first stage; each later one has twice as many.  drop_path: probability that the last block is
    left out for an image in training; it grows in a straight line from 0 at the first.  layer_scale: where the scales start.
    Weights start from N(0, 0.02²) cut off at ±2, biases from 0.
    """
    blocks, C = check_blocks("convnext", blocks, (3, 3, 9, 3)), whole("convnext", "channels", channels)
    probability("convnext", "drop_path", drop_path)
    if isinstance(layer_scale, bool) or not isinstance(layer_scale, (int, float)) or not 0 <= layer_scale < inf:
        raise ValueError(f"convnext: layer_scale should be a number of at least 0, got {layer_scale!r}; the paper has 1e-6")
    stem = nn.Sequential(dict(conv=nn.Conv2d(in_channels, C, 4, 4), norm=ChannelNorm(C, eps=1e-6)))
    body, done = {}, 0
    for stage, count in enumerate(blocks):
        layers = {}
        if stage > 0:
            layers["downsample"] = nn.Sequential(dict(norm=ChannelNorm(C, eps=1e-6), conv=nn.Conv2d(C, 2 * C, 2, 2)))
            C = 2 * C
        for i in range(count):
            layers[f"block{i}"] = Block(C, drop_path * done / max(1, sum(blocks) - 1), layer_scale)
            done += 1
        body[f"stage{stage + 1}"] = nn.Sequential(layers)
    head = nn.Sequential(dict(pool=nn.AdaptiveAvgPool2d(1), norm=ChannelNorm(C, eps=1e-6), flatten=nn.Flatten(),
                              fc=nn.Linear(C, num_classes)))
    weights = partial(nn.init.trunc_normal_, std=0.02)
    return start(Network(stem, body, head, (in_channels, 224, 224)), conv=weights, linear=weights)


RECIPE = Recipe(optimizer="adamw", lr=4e-3, weight_decay=0.05, batch_size=4096, epochs=300, schedule="cosine", warmup_epochs=20,
                label_smoothing=0.1, average=0.9999, augment={"crop": 0.08, "flip": True, "colour": 0.4}, image_size=224,
                **IMAGENET,
                source="facebookresearch/ConvNeXt, TRAINING.md (rate, batch, average, drop path); the rest recalled. Also RandAugment "
                       "9/0.5, mixup 0.8, CutMix 1.0 and erasing 0.25, which the trainer does not have; colour stands for them")
TORCHVISION = (
    (r"^features\.0\.0", "stem.conv"), (r"^features\.0\.1", "stem.norm"), (r"^classifier\.0", "head.norm"), (r"^classifier\.2", "head.fc"),
    *((rf"^features\.{2 * i + 1}\.", f"body.stage{i + 1}.block") for i in range(4)),
    *((rf"^features\.{2 * i}\.", f"body.stage{i + 1}.downsample.") for i in range(1, 4)),
    (r"downsample\.0", "downsample.norm"), (r"downsample\.1", "downsample.conv"), (r"\.layer_scale", ".scale"),
    (r"\.block\.0", ".depthwise"), (r"\.block\.2", ".norm"), (r"\.block\.3", ".expand"), (r"\.block\.5", ".reduce"),
)
TIMM = (
    (r"^stem\.0", "stem.conv"), (r"^stem\.1", "stem.norm"),
    *((rf"^stages\.{i}\.", f"body.stage{i + 1}.") for i in range(4)), (r"\.blocks\.", ".block"),
    (r"downsample\.0", "downsample.norm"), (r"downsample\.1", "downsample.conv"),
    (r"\.gamma", ".scale"), (r"\.conv_dw", ".depthwise"), (r"\.mlp\.fc1", ".expand"), (r"\.mlp\.fc2", ".reduce"),
)
PAPER = "Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, \"A ConvNet for the 2020s\", 2022, arXiv:2201.03545"

for name, (blocks, channels, drop_path, params, macs, top1) in TABLE.items():
    stages = {f"stage{i + 1}": (channels * 2 ** i, 56 // 2 ** i, 56 // 2 ** i) for i in range(4)}
    model(f"convnext_{name}", params=params, macs=macs, year=2022, paper=PAPER, recipe=RECIPE,
          stages={"stem": (channels, 56, 56), **stages}, published=Published(top1, protocol="1 crop 224", verified=True),
          keys={f"torchvision.convnext_{name}": TORCHVISION, f"timm.convnext_{name}": TIMM})(
        partial(convnext, blocks=blocks, channels=channels, drop_path=drop_path))
