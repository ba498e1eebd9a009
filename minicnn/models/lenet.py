"""LeNet, as it is usually built today: three networks that go by the name, and what tells them apart.

                    first layers         activation          pooling   classifier            image    parameters
lenet5_textbook     6, 16 maps of 5×5    tanh everywhere     average   400–120–84–10         32×32        61,706
lenet_caffe         20, 50 maps of 5×5   one ReLU, hidden    max       800–500–10            28×28       431,080
lenet_seed_keras    32, 64 maps of 5×5   ReLU everywhere     max       1024–100–10           28×28       155,606

The network of the paper, with its connection table, trainable subsampling and distances to drawn digits, is in lenet_1998.py.
LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", Proceedings of the IEEE 86(11), 1998.

Deviations: what the three change in the paper's network is the table above. Where they end with a softmax, it is left to the loss.
"""
from .. import nn
from .blocks import start
from .network import Network
from .recipe import Recipe
from .registry import model


@model("lenet5_textbook", params=61_706, macs=416_520, input_shape=(1, 32, 32), aliases=("lenet5",), year=1998,
       paper="LeCun, Bottou, Bengio, Haffner, Proceedings of the IEEE 86(11), 1998, simplified as textbooks do",
       recipe=Recipe(optimizer="sgd", lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4, batch_size=32, epochs=16,
                     schedule="cosine", warmup_epochs=3, image_size=32, mean=(0.1309,), std=(0.3085,),
                     augment={"shift": 1.5, "rotate": 10, "scale": 0.1, "shear": 0.14, "elastic": 2.5},
                     source="ours, chosen on held-out digits"),
       stages={"stem": (6, 14, 14), "c3": (16, 10, 10), "tanh3": (16, 10, 10), "s4": (16, 5, 5)})
def lenet5_textbook(num_classes: int = 10, in_channels: int = 1) -> Network:
    """LeNet-5 of the textbooks has a full C3, plain average pooling and a softmax.

    Every map of C3 sees every map of S2.
    Images of 32×32: a digit of 28×28 is padded by 2, so that its strokes come to the middle of the receptive fields of the last maps.
    Starts from Xavier's uniform weights, which keep the variance through layers of tanh, and biases 0.
    """
    stem = dict(c1=nn.Conv2d(in_channels, 6, 5), tanh1=nn.Tanh(), s2=nn.AvgPool2d(2))         # 6×28×28 → 6×14×14
    body = dict(c3=nn.Conv2d(6, 16, 5), tanh3=nn.Tanh(), s4=nn.AvgPool2d(2))                  # 16×10×10 → 16×5×5
    head = dict(flatten=nn.Flatten(), c5=nn.Linear(400, 120), tanh5=nn.Tanh(), f6=nn.Linear(120, 84), tanh6=nn.Tanh(),
                output=nn.Linear(84, num_classes))
    network = Network(nn.Sequential(stem), body, nn.Sequential(head), (in_channels, 32, 32), any_size=False)
    start(network, conv=nn.init.xavier_uniform_, linear=nn.init.xavier_uniform_)
    return network


@model("lenet_caffe", params=431_080, macs=2_293_000, input_shape=(1, 28, 28), year=2014,
       paper="Jia et al., \"Caffe: Convolutional Architecture for Fast Feature Embedding\", 2014, arXiv:1408.5093, examples/mnist",
       recipe=Recipe(optimizer="sgd", lr=0.01, momentum=0.9, weight_decay=5e-4, batch_size=64, epochs=11, schedule="polynomial",
                     mean=(0.0,), std=(255 / 256,), image_size=28,
                     source="examples/mnist/lenet_solver.prototxt: 10,000 steps of 64; there the rate falls as (1 + 1e-4·step)^−0.75 "
                            "and a bias learns at twice the rate"),
       stages={"stem": (20, 12, 12), "conv2": (50, 8, 8), "pool2": (50, 4, 4)})
def lenet_caffe(num_classes: int = 10, in_channels: int = 1) -> Network:
    """LeNet of Caffe's example has 20 and 50 maps, max pooling and one ReLU.

    Before that ReLU there is no nonlinearity but the pooling.
    Starts as Caffe's "xavier": weights uniform in ±√(3 / fan_in), biases 0.
    """
    stem = dict(conv1=nn.Conv2d(in_channels, 20, 5), pool1=nn.MaxPool2d(2))                   # 20×24×24 → 20×12×12
    body = dict(conv2=nn.Conv2d(20, 50, 5), pool2=nn.MaxPool2d(2))                            # 50×8×8 → 50×4×4
    head = dict(flatten=nn.Flatten(), ip1=nn.Linear(800, 500), relu1=nn.ReLU(), ip2=nn.Linear(500, num_classes))
    network = Network(nn.Sequential(stem), body, nn.Sequential(head), (in_channels, 28, 28), any_size=False)
    start(network, conv=nn.init.lecun_uniform_, linear=nn.init.lecun_uniform_)
    return network


@model("lenet_seed_keras", params=155_606, macs=3_841_000, input_shape=(1, 28, 28), year=2018,
       paper="a widely copied set of Keras listings, where it is called LeNet-5",
       recipe=Recipe(optimizer="sgd", lr=0.05, momentum=0.9, batch_size=64, epochs=10, schedule="cosine", image_size=28, source="ours"),
       stages={"stem": (32, 12, 12), "conv2": (64, 8, 8), "relu2": (64, 8, 8), "pool2": (64, 4, 4)})
def lenet_seed_keras(num_classes: int = 10, in_channels: int = 1) -> Network:
    """The "LeNet-5" of a Keras listing has 32 and 64 maps, max pooling and ReLU.

    Starts as Keras does there: convolutions uniform in ±0.05, linear layers Xavier uniform, biases 0.
    """
    stem = dict(conv1=nn.Conv2d(in_channels, 32, 5), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2))  # 32×24×24 → 32×12×12
    body = dict(conv2=nn.Conv2d(32, 64, 5), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2))           # 64×8×8 → 64×4×4
    head = dict(flatten=nn.Flatten(), fc1=nn.Linear(1024, 100), relu3=nn.ReLU(), fc2=nn.Linear(100, num_classes))
    network = Network(nn.Sequential(stem), body, nn.Sequential(head), (in_channels, 28, 28), any_size=False)
    start(network, conv=lambda weight: nn.init.uniform_(weight, -0.05, 0.05), linear=nn.init.xavier_uniform_)
    return network
