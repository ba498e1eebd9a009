"""Inception v3: large convolutions factorised into smaller ones and into pairs of a row and a column.

                                                                         output
stem            3×3 / 2, 3×3, 3×3 padded, max / 2, 1×1, 3×3, max / 2    192×35×35    table 1: otherwise, see below
mixed_5b … 5d   3 × figure 5: a 5×5 becomes two 3×3                     288×35×35
mixed_6a        pooling and strided convolutions side by side           768×17×17    figure 10
mixed_6b … 6e   4 × figure 6: a 7×7 becomes 1×7 and 7×1                 768×17×17    auxiliary head
mixed_7a        the same as 6a                                         1280× 8× 8
mixed_7b, 7c    2 × figure 7: 1×3 and 3×1 side by side                 2048× 8× 8
head            average 8×8, dropout 50 %, linear                       1000

Branches are written as the figures draw them, read by `branch` below: "1×1 48 → 5×5 64" is two convolutions with 48 and 64 filters, each
with batch norm and ReLU; "/2" is stride 2, "V" valid, that is, without padding; "a | b" stand side by side.

Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the Inception Architecture for Computer Vision", 2015, table 1, sections 3 to 8.

Deviations:
- The network is that of the authors' code (TF-slim): its widths, the names of its stages, the one branch with a 5×5, which figures 5 to 7
  do not tell.  Table 1 (recalled) goes from the first pool to the modules by a 3×3 to 80 where the code has a 1×1, a 3×3 / 2 to 192 in the
  place of a 3×3 and the second max pool, and one more 3×3 to 288.  It counts three modules of figure 5, five of figure 6 and two of figure
  7; the code has the reduction 6a and four of figure 6.
- Averages count padding as zeros, as in torchvision and timm; TensorFlow leaves it out.
- First values: normal with standard deviation 0.1, cut off at two of them, as in TF-slim; the paper has none.  The weight of the auxiliary
  loss, 0.4, is TF-slim's too.  The running statistics of batch norm move by 0.1 a step, by 0.0003 in TF-slim.
"""
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import nn
from .blocks import Branches, average_and_classify, conv_bn, start, truncated
from .network import AuxiliaryNetwork, Network
from .recipe import Recipe
from .registry import Published, model
from .rounding import scaled_by

EPS = 1e-3                                                                         # of batch norm
STEM = "3×3 32 /2 V → 3×3 32 V → 3×3 64 → max /2 V → 1×1 80 → 3×3 192 V → max /2 V"
FIGURE_5 = ("1×1 64", "1×1 48 → 5×5 64", "1×1 64 → 3×3 96 → 3×3 96")
FIGURE_7 = ("1×1 320", "1×1 384 → 1×3 384 | 3×1 384", "1×1 448 → 3×3 384 → 1×3 384 | 3×1 384", "avg → 1×1 192")


def figure_6(n: int) -> tuple[str, ...]:
    """The branches of figure 6 with n filters inside.  (N, 768, H, W) → (N, 768, H, W)"""
    return ("1×1 192", f"1×1 {n} → 1×7 {n} → 7×1 192", f"1×1 {n} → 7×1 {n} → 1×7 {n} → 7×1 {n} → 1×7 192", "avg → 1×1 192")


TABLE = {
    "mixed_5b": (*FIGURE_5, "avg → 1×1 32"),
    "mixed_5c": (*FIGURE_5, "avg → 1×1 64"),
    "mixed_5d": (*FIGURE_5, "avg → 1×1 64"),
    "mixed_6a": ("3×3 384 /2 V", "1×1 64 → 3×3 96 → 3×3 96 /2 V", "max /2 V"),
    "mixed_6b": figure_6(128),
    "mixed_6c": figure_6(160),
    "mixed_6d": figure_6(160),
    "mixed_6e": figure_6(192),
    "mixed_7a": ("1×1 192 → 3×3 320 /2 V", "1×1 192 → 1×7 192 → 7×1 192 → 3×3 192 /2 V", "max /2 V"),
    "mixed_7b": FIGURE_7,
    "mixed_7c": FIGURE_7,
}


STEP = re.compile(r"(max|avg|[1-9]\d*×[1-9]\d* [1-9]\d*)( /2)?( V)?")                     # of a branch, see there


def layer(text: str, c: int, scaled: Callable[[float], int], count_padding: bool = True) -> tuple[nn.Module, int]:
    """The layer that one step of a branch describes, and its output channels; see `branch`."""
    if "|" in text:
        sides = [layer(side, c, scaled, count_padding) for side in text.split("|")]
        return Branches(**{f"branch{i}": side for i, (side, _) in enumerate(sides)}), sum(channels for _, channels in sides)
    match = STEP.fullmatch(" ".join(text.split()))
    if not match:
        raise ValueError(f"inception: a branch should consist of steps such as '3×3 96', '3×3 320 /2 V', 'max /2 V' or 'avg', joined by "
                         f"→ and |, got {text.strip()!r}")
    kind, *rest = text.split()
    stride, padding = 2 if "/2" in rest else 1, 0 if "V" in rest else None
    if kind == "max":
        return nn.MaxPool2d(3, stride, padding=1 if padding is None else 0), c
    if kind == "avg":
        return nn.AvgPool2d(3, stride, padding=1 if padding is None else 0, count_include_pad=count_padding), c
    rows, columns = map(int, kind.split("×"))
    c_out = scaled(int(rest[0]))
    return conv_bn(c, c_out, (rows, columns), stride, padding=padding, eps=EPS), c_out


def branch(text: str, c: int, scaled: Callable[[float], int], count_padding: bool = True) -> tuple[nn.Sequential, int]:
    """The layers of a branch as a figure writes it, and its output channels.  c: of its input.  scaled: channels there → channels here.

    3×3 96       convolution with 96 filters, batch norm, ReLU; padded so that stride 1 keeps the plane
    max, avg     pooling 3×3, padded alike; count_padding: whether an average counts the padding
    … /2 V       stride 2; "valid", without padding
    a → b, a | b b after a, and a and b side by side
    """
    layers = []
    for step in text.split("→"):
        made, c = layer(step, c, scaled, count_padding)
        layers.append(made)
    return nn.Sequential(*layers), c


def mixed(texts: Sequence[str], c: int, scaled: Callable[[float], int], count_padding: bool = True) -> tuple[Branches, int]:
    """A module of branches side by side, and its output channels.  (N, c, H, W) → (N, Σ channels of the branches, P, Q)"""
    made = [branch(text, c, scaled, count_padding) for text in texts]
    return Branches(**{f"branch{i}": layers for i, (layers, _) in enumerate(made)}), sum(channels for _, channels in made)


def is_branches(texts: Any) -> bool:
    """Whether it is a sequence of texts, at least one."""
    return isinstance(texts, Sequence) and not isinstance(texts, str) and bool(texts) and all(isinstance(text, str) for text in texts)


def inception_v3(num_classes: int = 1000, in_channels: int = 3, aux: bool = False, dropout: float = 0.5, width: float = 1.0,
                 table: Mapping[str, Sequence[str]] = TABLE) -> Network:
    """Inception v3 splits 7×7 into 1×7 and 7×1, and 5×5 into two 3×3.

    aux: with the auxiliary head on mixed_6e, which takes images of 299 and about: in training (scores, scores of 6e), weighted by
    loss_weights.  table: stage -> its branches, all of the paper's by default.  width: all channels times this.
    Starts from N(0, 0.1²) cut off at two standard deviations, the last two weights of the auxiliary head with 0.01 and 0.001; biases 0.
    """
    scaled = scaled_by(width, "inception_v3")
    if not isinstance(table, Mapping) or not table or not all(is_branches(texts) for texts in table.values()):
        raise ValueError(f"inception_v3: table should be {{stage: texts of its branches}} with at least one stage, such as "
                         f"{{'mixed_5b': ('1×1 64', 'avg → 1×1 32')}}, got {table!r}")
    if aux and "mixed_6e" not in table:
        raise ValueError(f"inception_v3: aux=True puts a head on mixed_6e, which should be in the table, got {', '.join(map(str, table))}")
    stem, c = branch(STEM, in_channels, scaled)
    body: dict[str, nn.Module] = {}
    heads: dict[str, nn.Module] = {}
    for name, texts in table.items():
        body[name], c = mixed(texts, c, scaled)
        if aux and name == "mixed_6e":
            maps, hidden = scaled(128), scaled(768)
            heads[name] = nn.Sequential(dict(                                       # 17×17 → 5×5 → 1×1
                pool=nn.AvgPool2d(5, stride=3), conv0=conv_bn(c, maps, 1, eps=EPS), conv1=conv_bn(maps, hidden, 5, padding=0, eps=EPS),
                average=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(hidden, num_classes)))
    head = average_and_classify(c, num_classes, dropout=nn.Dropout(dropout))
    image = (in_channels, 299, 299)
    network = AuxiliaryNetwork(stem, body, head, image, heads, 0.4) if aux else Network(stem, body, head, image)
    start(network, conv=truncated(0.1), linear=truncated(0.1))
    for auxiliary in heads.values():
        truncated(0.01)(auxiliary.conv1.conv.weight)
        truncated(0.001)(auxiliary.fc.weight)
    return network


def torchvision_keys(key: str) -> str | None:
    """A name of torchvision's or timm's Inception v3 → ours; the auxiliary head of training is left out.

    Theirs number the layers of a branch from 1 and call branches by their kernels: Mixed_6b.branch7x7dbl_2 is mixed_6b.branch2.1.
    """
    if key.startswith("AuxLogits"):
        return None
    stem = {"1a_3x3": 0, "2a_3x3": 1, "2b_3x3": 2, "3b_1x1": 4, "4a_3x3": 5}
    key = re.sub(r"^Conv2d_(\w+)", lambda match: f"stem.{stem[match[1]]}", key).replace(".bn.", ".norm.")
    key = re.sub(r"^fc\.", "head.fc.", key)
    match = re.match(r"Mixed_(\w+)\.branch_?([^_.]+)(?:_(\d)([ab]?))?\.(.*)", key)
    if not match:
        return key
    stage, kernel, number, side, rest = match.groups()
    order = ("3x3", "3x3dbl") if stage == "6a" else ("3x3", "7x7x3") if stage == "7a" else ("1x1", "5x5 7x7 3x3", "3x3dbl 7x7dbl", "pool")
    place = next(i for i, kernels in enumerate(order) if kernel in kernels.split())
    step = 1 if kernel == "pool" else int(number or 1) - 1
    return f"body.mixed_{stage}.branch{place}.{step}.{'' if not side else 'branch0.' if side == 'a' else 'branch1.'}{rest}"


RECIPE = Recipe(optimizer="rmsprop", lr=0.045, momentum=0.9, weight_decay=4e-5, batch_size=1600, epochs=100, schedule="step",
                schedule_options={"step_size": 2, "gamma": 0.94}, optimizer_options={"alpha": 0.9, "eps": 1.0, "eps_inside": True},
                label_smoothing=0.1, clip_norm=2.0, average=0.9999,
                augment={"crop": 0.08, "flip": True}, image_size=299, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
                source="section 8, recalled: RMSProp with decay 0.9 and ε = 1 (under the root in TensorFlow), a rate of 0.045 × 0.94 every "
                       "second epoch, 50 replicas with batches of 32, averaged weights.  The momentum of 0.9 and the weight decay are "
                       "TF-slim's (tensorflow/models, read), the average's decay too (recalled); crops and mirror images are GoogLeNet's")
model("inception_v3", params=23_834_568, macs=5_713_216_096, input_shape=(3, 299, 299), year=2015, recipe=RECIPE,
      paper="Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, \"Rethinking the Inception Architecture for Computer Vision\", 2015, "
            "arXiv:1512.00567",
      stages={"stem": (192, 35, 35), "mixed_5b": (256, 35, 35), "mixed_5c": (288, 35, 35), "mixed_5d": (288, 35, 35),
              **{f"mixed_6{letter}": (768, 17, 17) for letter in "abcde"},
              "mixed_7a": (1280, 8, 8), "mixed_7b": (2048, 8, 8), "mixed_7c": (2048, 8, 8)},
      published=(Published(21.2, 5.6, protocol="1 crop, with the auxiliary head"), Published(18.77, 4.2, protocol="144 crops"),
                 Published(22.706, 6.55, protocol="1 crop, weights of torchvision", verified=True)),
      keys={"torchvision.inception_v3": torchvision_keys, "timm.inception_v3": torchvision_keys})(inception_v3)
