"""Network in network: a perceptron at every place, rounding up of pools, class maps, first values."""
import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, models, nn
from minicnn.models.blocks import start

REDUCED = {
    "nin": lambda: (start(models.create("nin_cifar10", num_classes=5, width=1 / 16), conv=nn.init.kaiming_normal_, bias=0.1), (3, 13, 17)),
}


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def convolutions(network):
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)}


def test_a_block_is_a_perceptron_that_slides():
    """At each place of the first convolution's maps, the two 1×1 layers are two linear layers with ReLU."""
    mc.manual_seed(0)
    block = models.create("nin_cifar10", width=1 / 16).double().stem
    first = block[:2](Tensor(numbers(1, 3, 7, 6)))                              # convolution, ReLU
    found = block[2:6](first).numpy()
    h = first.numpy()[0, :, 4, 3]
    for layer in (block.cccp1, block.cccp2):
        h = np.maximum(layer.weight.data[:, :, 0, 0] @ h + layer.bias.data, 0)
    assert found.shape[2:] == (7, 6) and np.abs(found[0, :, 4, 3] - h).max() < 1e-15


@pytest.mark.parametrize("name, image, sides", [("nin_imagenet", 224, [27, 13, 6]), ("nin_cifar10", 32, [16, 8])])
def test_pools_round_up(name, image, sides):
    network = models.create(name, features=True)
    assert [y.shape[2] for y in network.eval()(mc.meta(1, 3, image, image)).values()] == sides
    pools = [m for m in network.modules() if isinstance(m, (nn.MaxPool2d, nn.AvgPool2d))]
    assert all((m.kernel_size, m.stride, m.ceil_mode) == (3, 2, True) for m in pools)
    assert [type(m).__name__ for m in pools] == (["MaxPool2d"] * 3 if name == "nin_imagenet" else ["MaxPool2d", "AvgPool2d"])


def test_there_is_no_linear_layer_and_scores_are_means_of_maps():
    mc.manual_seed(0)
    network = start(models.create("nin_cifar10", num_classes=4, width=1 / 16), conv=nn.init.kaiming_normal_, bias=0.0).eval()
    assert not [m for m in network.modules() if isinstance(m, nn.Linear)]
    x = Tensor(numbers(2, 3, 21, 18).astype(np.float32))
    maps = network.head.mlpconv(network.body(network.stem(x))).numpy()
    assert maps.shape == (2, 4, 5, 4) and maps.min() == 0 < maps.max()                       # ReLU after the maps of the classes, too
    assert np.abs(network(x).numpy() - maps.mean((2, 3))).max() < 1e-6 * maps.max()


def test_where_dropout_is():
    for name, places in (("nin_cifar10", ["body.mlpconv2.dropout", "head.mlpconv.dropout"]), ("nin_imagenet", ["head.mlpconv.dropout"])):
        drops = {path: m.p for path, m in models.create(name).named_modules() if isinstance(m, nn.Dropout)}
        assert drops == dict.fromkeys(places, 0.5)
        assert not [m for m in models.create(name, dropout=0.0).modules() if isinstance(m, nn.Dropout)]


def test_first_values():
    mc.manual_seed(0)
    for name, small in (("nin_imagenet", {"stem.conv", "body.mlpconv3.conv", "head.mlpconv.cccp2"}), ("nin_cifar10", set())):
        for path, layer in convolutions(models.create(name)).items():
            assert not layer.bias.data.any(), path
            if layer.weight.numel() < 1_500_000:                                 # the largest are left undrawn
                assert abs(layer.weight.data.std() / (0.01 if path in small else 0.05) - 1) < 0.03, path


def test_width_leaves_the_classes_alone():
    widths = [layer.weight.shape[0] for layer in convolutions(models.create("nin_cifar10", width=0.5)).values()]
    assert widths == [96, 80, 48, 96, 96, 96, 96, 96, 10]
    with pytest.raises(ValueError, match="nin: width should be a number above 0, got -1"):
        models.create("nin_imagenet", width=-1)
