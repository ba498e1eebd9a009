"""ZFNet: looking at what AlexNet's maps respond to shows a first layer that is too coarse; a finer one does better.

          AlexNet                        zfnet                                       zfnet_wide
conv1     96 of 11×11, stride 4 → 55     96 of 7×7, stride 2, padding 1 → 110        the same
          LRN, pool → 27                 pool → 55, normalisation                    the same
conv2     256 of 5×5, two towers → 27    256 of 5×5, stride 2 → 26                   the same
          LRN, pool → 13                 pool → 13, normalisation                    the same
conv3     384 of 3×3                     384 of 3×3                                  512 of 3×3
conv4     384 of 3×3, two towers         384 of 3×3                                  1024 of 3×3
conv5     256 of 3×3, two towers         256 of 3×3                                  512 of 3×3
          pool → 6                       pool → 6                                    pool → 6
fc6 …     4096, 4096, classes            4096, 4096, classes                         the same

Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks", 2013, arXiv:1311.2901, figure 3; the wide one: section 5.1.

Deviations: the two early pools have padding 1, which gives the figure's 55 and 13. The constants of the contrast normalisation "across
feature maps" are not in the paper: AlexNet's are taken. "Weights are initialized to 10⁻²" is read as N(0, 0.01²), for equal weights would
stay equal. Filters whose root mean square grows beyond 0.1 are scaled back in the paper; our training does not do that.
"""
from functools import partial

from .. import nn
from .alexnet import classifier, conv
from .blocks import MOST, check_blocks, gaussian, response_norm, start
from .network import Network
from .recipe import CUT_224_OF_256, IMAGENET_MEAN_ONLY, Recipe
from .registry import Published, model
from .rounding import scaled_by

#               conv3, conv4, conv5   parameters     multiply-adds    top-1, top-5 error
TABLE = {
    "zfnet":       ((384, 384, 256),    62_357_608,  1_168_032_896,   (38.4, 16.5)),
    "zfnet_wide":  ((512, 1024, 512),  107_627_624,  2_476_704_896,   (37.5, 16.0)),
}
RECIPE = Recipe(lr=0.01, momentum=0.9, batch_size=128, epochs=70, schedule="step", schedule_options={"step_size": 24},
                augment={"crop": CUT_224_OF_256, "flip": True}, image_size=224, **IMAGENET_MEAN_ONLY,
                source="section 3, recalled: the rate was lowered by hand when the validation error stood still; the ten crops were fixed")


def early(c_in: int, c_out: int, kernel_size: int, padding: int) -> nn.Sequential:
    """Convolution with stride 2, ReLU, pool, contrast normalisation.  (N, c_in, H, W) → (N, c_out, about H/4, about W/4)"""
    return nn.Sequential(dict(conv=nn.Conv2d(c_in, c_out, kernel_size, stride=2, padding=padding), relu=nn.ReLU(),
                              pool=nn.MaxPool2d(3, stride=2, padding=1), norm=response_norm()))


def zfnet(num_classes: int = 1000, in_channels: int = 3, maps: tuple[int, int, int] = (384, 384, 256), dropout: float = 0.5,
          width: float = 1.0) -> Network:
    """ZFNet is AlexNet with a finer first layer, in one tower.

    Starts from weights N(0, 0.01²) and biases 0.
    maps: of conv3, conv4 and conv5.  width: factor of all numbers of maps and hidden units.
    """
    check_blocks("zfnet", maps, (384, 384, 256), kinds=True, word="maps", most=MOST)
    c1, c2, c3, c4, c5, hidden = map(scaled_by(width, "zfnet", multiple=2), (96, 256, *maps, 4096))
    network = Network(
        early(in_channels, c1, 7, padding=1),                                                            # 224 → 110 → 55
        dict(conv2=early(c1, c2, 5, padding=0),                                                          # 55 → 26 → 13
             conv3=conv(c2, c3, 3, padding=1),
             conv4=conv(c3, c4, 3, padding=1),
             conv5=conv(c4, c5, 3, padding=1, pool=True)),                                               # 13 → 6
        classifier(c5, 6, hidden, num_classes, dropout), (in_channels, 224, 224))
    start(network, conv=gaussian(0.01), linear=gaussian(0.01), bias=0.0)
    return network


for name, (maps, params, macs, errors) in TABLE.items():
    model(name, params=params, macs=macs, year=2013, recipe=RECIPE,
          paper="Zeiler, Fergus, \"Visualizing and Understanding Convolutional Networks\", 2013, arXiv:1311.2901",
          stages={"stem": (96, 55, 55), "conv2": (256, 13, 13), "conv3": (maps[0], 13, 13), "conv4": (maps[1], 13, 13),
                  "conv5": (maps[2], 6, 6)},
          published=Published(*errors, protocol="1 network"))(partial(zfnet, maps=maps))
