"""RegNets: networks found by narrowing a space of designs until its good ones lie on a line: the width of a block is linear in its depth.

                       stem           stages 1 to 4: dᵢ blocks, wᵢ wide       head
    shape              32×112×112     w₁×56×56, w₂×28×28, w₃×14×14, w₄×7×7    w₄, 1000
    layers             3×3, stride 2  blocks; the first of a stage: stride 2  average, linear
    block X            1×1, 3×3 in groups of g channels (takes the stride), 1×1, all wᵢ wide: a bottleneck of ratio 1; shortcut; ReLU
    block Y            X, with squeeze-excitation after the 3×3

Depth d, w₀, w_a, w_m and g are all there is to choose: stage_widths below turns them into wᵢ and dᵢ by equations 2 to 4.

Radosavovic, Kosaraju, Girshick, He, Dollár, "Designing Network Design Spaces", 2020, section 3.3; the numbers of the table are those of
the configurations that the authors released, and the errors those of their released weights, the nearest to the mean of five trainings.

Deviations: none known. torchvision fitted its x_400mf, y_800mf and y_8gf anew: other networks than these, so there are no keys for them.
"""
import re
from functools import partial
from math import isfinite, log

from .. import nn
from ..nn.fused import add_then
from .blocks import MOST, MOST_LAYERS, SqueezeExcitation, average_and_classify, conv_bn, gaussian, is_whole, kaiming, start
from .keys import rename
from .network import Network
from .recipe import IMAGENET, Recipe
from .registry import Published, model

# name       d    w₀    w_a   w_m    g    parameters   multiply-adds   errors (1, 5)   the same in torchvision
TABLE = {
    "x_002":  (13,  24,  36.44, 2.49,   8,    2_684_792,    199_039_872,  31.088, 11.342, None),
    "x_004":  (22,  24,  24.48, 2.54,  16,    5_157_512,    397_677_568,  27.382,  9.076, None),
    "x_006":  (16,  48,  36.97, 2.24,  24,    6_196_040,    600_890_112,  25.864,  8.198, None),
    "x_008":  (16,  56,  35.73, 2.28,  16,    7_259_656,    799_699_712,  24.846,  7.592, "x_800mf"),
    "x_016":  (18,  80,  34.01, 2.25,  24,    9_190_136,  1_602_849_792,  23.038,  6.484, "x_1_6gf"),
    "x_032":  (25,  88,  26.31, 2.25,  48,   15_296_552,  3_176_621_952,  21.736,  5.862, "x_3_2gf"),
    "x_040":  (23,  96,  38.65, 2.43,  40,   22_118_248,  3_964_498_816,  21.356,  5.736, None),
    "x_064":  (17, 184,  60.83, 2.07,  56,   26_209_256,  6_460_291_264,  20.844,  5.434, None),
    "x_080":  (23,  80,  49.56, 2.88, 120,   39_572_648,  7_995_132_416,  20.728,  5.420, "x_8gf"),
    "x_120":  (19, 168,  73.36, 2.37, 112,   46_106_056, 12_086_678_016,  20.288,  5.284, None),
    "x_160":  (22, 216,  55.59, 2.10, 128,   54_278_536, 15_940_755_456,  19.956,  5.022, "x_16gf"),
    "x_320":  (23, 320,  69.86, 2.00, 168,  107_811_560, 31_735_929_792,  19.498,  4.878, "x_32gf"),
    "y_002":  (13,  24,  36.44, 2.49,   8,    3_162_996,    199_514_080,  29.658, 10.378, None),
    "y_004":  (16,  48,  27.89, 2.09,   8,    4_344_144,    401_842_848,  25.898,  8.070, "y_400mf"),
    "y_006":  (15,  48,  32.54, 2.32,  16,    6_055_160,    601_220_992,  24.540,  7.280, None),
    "y_008":  (14,  56,  38.84, 2.40,  16,    6_263_168,    797_176_832,  23.684,  6.846, None),
    "y_016":  (27,  48,  20.71, 2.65,  24,   11_202_430,  1_612_076_160,  22.066,  6.134, "y_1_6gf"),
    "y_032":  (21,  80,  42.63, 2.66,  24,   19_436_338,  3_176_482_752,  21.074,  5.454, "y_3_2gf"),
    "y_040":  (22,  96,  31.41, 2.24,  64,   20_646_656,  3_973_288_448,  20.640,  5.336, None),
    "y_064":  (25, 112,  33.22, 2.27,  72,   30_583_252,  6_355_204_992,  20.110,  5.100, None),
    "y_080":  (17, 192,  76.82, 2.19,  56,   39_180_068,  7_963_057_312,  20.052,  5.060, None),
    "y_120":  (19, 168,  73.36, 2.37, 112,   51_822_544, 12_092_376_576,  19.670,  4.856, None),
    "y_160":  (18, 200, 106.23, 2.48, 112,   83_590_140, 15_911_510_272,  19.608,  4.944, "y_16gf"),
    "y_320":  (20, 232, 115.89, 2.53, 232,  145_046_770, 32_279_552_832,  19.066,  4.568, "y_32gf"),
}


def stage_widths(depth: int, w0: float, wa: float, wm: float, group_width: int) -> list[tuple[int, int, int]]:
    """The quantised linear rule: [(width, blocks, group width)], one a stage.

        u_j = w₀ + w_a · j,   0 ≤ j < d           a width for each block, on a straight line                  (2)
        u_j = w₀ · w_m ^ s_j                      the same as a power of w_m: solved for s_j                  (3)
        w_j = w₀ · w_m ^ ⌊s_j⌉                    that power rounded, and the width rounded to a multiple of 8  (4)

    Blocks of equal w_j are a stage; its width is then rounded to a multiple of the group width, so that groups come out even.
    Four stages are not asked for: the paper keeps those members of the space that have four.
    """
    numbers = (depth, w0, wa, wm, group_width)
    if (not all(isinstance(n, (int, float)) and isfinite(n) for n in numbers) or not (is_whole(depth, most=MOST_LAYERS)
            and is_whole(group_width)) or w0 <= 0 or w0 % 8 or wa < 0 or wm <= 1 or w0 + wa * (depth - 1) > MOST):
        raise ValueError(f"regnet: expected depth of at least 1, w0 a multiple of 8 above 0, wa at least 0, wm above 1, group_width of at "
                         f"least 1, at most {MOST_LAYERS:,} blocks and {MOST:,} channels, got {', '.join(map(repr, numbers))}; the paper's "
                         f"smallest network has 13, 24, 36.44, 2.49, 8")
    u = [w0 + wa * j for j in range(depth)]
    s = [log(u_j / w0) / log(wm) for u_j in u]
    w = [8 * round(w0 * wm ** round(s_j) / 8) for s_j in s]
    if max(w) > MOST:
        raise ValueError(f"regnet: got a stage of {max(w):,} channels, expected at most {MOST:,}: give a smaller wm")
    stages = []
    for width in sorted(set(w)):
        g = min(group_width, width)
        stages.append((g * round(width / g), w.count(width), g))
    return stages


class Block(nn.Module):
    """y = relu(F(x) + shortcut(x)).  F: 1×1, 3×3 in groups of group_width channels, squeeze-excitation if se, 1×1.

    The squeezed width is a quarter of the width of x, not of the block's.  (N, c_in, H, W) → (N, width, H/stride, W/stride)
    """

    def __init__(self, c_in: int, width: int, stride: int, group_width: int, se: bool):
        super().__init__()
        self.conv1 = conv_bn(c_in, width, 1)
        self.conv2 = conv_bn(width, width, 3, stride, groups=width // group_width)
        self.se = SqueezeExcitation(width, max(1, round(c_in / 4))) if se else nn.Identity()
        self.conv3 = conv_bn(width, width, 1, activation=None)
        self.shortcut = nn.Identity() if (c_in, stride) == (width, 1) else conv_bn(c_in, width, 1, stride, activation=None)
        self.relu = nn.ReLU()

    def forward(self, x):
        return add_then(self.relu, self.conv3(self.se(self.conv2(self.conv1(x)))), self.shortcut(x))


def regnet(num_classes: int = 1000, in_channels: int = 3, depth: int = 13, w0: float = 24, wa: float = 36.44, wm: float = 2.49,
           group_width: int = 8, se: bool = False) -> Network:
    """RegNet's widths grow linearly with depth, rounded to stages; Y has excitation.

    depth, w0, wa, wm, group_width: see stage_widths.  se: the Y networks.
    Starts from Kaiming's normal weights by fan-out (as the authors' code), factors 1, and N(0, 0.01²) in the last layer.
    """
    stages = stage_widths(depth, w0, wa, wm, group_width)
    body, c_in = {}, 32
    for i, (width, blocks, g) in enumerate(stages):
        body[f"stage{i + 1}"] = nn.Sequential(Block(c_in, width, 2, g, se), *(Block(width, width, 1, g, se) for _ in range(blocks - 1)))
        c_in = width
    network = Network(conv_bn(in_channels, 32, 3, 2), body, average_and_classify(c_in, num_classes), (in_channels, 224, 224))
    return start(network, conv=kaiming, linear=gaussian(0.01))


def recipe(batch: int) -> Recipe:
    """The rate is 0.1 for each 128 images of a batch."""
    return Recipe(optimizer="sgd", lr=0.1 * batch / 128, momentum=0.9, weight_decay=5e-5, batch_size=batch, epochs=100, schedule="cosine",
                  warmup_epochs=5, augment={"crop": 0.08, "flip": True, "lighting": 0.1}, image_size=224,
                  **IMAGENET, source="facebookresearch/pycls, MODEL_ZOO.md and configs/dds_baselines, read; what a crop leaves at least, "
                                     "8 %, and the strength of the lighting are recalled.  Ours: nothing")


TORCHVISION = (
    (r"^stem\.0", "stem.conv"), (r"^stem\.1", "stem.norm"), (r"^trunk_output\.block(\d)\.block\d-", r"body.stage\1."), (r"^fc", "head.fc"),
    (r"\.proj\.", ".shortcut."), (r"\.f\.a\.", ".conv1."), (r"\.f\.b\.", ".conv2."), (r"\.f\.c\.", ".conv3."), (r"\.f\.se\.", ".se."),
    (r"\.se\.fc1", ".se.reduce"), (r"\.se\.fc2", ".se.expand"),
    (r"(conv\d|shortcut)\.0", r"\1.conv"), (r"(conv\d|shortcut)\.1", r"\1.norm"),
)
TIMM = ((r"\.bn\.", ".norm."), (r"\.downsample\.", ".shortcut."), (r"\.se\.fc1", ".se.reduce"), (r"\.se\.fc2", ".se.expand"))


def timm(key: str) -> str | None:
    """Blocks are counted from 1 there, from 0 here."""
    return rename(re.sub(r"^s(\d)\.b(\d+)", lambda match: f"body.stage{match[1]}.{int(match[2]) - 1}", key), TIMM)


PAPER = "Radosavovic, Kosaraju, Girshick, He, Dollár, \"Designing Network Design Spaces\", 2020, arXiv:2003.13678"

for name, (depth, w0, wa, wm, group_width, params, macs, top1, top5, same) in TABLE.items():
    widths = [width for width, _, _ in stage_widths(depth, w0, wa, wm, group_width)]
    stages = {f"stage{i + 1}": (width, 56 // 2 ** i, 56 // 2 ** i) for i, width in enumerate(widths)}
    batch = 1024 if macs < 3e9 else 512 if macs < 3e10 else 256                   # what eight GPUs had memory for
    keys = {f"timm.regnet{name}": timm, **({f"torchvision.regnet_{same}": TORCHVISION} if same else {})}
    model(f"regnet{name}", params=params, macs=macs, year=2020, paper=PAPER, recipe=recipe(batch), keys=keys,
          stages={"stem": (32, 112, 112), **stages},
          published=Published(top1, top5, protocol="1 crop 224, released weights", verified=True))(
        partial(regnet, depth=depth, w0=w0, wa=wa, wm=wm, group_width=group_width, se=name[0] == "y"))
