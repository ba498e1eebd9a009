"""Residual networks whose shortcut is never interrupted: batch norm and ReLU come before each convolution, nothing after the sum.

Then x_L = x_l + F_l(x_l) + … + F_{L−1}(x_{L−1}): every unit adds to one running sum, and the gradient reaches every unit through it
undiminished. Where norm N and activation A stand about the convolutions of a unit decides (errors on CIFAR-10, table 2; C: convolution):

design                        F                 after the sum   110 layers   164, bottlenecks
original                      C N A C N         A               6.61         5.93
bn_after_addition             C N A C           N A             8.17         6.50
relu_before_addition          C N A C N A                       7.84         6.14
relu_only_preactivation       A C N A C N                       6.71         5.91
full_preactivation            N A C N A C                       6.37         5.46

So does what the shortcut h meets on its way (original design, 110 layers, table 1; g = σ(Wh + b), b = −6 at the start):

connection                    y                                 error
identity                      h + F                             6.61
scaling                       h/2 + F/2                         12.35
exclusive_gating              (1 − g)·h + g·F                   8.70
shortcut_only_gating          (1 − g)·h + F                     6.91
convolution                   BN(1×1(h)) + F                    12.22
dropout                       dropout(h) + F, p = 0.5           fails: above 20

                stem                        stages, channels           units
ImageNet        7×7, 64, stride 2; pool     64, 128, 256, 512 (×4)     18: 2 2 2 2;  50: 3 4 6 3;  152: 3 8 36 3;  200: 3 24 36 3
CIFAR           3×3, 16                     16, 32, 64 (×4)            n n n: 6n + 2 layers, or 9n + 2 of bottlenecks

He, Zhang, Ren, Sun, "Identity Mappings in Deep Residual Networks", 2016: tables 1 and 2, figures 2 and 4, appendix. Errors recalled.

Conventions, of which the paper says little: the activation in front is shared by F and shortcut in the first unit (appendix) and where
the shortcut projects; a projection has a norm after it only where F has; connections other than the identity take the place of identity
shortcuts alone; the stride of a bottleneck stands in its 3×3 for CIFAR, in its first 1×1 for ImageNet (stride_in_1x1); the stem for
ImageNet has norm and activation of its own.
"""
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from .. import functional as F
from .. import nn
from .blocks import average_and_classify, kaiming, start
from .network import Network
from .registry import Published, model
from .resnet import RECIPE, Subsample, channels_of, shapes, stages
from .resnet_cifar import WARM

#                              before F  after F  after the sum
DESIGNS = {
    "original":                ("",      "N",     "A"),
    "bn_after_addition":       ("",      "",      "NA"),
    "relu_before_addition":    ("",      "NA",    ""),
    "relu_only_preactivation": ("A",     "N",     ""),
    "full_preactivation":      ("NA",    "",      ""),
}
CONNECTIONS = ("identity", "scaling", "exclusive_gating", "shortcut_only_gating", "convolution", "dropout")


def pointwise(letters: str, channels: int) -> nn.Sequential:
    """Batch norm if there is an N, ReLU if there is an A, in this order."""
    norm = {"norm": nn.BatchNorm2d(channels)} if "N" in letters else {}
    return nn.Sequential({**norm, "activation": nn.ReLU()} if "A" in letters else norm)


class Connection(nn.Module):
    """(h, F) → y by the second table above, all of them (N, C, H, W)."""

    def __init__(self, kind: str, channels: int):
        super().__init__()
        self.kind = kind
        if kind.endswith("gating"):
            self.gate = nn.Conv2d(channels, channels, 1)
            nn.init.constant_(self.gate.bias, -6.0)                                   # g near 0: at first nearly the identity
        if kind == "convolution":
            self.convolution = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, h, f):
        if self.kind.endswith("gating"):
            g = self.gate(h).sigmoid()
            return (1 - g) * h + (g * f if self.kind == "exclusive_gating" else f)
        if self.kind == "scaling":
            return 0.5 * h + 0.5 * f
        if self.kind == "convolution":
            return self.convolution(h) + f
        return (F.dropout(h, 0.5, self.training) if self.kind == "dropout" else h) + f

    def extra_repr(self) -> str:
        return self.kind


class Unit(nn.Module):
    """y = joined(connect(h, F(z))),  z = before(x),  h = shortcut(z) where the unit is `shared`, else shortcut(x)

    (N, c_in, H, W) → (N, c_out, H/stride, W/stride).  dropout: before the last convolution.
    shared: also where the shortcut does not project, which makes a unit shared anyway.
    """

    def __init__(self, c_in: int, c_out: int, stride: int, design: str = "full_preactivation", bottleneck: bool = False,
                 shortcut: str = "B", connection: str = "identity", dropout: float = 0.0, stride_in_1x1: bool = False,
                 shared: bool = False):
        super().__init__()
        before, after, joined = DESIGNS[design]
        inner, (s1, s3) = c_out // 4, (stride, 1) if stride_in_1x1 else (1, stride)
        table = (((c_in, inner, 1, s1), (inner, inner, 3, s3), (inner, c_out, 1, 1)) if bottleneck else
                 ((c_in, c_out, 3, stride), (c_out, c_out, 3, 1)))
        layers: dict[str, nn.Module] = {}
        for i, (c, k, size, step) in enumerate(table, 1):
            if i > 1:
                layers[f"between{i - 1}"] = pointwise("NA", c)
            if i == len(table) and dropout:
                layers["dropout"] = nn.Dropout(dropout)
            layers[f"conv{i}"] = nn.Conv2d(c, k, size, step, size // 2, bias=False)
        self.before, self.residual = pointwise(before, c_in), nn.Sequential({**layers, "after": pointwise(after, c_out)})
        same = (stride, c_in) == (1, c_out)
        projects = shortcut == "B" and not same
        self.shared = shared or projects
        projection = {"conv": nn.Conv2d(c_in, c_out, 1, stride, bias=False), **dict(pointwise(after[:1], c_out).named_children())}
        self.shortcut = nn.Identity() if same else nn.Sequential(projection) if projects else Subsample(c_in, c_out, stride)
        self.connect, self.joined = Connection(connection if same else "identity", c_out), pointwise(joined, c_out)

    def forward(self, x):
        z = self.before(x)
        return self.joined(self.connect(self.shortcut(z if self.shared else x), self.residual(z)))


def preact_resnet(num_classes: int = 10, in_channels: int = 3, blocks: Sequence[int] = (18, 18, 18), bottleneck: bool = False,
                  design: str = "full_preactivation", connection: str = "identity", shortcut: str = "B", width: float = 1.0,
                  stride_in_1x1: bool = False, large: bool = False) -> Network:
    """Pre-activation ResNet norms before it convolves, and its shortcuts only add.

    blocks: of each stage.  design, connection: of the file's tables, by name.  shortcut, where shapes change: "A" zero padding or
    "B" 1×1.  width: factor of all channels.  large: the stem and the channels for images of
    224×224 in the place of those for 32×32.
    Starts from w ~ N(0, 2 / fan_out), γ = 1, β = 0, as the authors' code does, and the classifier from U(±1/√fan_in).
    """
    for word, value, known in (("design", design, tuple(DESIGNS)), ("connection", connection, CONNECTIONS),
                               ("shortcut", shortcut, ("A", "B"))):
        if value not in known:
            raise ValueError(f"preact_resnet: {word} should be one of {', '.join(known)}, got {value!r}")
    maps = channels_of("preact_resnet", blocks, width, 64 if large else 16)
    c, channels = maps[0], [(4 if bottleneck else 1) * c for c in maps]
    unit = partial(Unit, design=design, bottleneck=bottleneck, shortcut=shortcut, connection=connection, stride_in_1x1=stride_in_1x1)
    body = stages(unit, blocks, channels, c, opening=partial(unit, shared=True))
    before = DESIGNS[design][0]
    conv1 = nn.Conv2d(in_channels, c, *((7, 2, 3) if large else (3, 1, 1)), bias=False)
    missing = "NA" if large else "NA".removesuffix(before)                # what makes the first convolution's output N A for F
    stem = nn.Sequential(dict(conv1=conv1, **dict(pointwise(missing, c).named_children()),
                              **({"pool": nn.MaxPool2d(3, stride=2, padding=1)} if large else {})))
    head = average_and_classify(channels[-1], num_classes, dict(pointwise(before, channels[-1]).named_children()))
    side = 224 if large else 32
    network = Network(stem, body, head, (in_channels, side, side))
    start(network, conv=kaiming, bias=None)
    return network


PAPER = "He, Zhang, Ren, Sun, \"Identity Mappings in Deep Residual Networks\", 2016, arXiv:1603.05027"
LARGE_RECIPE = replace(RECIPE, epochs=90, source="appendix, recalled: a tenth of the rate after 30 and 60 epochs; preparation as in 2015")
SMALL_RECIPE = replace(WARM, epochs=164, warmup_epochs=1.02, schedule_options={"milestones": (80.9, 121.9)},
                       source="appendix, recalled: 64,000 steps, 0.01 as the rate of the first 400 (here it rises in a straight line), "
                              "a tenth of it after 32,000 and 48,000")

#          blocks a stage   bottleneck  parameters  multiply-adds   errors for 320×320
for depth, (blocks, bottleneck, params, macs, *published) in {
    18:   ((2, 2, 2, 2),    False,      11_687_848, 1_814_073_344),
    50:   ((3, 4, 6, 3),    True,       25_549_480, 3_857_973_248),
    152:  ((3, 8, 36, 3),   True,       60_185_256, 11_282_415_616, (21.1, 5.5)),
    200:  ((3, 24, 36, 3),  True,       64_666_280, 14_776_270_848, (20.7, 5.3)),
}.items():
    model(f"preact_resnet{depth}", params=params, macs=macs, year=2016, paper=PAPER, recipe=LARGE_RECIPE,
          stages=shapes(4 if bottleneck else 1), published=tuple(Published(*errors, protocol="1 crop 320") for errors in published))(
        partial(preact_resnet, num_classes=1000, blocks=blocks, bottleneck=bottleneck, stride_in_1x1=True, large=True))

#          blocks  bottleneck  parameters  multiply-adds  errors: data, read in the authors' code
for depth, (n, bottleneck, params, macs, *published) in {
    110:  (18,     False,      1_730_522,  253_149_824,   (6.37, "CIFAR-10", False)),
    164:  (18,     True,       1_703_258,  247_646_720,   (5.46, "CIFAR-10", False), (24.33, "CIFAR-100", False)),
    1001: (111,    True,       10_327_706, 1_490_995_712, (4.92, "CIFAR-10", True)),
}.items():
    c = 4 if bottleneck else 1
    model(f"preact_resnet{depth}_cifar", params=params, macs=macs, input_shape=(3, 32, 32), year=2016, paper=PAPER, recipe=SMALL_RECIPE,
          aliases=(f"preact_resnet{depth}",), published=tuple(Published(e, data=data, verified=read) for e, data, read in published),
          stages={"stem": (16, 32, 32), "stage1": (16 * c, 32, 32), "stage2": (32 * c, 16, 16), "stage3": (64 * c, 8, 8)})(
        partial(preact_resnet, blocks=(n, n, n), bottleneck=bottleneck))
