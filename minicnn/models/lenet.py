"""LeNet, as it is usually built today: three networks that go by the name, and what tells them apart.

                    first layers         activation          pooling   classifier            image    parameters
lenet5_textbook     6, 16 maps of 5×5    tanh everywhere     average   400–120–84–10         32×32        61,706
lenet_caffe         20, 50 maps of 5×5   one ReLU, hidden    max       800–500–10            28×28       431,080
lenet_seed_keras    32, 64 maps of 5×5   ReLU everywhere     max       1024–100–10           28×28       155,606

The network of the paper, with its connection table, trainable subsampling and distances to drawn digits, is in lenet_1998.py.
LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", Proceedings of the IEEE 86(11), 1998.
"""
from collections import OrderedDict

from .. import nn
from .images import expect_images
from .recipe import Recipe
from .registry import model


class LeNet(nn.Module):
    """Two convolutions with pooling, then linear layers; the linear layers fix the size of the image."""

    def __init__(self, name: str, image: tuple[int, int, int], features: dict, classifier: dict):
        super().__init__()
        self.name, self.image = name, image
        self.features = nn.Sequential(OrderedDict(features))
        self.classifier = nn.Sequential(OrderedDict(flatten=nn.Flatten(), **classifier))

    def forward(self, input):
        expect_images(input, self.name, *self.image)
        return self.classifier(self.features(input))


@model("lenet5_textbook", params=61_706, macs=416_520, input_shape=(1, 32, 32), aliases=("lenet5",),
       paper="LeCun, Bottou, Bengio, Haffner, Proceedings of the IEEE 86(11), 1998, simplified as textbooks do",
       recipe=Recipe(optimizer="sgd", lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4, batch_size=32, epochs=16,
                     schedule="cosine", warmup_epochs=3, image_size=32, mean=(0.1309,), std=(0.3085,),
                     augment={"shift": 1.5, "rotate": 10, "scale": 0.1, "shear": 0.14, "elastic": 2.5},
                     source="ours, chosen on held-out digits"),
       stages={"features.c1": (6, 28, 28), "features.s2": (6, 14, 14), "features.c3": (16, 10, 10), "features.s4": (16, 5, 5),
               "classifier.flatten": (400,), "classifier.c5": (120,), "classifier.f6": (84,), "classifier.output": (10,)})
def lenet5_textbook(num_classes: int = 10, in_channels: int = 1) -> nn.Module:
    """LeNet-5 of the textbooks: every map of C3 sees every map of S2, plain average pooling, softmax.

    Images of 32×32: a digit of 28×28 is padded by 2, so that its strokes come to the middle of the receptive fields of the last maps.
    Starts from Xavier's uniform weights, which keep the variance through layers of tanh, and biases 0.
    """
    network = LeNet(
        "lenet5_textbook", (in_channels, 32, 32),
        dict(c1=nn.Conv2d(in_channels, 6, 5), tanh1=nn.Tanh(), s2=nn.AvgPool2d(2),            # 6×28×28 → 6×14×14
             c3=nn.Conv2d(6, 16, 5),          tanh3=nn.Tanh(), s4=nn.AvgPool2d(2)),           # 16×10×10 → 16×5×5
        dict(c5=nn.Linear(400, 120), tanh5=nn.Tanh(), f6=nn.Linear(120, 84), tanh6=nn.Tanh(), output=nn.Linear(84, num_classes)))
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)                                                        # type: ignore[arg-type]
    return network


@model("lenet_caffe", params=431_080, macs=2_293_000, input_shape=(1, 28, 28),
       paper="Jia et al., \"Caffe: Convolutional Architecture for Fast Feature Embedding\", 2014, arXiv:1408.5093, examples/mnist",
       recipe=Recipe(optimizer="sgd", lr=0.01, momentum=0.9, weight_decay=5e-4, batch_size=64, epochs=11, schedule="polynomial",
                     mean=(0.0,), std=(255 / 256,), image_size=28,
                     source="examples/mnist/lenet_solver.prototxt: 10,000 steps of 64; there the rate falls as (1 + 1e-4·step)^−0.75 "
                            "and a bias learns at twice the rate"),
       stages={"features.conv1": (20, 24, 24), "features.pool1": (20, 12, 12), "features.conv2": (50, 8, 8), "features.pool2": (50, 4, 4),
               "classifier.flatten": (800,), "classifier.ip1": (500,), "classifier.ip2": (10,)})
def lenet_caffe(num_classes: int = 10, in_channels: int = 1) -> nn.Module:
    """LeNet of Caffe's example: 20 and 50 maps, max pooling, and no nonlinearity but pooling before the one ReLU.

    Starts as Caffe's "xavier": weights uniform in ±√(3 / fan_in), biases 0.
    """
    network = LeNet(
        "lenet_caffe", (in_channels, 28, 28),
        dict(conv1=nn.Conv2d(in_channels, 20, 5), pool1=nn.MaxPool2d(2),                      # 20×24×24 → 20×12×12
             conv2=nn.Conv2d(20, 50, 5),          pool2=nn.MaxPool2d(2)),                     # 50×8×8 → 50×4×4
        dict(ip1=nn.Linear(800, 500), relu1=nn.ReLU(), ip2=nn.Linear(500, num_classes)))
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.lecun_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return network


@model("lenet_seed_keras", params=155_606, macs=3_841_000, input_shape=(1, 28, 28),
       paper="a listing for Keras that is widely copied as LeNet-5",
       recipe=Recipe(optimizer="sgd", lr=0.05, momentum=0.9, batch_size=64, epochs=10, schedule="cosine", image_size=28, source="ours"),
       stages={"features.conv1": (32, 24, 24), "features.pool1": (32, 12, 12), "features.conv2": (64, 8, 8), "features.pool2": (64, 4, 4),
               "classifier.flatten": (1024,), "classifier.fc1": (100,), "classifier.fc2": (10,)})
def lenet_seed_keras(num_classes: int = 10, in_channels: int = 1) -> nn.Module:
    """The "LeNet-5" of a Keras listing: 32 and 64 maps, max pooling, ReLU everywhere.

    Starts as Keras does there: convolutions uniform in ±0.05, linear layers Xavier uniform, biases 0. Its softmax is left to the loss.
    """
    network = LeNet(
        "lenet_seed_keras", (in_channels, 28, 28),
        dict(conv1=nn.Conv2d(in_channels, 32, 5), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),     # 32×24×24 → 32×12×12
             conv2=nn.Conv2d(32, 64, 5),          relu2=nn.ReLU(), pool2=nn.MaxPool2d(2)),    # 64×8×8 → 64×4×4
        dict(fc1=nn.Linear(1024, 100), relu3=nn.ReLU(), fc2=nn.Linear(100, num_classes)))
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.uniform_(layer.weight, -0.05, 0.05)
        elif isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.zeros_(layer.bias)
    return network
