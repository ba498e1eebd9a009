"""Inception v4: three kinds of Inception modules, each repeated without change, behind a stem that pools and convolves side by side.

                  modules    output          figure
stem                         384×35×35       3
inception_a       4          384×35×35       4
reduction_a       1         1024×17×17       7, with k, l, m, n = 192, 224, 256, 384
inception_b       7         1024×17×17       5
reduction_b       1         1536× 8× 8       8
inception_c       3         1536× 8× 8       6
head              average 8×8, dropout 20 %, linear: 1000

The branches are written as in inception_v3.py: "1×1 64 → 3×3 96 /2 V" is a 1×1 convolution with 64 filters and a 3×3 with 96, stride 2
and no padding ("V", valid), each with batch norm and ReLU; "a | b" stand side by side.

Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning", 2016, section 3.1,
figures 3 to 9.  The residual networks of the same paper are in inception_resnet.py.

Deviations:
- The long branch of module B goes 7×1, 1×7, 7×1, 1×7 as in the authors' code; figure 5 begins it with 1×7 (recalled).
- Rows before columns in the stem's 7×7 and the order inside the last branches of C are those of the authors' code (TF-slim) and timm.
- First values, normal with variance 2 / fan_in, are those of the authors' code but for its truncation; the paper has none.  The running
  statistics of batch norm move by 0.1 a step.
"""
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from .. import nn
from .blocks import average_and_classify, check_blocks, start
from .inception_v3 import RECIPE as RECIPE_V3
from .inception_v3 import branch, mixed
from .network import Network
from .registry import Published, model
from .rounding import scaled_by

STEM = "3×3 32 /2 V → 3×3 32 V → 3×3 64"                                                                       # 64×147×147
STEM_MIXED = {
    "mixed_3a": ("max /2 V", "3×3 96 /2 V"),                                                                   # 160×73×73
    "mixed_4a": ("1×1 64 → 3×3 96 V", "1×1 64 → 1×7 64 → 7×1 64 → 3×3 96 V"),                                  # 192×71×71
    "mixed_5a": ("3×3 192 /2 V", "max /2 V"),                                                                  # 384×35×35
}
TABLE = {
    "inception_a": ("1×1 96", "1×1 64 → 3×3 96", "1×1 64 → 3×3 96 → 3×3 96", "avg → 1×1 96"),
    "reduction_a": ("3×3 384 /2 V", "1×1 192 → 3×3 224 → 3×3 256 /2 V", "max /2 V"),
    "inception_b": ("1×1 384", "1×1 192 → 1×7 224 → 7×1 256", "1×1 192 → 7×1 192 → 1×7 224 → 7×1 224 → 1×7 256", "avg → 1×1 128"),
    "reduction_b": ("1×1 192 → 3×3 192 /2 V", "1×1 256 → 1×7 256 → 7×1 320 → 3×3 320 /2 V", "max /2 V"),
    "inception_c": ("1×1 256", "1×1 384 → 1×3 256 | 3×1 256", "1×1 384 → 3×1 448 → 1×3 512 → 1×3 256 | 3×1 256", "avg → 1×1 256"),
}
BLOCKS = (4, 7, 3)                                                                                             # of A, B and C


def inception_v4(num_classes: int = 1000, in_channels: int = 3, blocks: Sequence[int] = BLOCKS, dropout: float = 0.2,
                 width: float = 1.0) -> Network:
    """Inception v4 repeats three kinds of uniform modules, without residuals.

    blocks: modules of A, B and C.  width: all channels times this.
    Starts from N(0, 2 / fan_in) and biases 0 in convolutions and the linear layer.
    """
    scaled = scaled_by(width, "inception_v4")
    of_a, of_b, of_c = check_blocks("inception_v4", blocks, BLOCKS, kinds=True)
    convolutions, c = branch(STEM, in_channels, scaled)
    stem: dict[str, nn.Module] = {"convolutions": convolutions}
    body: dict[str, nn.Module] = {}
    for name, texts in STEM_MIXED.items():
        stem[name], c = mixed(texts, c, scaled)
    for (name, texts), count in zip(TABLE.items(), (of_a, 1, of_b, 1, of_c)):
        modules = []
        for _ in range(count):
            module, c = mixed(texts, c, scaled, count_padding=False)
            modules.append(module)
        body[name] = nn.Sequential(*modules)
    head = average_and_classify(c, num_classes, dropout=nn.Dropout(dropout))
    normal = partial(nn.init.kaiming_normal_, nonlinearity="relu")
    network = Network(nn.Sequential(stem), body, head, (in_channels, 299, 299))
    start(network, conv=normal, linear=normal)
    return network


def timm(key: str) -> str:
    """A name of timm's Inception v4 → ours.  Theirs is one list of 22 features; _1a and _1b are the two sides of a fork."""
    places = [f"stem.convolutions.{i}" for i in range(3)] + [f"stem.{name}" for name in STEM_MIXED]
    for name, count in zip(TABLE, (4, 1, 7, 1, 3)):
        places += [f"body.{name}.{i}" for i in range(count)]
    key = re.sub(r"^features\.(\d+)", lambda match: places[int(match[1])], key)
    for pattern, ours in ((r"^last_linear", "head.fc"), (r"\.bn\.", ".norm."),
                          (r"mixed_3a\.conv\.", "mixed_3a.branch1.0."), (r"mixed_5a\.conv\.", "mixed_5a.branch0.0."),
                          (r"branch(\d)\.(conv|norm)", r"branch\1.0.\2"), (r"branch(\d)_(\d)", r"branch\1.\2"),
                          (r"(\.\d)a\.", r"\1.branch0."), (r"(\.\d)b\.", r"\1.branch1.")):
        key = re.sub(pattern, ours, key)
    return key


PAPER = ("Szegedy, Ioffe, Vanhoucke, Alemi, \"Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning\", 2016, "
         "arXiv:1602.07261")
RECIPE = replace(RECIPE_V3, batch_size=640, clip_norm=None, epochs=160,
                 source="section 4, recalled: RMSProp with decay 0.9 and ε = 1 on 20 replicas, a rate of 0.045 × 0.94 every second epoch, "
                        "averaged weights; the rest as for Inception v3 here: batches of 32 a replica, momentum, weight decay, "
                        "label smoothing, distortions.  Ours: epochs")
model("inception_v4", params=42_679_816, macs=12_253_974_624, input_shape=(3, 299, 299), year=2016, paper=PAPER, recipe=RECIPE,
      stages={"stem": (384, 35, 35), "inception_a": (384, 35, 35), "reduction_a": (1024, 17, 17), "inception_b": (1024, 17, 17),
              "reduction_b": (1536, 8, 8), "inception_c": (1536, 8, 8)},
      published=(Published(20.0, 5.0, protocol="1 crop, without the blacklisted images"), Published(17.7, 3.8, protocol="144 crops"),
                 Published(19.856, 5.018, protocol="1 crop, weights of timm", verified=True)),
      keys={"timm.inception_v4": timm})(inception_v4)
