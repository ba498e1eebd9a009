"""VGG: the columns of the table, two 3×3 for a 5×5, first values, growing from a shallower network, names of torchvision's weights."""
# the general builders come to models by name
# pyright: reportAttributeAccessIssue=false
import re

import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models, nn
from minicnn.models.blocks import start
from minicnn.models.keys import rename
from minicnn.models.vgg import grow


def reduced():
    """Biases above 0: where all maps are 0, the next ReLU would stand exactly on its kink."""
    network = models.vgg(arch=((2, 6), (3, 8, 1)), norm="batch", init="glorot", hidden=16, num_classes=5)
    return start(network, bias=0.1, conv=nn.init.xavier_uniform_, linear=nn.init.xavier_uniform_), (3, 29, 34)


REDUCED = {"vgg": reduced}
SHALLOW, DEEP = ((1, 4), (1, 6), (2, 8), (2, 8)), ((2, 4), (2, 6), (3, 8, 1), (4, 8))


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def convolutions(network):
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)}


@pytest.mark.parametrize("name, kernels, depth", [
    ("vgg11", ["3", "3", "33", "33", "33"], 11), ("vgg11-LRN", ["3", "3", "33", "33", "33"], 11),
    ("vgg13", ["33", "33", "33", "33", "33"], 13), ("vgg16c", ["33", "33", "331", "331", "331"], 16),
    ("vgg16", ["33", "33", "333", "333", "333"], 16), ("vgg19", ["33", "33", "3333", "3333", "3333"], 19)])
def test_columns_of_the_table(name, kernels, depth):
    network = models.create(name)
    blocks = [network.stem, *network.body.children()]
    found = ["".join(str(layer.kernel_size[0]) for layer in convolutions(block).values()) for block in blocks]
    weights = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert found == kernels and len(weights) == depth
    assert all(layer.padding in (k // 2, ((k // 2,) * 2,) * 2, (k // 2,) * 2) for layer in convolutions(network).values()
               for k in layer.kernel_size[:1])


def test_two_of_3x3_see_5x5_and_three_see_7x7():
    mc.manual_seed(0)
    network = models.vgg(arch=((3, 4),), hidden=8)
    for layers, side in ((3, 5), (5, 7)):                                       # conv, relu, conv(, relu, conv)
        x = Tensor(np.random.default_rng(0).random((1, 3, 15, 15)).astype(np.float32), requires_grad=True)
        network.stem[:layers](x)[:, :, 7, 7].sum().backward()
        seen = np.argwhere(np.abs(x.grad.numpy()).sum((0, 1)) > 0)
        assert (seen.max(0) - seen.min(0) + 1 == side).all()


def test_response_normalisation_stands_after_the_first_layer_alone():
    for name, places in (("vgg11", []), ("vgg11-LRN", ["stem.norm"])):
        assert [path for path, layer in models.create(name).named_modules() if isinstance(layer, nn.LocalResponseNorm)] == places
    assert list(dict(models.create("vgg11-LRN").stem.named_children())) == ["conv1", "relu1", "norm", "pool"]
    norm = models.create("vgg11-LRN").stem.norm
    assert (norm.size, norm.alpha, norm.beta, norm.k) == (5, 5e-4, 0.75, 2.0)


def test_gradients_with_response_normalisation():
    mc.manual_seed(0)
    network = models.vgg(arch=((2, 3),), norm="response", hidden=4, dropout=0.0, num_classes=3)
    assert mc.gradcheck(network, 10 * numbers(2, 3, 14, 15), directions=1, coordinates=8)


def test_first_values():
    mc.manual_seed(0)
    std = {name: convolutions(models.create(name))["body.block3.conv1"].weight.data.std() for name in ("vgg11", "vgg16", "vgg16_bn")}
    fan_in, fan_out = 128 * 9, 256 * 9
    assert std["vgg11"] == pytest.approx(0.01, rel=0.01)
    assert std["vgg16"] == pytest.approx((2 / (fan_in + fan_out)) ** 0.5, rel=0.01)          # Glorot
    assert std["vgg16_bn"] == pytest.approx((2 / fan_out) ** 0.5, rel=0.01)                  # Kaiming
    assert models.create("vgg16", init="normal").body.block2.conv1.weight.data.std() == pytest.approx(0.01, rel=0.01)
    assert models.create("vgg16_bn", num_classes=50).head.fc8.weight.data.std() == pytest.approx(0.01, rel=0.01)
    small = models.vgg(arch=SHALLOW, hidden=16)
    assert not any(p.data.any() for name, p in small.named_parameters() if name.endswith("bias"))


def test_a_network_of_ones_own():
    network = models.vgg(arch=((1, 64), (2, 128)), num_classes=10, in_channels=1, hidden=32)
    assert network.eval()(mc.meta(3, 1, 28, 28)).shape == (3, 10)               # 7×7 at the linear layers
    assert network(mc.meta(3, 1, 100, 60)).shape == (3, 10)                     # averaged to 7×7
    assert {name: y.shape[1:] for name, y in models.Features(network)(mc.meta(1, 1, 28, 28)).items()} == {
        "stem": (64, 14, 14), "block2": (128, 7, 7)}
    with pytest.raises(ValueError, match="the smallest that fit are 3×32×32"):
        models.create("vgg16")(mc.meta(1, 3, 31, 40))


@pytest.mark.parametrize("norm", [None, "batch"])
def test_growing(norm):
    """Section 3.1: the first four convolutions and the linear layers are the shallower's, the rest stays as it was."""
    mc.manual_seed(0)
    shallow, deep = (models.vgg(arch=arch, norm=norm, hidden=8, num_classes=3) for arch in (SHALLOW, DEEP))
    with mc.no_grad():
        for p in [*shallow.parameters(), *shallow.buffers()]:                   # "trained": no value is where it started
            p.write(np.asarray(p.data + 1))
    before = {name: value.numpy().copy() for name, value in deep.state_dict().items()}
    assert grow(deep, shallow) is deep
    taken = {"stem.conv1", "body.block2.conv1", "body.block3.conv1", "body.block3.conv2", "head.fc6", "head.fc7", "head.fc8"}
    taken |= {name.replace("conv", "norm") for name in taken}
    source = shallow.state_dict()
    for key, value in deep.state_dict().items():
        expected = source[key].numpy() if key.rpartition(".")[0] in taken else before[key]
        assert np.array_equal(value.numpy(), expected), key
    with mc.no_grad():
        deep.stem.conv1.weight.write(np.zeros(deep.stem.conv1.weight.shape, np.float32))
    assert shallow.stem.conv1.weight.data.any()                                 # a copy


def test_every_deeper_column_grows_from_net_a():
    shallow = {name: p.shape for name, p in models.create("vgg11").named_parameters()}
    taken = [f"{name}.{kind}" for name in ("stem.conv1", "body.block2.conv1", "body.block3.conv1", "body.block3.conv2",
                                           "head.fc6", "head.fc7", "head.fc8") for kind in ("weight", "bias")]
    for name in ("vgg13", "vgg16c", "vgg16", "vgg19"):
        deeper = {name: p.shape for name, p in models.create(name).named_parameters()}
        assert all(deeper[key] == shallow[key] for key in taken)


@pytest.mark.parametrize("options, text", [
    (dict(num_classes=4), r"head\.fc8\.weight of shape \(3, 8\) \(has \(4, 8\)\)"),
    (dict(arch=((1, 4), (1, 6), (1, 8))), r"body\.block3\.conv2\.weight of shape \(8, 8, 3, 3\) \(has none\)"),
    (dict(arch=((2, 4), (2, 6), (2, 8, 1))), r"\(has \(8, 8, 1, 1\)\); build both with the same norm, maps, num_classes and in_channels"),
])
def test_growing_what_does_not_fit(options, text):
    mc.manual_seed(0)
    shallow = models.vgg(arch=SHALLOW, hidden=8, num_classes=3)
    deep = models.vgg(**{"arch": DEEP, "hidden": 8, "num_classes": 3, **options})
    before = deep.stem.conv1.weight.data.copy()
    with pytest.raises(ValueError, match="grow: VGG|grow: Network") as caught:
        grow(deep, shallow)
    assert re.search(text, str(caught.value)) and np.array_equal(deep.stem.conv1.weight.data, before)


@pytest.mark.parametrize("call, text", [
    (lambda: models.vgg(arch=((2, 64), 128)), "each block of arch should be (convolutions, maps) or"),
    (lambda: models.vgg(arch=((2, 64), (0, 128))), "numbers above 0; got (0, 128)"),
    (lambda: models.vgg(arch=()), "arch should have at least one block, got none"),
    (lambda: models.vgg(norm="layer"), "norm should be None, 'batch' or 'response', got 'layer'"),
    (lambda: models.vgg(init="he"), "init should be one of normal, glorot, kaiming, got 'he'"),
])
def test_wrong_options(call, text):
    with pytest.raises(ValueError) as caught:
        call()
    assert text in str(caught.value)


def test_names_of_torchvisions_weights():
    plain, normalised = (models.info(name).keys[f"torchvision.{name}"] for name in ("vgg16", "vgg11_bn"))
    for rules, theirs, ours in (
            (plain, "features.0.weight", "stem.conv1.weight"), (plain, "features.2.bias", "stem.conv2.bias"),
            (plain, "features.5.weight", "body.block2.conv1.weight"), (plain, "features.28.weight", "body.block5.conv3.weight"),
            (plain, "classifier.0.weight", "head.fc6.weight"), (plain, "classifier.3.bias", "head.fc7.bias"),
            (normalised, "features.1.running_var", "stem.norm1.running_var"), (normalised, "features.4.bias", "body.block2.conv1.bias"),
            (normalised, "features.26.weight", "body.block5.norm2.weight"), (normalised, "classifier.6.bias", "head.fc8.bias")):
        assert rename(theirs, rules) == ours
    assert not models.info("vgg16c").keys and not models.info("vgg11-LRN").keys


def test_a_few_steps_learn_a_few_images():
    mc.manual_seed(0)
    network = models.vgg(arch=((1, 8), (2, 8)), norm="batch", hidden=32, num_classes=3, dropout=0.0, init="glorot")
    x, labels = Tensor(numbers(6, 3, 28, 28).astype(np.float32)), Tensor(np.arange(6) % 3)
    optimizer, losses = mc.optim.SGD(network.parameters(), lr=0.05, momentum=0.9), []
    for _ in range(15):
        loss = F.cross_entropy(network(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0] and np.isfinite(losses).all()
