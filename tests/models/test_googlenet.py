"""GoogLeNet: the columns of the paper's table, the heads that exist in training alone, and what sets torchvision's form apart."""
import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, models
from minicnn.checks.directional import check_directions
from minicnn.models import googlenet as build
from minicnn.models.googlenet import AUXILIARY, TABLE
from minicnn.models.keys import rename

REDUCED = {"googlenet": lambda: (models.googlenet(num_classes=5, width=1 / 16), (3, 79, 91))}


def small(**options):
    mc.manual_seed(0)
    return models.googlenet(num_classes=5, width=1 / 16, **options)


def images(*shape):
    return Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def test_the_outputs_of_the_table():
    widths = [one + three + five + project for one, _, three, _, five, project in filter(None, TABLE.values())]
    assert widths == [256, 480, 512, 512, 512, 528, 832, 832, 1024]


def test_a_module_is_its_branches_side_by_side():
    module = small().body.inception_3a.eval()
    x = images(2, 12, 5, 6)
    parts = [branch(x).numpy() for branch in (module.one, module.three, module.five, module.pool)]
    assert np.array_equal(module(x).numpy(), np.concatenate(parts, 1)) and module(x).shape == (2, 4 + 8 + 2 + 2, 5, 6)


@pytest.mark.parametrize("form, side, last_pool", [("paper", 5, 3), ("torchvision", 3, 2)])
def test_five_by_five(form, side, last_pool):
    model = models.googlenet(form=form)
    kernels = {model.body.get_submodule(name).five[1].conv.weight.shape[2:] for name, row in TABLE.items() if row}
    assert kernels == {(side, side)} and model.body.pool4.kernel_size == last_pool and model.body.pool3.kernel_size == 3


def test_pools_round_up_and_odd_planes_go_through():
    stages = models.create("googlenet", features=True, width=1 / 16)(mc.meta(1, 3, 65, 93))
    assert [y.shape[2:] for y in stages.values()] == [(8, 11)] * 3 + [(4, 5)] * 6 + [(2, 2)] * 3


def test_auxiliary_heads_exist_in_training_alone():
    with_heads, without = small(aux=True), small()
    without.load_state_dict(with_heads.state_dict(), strict=False)
    x = images(2, 3, 79, 91)
    assert np.array_equal(with_heads.eval()(x).numpy(), without.eval()(x).numpy())
    outputs = with_heads.train()(x)
    assert [y.shape for y in outputs] == [(2, 5)] * 3 and with_heads.loss_weights == (1.0, 0.3, 0.3)
    assert without.train()(x).shape == (2, 5) and not hasattr(without, "loss_weights")


def test_a_head_teaches_the_stages_before_it_and_no_other():
    model = small(aux=True)
    _, first, second = model(images(2, 3, 79, 91))
    first.sum().backward(retain_graph=True)
    taught = {name.split(".")[1] for name, p in model.named_parameters() if name.startswith("body") and p.grad is not None}
    assert taught == {"inception_3a", "inception_3b", AUXILIARY[0]} and model.stem.conv1.conv.weight.grad is not None
    model.zero_grad()
    second.sum().backward()
    taught = {name.split(".")[1] for name, p in model.named_parameters() if name.startswith("body") and p.grad is not None}
    assert AUXILIARY[1] in taught and "inception_4e" not in taught


@pytest.mark.parametrize("form", ["paper", "torchvision"])
def test_gradients_through_all_heads(form):
    model = small(aux=True, form=form, dropout=0.0)
    for head in model.auxiliary:
        head.dropout.p = 0.0
    report = check_directions(model.train(), images(2, 3, 79, 91).numpy(), directions=1)
    assert report, str(report)


def test_heads_of_torchvision():
    model = models.create("googlenet_torchvision", aux=True)
    assert sum(p.numel() for p in model.parameters()) == 13_004_888
    assert model.auxiliary[0].pool(mc.meta(1, 512, 14, 14)).shape == model.auxiliary[0].pool(mc.meta(1, 512, 3, 2)).shape == (1, 512, 4, 4)


def test_first_values():
    mc.manual_seed(0)
    model = models.create("googlenet_aux")
    for layer, fan_in in ((model.stem.conv1.conv, 147), (model.body.inception_3a.five[1].conv, 400), (model.auxiliary[0].hidden, 2048)):
        bound = (3 / fan_in) ** 0.5
        assert 0.98 * bound < np.abs(layer.weight.data).max() <= bound and (layer.bias.data == np.float32(0.2)).all()
    assert not model.head.fc.bias.data.any() and not model.auxiliary[1].fc.bias.data.any()
    weight = models.create("googlenet_torchvision").body.inception_5b.three[1].conv.weight.data
    assert abs(weight.std() - 0.01) < 1e-4


def test_norms():
    paper, other = models.create("googlenet"), models.create("googlenet_torchvision")
    norms = [m for m in paper.modules() if isinstance(m, mc.nn.LocalResponseNorm)]
    assert len(norms) == 2 and not any(isinstance(m, mc.nn.BatchNorm2d) for m in paper.modules())
    x = np.random.default_rng(0).standard_normal((1, 7, 1, 1)).astype(np.float32)
    square = (x[0, 1:6, 0, 0] ** 2).sum()                                         # the five channels about number 3
    assert abs(norms[0](Tensor(x)).numpy()[0, 3, 0, 0] - x[0, 3, 0, 0] * (1 + 1e-4 / 5 * square) ** -0.75) < 1e-6
    assert {m.eps for m in other.modules() if isinstance(m, mc.nn.BatchNorm2d)} == {1e-3}
    assert not any(isinstance(m, mc.nn.LocalResponseNorm) or isinstance(m, mc.nn.Conv2d) and m.bias is not None for m in other.modules())


def test_names_of_torchvision():
    model, rules = models.create("googlenet_torchvision"), models.info("googlenet_torchvision").keys["torchvision.googlenet"]
    own = {name for named in (model.named_parameters(), model.named_buffers()) for name, _ in named}
    for theirs, ours in (("conv2.conv.weight", "stem.reduce.conv.weight"), ("conv3.bn.running_var", "stem.conv2.norm.running_var"),
                         ("inception4c.branch3.1.bn.bias", "body.inception_4c.five.1.norm.bias"),
                         ("inception5b.branch4.1.conv.weight", "body.inception_5b.pool.1.conv.weight"), ("fc.bias", "head.fc.bias")):
        assert rename(theirs, rules) == ours and ours in own
    assert rename("aux1.conv.bn.weight", rules) is None


@pytest.mark.parametrize("options, text", [
    ({"form": "caffe"}, "form should be one of paper, torchvision, got 'caffe'"),
    ({"width": 0}, "googlenet: width should be a number above 0, got 0; 1.0 is the network as published"),
    ({"width": "wide"}, "width should be a number above 0, got 'wide'"),
    ({"dropout": 2}, "p is a probability"),
])
def test_options_that_make_no_sense(options, text):
    with pytest.raises(ValueError) as caught:
        models.googlenet(**options)
    assert text in str(caught.value)


def test_the_general_builder_stands_in_the_place_of_its_file():
    assert build is models.googlenet and models.info("googlenet_aux").family == "googlenet"
