"""Network in network: a small multilayer perceptron slides over the image instead of a linear filter, and averaged maps are the scores.

nin_imagenet, image 224               output       nin_cifar10, image 32              output
11×11/4, 96   1×1, 96    1×1, 96      54           5×5, 192   1×1, 160   1×1, 96      32
max pool                              27           max pool                           16
5×5, 256      1×1, 256   1×1, 256     27           dropout
max pool                              13           5×5, 192   1×1, 192   1×1, 192     16
3×3, 384      1×1, 384   1×1, 384     13           average pool                       8
max pool                              6            dropout
dropout                                            3×3, 192   1×1, 192   1×1, classes 8
3×3, 1024     1×1, 1024  1×1, classes 6            mean of each map                   1
mean of each map                      1

ReLU after every convolution, the last ones too: a map of a class says how strongly it is seen at each place. The pools are 3×3 with
stride 2, and windows that reach over the edge count (Caffe's rounding), so that 54 becomes 27 and 32 becomes 16.

Lin, Chen, Yan, "Network In Network", 2013, arXiv:1312.4400, sections 3 and 4.1. The network of ImageNet is not in the paper: it is the
first author's Caffe model (gist mavenlin/d802a5849de39225bcc6, solver and train_val).

Deviations: none in the networks. The whitening of CIFAR-10 (global contrast normalisation, ZCA) is left out of the recipe.
"""
from .. import nn
from .blocks import gaussian, start
from .network import Network
from .recipe import CIFAR, CUT_224_OF_256, IMAGENET_MEAN_ONLY, Recipe
from .registry import Published, model
from .rounding import scaled_by

#   dropout before   kernel, stride, padding   maps, None: classes     std of their weights   pool after
TABLE_IMAGENET = (
    (False,          (11, 4, 0),               (96, 96, 96),           (0.01, 0.05, 0.05),    nn.MaxPool2d),
    (False,          (5, 1, 2),                (256, 256, 256),        (0.05, 0.05, 0.05),    nn.MaxPool2d),
    (False,          (3, 1, 1),                (384, 384, 384),        (0.01, 0.05, 0.05),    nn.MaxPool2d),
    (True,           (3, 1, 1),                (1024, 1024, None),     (0.05, 0.05, 0.01),    None),
)
TABLE_CIFAR10 = (
    (False,          (5, 1, 2),                (192, 160, 96),         (0.05, 0.05, 0.05),    nn.MaxPool2d),
    (True,           (5, 1, 2),                (192, 192, 192),        (0.05, 0.05, 0.05),    nn.AvgPool2d),
    (True,           (3, 1, 1),                (192, 192, None),       (0.05, 0.05, 0.05),    None),
)
PAPER = "Lin, Chen, Yan, \"Network In Network\", 2013, arXiv:1312.4400"


def mlpconv(c_in: int, maps: list[int], window: tuple[int, int, int], stds: tuple[float, ...], dropout: float, pool) -> nn.Sequential:
    """A convolution and two 1×1 convolutions, each with ReLU: a perceptron with two hidden layers at every place.

    (N, c_in, H, W) → (N, maps[2], P, Q).  window: kernel, stride, padding of the first.  The 1×1 layers are the paper's "cccp".
    """
    layers: dict[str, nn.Module] = {"dropout": nn.Dropout(dropout)} if dropout else {}
    layers["conv"], layers["relu"] = nn.Conv2d(c_in, maps[0], *window), nn.ReLU()
    for i in (1, 2):
        layers[f"cccp{i}"], layers[f"relu{i}"] = nn.Conv2d(maps[i - 1], maps[i], 1), nn.ReLU()
    for name, std in zip(("conv", "cccp1", "cccp2"), stds):
        start(nn.Sequential(layers[name]), conv=gaussian(std), bias=0.0)
    if pool is not None:
        layers["pool"] = pool(3, stride=2, ceil_mode=True)
    return nn.Sequential(layers)


def build(table: tuple, image: tuple[int, int, int], num_classes: int, dropout: float, width: float) -> Network:
    """The network of a table above.  (N, C, H, W) → (N, num_classes); image: (C, H, W)"""
    scaled, blocks, c = scaled_by(width, "nin"), [], image[0]
    for drop, window, maps, stds, pool in table:
        maps = [num_classes if m is None else scaled(m) for m in maps]
        blocks.append(mlpconv(c, maps, window, stds, dropout if drop else 0.0, pool))
        c = maps[-1]
    stem, *body, last = blocks
    head = nn.Sequential(dict(mlpconv=last, pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten()))
    return Network(stem, {f"mlpconv{i}": block for i, block in enumerate(body, 2)}, head, image)


@model("nin_imagenet", params=7_595_176, macs=1_100_188_800, year=2013, paper=PAPER,
       recipe=Recipe(lr=0.01, momentum=0.9, weight_decay=5e-4, batch_size=64, epochs=22,
                     schedule="step", schedule_options={"step_size": 10}, augment={"crop": CUT_224_OF_256, "flip": True},
                     image_size=224, **IMAGENET_MEAN_ONLY,
                     source="the Caffe model's solver, read: 450,000 steps, the rate falls every 200,000; there a bias learns at twice the "
                            "rate without decay, crops are of fixed size, and the mean image is subtracted"),
       stages={"stem": (96, 27, 27), "mlpconv2": (256, 13, 13), "mlpconv3": (384, 6, 6)},
       published=Published(40.64, protocol="1 crop 224, the Caffe model", verified=True))
def nin_imagenet(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5, width: float = 1.0) -> Network:
    """Network in network has AlexNet's accuracy with an eighth of its weights.

    Starts as the Caffe model: weights from N(0, 0.05²), conv1, conv3 and the classes' layer from N(0, 0.01²); biases 0.
    width: factor of all numbers of maps but the classes'.
    """
    return build(TABLE_IMAGENET, (in_channels, 224, 224), num_classes, dropout, width)


@model("nin_cifar10", params=966_986, macs=222_486_528, input_shape=(3, 32, 32), year=2013, paper=PAPER,
       recipe=Recipe(lr=0.05, momentum=0.9, weight_decay=1e-4, batch_size=128, epochs=200, schedule="multi_step",
                     augment={"shift": 4, "flip": True}, image_size=32, **CIFAR,
                     source="section 4.1, recalled: batches of 128, the rate chosen by hand and "
                            "lowered twice. The rate, decay and epochs are ours"),
       stages={"stem": (96, 16, 16), "mlpconv2": (192, 8, 8)},
       published=(Published(10.41, data="CIFAR-10", protocol="1 network, no augmentation"),
                  Published(8.81, data="CIFAR-10", protocol="1 network, shifts and flips")))
def nin_cifar10(num_classes: int = 10, in_channels: int = 3, dropout: float = 0.5, width: float = 1.0) -> Network:
    """Network in network for CIFAR-10 has two 1×1 after each 5×5, 5×5 and 3×3.

    Starts from weights N(0, 0.05²), as Caffe's version, and biases 0.  width: factor of all numbers of maps but the classes'.
    """
    return build(TABLE_CIFAR10, (in_channels, 32, 32), num_classes, dropout, width)
