"""EfficientNet-Lite: EfficientNet without what the processors of telephones do badly.

            width   depth   image
    lite0    1.0     1.0     224        the stages of EfficientNet-B0, with
    lite1    1.0     1.1     240            no squeeze-and-excitation: an average over the plane, then a multiplication of all of it
    lite2    1.1     1.2     260            ReLU6 for swish: bounded values lose little as 8-bit integers
    lite3    1.2     1.4     280            stem (32), head (1280) and the layers of the first and last stage unscaled: small and fast
    lite4    1.4     1.8     300

There is no paper: R. Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, 2020, and the code and table of
results in tensorflow/tpu, models/official/efficientnet/lite.  Multiply-adds below are those of convolutions and linear layers; that table
has 407 M, 631 M, 899 M, 1.44 G and 2.64 G, 3 to 6 % more, and does not say what it counts.

Deviation: padding is symmetric, as in EfficientNet here, see there.
"""
import re
from dataclasses import replace
from functools import partial

from .. import nn
from .efficientnet import RECIPE, efficientnet, shapes
from .network import Network
from .registry import Published, model

#    width depth image dropout parameters  multiply-adds    top-1
TABLE = {
    0: (1.0, 1.0, 224, 0.2,     4_652_008,    385_187_552,  24.9),
    1: (1.0, 1.1, 240, 0.2,     5_416_680,    600_185_232,  23.3),
    2: (1.1, 1.2, 260, 0.3,     6_092_072,    859_736_272,  22.4),
    3: (1.2, 1.4, 280, 0.3,     8_197_096,  1_383_321_872,  20.2),
    4: (1.4, 1.8, 300, 0.3,    13_006_568,  2_553_034_336,  18.5),
}


def efficientnet_lite(num_classes: int = 1000, in_channels: int = 3, width: float = 1.0, depth: float = 1.0, image: int = 224,
                      dropout: float = 0.2, drop_connect: float = 0.2) -> Network:
    """EfficientNet-Lite has ReLU6, no squeeze-and-excitation, and unscaled ends.

    Options and first values are EfficientNet's.
    """
    return efficientnet(num_classes, in_channels, width, depth, image, dropout, drop_connect,
                        squeeze=False, activation=nn.ReLU6, fixed_ends=True)


def timm(key: str) -> str:
    """blocks.0 … 6 are stages 2 … 8; those of stage 2 have a depthwise and a pointwise convolution, the others an expansion before."""
    parts = {"conv_pw": "expand.conv", "bn1": "expand.norm", "conv_dw": "depthwise.conv", "bn2": "depthwise.norm",
             "conv_pwl": "project.conv", "bn3": "project.norm"}
    first = {**parts, "conv_pw": "project.conv", "bn1": "depthwise.norm", "bn2": "project.norm"}
    key = re.sub(r"^blocks\.(\d)\.(\d+)\.(\w+)",
                 lambda m: f"body.stage{int(m[1]) + 2}.{m[2]}.residual.{(first if m[1] == '0' else parts)[m[3]]}", key)
    for pattern, name in ((r"^conv_stem", "stem.conv"), (r"^bn1", "stem.norm"), (r"^conv_head", "head.conv.conv"),
                          (r"^bn2", "head.conv.norm"), (r"^classifier", "head.fc")):
        key = re.sub(pattern, name, key)
    return key


for number, (width, depth, image, dropout, params, macs, top1) in TABLE.items():
    model(f"efficientnet_lite{number}", params=params, macs=macs, input_shape=(3, image, image), year=2020,
          paper='Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, 2020',
          recipe=replace(RECIPE, image_size=image, mean=(127 / 255,) * 3, std=(128 / 255,) * 3,
                         source=RECIPE.source + "; mean and std of the authors' code for Lite"),
          stages=shapes(width, depth, image, fixed_ends=True),
          published=Published(top1, protocol=f"1 crop {image}, float32, the authors' released weights", verified=True),
          keys={f"timm.efficientnet_lite{number}": timm})(
        partial(efficientnet_lite, width=width, depth=depth, image=image, dropout=dropout))
