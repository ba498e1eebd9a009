"""Inception-ResNet: the output of each Inception module is scaled down and added to its input.

                     v1                      v2                     scale     figures
stem                 256×35×35               192×35×35                        14; of v2 see below
mixed_5b                                     320×35×35
inception_a           5 × 256×35×35          10 ×  320×35×35        0.17      10, 16
reduction_a               896×17×17              1088×17×17                   7 with k, l, m, n = 192, 192, 256, 384; 256, 256, 384, 384
inception_b          10 × 896×17×17          20 × 1088×17×17        0.10      11, 17
reduction_b              1792× 8× 8              2080× 8× 8                   12, 18
inception_c           6 × 1792×8×8           10 × 2080× 8× 8        0.20      13, 19; the last: 1, and no ReLU after it
conv_7b                                      1536× 8× 8                       1×1
head                 average, dropout 20 %   average, dropout 20 %
                     linear 512, linear      linear

    y = relu(x + scale · (W · [branches of x] + b)),   W: a 1×1 convolution without batch norm or ReLU, back to the channels of x

Scaling by 0.1 to 0.3 keeps wide residual networks from dying early in training (section 3.3).  Branches are written as in inception_v3.py.

Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning", 2016, section 3.2.

Deviations, all of them those of the code by which the networks are known (the authors' for v2, its descendants for v1):
- The numbers of modules; figure 15 has 5, 10 and 5 for both.  blocks=(5, 10, 5) builds these.
- v2 begins like Inception v3, with mixed_5b; figure 15 takes the stem of Inception v4.  Its B modules have 1088 channels, not 1154.
- The last module adds without scaling and ReLU; v2 has conv_7b behind it, v1 a linear layer to 512 with batch norm before the scores.
- First values, normal with variance 2 / fan_in, without the truncation of the authors' code; the paper has none.
"""
import re
from collections.abc import Sequence
from functools import partial

from .. import nn
from ..nn.fused import add_then
from .blocks import average_and_classify, check_blocks, conv_bn, start
from .inception_v3 import EPS, branch, mixed
from .inception_v4 import PAPER, RECIPE
from .network import Network
from .registry import Published, model
from .rounding import scaled_by

BEGIN = "3×3 32 /2 V → 3×3 32 V → 3×3 64 → max /2 V → 1×1 80 → 3×3 192 V → "
VERSIONS = {
    1: {
        "stem": BEGIN + "3×3 256 /2 V",
        "mixed_5b": (),
        "inception_a": ("1×1 32", "1×1 32 → 3×3 32", "1×1 32 → 3×3 32 → 3×3 32"),
        "reduction_a": ("3×3 384 /2 V", "1×1 192 → 3×3 192 → 3×3 256 /2 V", "max /2 V"),
        "inception_b": ("1×1 128", "1×1 128 → 1×7 128 → 7×1 128"),
        "reduction_b": ("1×1 256 → 3×3 384 /2 V", "1×1 256 → 3×3 256 /2 V", "1×1 256 → 3×3 256 → 3×3 256 /2 V", "max /2 V"),
        "inception_c": ("1×1 192", "1×1 192 → 1×3 192 → 3×1 192"),
    },
    2: {
        "stem": BEGIN + "max /2 V",
        "mixed_5b": ("1×1 96", "1×1 48 → 5×5 64", "1×1 64 → 3×3 96 → 3×3 96", "avg → 1×1 64"),
        "inception_a": ("1×1 32", "1×1 32 → 3×3 32", "1×1 32 → 3×3 48 → 3×3 64"),
        "reduction_a": ("3×3 384 /2 V", "1×1 256 → 3×3 256 → 3×3 384 /2 V", "max /2 V"),
        "inception_b": ("1×1 192", "1×1 128 → 1×7 160 → 7×1 192"),
        "reduction_b": ("1×1 256 → 3×3 384 /2 V", "1×1 256 → 3×3 288 /2 V", "1×1 256 → 3×3 288 → 3×3 320 /2 V", "max /2 V"),
        "inception_c": ("1×1 192", "1×1 192 → 1×3 224 → 3×1 256"),
    },
}
BLOCKS = {1: (5, 10, 6), 2: (10, 20, 10)}                                            # of A, B and C
SCALES = {"inception_a": 0.17, "inception_b": 0.10, "inception_c": 0.20}


class InceptionResidual(nn.Module):
    """y = activation(x + scale · (W · [branches of x] + b)).  (N, c, H, W) → (N, c, H, W)"""

    def __init__(self, texts: Sequence[str], c: int, scale: float, scaled, last: bool = False):
        super().__init__()
        self.scale = 1.0 if last else scale
        self.branches, channels = mixed(texts, c, scaled)
        self.linear = nn.Conv2d(channels, c, 1)
        self.activation = nn.Identity() if last else nn.ReLU()

    def forward(self, x):
        return add_then(self.activation, x, self.scale * self.linear(self.branches(x)))

    def extra_repr(self) -> str:
        return f"scale={self.scale}"


def inception_resnet(num_classes: int = 1000, in_channels: int = 3, version: int = 2, blocks: Sequence[int] | None = None,
                     dropout: float = 0.2, width: float = 1.0) -> Network:
    """Inception-ResNet adds the scaled output of each module to its input.

    version: 1 or 2.  blocks: modules of A, B and C, by default those of the published code.  width: all channels times this.
    Starts from N(0, 2 / fan_in) and biases 0 in convolutions and linear layers.
    """
    if version not in VERSIONS:
        raise ValueError(f"inception_resnet: version should be 1 or 2, got {version!r}")
    table, scaled = VERSIONS[version], scaled_by(width, "inception_resnet")
    blocks = check_blocks("inception_resnet", BLOCKS[version] if blocks is None else blocks, BLOCKS[version], kinds=True)
    counts = dict(zip(SCALES, blocks))
    stem, c = branch(str(table["stem"]), in_channels, scaled)
    body: dict[str, nn.Module] = {}
    for name, texts in list(table.items())[1:]:
        if name in SCALES:
            count = counts[name]
            body[name] = nn.Sequential(*(InceptionResidual(texts, c, SCALES[name], scaled, last=name == "inception_c" and i == count - 1)
                                         for i in range(count)))
        elif texts:
            body[name], c = mixed(texts, c, scaled, count_padding=False)
    before: dict[str, nn.Module] = dict(dropout=nn.Dropout(dropout))
    if version == 1:
        hidden = scaled(512)
        before |= dict(hidden=nn.Linear(c, hidden, bias=False), norm=nn.BatchNorm1d(hidden, EPS))
    else:
        hidden = scaled(1536)
        body["conv_7b"] = conv_bn(c, hidden, 1, eps=EPS)
    head = average_and_classify(hidden, num_classes, None, **before)
    normal = partial(nn.init.kaiming_normal_, nonlinearity="relu")
    network = Network(stem, body, head, (in_channels, 299, 299))
    start(network, conv=normal, linear=normal)
    return network


def timm(key: str) -> str:
    """A name of timm's Inception-ResNet v2 → ours."""
    stem = {"1a": 0, "2a": 1, "2b": 2, "3b": 4, "4a": 5}
    key = re.sub(r"^conv2d_([1-4].)", lambda match: f"stem.{stem[match[1]]}", key)
    for pattern, ours in ((r"^conv2d_7b", "body.conv_7b"), (r"^classif", "head.fc"), (r"\.bn\.", ".norm."), (r"^mixed_5b", "body.mixed_5b"),
                          (r"^mixed_6a", "body.reduction_a"), (r"^mixed_7a", "body.reduction_b"), (r"conv2d\.", "linear."),
                          (r"branch(\d)\.(conv|norm)", r"branch\1.0.\2"), (r"^block8", f"repeat_2.{BLOCKS[2][2] - 1}"),
                          (r"^repeat(\S*?)\.(\d+)\.branch", r"repeat\1.\2.branches.branch"),
                          (r"^repeat\.", "body.inception_a."), (r"^repeat_1", "body.inception_b"), (r"^repeat_2", "body.inception_c")):
        key = re.sub(pattern, ours, key)
    return key


model("inception_resnet_v1", params=23_995_624, macs=6_308_235_360, input_shape=(3, 299, 299), year=2016, paper=PAPER, recipe=RECIPE,
      stages={"stem": (256, 35, 35), "inception_a": (256, 35, 35), "reduction_a": (896, 17, 17), "inception_b": (896, 17, 17),
              "reduction_b": (1792, 8, 8), "inception_c": (1792, 8, 8)},
      published=Published(21.3, 5.5, protocol="1 crop, without the blacklisted images"))(partial(inception_resnet, version=1))
model("inception_resnet_v2", params=55_843_464, macs=13_155_794_016, input_shape=(3, 299, 299), year=2016, paper=PAPER, recipe=RECIPE,
      stages={"stem": (192, 35, 35), "mixed_5b": (320, 35, 35), "inception_a": (320, 35, 35), "reduction_a": (1088, 17, 17),
              "inception_b": (1088, 17, 17), "reduction_b": (2080, 8, 8), "inception_c": (2080, 8, 8), "conv_7b": (1536, 8, 8)},
      published=(Published(19.9, 4.9, protocol="1 crop, without the blacklisted images"), Published(17.8, 3.7, protocol="144 crops"),
                 Published(19.566, 4.688, protocol="1 crop, weights of timm", verified=True)),
      keys={"timm.inception_resnet_v2": timm})(partial(inception_resnet, version=2))
