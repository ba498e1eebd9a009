"""BN-Inception: batch norm after every convolution, so that a network trains with far larger rates and in a fraction of the steps.

                       1×1   3×3 reduce  3×3   double reduce  double 3×3   pool, 1×1       output
conv1                                   7×7 / 2                                        64×112×112
pool1                                   max 3×3 / 2                                    64× 56× 56
conv2                              64   192                                           192× 56× 56
pool2                                   max 3×3 / 2                                   192× 28× 28
inception_3a            64         64    64        64              96      avg, 32    256× 28× 28
inception_3b            64         64    96        64              96      avg, 64    320× 28× 28
inception_3c / 2                  128   160        64              96      max        576× 14× 14
inception_4a           224         64    96        96             128      avg, 128   576× 14× 14
inception_4b           192         96   128        96             128      avg, 128   576× 14× 14
inception_4c           160        128   160       128             160      avg, 128   608× 14× 14
inception_4d            96        128   192       160             192      avg, 128   608× 14× 14
inception_4e / 2                  128   192       192             256      max       1056×  7×  7
inception_5a           352        192   320       160             224      avg, 128  1024×  7×  7
inception_5b           352        192   320       192             224      max, 128  1024×  7×  7
head                                    average 7×7, linear                          1000

Against GoogLeNet: two 3×3 in the place of the 5×5 ("double"), a third module at 28×28, averages in most pools, and pooling between
stages inside the modules 3c and 4e, which have stride 2, no 1×1 and pass their input through a max pool.

Ioffe, Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift", 2015, figure 5 (table of
the appendix), section 4.2.

Deviations, all of them those of the published weights (the Caffe model and its ports):
- conv1 is a plain 7×7; in the paper it is separable with 8 filters a channel.  The paper says 13.6 M parameters.
- 4c, 4d and 4e give 608, 608 and 1056 maps, the sums of their rows.  The paper's column of outputs says 576, 576 and 1024 (recalled), which
  contradicts its own pool projections of 128 in 4c and 4d; TF-slim's Inception V2 has 96 there, and those outputs.
- Convolutions have biases, which batch norm makes superfluous; bias=False leaves them out (11,285,224 parameters).
- Our pools of stride 2 beside convolutions are padded as these are where the plane is odd; on even planes they are Caffe's.
"""
from functools import partial

from .. import nn
from .blocks import Branches, average_and_classify, conv_bn, start
from .googlenet import halve
from .network import Network
from .recipe import IMAGENET, Recipe
from .registry import Published, model
from .rounding import scaled_by

#                    1×1   reduce, 3×3   reduce, double   pool   projection
TABLE = {
    "inception_3a": (64,   64,     64,   64,     96,      "avg", 32),
    "inception_3b": (64,   64,     96,   64,     96,      "avg", 64),
    "inception_3c": (0,    128,    160,  64,     96,      "max", 0),               # 0: no such layer, and stride 2
    "inception_4a": (224,  64,     96,   96,     128,     "avg", 128),
    "inception_4b": (192,  96,     128,  96,     128,     "avg", 128),
    "inception_4c": (160,  128,    160,  128,    160,     "avg", 128),
    "inception_4d": (96,   128,    192,  160,    192,     "avg", 128),
    "inception_4e": (0,    128,    192,  192,    256,     "max", 0),
    "inception_5a": (352,  192,    320,  160,    224,     "avg", 128),
    "inception_5b": (352,  192,    320,  192,    224,     "max", 128),
}


def bn_inception(num_classes: int = 1000, in_channels: int = 3, bias: bool = True, dropout: float = 0.0, width: float = 1.0) -> Network:
    """Inception v2 is GoogLeNet with batch norm and two 3×3 in the place of the 5×5.

    bias: biases of convolutions too.  dropout: before the scores; batch norm replaces it in the paper.  width: all channels times this.
    Starts from N(0, 2 / fan_in) with biases 0 in convolutions, PyTorch's values in the linear layer: the paper does not say.
    """
    scaled, conv = scaled_by(width, "bn_inception"), partial(conv_bn, bias=bias)

    def inception(c_in: int, row: tuple) -> tuple[Branches, int]:
        """A module of the table, and its output channels."""
        one, reduce3, three, reduce_double, double, pool, project = (scaled(n) if isinstance(n, int) and n else n for n in row)
        if not one:                                                                     # (N, c_in, H, W) → (N, …, ⌈H/2⌉, ⌈W/2⌉)
            return Branches(three=nn.Sequential(conv(c_in, reduce3, 1), conv(reduce3, three, 3, stride=2)),
                            double=nn.Sequential(conv(c_in, reduce_double, 1), conv(reduce_double, double, 3),
                                                 conv(double, double, 3, stride=2)),
                            pool=nn.MaxPool2d(3, stride=2, padding="same")), three + double + c_in
        plane = nn.AvgPool2d(3, stride=1, padding=1) if pool == "avg" else nn.MaxPool2d(3, stride=1, padding=1)
        return Branches(one=conv(c_in, one, 1),
                        three=nn.Sequential(conv(c_in, reduce3, 1), conv(reduce3, three, 3)),
                        double=nn.Sequential(conv(c_in, reduce_double, 1), conv(reduce_double, double, 3), conv(double, double, 3)),
                        pool=nn.Sequential(plane, conv(c_in, project, 1))), one + three + double + project

    first, reduce, c = scaled(64), scaled(64), scaled(192)
    stem = nn.Sequential(dict(conv1=conv(in_channels, first, 7, stride=2), pool1=halve(),
                              reduce=conv(first, reduce, 1), conv2=conv(reduce, c, 3), pool2=halve()))
    body: dict[str, nn.Module] = {}
    for name, row in TABLE.items():
        body[name], c = inception(c, row)
    head = average_and_classify(c, num_classes, dropout=nn.Dropout(dropout))
    network = Network(stem, body, head, (in_channels, 224, 224))
    start(network, conv=partial(nn.init.kaiming_normal_, nonlinearity="relu"))
    return network


RECIPE = Recipe(optimizer="sgd", lr=0.045, momentum=0.9, weight_decay=4e-5, batch_size=32, epochs=150, schedule="step",
                schedule_options={"step_size": 8 / 6, "gamma": 0.96}, augment={"crop": 0.08, "flip": True}, image_size=224,
                **IMAGENET,
                source="section 4.2, recalled: BN-x30, a rate of 0.045 that falls 6 times faster than GoogLeNet's 4 % in 8 epochs, batches "
                       "of 32, 6 million steps, a fifth of the decay (of Caffe's GoogLeNet), less distortion.  Ours: the momentum's 0.9")
model("bn_inception", params=11_295_240, macs=2_032_600_064, year=2015, recipe=RECIPE, aliases=("inception_v2",),
      paper="Ioffe, Szegedy, \"Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift\", 2015, "
            "arXiv:1502.03167",
      stages={"stem": (192, 28, 28), "inception_3a": (256, 28, 28), "inception_3b": (320, 28, 28),
              "inception_3c": (576, 14, 14), "inception_4a": (576, 14, 14), "inception_4b": (576, 14, 14),
              "inception_4c": (608, 14, 14), "inception_4d": (608, 14, 14),
              "inception_4e": (1056, 7, 7), "inception_5a": (1024, 7, 7), "inception_5b": (1024, 7, 7)},
      published=(Published(25.2, 7.82, protocol="1 crop"),
                 Published(26.1, 8.2, protocol="1 crop, Inception V2 of TF-slim, narrower in 4c to 4e", verified=True)))(bn_inception)
