"""AlexNet: a deep convolutional network with ReLU, dropout and two GPUs wins ImageNet, and the field turns.

                  alexnet_2012, image 227                    alexnet_owt, image 224
conv1             96 of 11×11, stride 4   LRN, pool → 27     64 of 11×11, stride 4, padding 2   pool → 27
conv2             256 of 5×5, two towers  LRN, pool → 13     192 of 5×5                         pool → 13
conv3             384 of 3×3                                 384 of 3×3
conv4             384 of 3×3, two towers                     256 of 3×3
conv5             256 of 3×3, two towers  pool → 6           256 of 3×3                         pool → 6
fc6, fc7, fc8     4096, 4096, classes                        4096, 4096, classes

All pools are 3×3 with stride 2: the windows overlap (section 3.4). A tower is what one GPU held: its maps see the maps of the same tower
only, which is a convolution in two groups. conv3 and the linear layers see both.

2012  Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 3 and figure 2.
owt   Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014, arXiv:1404.5997: the network in one tower.

Deviations: images of 227, because 224, which the paper says, gives no whole number of steps of 4; the same 55×55 maps come out.
alexnet_owt is the form that became usual, as torchvision has it: without the response normalisation of the author's own configuration
(layers-223-1gpu.cfg of cuda-convnet2), with padding 2 in conv1, and with dropout before fc6 and fc7 instead of after them. Its conv4 has
256 maps, as in that configuration and in torchvision; the paper's footnote has 384 (all of this recalled).
"""
from .. import nn
from .blocks import FitPlane, gaussian, response_norm, start
from .network import Network
from .recipe import IMAGENET, IMAGENET_MEAN_ONLY, Recipe
from .registry import Published, model
from .rounding import scaled_by


def conv(c_in: int, c_out: int, kernel_size: int, stride: int = 1, padding: int = 0, groups: int = 1, norm: bool = False,
         pool: bool = False) -> nn.Sequential:
    """Convolution, ReLU, response normalisation if there is one, 3×3 max pooling with stride 2 if there is one."""
    layers = {"conv": nn.Conv2d(c_in, c_out, kernel_size, stride, padding, groups=groups), "relu": nn.ReLU()}
    if norm:
        layers["norm"] = response_norm()
    if pool:
        layers["pool"] = nn.MaxPool2d(3, stride=2)
    return nn.Sequential(layers)


def classifier(c_in: int, plane: int, hidden: int, num_classes: int, dropout: float, paper: bool = False) -> nn.Sequential:
    """Two hidden linear layers with ReLU and dropout, and one to the scores.  (N, c_in, plane, plane) → (N, num_classes)

    paper: dropout in the form of 2012, see nn.Dropout.
    """
    return nn.Sequential(dict(
        fit=FitPlane(plane), flatten=nn.Flatten(),
        fc6=nn.Linear(c_in * plane * plane, hidden), relu6=nn.ReLU(), drop6=nn.Dropout(dropout, paper=paper),
        fc7=nn.Linear(hidden, hidden), relu7=nn.ReLU(), drop7=nn.Dropout(dropout, paper=paper),
        fc8=nn.Linear(hidden, num_classes)))


@model("alexnet_2012", params=60_965_224, macs=724_406_816, input_shape=(3, 227, 227), year=2012, aliases=("alexnet",),
       paper="Krizhevsky, Sutskever, Hinton, \"ImageNet Classification with Deep Convolutional Neural Networks\", 2012",
       recipe=Recipe(lr=0.01, momentum=0.9, weight_decay=5e-4, batch_size=128, epochs=90,
                     schedule="step", schedule_options={"step_size": 23}, augment={"crop": 0.78, "flip": True, "lighting": 0.1},
                     image_size=227, **IMAGENET_MEAN_ONLY,           # the first values suit pixels of 0 … 255
                     source="section 5, recalled. There the rate fell three times, when the validation error stood still; crops were of "
                            "fixed size out of 256×256; the mean image was subtracted"),
       stages={"stem": (96, 27, 27), "conv2": (256, 13, 13), "conv3": (384, 13, 13), "conv4": (384, 13, 13), "conv5": (256, 6, 6)},
       published=(Published(40.7, 18.2, protocol="1 network, 10 crops"),
                  Published(None, 15.3, "ImageNet 2012, test set", "7 networks"),
                  Published(42.9, 19.8, protocol="1 crop 227, Caffe's replica with biases of 0.1", verified=True)))
def alexnet_2012(num_classes: int = 1000, in_channels: int = 3, towers: int = 2, dropout: float = 0.5, width: float = 1.0) -> Network:
    """AlexNet of 2012 has two towers, response normalisation and overlapping pools.

    Starts as section 5 says: weights from N(0, 0.01²); biases 1 in conv2, conv4, conv5, fc6 and fc7, so that their ReLUs see positive
    numbers from the beginning, and 0 in the others.
    Dropout is that of 2012: no division by 1 − p in training, multiplication by it in evaluation.
    towers=1: every map sees all (62,378,344 parameters).  width: factor of all numbers of maps and hidden units.
    """
    if towers not in (1, 2):
        raise ValueError(f"alexnet_2012: towers should be 2, as on the paper's two GPUs, or 1, where every map sees all; got {towers!r}")
    c1, c2, c3, c4, c5, hidden = map(scaled_by(width, "alexnet_2012", multiple=2), (96, 256, 384, 384, 256, 4096))     # even: two towers
    network = Network(
        conv(in_channels, c1, 11, stride=4, norm=True, pool=True),                                       # 227 → 55 → 27
        dict(conv2=conv(c1, c2, 5, padding=2, groups=towers, norm=True, pool=True),                      # 27 → 13
             conv3=conv(c2, c3, 3, padding=1),
             conv4=conv(c3, c4, 3, padding=1, groups=towers),
             conv5=conv(c4, c5, 3, padding=1, groups=towers, pool=True)),                                # 13 → 6
        classifier(c5, 6, hidden, num_classes, dropout, paper=True), (in_channels, 227, 227))
    start(network, conv=gaussian(0.01), linear=gaussian(0.01), bias=0.0)
    for layer in ("body.conv2.conv", "body.conv4.conv", "body.conv5.conv", "head.fc6", "head.fc7"):
        nn.init.ones_(network.get_submodule(layer).bias)
    return network


TORCHVISION = (
    (r"^features\.0\.", "stem.conv."), (r"^features\.3\.", "body.conv2.conv."), (r"^features\.6\.", "body.conv3.conv."),
    (r"^features\.8\.", "body.conv4.conv."), (r"^features\.10\.", "body.conv5.conv."),
    (r"^classifier\.1\.", "head.fc6."), (r"^classifier\.4\.", "head.fc7."), (r"^classifier\.6\.", "head.fc8."),
)


@model("alexnet_owt", params=61_100_840, macs=714_188_480, year=2014,
       paper="Krizhevsky, \"One weird trick for parallelizing convolutional neural networks\", 2014, arXiv:1404.5997",
       recipe=Recipe(lr=0.01, momentum=0.9, weight_decay=1e-4, batch_size=256, epochs=90,
                     schedule="step", schedule_options={"step_size": 30}, augment={"crop": 0.08, "flip": True},
                     image_size=224, **IMAGENET,
                     source="torchvision's references/classification, recalled"),
       stages={"stem": (64, 27, 27), "conv2": (192, 13, 13), "conv3": (384, 13, 13), "conv4": (256, 13, 13), "conv5": (256, 6, 6)},
       published=Published(43.478, 20.934, protocol="1 crop 224, torchvision's weights", verified=True),
       keys={"torchvision.alexnet": TORCHVISION})
def alexnet_owt(num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5, width: float = 1.0) -> Network:
    """AlexNet of 2014 has one tower and, in this form, no response normalisation.

    Starts as torchvision's does, from PyTorch's values: weights and biases uniform in ±1/√fan_in.
    width: factor of all numbers of maps and hidden units.
    """
    c1, c2, c3, c4, c5, hidden = map(scaled_by(width, "alexnet_owt", multiple=2), (64, 192, 384, 256, 256, 4096))
    return Network(
        conv(in_channels, c1, 11, stride=4, padding=2, pool=True),                                       # 224 → 55 → 27
        dict(conv2=conv(c1, c2, 5, padding=2, pool=True),                                                # 27 → 13
             conv3=conv(c2, c3, 3, padding=1),
             conv4=conv(c3, c4, 3, padding=1),
             conv5=conv(c4, c5, 3, padding=1, pool=True)),                                               # 13 → 6
        nn.Sequential(dict(
            fit=FitPlane(6), flatten=nn.Flatten(),
            drop6=nn.Dropout(dropout), fc6=nn.Linear(c5 * 6 * 6, hidden), relu6=nn.ReLU(),
            drop7=nn.Dropout(dropout), fc7=nn.Linear(hidden, hidden), relu7=nn.ReLU(),
            fc8=nn.Linear(hidden, num_classes))),
        (in_channels, 224, 224))
