"""EfficientNets: scaling, rounding, drop-connect, squeeze widths, first values, and what Lite leaves out."""
import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, models
from minicnn.models.efficientnet import STAGES, TABLE, MBConv, compound, scaled

REDUCED = {
    "efficientnet": lambda: (models.efficientnet(num_classes=5, width=0.1, depth=0.5), (3, 33, 38)),
    "efficientnet_lite": lambda: (models.efficientnet_lite(num_classes=5, width=0.1, depth=0.5), (3, 33, 38)),
}


def images(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def blocks(model):
    return [block for stage in model.body.children() for block in stage.children()]


def test_each_phi_doubles_the_cost():
    depth, width, resolution = compound(1)
    assert (depth, width, resolution) == (1.2, 1.1, 1.15) and abs(depth * width ** 2 * resolution ** 2 - 1.92) < 0.001
    assert compound(0) == (1, 1, 1)
    depth, width, resolution = compound(3)
    assert abs(depth * width ** 2 * resolution ** 2 - 1.92 ** 3) < 0.01
    assert compound(2, alpha=2, beta=1, gamma=1) == (4, 1, 1)


@pytest.mark.parametrize("phi, number", [(0, 0), (0.5, 1), (1, 2), (2, 3)])
def test_the_first_members_are_the_powers_rounded(phi, number):
    found = compound(phi)
    width, depth, image, *_ = TABLE[number]
    assert abs(found.depth - depth) < 0.05 and abs(found.width - width) <= 0.05 and abs(224 * found.resolution - image) < 4.5


def test_multiply_adds_grow_about_as_the_equation_says():
    """Equation 2 is an approximation: rounding up layers, and what does not scale, move it by less than a quarter."""
    base = mc.summary(models.efficientnet(), (3, 224, 224)).macs
    for phi in (1, 2):
        depth, width, resolution = compound(phi)
        side = round(224 * resolution)
        macs = mc.summary(models.efficientnet(depth=depth, width=width, image=side), (3, side, side)).macs
        assert 0.75 < macs / base / 1.92 ** phi < 1.45, (phi, macs / base)


def test_channels_are_rounded_to_multiples_of_8_and_layers_up():
    stem, stages, head = scaled(1.4, 1.8)
    assert (stem, head) == (48, 1792) and [row.channels for row in stages.values()] == [24, 32, 56, 112, 160, 272, 448]
    assert [row.layers for row in stages.values()] == [2, 4, 4, 6, 6, 8, 2]
    for factor in (0.35, 0.5, 0.75, 1.1, 1.3):
        for name, row in scaled(factor, 1)[1].items():
            assert row.channels % 8 == 0 and row.channels >= 0.9 * factor * STAGES[name].channels


def test_squeeze_width_is_a_quarter_of_the_blocks_input():
    model = models.create("efficientnet_b0")
    squeezed = [block.residual.squeeze.reduce.weight.shape for block in blocks(model)]
    assert [shape[0] for shape in squeezed] == [8, 4, 6, 6, 10, 10, 20, 20, 20, 28, 28, 28, 48, 48, 48, 48]
    assert squeezed[1][1] == 96                                                    # of the expanded channels it reads all


def test_drop_connect_rises_in_a_line():
    drops = [block.drop.p for block in blocks(models.create("efficientnet_b0"))]
    assert np.allclose(drops, 0.2 * np.arange(16) / 16)
    assert not any(block.drop.p for block in blocks(models.create("efficientnet_b0", drop_connect=0.0)))


def test_a_dropped_block_is_its_shortcut_and_a_kept_one_is_enlarged():
    mc.manual_seed(0)
    block = MBConv(8, 8, 3, 1, 6, drop=0.4, squeeze=True, activation=mc.nn.SiLU).double()
    x = images(40, 8, 3, 4)
    residual = block.residual(Tensor(x)).numpy()
    found = (block(Tensor(x)).numpy() - x) / residual
    kept = np.isclose(found, 1 / 0.6, rtol=1e-6).reshape(40, -1).all(1)
    dropped = np.isclose(found, 0, atol=1e-6).reshape(40, -1).all(1)
    assert (kept | dropped).all() and 10 < kept.sum() < 36
    block.eval()
    assert np.allclose(block(Tensor(x)).numpy() - x, block.residual(Tensor(x)).numpy())


def test_blocks_that_change_channels_or_plane_have_no_shortcut():
    assert [block.adds for block in blocks(models.create("efficientnet_b0"))] == [
        False, False, True, False, True, False, True, True, False, True, True, False, True, True, True, False]
    assert not hasattr(blocks(models.create("efficientnet_b0"))[0].residual, "expand")


def test_batch_norm_is_tensorflows():
    for name in ("efficientnet_b3", "efficientnet_lite0"):
        norms = [layer for layer in models.create(name).modules() if isinstance(layer, mc.nn.BatchNorm2d)]
        assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}


@pytest.mark.parametrize("side", range(31, 39))
@pytest.mark.parametrize("kernel", [3, 5])
def test_planes_are_those_of_tensorflows_padding(side, kernel):
    """SAME gives ⌈side / stride⌉ whatever the kernel; at odd sides it pads as much on both sides as we do."""
    layer = MBConv(8, 8, kernel, 2, 6, 0.0, True, mc.nn.SiLU).residual.depthwise.conv
    assert layer(mc.meta(1, 48, side, side)).shape[2] == -(-side // 2)
    total = (-(-side // 2) - 1) * 2 + kernel - side
    assert (total == 2 * (kernel // 2)) == (side % 2 == 1)


def test_first_values():
    mc.manual_seed(0)
    model = models.create("efficientnet_b0", num_classes=400)
    block = model.body.stage7[1].residual
    assert np.isclose(block.depthwise.conv.weight.numpy().std(), np.sqrt(2 / 25), rtol=0.02)         # fan_out of one plane
    assert np.isclose(block.project.conv.weight.numpy().std(), np.sqrt(2 / 192), rtol=0.02)
    weight = model.head.fc.weight.numpy()
    assert np.abs(weight).max() <= 1 / 20 and np.isclose(weight.std(), 1 / 20 / np.sqrt(3), rtol=0.01)
    assert not model.head.fc.bias.numpy().any() and not block.squeeze.reduce.bias.numpy().any()


@pytest.mark.parametrize("number", range(5))
def test_lite_has_no_squeeze_no_swish_and_fixed_ends(number):
    model = models.create(f"efficientnet_lite{number}")
    kinds = {type(layer).__name__ for layer in model.modules()}
    assert "ReLU6" in kinds and not kinds & {"SiLU", "Sigmoid", "SqueezeExcitation"}
    assert model.stem.conv.weight.shape[0] == 32 and model.head.fc.weight.shape[1] == 1280
    stages = list(model.body.children())
    assert len(list(stages[0].children())) == len(list(stages[-1].children())) == 1


@pytest.mark.parametrize("number, million", [(0, 407), (1, 631), (2, 899), (3, 1440), (4, 2640)])
def test_lite_is_near_the_authors_table(number, million):
    assert 0.94 < models.info(f"efficientnet_lite{number}").macs / million / 1e6 < 1


def test_dropout_grows_with_the_network():
    assert [models.create(f"efficientnet_b{n}").head.dropout.p for n in range(8)] == [0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5]


def test_options_reach_the_members():
    model = models.create("efficientnet_b0", width=0.5, depth=0.5, in_channels=1, num_classes=3, squeeze=False)
    assert model(mc.meta(2, 1, 50, 61)).shape == (2, 3) and len(blocks(model)) == 10


@pytest.mark.parametrize("options, text", [
    ({"width": 0}, "width should be a number above 0, got 0; B0 has 1"),
    ({"depth": -1}, "depth should be a number above 0, got -1"),
    ({"image": 0}, "image should be a whole number of at least 1, got 0"),
    ({"drop_connect": 1}, r"drop_connect should be a probability in \[0, 1\), got 1"),
    ({"dropout": 2}, "a probability"),
])
def test_wrong_options(options, text):
    with pytest.raises(ValueError, match=text):
        models.create("efficientnet_b0", **options)


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnet_lite0"])
def test_the_recipe_divides_as_tensorflow_does(name):
    assert models.info(name).recipe.optimizer_options["eps_inside"] is True
