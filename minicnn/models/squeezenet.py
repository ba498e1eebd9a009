"""SqueezeNet: 1×1 convolutions first squeeze the maps, so that the 3×3 convolutions that follow have few to read.

                    1.0                                  1.1
    conv1           7×7 to 96, stride 2      109×109     3×3 to 64, stride 2     111×111
    pool            3×3, stride 2             54×54      3×3, stride 2            55×55
    fire2           s = 16, e =  64 + 64      54×54                               55×55
    fire3           s = 16, e =  64 + 64      54×54      and a pool               55×55
    fire4           s = 32, e = 128 + 128     54×54                               27×27
    fire5           s = 32, e = 128 + 128     27×27      and a pool               27×27
    fire6, fire7    s = 48, e = 192 + 192     27×27                               13×13
    fire8           s = 64, e = 256 + 256     27×27                               13×13
    fire9           s = 64, e = 256 + 256     13×13                               13×13
    conv10          dropout, 1×1 to a map a class, ReLU; the average of a map is the class's score

A fire squeezes to s maps with 1×1 and expands them to e with 1×1 and 3×3.  1.0 pools after conv1, fire4 and fire8; 1.1 has the same fires
and pools after conv1, fire3 and fire5.

Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", 2016,
table 1; version 1.1 stands in the authors' repository: the same accuracy with 2.3 times fewer multiply-adds, as its pools come earlier.
Bypasses: section 6, figure 2.

Deviations: the image is 224×224 and conv1 of 1.0 is not padded, as in torchvision, so that its maps are 109, 54, 27 and 13 wide; table 1
says 111, 55, 27 and 13, which the authors' Caffe gets from 227×227.  Pools round up, as Caffe's do.
"""
from collections.abc import Mapping
from functools import partial

from .. import nn
from .blocks import Branches, check_rows, is_whole, start
from .network import Network
from .recipe import CUT_224_OF_256, IMAGENET, Recipe
from .registry import Published, model
from .rounding import scaled_by

#          squeeze  expand 1×1 = expand 3×3
FIRES = {
    2:    (16,      64),
    3:    (16,      64),
    4:    (32,      128),
    5:    (32,      128),
    6:    (48,      192),
    7:    (48,      192),
    8:    (64,      256),
    9:    (64,      256),
}
#          conv1: channels, kernel   pools before fire
VERSIONS = {
    "1.0": (96,     7,               (2, 5, 9)),
    "1.1": (64,     3,               (2, 4, 6)),
}


class Fire(nn.Module):
    """y = [relu(W₁ s), relu(W₃ ∗ s)] + bypass(x),   s = relu(W x)

    W, W₁: 1×1; W₃: 3×3.  bypass: none, the identity or a 1×1 convolution.  (N, c_in, H, W) → (N, 2·expand, H, W)
    """

    def __init__(self, c_in: int, squeeze: int, expand: int, bypass: nn.Module | None = None):
        super().__init__()
        self.squeeze = nn.Sequential(dict(conv=nn.Conv2d(c_in, squeeze, 1), relu=nn.ReLU()))
        self.expand = Branches(one=nn.Sequential(dict(conv=nn.Conv2d(squeeze, expand, 1), relu=nn.ReLU())),
                               three=nn.Sequential(dict(conv=nn.Conv2d(squeeze, expand, 3, padding=1), relu=nn.ReLU())))
        self.bypass = bypass

    def forward(self, x):
        y = self.expand(self.squeeze(x))
        return y if self.bypass is None else y + self.bypass(x)


def bypass_of(kind: str, c_in: int, c_out: int) -> nn.Module | None:
    """Simple: the identity, where a fire gives as many maps as it gets (3, 5, 7, 9).  Complex: also a 1×1 convolution around the others."""
    if kind == "none" or (kind == "simple" and c_in != c_out):
        return None
    return nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)


def squeezenet(num_classes: int = 1000, in_channels: int = 3, version: str = "1.0", bypass: str = "none", dropout: float = 0.5,
               width: float = 1.0, fires: Mapping[int, tuple[int, int]] = FIRES) -> Network:
    """SqueezeNet has AlexNet's accuracy with a fiftieth of its weights.

    version: "1.0", the paper's, or "1.1".  bypass: "none", "simple" (a sum around every second fire) or "complex" (around every one).
    width: all channels but the classes, times this.  fires: squeeze and expand of each, as FIRES; their numbers decide where pools are.
    Starts with w ~ U(−r, r), r = √(3 / fan_in) (what Caffe calls xavier), conv10 with N(0, 0.01²), biases 0.
    """
    if version not in VERSIONS:
        raise ValueError(f"squeezenet: got version={version!r}, expected one of {', '.join(map(repr, VERSIONS))}: the paper's is '1.0'")
    if bypass not in ("none", "simple", "complex"):
        raise ValueError(f"squeezenet: got bypass={bypass!r}, expected 'none', 'simple' or 'complex'")
    if not isinstance(fires, Mapping) or not all(is_whole(number) for number in fires):
        raise ValueError(f"squeezenet: fires should be {{number of a fire: (squeeze, expand)}}, as {{2: (16, 64)}}, got {fires!r}")
    rows = check_rows("squeezenet", "fires", fires.values(), "squeeze, expand")
    scaled = scaled_by(width, "squeezenet")
    channels, kernel, pools = VERSIONS[version]
    c = scaled(channels)
    stem = nn.Sequential(dict(conv=nn.Conv2d(in_channels, c, kernel, stride=2), relu=nn.ReLU()))
    body: dict[str, nn.Module] = {}
    for number, (squeeze, expand) in zip(fires, rows):
        if number in pools:
            body[f"pool{number - 1}"] = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        c_out = 2 * scaled(expand)
        body[f"fire{number}"] = Fire(c, scaled(squeeze), scaled(expand), bypass_of(bypass, c, c_out))
        c = c_out
    head = nn.Sequential(dict(dropout=nn.Dropout(dropout), conv=nn.Conv2d(c, num_classes, 1), relu=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1),
                              flatten=nn.Flatten()))
    network = start(Network(stem, body, head, (in_channels, 224, 224)), conv=nn.init.lecun_uniform_)
    nn.init.normal_(head.conv.weight, std=0.01)
    return network


RECIPE = Recipe(optimizer="sgd", lr=0.04, momentum=0.9, weight_decay=2e-4, batch_size=512, epochs=68, schedule="polynomial",
                augment={"crop": CUT_224_OF_256, "flip": True}, image_size=224, **IMAGENET,
                source="section 4 and the authors' repository: lr 0.04, falling linearly, recalled; batch 512 and 170,000 steps of Caffe, "
                       "which is 68 epochs; its solver.prototxt says 0.08, power 0.5 and 85,000 steps.  Caffe cuts 227 of 256 pixels out "
                       "without enlarging them; for our 224, crop stands for that")


def torchvision_keys(fires: dict[int, int]) -> tuple[tuple[str, str], ...]:
    """Names of torchvision, where fires have the numbers of their places in the list of layers: {place: fire}."""
    return ((r"^features\.0\.", "stem.conv."), (r"^classifier\.1\.", "head.conv."),
            *((rf"^features\.{place}\.", f"body.fire{fire}.") for place, fire in fires.items()),
            (r"\.squeeze\.", ".squeeze.conv."), (r"\.expand1x1\.", ".expand.one.conv."), (r"\.expand3x3\.", ".expand.three.conv."))


model("squeezenet1_0", params=1_248_424, macs=818_924_576, year=2016, recipe=RECIPE, aliases=("squeezenet",),
      paper='Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer, "SqueezeNet", 2016, arXiv:1602.07360, table 1',
      stages={"stem": (96, 109, 109), "pool1": (96, 54, 54), "fire2": (128, 54, 54), "fire3": (128, 54, 54), "fire4": (256, 54, 54),
              "pool4": (256, 27, 27), "fire5": (256, 27, 27), "fire6": (384, 27, 27), "fire7": (384, 27, 27), "fire8": (512, 27, 27),
              "pool8": (512, 13, 13), "fire9": (512, 13, 13)},
      published=Published(42.5, 19.7, protocol="1 crop"),
      keys={"torchvision.squeezenet1_0": torchvision_keys({3: 2, 4: 3, 5: 4, 7: 5, 8: 6, 9: 7, 10: 8, 12: 9})})(
    partial(squeezenet, version="1.0"))

model("squeezenet1_1", params=1_235_496, macs=349_151_936, year=2016, recipe=RECIPE,
      paper='Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer, "SqueezeNet", 2016, arXiv:1602.07360; 1.1 of the authors\' repository',
      stages={"stem": (64, 111, 111), "pool1": (64, 55, 55), "fire2": (128, 55, 55), "fire3": (128, 55, 55),
              "pool3": (128, 27, 27), "fire4": (256, 27, 27), "fire5": (256, 27, 27),
              "pool5": (256, 13, 13), "fire6": (384, 13, 13), "fire7": (384, 13, 13), "fire8": (512, 13, 13), "fire9": (512, 13, 13)},
      keys={"torchvision.squeezenet1_1": torchvision_keys({3: 2, 4: 3, 6: 4, 7: 5, 9: 6, 10: 7, 11: 8, 12: 9})})(
    partial(squeezenet, version="1.1"))
