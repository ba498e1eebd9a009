"""AlexNet and ZFNet: two towers, the paper's response normalisation, first values, sizes of maps, images of other sizes."""
# the general builders come to models by name
# pyright: reportAttributeAccessIssue=false
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models, nn
from minicnn.models.blocks import response_norm, start


def lively(network):
    """First values under which every layer of a narrow network matters."""
    return start(network, conv=nn.init.kaiming_normal_, linear=nn.init.kaiming_normal_, bias=0.1)


REDUCED = {
    "alexnet": lambda: (lively(models.create("alexnet_2012", num_classes=5, width=1 / 16)), (3, 67, 71)),
    "zfnet": lambda: (lively(models.create("zfnet", num_classes=5, width=1 / 16)), (3, 55, 59)),
}


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def layers_of(network, kind):
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, kind)}


def test_response_normalisation_is_the_formula_of_the_paper():
    """b[i] = a[i] / (k + α Σ a[j]²)^β, j from max(0, i − n/2) to min(N − 1, i + n/2);  k = 2, n = 5, α = 10⁻⁴, β = 0.75"""
    a = 100 * numbers(2, 7, 3, 4)
    expected = np.empty_like(a)
    for i in range(7):
        neighbours = a[:, max(0, i - 2):min(6, i + 2) + 1]
        expected[:, i] = a[:, i] / (2 + 1e-4 * (neighbours ** 2).sum(1)) ** 0.75
    assert np.abs(response_norm()(Tensor(a)).numpy() - expected).max() < 1e-12 * np.abs(expected).max()


def test_a_tower_sees_only_its_own_maps():
    mc.manual_seed(0)
    conv2 = models.create("alexnet_2012", width=1 / 8).double().body.conv2.conv
    x = numbers(2, 12, 9, 8)
    whole = conv2(Tensor(x)).numpy()
    for tower, (maps, into) in enumerate(((slice(0, 6), slice(0, 16)), (slice(6, 12), slice(16, 32)))):
        weight, bias = Tensor(conv2.weight.data[into]), Tensor(conv2.bias.data[into])
        alone = F.conv2d(Tensor(np.ascontiguousarray(x[:, maps])), weight, bias, padding=2)
        assert np.abs(alone.numpy() - whole[:, into]).max() < 1e-13, tower


def test_which_layers_have_towers():
    groups = [layer.groups for layer in layers_of(models.create("alexnet"), nn.Conv2d).values()]
    assert groups == [1, 2, 1, 2, 2]
    for other in (models.create("alexnet", towers=1), models.create("alexnet_owt"), models.create("zfnet")):
        assert {layer.groups for layer in layers_of(other, nn.Conv2d).values()} == {1}
    assert mc.summary(models.create("alexnet", towers=1), (3, 227, 227)).params == 62_378_344


def test_first_values_of_2012():
    mc.manual_seed(0)
    network = models.create("alexnet_2012", num_classes=100)
    ones = {"body.conv2.conv", "body.conv4.conv", "body.conv5.conv", "head.fc6", "head.fc7"}
    for name, layer in layers_of(network, (nn.Conv2d, nn.Linear)).items():
        assert (layer.bias.data == (name in ones)).all(), name
        if name not in ("head.fc6", "head.fc7"):                               # the largest are left undrawn
            assert abs(layer.weight.data.std() - 0.01) < 2e-4 and abs(layer.weight.data.mean()) < 3e-4, name


def test_first_values_of_zfnet_and_of_one_tower():
    mc.manual_seed(0)
    network = models.create("zfnet")
    for layer in layers_of(network, nn.Conv2d).values():
        assert abs(layer.weight.data.std() - 0.01) < 2e-4 and not layer.bias.data.any()
    conv2 = models.create("alexnet_owt").body.conv2.conv
    assert 0.99 < np.abs(conv2.weight.data).max() * (64 * 25) ** 0.5 <= 1 and conv2.bias.data.any()


def test_dropout_of_2012_halves_in_evaluation():
    drops = layers_of(models.create("alexnet_2012"), nn.Dropout)
    assert list(drops) == ["head.drop6", "head.drop7"] and all(d.paper and d.p == 0.5 for d in drops.values())
    x = Tensor(numbers(3, 4))
    assert np.array_equal(drops["head.drop6"].eval()(x).numpy(), 0.5 * x.numpy())
    assert not any(d.paper for name in ("alexnet_owt", "zfnet") for d in layers_of(models.create(name), nn.Dropout).values())
    order = list(dict(models.create("alexnet_owt").head.named_children()))
    assert order.index("drop6") < order.index("fc6") < order.index("drop7") < order.index("fc7")


def shapes(network, side):
    """The height of the maps after every convolution and pool."""
    found, handles = [], []
    for layer in layers_of(network, (nn.Conv2d, nn.MaxPool2d)).values():
        handles.append(layer.register_forward_hook(lambda module, inputs, output: found.append(output.shape[2])))
    assert network.eval()(mc.meta(1, 3, side, side)).shape == (1, 1000)
    for handle in handles:
        handle.remove()
    return found


def test_sizes_of_the_maps():
    alexnet = models.create("alexnet_2012")
    assert shapes(alexnet, 227) == [55, 27, 27, 13, 13, 13, 13, 6]
    assert shapes(alexnet, 224) == [54, 26, 26, 12, 12, 12, 12, 5]              # what the 224 of the paper would give
    assert shapes(models.create("alexnet_owt"), 224) == [55, 27, 27, 13, 13, 13, 13, 6]
    assert shapes(models.create("zfnet"), 224) == [110, 55, 26, 13, 13, 13, 13, 6]


def test_pools_overlap_and_normalisation_stands_where_the_papers_have_it():
    for name, order in (("alexnet_2012", ["conv", "relu", "norm", "pool"]), ("zfnet", ["conv", "relu", "pool", "norm"])):
        network = models.create(name)
        assert list(dict(network.stem.named_children())) == list(dict(network.body.conv2.named_children())) == order
        assert len(layers_of(network, nn.LocalResponseNorm)) == 2
        assert all((pool.kernel_size, pool.stride) == (3, 2) for pool in layers_of(network, nn.MaxPool2d).values())
    assert not layers_of(models.create("alexnet_owt"), nn.LocalResponseNorm)


@pytest.mark.parametrize("name, side", [("alexnet_2012", 67), ("alexnet_owt", 63), ("zfnet", 53)])
def test_the_smallest_image(name, side):
    network = models.create(name).eval()
    assert network(mc.meta(2, 3, side, side + 30)).shape == (2, 1000)
    with pytest.raises(ValueError, match=f"are too small .*; the smallest that fit are 3×{side}×{side}"):
        network(mc.meta(2, 3, side - 1, side - 1))


def test_width_scales_maps_and_hidden_units_to_even_numbers():
    network = models.create("alexnet_2012", width=0.3, num_classes=4)
    assert [layer.weight.shape[0] for layer in layers_of(network, (nn.Conv2d, nn.Linear)).values()] == [28, 76, 116, 116, 76, 1228, 1228, 4]
    wide = [layer.weight.shape[0] for layer in layers_of(models.create("zfnet_wide"), nn.Conv2d).values()]
    assert wide == [96, 256, 512, 1024, 512]


@pytest.mark.parametrize("call, text", [
    (lambda: models.create("alexnet", towers=3), "towers should be 2, as on the paper's two GPUs, or 1, where every map sees all; got 3"),
    (lambda: models.create("alexnet", width=0), "alexnet_2012: width should be a number above 0, got 0"),
    (lambda: models.create("alexnet_owt", dropout=1.5), "p is a probability, from 0 to 1, got 1.5"),
    (lambda: models.zfnet(maps=(384, 256)), "maps should be 3 whole numbers of at least 1, one for each kind, got (384, 256)"),
])
def test_wrong_options(call, text):
    with pytest.raises(ValueError) as caught:
        call()
    assert text in str(caught.value)


def test_a_few_steps_learn_a_few_images():
    mc.manual_seed(0)
    network = models.create("alexnet_2012", num_classes=3, width=1 / 16, dropout=0.0)
    for layer in layers_of(network, (nn.Conv2d, nn.Linear)).values():           # narrow: as much variance as the paper's wide layers have
        nn.init.kaiming_normal_(layer.weight)
    x, labels = Tensor(numbers(6, 3, 67, 71).astype(np.float32)), Tensor(np.arange(6) % 3)
    optimizer, losses = mc.optim.SGD(network.parameters(), lr=0.01, momentum=0.9), []
    for _ in range(12):
        loss = F.cross_entropy(network(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0] and np.isfinite(losses).all()
