"""Wide residual networks, ResNeXt and SENet: what each changes in a residual network, and that it changes nothing else."""
from math import prod

import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models, nn
from minicnn.models.preact_resnet import Unit
from minicnn.models.resnet import Residual, bottleneck_layers
from minicnn.models.senet import senet154
from minicnn.models.wide_resnet import wide_resnet_large

from .test_resnet import images, randomise, shapes

# the stem of wide_resnet:large is 64 wide: on a larger image steps of finite differences cross a ReLU's kink too often
REDUCED = {
    "wide_resnet": lambda: (models.wide_resnet(depth=10, widening=0.25, dropout=0.3), (3, 13, 10)),
    "wide_resnet:large": lambda: (wide_resnet_large(blocks=(1,), widening=0.125, num_classes=3), (3, 13, 11)),
    "resnext": lambda: (models.resnext(blocks=(1, 1), cardinality=4, base_width=16, width=1 / 8, num_classes=5), (3, 33, 35)),
    "senet": lambda: (models.senet(blocks=(1, 1), reduction=4, width=1 / 16, num_classes=5), (3, 33, 35)),
    "senet:154": lambda: (senet154(blocks=(1, 2), reduction=4, width=1 / 16, groups=4, num_classes=5), (3, 33, 35)),
}


def parameters(model):
    return sum(prod(shape) for shape in shapes(model).values())


# ResNeXt

def test_a_grouped_convolution_is_parallel_bottlenecks():
    """Figure 3: (c), which we compute, against (a), the sum of paths of d channels each.  The norm of a path is its share of the whole."""
    C, d, c_in, c_out = 4, 2, 6, 12
    layers = randomise(bottleneck_layers(c_in, c_out, 2, inner=C * d, groups=C))
    state, x = {key: value.numpy() for key, value in layers.state_dict().items()}, images(2, c_in, 7, 6)

    def norm(y, at, part=slice(None)):
        mean, var, weight, bias = (state[f"{at}.norm.{n}"][part][:, None, None] for n in ("running_mean", "running_var", "weight", "bias"))
        return Tensor((y.numpy() - mean) / np.sqrt(var + 1e-5) * weight + bias)
    total = 0
    for i in range(C):
        path = slice(i * d, (i + 1) * d)
        y = F.relu(norm(F.conv2d(x, Tensor(state["0.conv.weight"][path])), "0", path))
        y = F.relu(norm(F.conv2d(y, Tensor(state["1.conv.weight"][path]), stride=2, padding=1), "1", path))
        total = total + F.conv2d(y, Tensor(state["2.conv.weight"][:, path].copy())).numpy()
    assert np.allclose(layers(x).numpy(), norm(Tensor(total), "2").numpy(), atol=1e-12)


def test_cardinality_one_is_the_residual_network():
    assert shapes(models.resnext(cardinality=1, base_width=64)) == shapes(models.create("resnet50"))


@pytest.mark.parametrize("cardinality, base_width", [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)])
def test_cardinality_at_equal_cost(cardinality, base_width):
    """Table 2: as many parameters and multiply-adds as ResNet-50, about 25.5 M and 4.1 G."""
    model = models.resnext(cardinality=cardinality, base_width=base_width)
    assert parameters(model) == pytest.approx(25.5e6, rel=0.03)
    assert mc.summary(model, (3, 224, 224)).macs == pytest.approx(4.15e9, rel=0.05)


def test_bad_cardinality():
    with pytest.raises(ValueError, match="cardinality and base_width should be whole numbers of at least 1, such as 32 and 4, got 0 and 4"):
        models.create("resnext50_32x4d", cardinality=0)


# wide residual networks

def test_width_one_is_the_pre_activation_network():
    wide, thin = models.wide_resnet(depth=16, widening=1), models.preact_resnet(blocks=(2, 2, 2))
    assert shapes(wide) == shapes(thin)
    wide, x = randomise(wide), images(2, 3, 12, 9)
    thin = thin.double().eval()
    thin.load_state_dict(wide.state_dict())
    assert np.array_equal(wide(x).numpy(), thin(x).numpy())


@pytest.mark.parametrize("name, layers", [("wrn28_10", 28), ("wrn40_4", 40), ("wrn16_8", 16), ("wrn50_2", 50), ("wrn101_2", 101)])
def test_a_network_has_the_layers_of_its_name(name, layers):
    """The paper counts the three projections of small images among the layers, torchvision's names do not."""
    found = [key for key, module in models.create(name).named_modules()
             if isinstance(module, (nn.Conv2d, nn.Linear)) and (name in ("wrn28_10", "wrn40_4", "wrn16_8") or ".shortcut" not in key)]
    assert len(found) == layers + (name in ("wrn28_10", "wrn40_4", "wrn16_8"))          # 6n + 4, and the classifier


def test_parameters_grow_with_the_square_of_the_width():
    a, b = (parameters(models.wide_resnet(depth=16, widening=k)) for k in (4, 8))
    assert b / a == pytest.approx(4, rel=0.02)


def test_dropout_stands_between_the_convolutions():
    model = models.create("wrn16_8", dropout=0.3)
    units = [module for module in model.modules() if isinstance(module, Unit)]
    assert len(units) == 6
    for unit in units:
        assert [name for name, _ in unit.residual.named_children()][:4] == ["conv1", "between1", "dropout", "conv2"]
        assert unit.residual.dropout.p == 0.3
    assert not any(isinstance(module, nn.Dropout) for module in models.create("wrn16_8").modules())
    assert shapes(model) == shapes(models.create("wrn16_8"))


def test_only_the_3x3_is_wider_for_large_images():
    wide, thin = shapes(models.create("wrn50_2")), shapes(models.create("resnet50"))
    assert set(wide) == set(thin)
    assert wide["body.stage2.0.residual.1.conv.weight"] == (256, 256, 3, 3) and thin["body.stage2.0.residual.1.conv.weight"][0] == 128
    assert all(wide[key] == thin[key] for key in wide if "shortcut" in key or "residual.2.norm" in key or key.startswith(("stem", "head")))
    assert shapes(wide_resnet_large(widening=1)) == thin


@pytest.mark.parametrize("options, message", [(dict(depth=27), r"6n \+ 4 .*10, 16, 22, 28.* got 27"), (dict(depth=4), "got 4"),
                                              (dict(widening=0), "widening should be a number above 0, got 0")])
def test_bad_wide_options(options, message):
    with pytest.raises(ValueError, match=message):
        models.create("wrn28_10", **options)


# squeeze and excitation

def gates(model):
    return [module for module in model.modules() if type(module).__name__ == "SqueezeExcitation"]


def test_open_gates_are_the_residual_network():
    options = dict(blocks=(1, 2), width=1 / 16, num_classes=5)
    plain = randomise(models.resnet(bottleneck=True, stride_in_1x1=True, **options))
    gated = models.senet(reduction=4, ceil_mode=False, **options).double().eval()
    opened = {key: np.full(value.shape, 1000.0 if key.endswith("expand.bias") else 0) for key, value in gated.state_dict().items()}
    gated.load_state_dict({**opened, **{key: value.numpy() for key, value in plain.state_dict().items()}})
    x = images(2, 3, 40, 33)
    assert np.array_equal(gated(x).numpy(), plain(x).numpy())


def test_a_gate_weighs_the_residual_branch_before_the_sum():
    model = randomise(models.senet(blocks=(2,), width=1 / 16, reduction=4))
    block, x = model.body.stage1[1], abs(images(2, 16, 5, 6))
    block.residual[3].load_state_dict({key: np.zeros(value.shape) for key, value in block.residual[3].state_dict().items()})
    f = block.residual[:3](x)                                                                # σ(0) = 1/2
    assert np.allclose(block(x).numpy(), F.relu(x + 0.5 * f).numpy(), atol=1e-14)


@pytest.mark.parametrize("name, blocks", [("se_resnet50", 16), ("se_resnet101", 33), ("senet154", 50)])
def test_every_block_has_a_gate_of_a_sixteenth(name, blocks):
    found = gates(models.create(name))
    assert len(found) == blocks
    for gate in found:
        squeezed, channels = gate.reduce.weight.shape[:2]
        assert channels == 16 * squeezed and gate.expand.weight.shape[:2] == (channels, squeezed)
    if name == "se_resnet50":
        assert sum(map(parameters, found)) == models.info("se_resnet50").params - models.info("resnet50").params == 2_530_992


def test_the_pool_of_the_released_networks_rounds_up():
    for name, side in (("se_resnet50", 27), ("se_resnet50_v1_5", 28)):                      # of a map of 55×55, that of 110×110
        stem = models.create(name).stem
        assert stem(mc.meta(1, 3, 224, 224)).shape[2:] == (56, 56) and stem(mc.meta(1, 3, 110, 110)).shape[2:] == (side, side)


def test_senet154_is_grouped_and_projects_with_3x3():
    model = models.create("senet154")
    for number, stage in enumerate(model.body, 1):
        assert stage[0].shortcut.conv.weight.shape[2:] == ((1, 1) if number == 1 else (3, 3))
        assert all(block.residual[1].conv.groups == 64 for block in stage)
    assert model.head.dropout.p == 0.2 and [name for name, _ in model.head.named_children()][-2:] == ["dropout", "fc"]


def test_bad_reduction():
    with pytest.raises(ValueError, match="reduction should be a whole number from 1 to 256, .* got 0"):
        models.create("se_resnet50", reduction=0)


# all of them

@pytest.mark.parametrize("build", [lambda: models.resnext(blocks=(2,), cardinality=4, base_width=16, width=1 / 8, zero_gamma=True),
                                   lambda: models.senet(blocks=(2,), width=1 / 8, reduction=4, zero_gamma=True),
                                   lambda: wide_resnet_large(blocks=(2,), zero_gamma=True)])
def test_zero_gamma_makes_a_block_the_identity(build):
    block = build().train().body.stage1[1]
    assert isinstance(block, Residual)
    x = abs(images(2, block.residual[0].conv.weight.shape[1], 6, 5)).numpy().astype(np.float32)
    assert np.array_equal(block(Tensor(x)).numpy(), x)


@pytest.mark.parametrize("build, fan", [(lambda: models.resnext(blocks=(1, 1)), lambda w: w.shape[0] * 9),
                                        (lambda: models.senet(blocks=(1, 1)), lambda w: w.shape[1] * 9),
                                        (lambda: wide_resnet_large(blocks=(1, 1)), lambda w: w.shape[1] * 9)])
def test_what_they_start_from(build, fan):
    mc.manual_seed(0)
    weight = build().body.stage2[0].residual[1].conv.weight.numpy()
    assert weight.std() == pytest.approx(np.sqrt(2 / fan(weight)), rel=0.03)
