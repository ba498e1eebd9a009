"""Residual networks: what a shortcut is, what a block with nothing to add does, v1 and v1.5, and what they start from."""
from math import prod

import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models, nn
from minicnn.models.resnet import Residual, Subsample, basic_layers, bottleneck_layers, shortcut_of

REDUCED = {
    "resnet": lambda: (models.resnet(blocks=(1, 2), width=6 / 64, bottleneck=True, num_classes=5), (3, 33, 35)),
    "resnet:basic": lambda: (models.resnet(blocks=(1, 1), width=1 / 8, num_classes=5), (3, 33, 35)),
    "resnet:A": lambda: (models.resnet(blocks=(1, 1), width=1 / 8, shortcut="A", num_classes=5), (3, 33, 35)),
    "resnet:C": lambda: (models.resnet(blocks=(1, 1), width=1 / 8, shortcut="C", stride_in_1x1=True, bottleneck=True), (3, 33, 35)),
    "resnet:plain": lambda: (models.resnet(blocks=(1, 1), width=1 / 8, shortcut=None, num_classes=5), (3, 33, 35)),
    "resnet_cifar": lambda: (models.resnet_cifar(depth=8, width=1 / 4), (3, 13, 10)),
}


def randomise(model, seed=0):
    """Weights, factors and statistics, none of them special, in float64."""
    rng = np.random.default_rng(seed)
    model = model.double()
    for name, value in model.state_dict().items():
        if value.shape:                                                  # not the number of batches
            value.write(rng.uniform(0.5, 1.5, value.shape) if name.endswith(("running_var", "norm.weight")) else
                        rng.normal(0, 0.2, value.shape))
    return model.eval()


def shapes(model):
    """Of all parameters, without drawing their values."""
    return {name: parameter.shape for name, parameter in model.named_parameters()}


def images(*shape, seed=1):
    return Tensor(np.random.default_rng(seed).standard_normal(shape))


def test_shortcut_a_subsamples_and_pads_with_zeros():
    shortcut, x = Subsample(3, 8, 2), images(2, 3, 7, 10)
    y = shortcut(x).numpy()
    assert list(shortcut.parameters()) == [] and y.shape == (2, 8, 4, 5)
    assert np.array_equal(y[:, :3], x.numpy()[:, :, ::2, ::2]) and not y[:, 3:].any()


@pytest.mark.parametrize("option, projections", [("A", 0), ("B", 3), ("C", 8), (None, 0)])
def test_how_many_shortcuts_project(option, projections):
    model = models.create("resnet18", shortcut=option)
    blocks = [m for m in model.modules() if isinstance(m, Residual)]
    assert len(blocks) == 8 and all((block.shortcut is None) == (option is None) for block in blocks)
    assert sum(isinstance(block.shortcut, nn.Sequential) for block in blocks) == projections


@pytest.mark.parametrize("name, other", [("resnet18_optA", "plain18"), ("resnet34_optA", "plain34"), ("resnet56_cifar", "plain56_cifar")])
def test_a_plain_network_has_the_weights_of_the_residual_one_with_a(name, other):
    assert shapes(models.create(name)) == shapes(models.create(other)) and models.info(name).params == models.info(other).params


def test_a_block_is_the_formula():
    c_in, c_out = 3, 8
    block = randomise(Residual(bottleneck_layers(c_in, c_out, 2), shortcut_of("B", c_in, c_out, 2)))
    state, x = block.state_dict(), images(2, 3, 9, 7)

    def layer(x, at, stride=1, padding=0):
        y = F.conv2d(x, state[f"{at}.conv.weight"], stride=stride, padding=padding)
        return F.batch_norm(y, *(state[f"{at}.norm.{n}"] for n in ("running_mean", "running_var", "weight", "bias")))
    f = layer(F.relu(layer(F.relu(layer(x, "residual.0")), "residual.1", 2, 1)), "residual.2")
    assert np.allclose(block(x).numpy(), F.relu(f + layer(x, "shortcut", 2)).numpy(), atol=1e-13)


@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_a_deeper_network_whose_further_blocks_add_nothing_is_the_shallower_one(shortcut, bottleneck):
    options = dict(width=1 / 16, num_classes=5, shortcut=shortcut, bottleneck=bottleneck)
    shallow, deep = randomise(models.resnet(blocks=(1, 2), **options)), models.resnet(blocks=(3, 4), **options).double().eval()
    zeros = {key: np.zeros(value.shape) for key, value in deep.state_dict().items()}
    deep.load_state_dict({**zeros, **{key: value.numpy() for key, value in shallow.state_dict().items()}})
    x = images(2, 3, 40, 33)
    assert np.array_equal(deep(x).numpy(), shallow(x).numpy())


def test_a_deeper_plain_network_whose_further_layers_are_zero_is_not():
    plain = randomise(models.resnet(blocks=(2,), width=1 / 16, num_classes=5, shortcut=None))
    for weight in plain.body.stage1[1].parameters():
        nn.init.zeros_(weight)
    a, b = (plain(images(1, 3, 32, 32, seed=seed)).numpy() for seed in (1, 2))
    assert np.array_equal(a, b)                                          # what the image showed is lost


@pytest.mark.parametrize("build", [lambda **o: models.resnet(blocks=(2, 1), width=1 / 16, **o),
                                   lambda **o: models.resnet(blocks=(2, 1), width=1 / 16, bottleneck=True, **o),
                                   lambda **o: models.resnet_cifar(depth=14, width=1 / 4, **o)])
def test_zero_gamma_makes_a_block_the_identity(build):
    for zero_gamma in (True, False):
        model = build(zero_gamma=zero_gamma).train()
        block = list(model.body.stage1)[1]
        channels = next(iter(block.residual.modules()))[0].conv.weight.shape[1]
        x = abs(images(2, channels, 6, 5)).numpy().astype(np.float32)   # what a ReLU before it gives
        assert np.array_equal(block(Tensor(x)).numpy(), x) == zero_gamma


def test_v1_and_v1_5_share_weights_and_differ_in_where_the_stride_stands():
    v1, v1_5 = models.create("resnet50_v1"), models.create("resnet50_v1_5")
    assert shapes(v1) == shapes(v1_5)
    for model, strides in ((v1, [2, 1, 1]), (v1_5, [1, 2, 1])):
        for stage in list(model.body)[1:]:
            assert [layer.conv.stride for layer in stage[0].residual] in (strides, [(s, s) for s in strides])
    assert models.info("resnet50_v1_5").macs - models.info("resnet50_v1").macs == 231_211_008
    assert models.info("resnet50") is models.info("resnet50_v1_5") and models.info("resnet101").name == "resnet101_v1_5"


@pytest.mark.parametrize("name, layers", [("resnet18", 18), ("resnet34", 34), ("resnet50", 50), ("resnet152", 152), ("plain34", 34),
                                          ("resnet20_cifar", 20), ("plain56_cifar", 56), ("resnet110_cifar", 110)])
def test_a_network_has_the_layers_of_its_name(name, layers):
    found = [key for key, module in models.create(name).named_modules()
             if isinstance(module, (nn.Conv2d, nn.Linear)) and ".shortcut" not in key]
    assert len(found) == layers


def test_shortcuts_with_parameters_in_small_networks():
    def count(shortcut):
        return sum(prod(shape) for shape in shapes(models.resnet_cifar(shortcut=shortcut)).values())
    assert count("A") == count(None) == models.info("resnet20").params
    assert count("B") - count("A") == 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64 == 2_752
    assert count("C") > count("B")


def test_what_they_start_from():
    mc.manual_seed(0)
    model = models.resnet(blocks=(1, 1, 1), bottleneck=True)
    state = model.state_dict()
    for name, fan_in in (("stem.conv1.conv", 3 * 49), ("body.stage2.0.residual.1.conv", 128 * 9), ("body.stage3.0.shortcut.conv", 512)):
        weight = state[name + ".weight"].numpy()
        assert abs(weight.std() / np.sqrt(2 / fan_in) - 1) < 0.03 and abs(weight.mean()) < 0.1 * weight.std()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight.numpy() == 1).all() and not module.bias.numpy().any()


def test_any_size_and_features():
    model = models.create("resnet18", features=("stage2", "stage4"))
    found = model.eval()(mc.meta(2, 3, 65, 97))
    assert {name: y.shape for name, y in found.items()} == {"stage2": (2, 128, 9, 13), "stage4": (2, 512, 3, 4)}
    assert models.create("resnet20").eval()(mc.meta(1, 3, 48, 20)).shape == (1, 10)


@pytest.mark.parametrize("options, message", [
    (dict(shortcut="D"), "'A' (zero padding), 'B' (projections where shapes change), 'C' (projections everywhere)"),
    (dict(blocks=()), "resnet: blocks should be whole numbers of at least 1, one a stage, got (); the paper's are (2, 2, 2, 2)"),
    (dict(blocks=(2, 0)), "got (2, 0)"), (dict(blocks=3), "got 3"),
    (dict(width=0), "resnet: width should be a number above 0, got 0; 1.0 is the network as published")])
def test_bad_options(options, message):
    with pytest.raises(ValueError) as error:
        models.create("resnet18", **options)
    assert message in str(error.value)


@pytest.mark.parametrize("depth", [2, 21, 18])
def test_bad_depth(depth):
    with pytest.raises(ValueError, match=rf"6n \+ 2 .*8, 14, 20.* got {depth}"):
        models.create("resnet20", depth=depth)


def test_basic_layers_keep_the_plane():
    assert basic_layers(3, 5, 1)(mc.meta(1, 3, 7, 9)).shape == (1, 5, 7, 9)
    assert basic_layers(3, 5, 2)(mc.meta(1, 3, 7, 9)).shape == (1, 5, 4, 5)
