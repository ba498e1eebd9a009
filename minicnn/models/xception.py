"""Xception: an Inception module taken to its end, one branch a channel, is a depthwise separable convolution; this network has no other.

              separable 3×3, each followed by batch norm              output
stem          3×3 / 2, 32 and 3×3, 64, neither padded                 64×147×147
block1        128, 128, max 3×3 / 2        shortcut 1×1 / 2          128× 74× 74     entry flow
block2        256, 256, max 3×3 / 2        shortcut 1×1 / 2          256× 37× 37
block3        728, 728, max 3×3 / 2        shortcut 1×1 / 2          728× 19× 19
block4 … 11   728, 728, 728                shortcut: the identity    728× 19× 19     middle flow
block12       728, 1024, max 3×3 / 2       shortcut 1×1 / 2         1024× 10× 10     exit flow
exit          1536, ReLU, 2048, ReLU                                2048× 10× 10
head          average 10×10, dropout 50 %, linear                   1000

ReLU comes before each separable convolution of a block but the first of block1, and never between its two halves (section 4.7 tried that:
it is worse).

Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", 2016, figure 5, sections 3 and 4.

Deviations:
- Max pools pad one row and column on either side, as in timm; Keras, in which the paper was made, pads after only where the plane is even.
- The eps of batch norm is 1e-5, timm's; Keras' own is 1e-3.
- First values are Keras' default, Glorot's uniform: the paper has none.
"""
from .. import nn
from .blocks import MOST_LAYERS, average_and_classify, conv_bn, start, whole
from .network import Network
from .recipe import Recipe
from .registry import Published, model
from .rounding import scaled_by

ENTRY = ((128, 128), (256, 256), (728, 728))                                        # widths of the separable convolutions of a block
MIDDLE = (728, 728, 728)
EXIT = (728, 1024)
LAST = (1536, 2048)


def separable(c_in: int, c_out: int) -> nn.Sequential:
    """Each map by its own 3×3, then all maps by 1×1, and batch norm.  (N, c_in, H, W) → (N, c_out, H, W)

    9·c_in + c_in·c_out weights, where a full 3×3 has 9·c_in·c_out.
    """
    return nn.Sequential(dict(depthwise=nn.Conv2d(c_in, c_in, 3, padding=1, groups=c_in, bias=False),
                              pointwise=nn.Conv2d(c_in, c_out, 1, bias=False), norm=nn.BatchNorm2d(c_out)))


class Block(nn.Module):
    """y = F(x) + shortcut(x),   F: ReLU and separable for each width, then the pool if it halves.  (N, c_in, H, W) → (N, c_out, P, Q)"""

    def __init__(self, c_in: int, widths: tuple[int, ...], halve: bool, relu_first: bool = True):
        super().__init__()
        c, layers = c_in, []
        for i, width in enumerate(widths):
            layers += [nn.ReLU()] * (i > 0 or relu_first) + [separable(c, width)]
            c = width
        self.residual = nn.Sequential(*layers, *[nn.MaxPool2d(3, stride=2, padding=1)] * halve)
        self.shortcut = conv_bn(c_in, c, 1, stride=2, activation=None) if halve else nn.Identity()

    def forward(self, x):
        return self.residual(x) + self.shortcut(x)


def xception(num_classes: int = 1000, in_channels: int = 3, middle: int = 8, dropout: float = 0.5, width: float = 1.0) -> Network:
    """Xception is made of residual blocks of depthwise separable convolutions.

    middle: blocks of the middle flow.  width: all channels times this.
    Starts from Glorot's U(−r, r), r = √(6 / (fan_in + fan_out)), and biases 0.
    """
    whole("xception", "middle", middle, least=0, most=MOST_LAYERS, advice="blocks of the middle flow")
    scaled = scaled_by(width, "xception")
    c = scaled(64)
    stem = nn.Sequential(dict(conv1=conv_bn(in_channels, scaled(32), 3, stride=2, padding=0), conv2=conv_bn(scaled(32), c, 3, padding=0)))
    body: dict[str, nn.Module] = {}
    for i, row in enumerate((*ENTRY, *(MIDDLE for _ in range(middle)), EXIT)):
        widths = tuple(scaled(n) for n in row)
        body[f"block{i + 1}"] = Block(c, widths, halve=row is not MIDDLE, relu_first=i > 0)
        c = widths[-1]
    a, b = (scaled(n) for n in LAST)
    body["exit"] = nn.Sequential(dict(conv3=separable(c, a), relu3=nn.ReLU(), conv4=separable(a, b), relu4=nn.ReLU()))
    head = average_and_classify(b, num_classes, dropout=nn.Dropout(dropout))
    network = Network(stem, body, head, (in_channels, 299, 299))
    start(network, conv=nn.init.xavier_uniform_, linear=nn.init.xavier_uniform_)
    return network


TIMM = (
    (r"^conv([12])\.", r"stem.conv\1.conv."), (r"^bn([12])\.", r"stem.conv\1.norm."),
    (r"^conv([34])\.", r"body.exit.conv\1."), (r"^bn([34])\.", r"body.exit.conv\1.norm."), (r"^fc\.", "head.fc."),
    (r"\.skip\.", ".shortcut.conv."), (r"\.skipbn\.", ".shortcut.norm."),
    # their list is ReLU, convolution, batch norm …; ours holds the last two together.  block1 begins without the ReLU.
    (r"^block1\.rep\.[01]\.", "block1.residual.0."), (r"^block1\.rep\.[34]\.", "block1.residual.2."),
    (r"\.rep\.[12]\.", ".residual.1."), (r"\.rep\.[45]\.", ".residual.3."), (r"\.rep\.[78]\.", ".residual.5."),
    (r"(residual\.\d|conv[34])\.conv1\.", r"\1.depthwise."), (r"(residual\.\d\.)(?=weight|bias|running|num)", r"\1norm."),
    (r"^block", "body.block"),
)
RECIPE = Recipe(optimizer="sgd", lr=0.045, momentum=0.9, weight_decay=1e-5, batch_size=64, epochs=120, schedule="step", average=0.9999,
                schedule_options={"step_size": 2, "gamma": 0.94}, augment={"crop": 0.08, "flip": True}, image_size=299,
                mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5),
                source="section 4.3, recalled: averaged weights, distortions as in Inception v3.  Ours: batch size, epochs and the "
                       "average's decay")
model("xception", params=22_855_952, macs=8_357_403_496, input_shape=(3, 299, 299), year=2016, recipe=RECIPE,
      paper="Chollet, \"Xception: Deep Learning with Depthwise Separable Convolutions\", 2016, arXiv:1610.02357",
      stages={"stem": (64, 147, 147), "block1": (128, 74, 74), "block2": (256, 37, 37), "block3": (728, 19, 19),
              **{f"block{i}": (728, 19, 19) for i in range(4, 12)}, "block12": (1024, 10, 10), "exit": (2048, 10, 10)},
      published=(Published(21.0, 5.5, protocol="1 crop"), Published(20.942, 5.604, protocol="1 crop, weights of timm", verified=True)),
      keys={"timm.legacy_xception": TIMM})(xception)
