"""GoogLeNet: convolutions of several sizes side by side, made affordable by 1×1 convolutions that first reduce the channels.

                 1×1   3×3 reduce  3×3   5×5 reduce  5×5   pool, 1×1        output
conv1                              7×7 / 2                                64×112×112
pool1                              max 3×3 / 2, local response norm       64× 56× 56
conv2                        64    192,          local response norm     192× 56× 56
pool2                              max 3×3 / 2                           192× 28× 28
inception_3a      64         96    128       16       32        32       256× 28× 28
inception_3b     128        128    192       32       96        64       480× 28× 28
pool3                              max 3×3 / 2                           480× 14× 14
inception_4a     192         96    208       16       48        64       512× 14× 14    auxiliary head
inception_4b     160        112    224       24       64        64       512× 14× 14
inception_4c     128        128    256       24       64        64       512× 14× 14
inception_4d     112        144    288       32       64        64       528× 14× 14    auxiliary head
inception_4e     256        160    320       32      128       128       832× 14× 14
pool4                              max 3×3 / 2                           832×  7×  7
inception_5a     256        160    320       32      128       128       832×  7×  7
inception_5b     384        192    384       48      128       128      1024×  7×  7
head                               average 7×7, dropout 40 %, linear    1000

Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich, "Going Deeper with Convolutions", 2014, table 1, sections 5, 6.

Deviations:
- The constants of the local response norm (5 channels, α = 1e-4, β = 0.75, k = 1) and the first values are Caffe's: the paper has none.
- conv1 is a plain 7×7×3×64, 9,472 parameters, as everywhere since; the table's 2.7K fit a separable one.
- googlenet_torchvision is the network of torchvision: batch norm in the place of biases and local response norm, eps 1e-3; a 3×3 where
  the paper has the 5×5, an old slip that its weights depend on; pool4 2×2; dropout 20 %; auxiliary heads read an adaptive average of 4×4.
"""
from functools import partial

from .. import nn
from .blocks import Branches, FitPlane, average_and_classify, conv_bn, start
from .network import AuxiliaryNetwork, Network
from .recipe import CUT_224_OF_256, IMAGENET, Recipe
from .registry import Published, model
from .rounding import scaled_by

#                    1×1   reduce, 3×3   reduce, 5×5   pool projection
TABLE: dict[str, tuple[int, ...] | None] = {
    "inception_3a": (64,   96,     128,  16,     32,   32),
    "inception_3b": (128,  128,    192,  32,     96,   64),
    "pool3":        None,
    "inception_4a": (192,  96,     208,  16,     48,   64),
    "inception_4b": (160,  112,    224,  24,     64,   64),
    "inception_4c": (128,  128,    256,  24,     64,   64),
    "inception_4d": (112,  144,    288,  32,     64,   64),
    "inception_4e": (256,  160,    320,  32,     128,  128),
    "pool4":        None,
    "inception_5a": (256,  160,    320,  32,     128,  128),
    "inception_5b": (384,  192,    384,  48,     128,  128),
}
AUXILIARY = ("inception_4a", "inception_4d")
AUXILIARY_WEIGHT = 0.3
FORMS = ("paper", "torchvision")


def conv_relu(c_in: int, c_out: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """Convolution and ReLU.  (N, c_in, H, W) → (N, c_out, ⌈H/stride⌉, ⌈W/stride⌉)"""
    return nn.Sequential(dict(conv=nn.Conv2d(c_in, c_out, kernel_size, stride, padding=kernel_size // 2), relu=nn.ReLU()))


def halve(kernel_size: int = 3) -> nn.MaxPool2d:
    """A max pool of stride 2.  (N, C, H, W) → (N, C, about H/2, about W/2)"""
    return nn.MaxPool2d(kernel_size, stride=2, ceil_mode=True)                          # 112 → 56 → 28 → 14 → 7: rounded up


def googlenet(num_classes: int = 1000, in_channels: int = 3, aux: bool = False, form: str = "paper", dropout: float = 0.4,
              width: float = 1.0) -> Network:
    """GoogLeNet puts 1×1, 3×3, 5×5 and a pool side by side, behind 1×1 reductions.

    aux: with the auxiliary heads of the paper: in training (scores, scores of 4a, scores of 4d), weighted by loss_weights.
    form: "paper", or "torchvision" (batch norm; see the top of the file).  width: all channels times this.
    The paper's form starts as Caffe's: weights U(−r, r), r = √(3 / fan_in), biases 0.2, those of the scores 0.  torchvision's: weights
    N(0, 0.01²); the biases of its linear layers start from 0 here, there they stay uniform in ±1/√fan_in.
    """
    if form not in FORMS:
        raise ValueError(f"googlenet: form should be one of {', '.join(FORMS)}, got {form!r}")
    scaled, paper = scaled_by(width, "googlenet"), form == "paper"
    conv = conv_relu if paper else partial(conv_bn, eps=1e-3)

    def inception(c_in: int, one: int, reduce3: int, three: int, reduce5: int, five: int, project: int) -> Branches:
        return Branches(one=conv(c_in, one, 1),
                        three=nn.Sequential(conv(c_in, reduce3, 1), conv(reduce3, three, 3)),
                        five=nn.Sequential(conv(c_in, reduce5, 1), conv(reduce5, five, 5 if paper else 3)),
                        pool=nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(c_in, project, 1)))

    def auxiliary_head(c_in: int) -> nn.Sequential:
        maps, hidden = scaled(128), scaled(1024)
        pool = nn.Sequential(nn.AvgPool2d(5, stride=3), FitPlane(4)) if paper else nn.AdaptiveAvgPool2d(4)      # 14×14 → 4×4
        return nn.Sequential(dict(pool=pool, conv=conv(c_in, maps, 1), flatten=nn.Flatten(), hidden=nn.Linear(16 * maps, hidden),
                                  relu=nn.ReLU(), dropout=nn.Dropout(0.7), fc=nn.Linear(hidden, num_classes)))

    first, reduce, c = scaled(64), scaled(64), scaled(192)
    norm = partial(nn.LocalResponseNorm, 5, alpha=1e-4, beta=0.75, k=1.0) if paper else nn.Identity
    stem = nn.Sequential(dict(conv1=conv(in_channels, first, 7, stride=2), pool1=halve(), norm1=norm(),
                              reduce=conv(first, reduce, 1), conv2=conv(reduce, c, 3), norm2=norm(), pool2=halve()))
    body: dict[str, nn.Module] = {}
    heads: dict[str, nn.Module] = {}
    for name, row in TABLE.items():
        if row is None:
            body[name] = halve(3 if paper or name == "pool3" else 2)
            continue
        channels = [scaled(n) for n in row]
        body[name] = inception(c, *channels)
        one, _, three, _, five, project = channels
        c = one + three + five + project
        if aux and name in AUXILIARY:
            heads[name] = auxiliary_head(c)
    head = average_and_classify(c, num_classes, dropout=nn.Dropout(dropout))
    image = (in_channels, 224, 224)
    network = AuxiliaryNetwork(stem, body, head, image, heads, AUXILIARY_WEIGHT) if aux else Network(stem, body, head, image)
    if paper:
        start(network, conv=nn.init.lecun_uniform_, linear=nn.init.lecun_uniform_, bias=0.2)
    else:
        start(network, conv=partial(nn.init.trunc_normal_, std=0.01), linear=partial(nn.init.trunc_normal_, std=0.01))
    for classifier in (head, *heads.values()):
        nn.init.zeros_(classifier.fc.bias)
    return network


PAPER = ("Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich, \"Going Deeper with Convolutions\", 2014, "
         "arXiv:1409.4842")
RECIPE = Recipe(optimizer="sgd", lr=0.01, momentum=0.9, weight_decay=2e-4, batch_size=32, epochs=60, schedule="polynomial",
                schedule_options={"power": 0.5}, augment={"crop": CUT_224_OF_256, "flip": True}, image_size=224,
                **IMAGENET,
                source="the replica in BVLC/caffe, models/bvlc_googlenet, quick_solver.prototxt: crops of 224 from 256 (crop stands for "
                       "that) and mirror images.  The paper: asynchronous SGD with momentum 0.9, a rate that falls by 4 % every 8 epochs "
                       "from a value it does not tell, crops of 8 to 100 % of the area, distorted colours, averaged weights (section 6, "
                       "recalled)")
STAGES = {"stem": (192, 28, 28), "inception_3a": (256, 28, 28), "inception_3b": (480, 28, 28),
          "pool3": (480, 14, 14), "inception_4a": (512, 14, 14), "inception_4b": (512, 14, 14), "inception_4c": (512, 14, 14),
          "inception_4d": (528, 14, 14), "inception_4e": (832, 14, 14),
          "pool4": (832, 7, 7), "inception_5a": (832, 7, 7), "inception_5b": (1024, 7, 7)}
TORCHVISION = (
    (r"^aux\d.*", ""),                                         # the heads of training
    (r"^conv1\.", "stem.conv1."), (r"^conv2\.", "stem.reduce."), (r"^conv3\.", "stem.conv2."), (r"^fc\.", "head.fc."),
    (r"^inception", "body.inception_"), (r"\.bn\.", ".norm."),
    (r"branch1", "one"), (r"branch2", "three"), (r"branch3", "five"), (r"branch4", "pool"),
)

model("googlenet", params=6_998_552, macs=1_582_671_872, year=2014, paper=PAPER, recipe=RECIPE, stages=STAGES,
      published=(Published(None, 10.07), Published(None, 9.15, protocol="10 crops"), Published(None, 7.89, protocol="144 crops"),
                 Published(None, 6.67, protocol="7 models, 144 crops"),
                 Published(31.3, 11.1, protocol="1 crop, the replica in BVLC/caffe", verified=True)))(googlenet)
model("googlenet_aux", params=13_378_280, macs=1_591_044_096, year=2014, paper=PAPER, recipe=RECIPE, stages=STAGES)(
    partial(googlenet, aux=True))
model("googlenet_torchvision", params=6_624_904, macs=1_498_376_192, year=2014, paper=PAPER + ", in the form of torchvision",
      recipe=RECIPE, stages=STAGES, keys={"torchvision.googlenet": TORCHVISION},
      published=Published(30.222, 10.47, protocol="1 crop, weights of torchvision", verified=True))(
    partial(googlenet, form="torchvision", dropout=0.2))
