"""Pre-activation: the order of layers of each design, the sum that nothing interrupts, and what else may stand in a shortcut."""
import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, models, nn
from minicnn.models.preact_resnet import CONNECTIONS, DESIGNS, Connection, Unit

from .test_resnet import images, randomise

REDUCED = {
    "preact_resnet": lambda: (models.preact_resnet(blocks=(1, 2), width=1 / 4, bottleneck=True), (3, 13, 10)),
    "preact_resnet:large": lambda: (models.preact_resnet(blocks=(1, 1), width=6 / 64, num_classes=5, large=True), (3, 33, 35)),
    **{f"preact_resnet:{design}": lambda design=design: (models.preact_resnet(blocks=(2, 1), width=1 / 4, design=design), (3, 9, 8))
       for design in DESIGNS},
    **{f"preact_resnet:{kind}": lambda kind=kind: (models.preact_resnet(blocks=(2,), width=1 / 4, connection=kind, shortcut="A"), (3, 9, 8))
       for kind in CONNECTIONS if kind != "dropout"},
}


@pytest.mark.parametrize("design, order", [
    ("original", "CNACN+A"), ("bn_after_addition", "CNAC+NA"), ("relu_before_addition", "CNACNA+"),
    ("relu_only_preactivation", "ACNACN+"), ("full_preactivation", "NACNAC+")])
def test_the_order_of_layers_in_a_unit(design, order):
    unit, found = Unit(4, 4, 1, design), []
    letters = {nn.Conv2d: "C", nn.BatchNorm2d: "N", nn.ReLU: "A", Connection: "+"}
    for module in unit.modules():
        if type(module) in letters:
            module.register_forward_hook(lambda module, inputs, output: found.append(letters[type(module)]))
    unit.double()(images(1, 4, 5, 6))
    assert "".join(found) == order


def test_the_original_design_is_the_network_of_2015():
    ours = models.preact_resnet(blocks=(2, 2, 2), design="original", width=1 / 4).double().eval()
    theirs = randomise(models.resnet_cifar(depth=14, width=1 / 4, shortcut="B"))
    names = {"residual.0.conv.": "residual.conv1.", "residual.0.norm.": "residual.between1.norm.", "residual.1.conv.": "residual.conv2.",
             "residual.1.norm.": "residual.after.norm.", "stem.conv1.conv.": "stem.conv1.", "stem.conv1.norm.": "stem.norm."}
    state = {}
    for key, value in theirs.state_dict().items():
        for old, new in names.items():
            key = key.replace(old, new)
        state[key] = value.numpy()
    ours.load_state_dict(state)
    x = images(2, 3, 12, 9)
    assert np.allclose(ours(x).numpy(), theirs(x).numpy(), atol=1e-12)


def test_units_add_to_one_sum():
    """x_L = x_l + Σ F_i, to the bit up to rounding, whatever the sign."""
    model, added = randomise(models.preact_resnet(blocks=(4, 1), width=1 / 4)), []
    first, *others = list(model.body.stage1)
    for unit in others:
        unit.residual.register_forward_hook(lambda module, inputs, output: added.append(output.numpy()))
    x = first(images(2, 4, 7, 8))
    y = model.body.stage1[1:](x).numpy()
    assert len(added) == 3 and x.numpy().min() < 0 and np.allclose(y, x.numpy() + sum(added), atol=1e-13)


def test_the_gradient_passes_units_that_add_nothing_undiminished():
    units = nn.Sequential(*(Unit(4, 4, 1) for _ in range(10))).double()
    for unit in units:
        nn.init.zeros_(unit.residual.conv2.weight)
    x = Tensor(np.random.default_rng(0).standard_normal((1, 4, 5, 6)), requires_grad=True)
    g = np.random.default_rng(1).standard_normal((1, 4, 5, 6))
    y = units(x)
    y.backward(Tensor(g))
    assert np.array_equal(y.numpy(), x.numpy()) and np.array_equal(x.grad.numpy(), g)


def test_activations_are_shared_where_the_shortcut_projects_and_in_the_first_unit():
    model = models.create("preact_resnet110")
    shared = [[unit.shared for unit in stage] for stage in model.body]
    assert all(stage[0] and not any(stage[1:]) for stage in shared)
    unit, x = randomise(Unit(3, 6, 2)), images(2, 3, 7, 8)
    z = unit.before(x)
    assert np.allclose(unit(x).numpy(), (unit.shortcut(z) + unit.residual(z)).numpy(), atol=1e-14)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in unit.shortcut.modules())
    plain = Unit(3, 6, 2, shortcut="A")
    assert not plain.shared and list(plain.shortcut.parameters()) == []


@pytest.mark.parametrize("kind, expected", [
    ("identity", lambda h, f, g: h + f), ("scaling", lambda h, f, g: h / 2 + f / 2),
    ("exclusive_gating", lambda h, f, g: (1 - g) * h + g * f), ("shortcut_only_gating", lambda h, f, g: (1 - g) * h + f)])
def test_connections(kind, expected):
    connection, h, f = Connection(kind, 3).double(), images(2, 3, 4, 5), images(2, 3, 4, 5, seed=2)
    g = 1 / (1 + np.exp(-connection.gate(h).numpy())) if "gating" in kind else None
    assert np.allclose(connection(h, f).numpy(), expected(h.numpy(), f.numpy(), g), atol=1e-14)


def test_gates_start_nearly_closed_and_keep_that_start():
    model = models.preact_resnet(blocks=(2, 2, 2), connection="exclusive_gating")
    gates = [module for module in model.modules() if isinstance(module, Connection) and module.kind != "identity"]
    assert len(gates) == 4 and all((module.gate.bias.numpy() == -6).all() for module in gates)     # not where shapes change


def test_dropout_in_the_shortcut_is_off_in_evaluation():
    connection, h, f = Connection("dropout", 3), images(2, 3, 4, 5), images(2, 3, 4, 5, seed=2)
    assert np.array_equal(connection.eval()(h, f).numpy(), (h + f).numpy())
    kept = (connection.train()(h, f) - f).numpy() / h.numpy()
    assert set(np.round(np.unique(kept), 6)) == {0.0, 2.0}


def test_the_last_activation_comes_with_the_head():
    head = {design: [name for name, _ in models.preact_resnet(blocks=(1, 1), design=design).head.named_children()] for design in DESIGNS}
    rest = ["pool", "flatten", "fc"]
    assert head["full_preactivation"] == ["norm", "activation", *rest] and head["relu_only_preactivation"] == ["activation", *rest]
    assert head["original"] == head["bn_after_addition"] == head["relu_before_addition"] == rest


@pytest.mark.parametrize("name, layers", [("preact_resnet110_cifar", 110), ("preact_resnet164_cifar", 164), ("preact_resnet18", 18),
                                          ("preact_resnet50", 50)])
def test_a_network_has_the_layers_of_its_name(name, layers):
    found = [key for key, module in models.create(name).named_modules()
             if isinstance(module, (nn.Conv2d, nn.Linear)) and ".shortcut" not in key]
    assert len(found) == layers


def test_what_they_start_from():
    mc.manual_seed(0)
    state = models.preact_resnet(blocks=(1, 1), width=4.0).state_dict()
    for name, fan_out in (("stem.conv1", 64 * 9), ("body.stage2.0.residual.conv2", 128 * 9), ("body.stage2.0.shortcut.conv", 128)):
        assert abs(state[name + ".weight"].numpy().std() / np.sqrt(2 / fan_out) - 1) < 0.05


@pytest.mark.parametrize("options, message", [
    (dict(design="pre"), "design should be one of original, bn_after_addition, relu_before_addition, relu_only_preactivation"),
    (dict(connection="gate"), "connection should be one of identity, scaling, exclusive_gating"),
    (dict(shortcut="C"), "shortcut should be one of A, B, got 'C'"), (dict(blocks=(2, -1)), "got (2, -1)")])
def test_bad_options(options, message):
    with pytest.raises(ValueError) as error:
        models.create("preact_resnet110", **options)
    assert message in str(error.value)
