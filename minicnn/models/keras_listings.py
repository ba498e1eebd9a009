"""AlexNet, ZFNet and VGG-16 as a widely copied set of Keras listings writes them: one layer after another, all called by the papers' names.

                       layers                                                     image      parameters     multiply-adds
alexnet_seed_keras     11×11/4, 5×5, 3×3, 3×3, 3×3;  4096, 4096, classes          227×227    62,378,344     1,135,256,096
zfnet_seed_keras       7×7/2, 5×5/2, 3×3, 3×3, 3×3;  4096, 4096, classes          224×224    62,357,608     1,197,505,568
vgg16_seed_keras       3×3 in blocks of 2, 2, 3, 3, 3;  4096, 4096, classes       224×224    138,332,968    15,161,982,976

They are kept as they stand, with the names of the papers that they claim; the networks of the papers are in the files of their own.
Krizhevsky, Sutskever, Hinton, 2012; Zeiler, Fergus, 2013, arXiv:1311.2901; Simonyan, Zisserman, 2014, arXiv:1409.1556.
GoogLeNet, ResNet-50 and DenseNet-121 of the same set: keras_listings_deep.py; its LeNet: lenet.py.

Slips of the listings against the papers:
- AlexNet: one tower (no groups in conv2, 4 and 5: 62,378,344 parameters for 60,965,224), no local response normalisation, no bias of 1.
- ZFNet: the first convolution and the pools are 'valid', so planes are 109–54–27–13–6 for the paper's 110–55–26–13–6; no contrast
  normalisation. The stride 2 of the second convolution is in the code, though not in the text beside it.
- VGG-16: the first kernel of the second block is (3, 2), a slip of the pen for (3, 3): 138,332,968 parameters for 138,357,544.

Deviations: a softmax at the end is left to the loss; the last plane is fitted to 6×6 or 7×7 by averages, so that images of other sizes
get in. All three start as Keras does there: convolutions uniform in ±0.05 (kernel_initializer='uniform'; the papers use normal values),
linear layers Xavier uniform ("Glorot", Keras's default), biases 0.
"""
from collections.abc import Callable, Mapping
from typing import Any

from .. import nn
from .blocks import FitPlane, start
from .network import Network
from .recipe import CUT_224_OF_256, IMAGENET, Recipe
from .registry import model
from .rounding import scaled_by

SOURCE = "Keras listings, widely copied"
POOL = "pool"

# stage:            convolutions, each with ReLU: (maps, kernel, stride, padding); Keras's 'same' puts the odd pixel after
ALEXNET = {
    "stem":   ((96, 11, 4, "valid"), POOL),
    "conv2":  ((256, 5, 1, "same"), POOL),
    "conv3":  ((384, 3, 1, "same"),),
    "conv4":  ((384, 3, 1, "same"),),
    "conv5":  ((256, 3, 1, "same"), POOL),
}
ZFNET = {
    **ALEXNET,
    "stem":   ((96, 7, 2, "valid"), POOL),
    "conv2":  ((256, 5, 2, "same"), POOL),
}
VGG16 = {
    "stem":   ((64, 3, 1, "same"), (64, 3, 1, "same"), POOL),
    "block2": ((128, (3, 2), 1, "same"), (128, 3, 1, "same"), POOL),
    "block3": (*3 * ((256, 3, 1, "same"),), POOL),
    "block4": (*3 * ((512, 3, 1, "same"),), POOL),
    "block5": (*3 * ((512, 3, 1, "same"),), POOL),
}


def keras_start(network: Network, conv: Any = nn.init.xavier_uniform_) -> Network:
    """Keras's first values: Xavier uniform for everything whose initialiser is not named, biases 0."""
    start(network, conv=conv, linear=nn.init.xavier_uniform_)
    return network


def uniform(weight: nn.Parameter) -> nn.Parameter:
    """w ~ U(−0.05, 0.05): kernel_initializer='uniform' of Keras"""
    return nn.init.uniform_(weight, -0.05, 0.05)


def sequential(table: Mapping[str, tuple], image: tuple[int, int, int], pool: tuple[int, int], plane: int, num_classes: int,
               scaled: Callable[[float], int], dropout: float) -> Network:
    """A listing of the table's form.  (N, C, H, W) → (N, num_classes)

    pool: (window, stride) of every pool.  plane: the side of the last maps for such an image.  scaled: channels there → channels here.
    """
    stages, c = {}, image[0]
    for stage, rows in table.items():
        layers: dict[str, nn.Module] = {}
        for number, row in enumerate(rows, 1):
            if row == POOL:
                layers["pool"] = nn.MaxPool2d(*pool)
            else:
                maps, kernel, stride, padding = row
                layers[f"conv{number}"] = nn.Conv2d(c, c := scaled(maps), kernel, stride, padding)
                layers[f"relu{number}"] = nn.ReLU()
        stages[stage] = nn.Sequential(layers)
    hidden = scaled(4096)
    head = nn.Sequential(dict(
        fit=FitPlane(plane), flatten=nn.Flatten(),
        fc1=nn.Linear(c * plane * plane, hidden), relu1=nn.ReLU(), dropout1=nn.Dropout(dropout),
        fc2=nn.Linear(hidden, hidden), relu2=nn.ReLU(), dropout2=nn.Dropout(dropout),
        fc3=nn.Linear(hidden, num_classes)))
    return keras_start(Network(stages.pop("stem"), stages, head, image), conv=uniform)


def recipe(lr: float, batch_size: int, weight_decay: float, side: int, whose: str) -> Recipe:
    """The listings come without a training; this is what the papers have in common."""
    return Recipe(optimizer="sgd", lr=lr, momentum=0.9, weight_decay=weight_decay, batch_size=batch_size, epochs=90, schedule="step",
                  image_size=side, augment={"flip": True, "crop": CUT_224_OF_256}, **IMAGENET,
                  source=f"the listing has none; {whose}, recalled, with steps of the rate that are fixed in advance")


@model("alexnet_seed_keras", params=62_378_344, macs=1_135_256_096, input_shape=(3, 227, 227), year=2018, paper=f"{SOURCE}: AlexNet",
       recipe=recipe(0.01, 128, 5e-4, 227, "the AlexNet paper's"),
       stages={"stem": (96, 27, 27), "conv2": (256, 13, 13), "conv3": (384, 13, 13), "conv4": (384, 13, 13), "conv5": (256, 6, 6)})
def alexnet_seed_keras(num_classes: int = 1000, in_channels: int = 3, width: float = 1.0, dropout: float = 0.5) -> Network:
    """AlexNet of a Keras listing has one tower and no response normalisation.

    width: factor of all numbers of maps and of the hidden linear layers.
    Starts as the listing does: convolutions uniform in ±0.05, linear layers Xavier uniform, biases 0.
    """
    return sequential(ALEXNET, (in_channels, 227, 227), (3, 2), 6, num_classes, scaled_by(width, "alexnet_seed_keras"), dropout)


@model("zfnet_seed_keras", params=62_357_608, macs=1_197_505_568, year=2018, paper=f"{SOURCE}: ZFNet",
       recipe=recipe(0.01, 128, 5e-4, 224, "the AlexNet paper's"),
       stages={"stem": (96, 54, 54), "conv2": (256, 13, 13), "conv3": (384, 13, 13), "conv4": (384, 13, 13), "conv5": (256, 6, 6)})
def zfnet_seed_keras(num_classes: int = 1000, in_channels: int = 3, width: float = 1.0, dropout: float = 0.5) -> Network:
    """ZFNet of a Keras listing begins with 7×7 at stride 2, without padding.

    width: factor of all numbers of maps and of the hidden linear layers.
    Starts as the listing does: convolutions uniform in ±0.05, linear layers Xavier uniform, biases 0.
    """
    return sequential(ZFNET, (in_channels, 224, 224), (3, 2), 6, num_classes, scaled_by(width, "zfnet_seed_keras"), dropout)


@model("vgg16_seed_keras", params=138_332_968, macs=15_161_982_976, year=2018, paper=f"{SOURCE}: VGG-16",
       recipe=recipe(0.01, 256, 5e-4, 224, "the VGG paper's"),
       stages={"stem": (64, 112, 112), "block2": (128, 56, 56), "block3": (256, 28, 28), "block4": (512, 14, 14), "block5": (512, 7, 7)})
def vgg16_seed_keras(num_classes: int = 1000, in_channels: int = 3, width: float = 1.0, dropout: float = 0.5) -> Network:
    """VGG-16 of a Keras listing has one kernel of 3×2 among those of 3×3.

    width: factor of all numbers of maps and of the hidden linear layers.
    Starts as the listing does: convolutions uniform in ±0.05, linear layers Xavier uniform, biases 0.
    """
    return sequential(VGG16, (in_channels, 224, 224), (2, 2), 7, num_classes, scaled_by(width, "vgg16_seed_keras"), dropout)
