"""The Inceptions after GoogLeNet: branches read from text, factorised convolutions, scaled residuals."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models
from minicnn.models.bn_inception import TABLE as BN_TABLE
from minicnn.models.inception_resnet import InceptionResidual
from minicnn.models.inception_v3 import TABLE as V3_TABLE
from minicnn.models.inception_v3 import branch, mixed
from minicnn.models.keys import rename


def smooth(network):
    """Offsets of batch norm above 0: few units stand at the kink of ReLU, and none exactly, as channels do that are 0 throughout."""
    for module in network.modules():
        if isinstance(module, mc.nn.BatchNorm2d):
            mc.nn.init.uniform_(module.bias, 0.5, 1.5)
    return network


ONE_OF_EACH = {name: V3_TABLE[name] for name in ("mixed_5b", "mixed_6a", "mixed_6b", "mixed_7a", "mixed_7b")}
REDUCED = {
    "bn_inception": lambda: (smooth(models.bn_inception(num_classes=5, width=1 / 16)), (3, 67, 53)),
    "inception_v3": lambda: (smooth(models.inception_v3(num_classes=5, width=1 / 32, table=ONE_OF_EACH)), (3, 91, 107)),
    "inception_v4": lambda: (smooth(models.inception_v4(num_classes=5, width=1 / 32, blocks=(1, 1, 1))), (3, 91, 107)),
    "inception_resnet": lambda: (smooth(models.inception_resnet(num_classes=5, width=1 / 32, blocks=(1, 1, 2))), (3, 107, 139)),
}
LATER = ("inception_v3", "inception_v4", "inception_resnet_v1", "inception_resnet_v2")


def same(channels):
    return channels


def names_in(model):
    """All names of its state, without drawing the weights."""
    return {name for named in (model.named_parameters(), model.named_buffers()) for name, _ in named}


def images(*shape):
    return Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def test_a_branch_is_read_from_its_text():
    layers, c = branch("1×1 4 → 5×5 6 → max /2 V → 1×3 2 | 3×1 5 → 3×3 8 /2 V → avg", 3, same)
    assert c == 8 and layers(mc.meta(1, 3, 15, 18)).shape == (1, 8, 3, 3)                 # 15×18 → 7×8 → 3×3
    convs = [m for m in layers.modules() if isinstance(m, mc.nn.Conv2d)]
    assert [m.weight.shape for m in convs] == [(4, 3, 1, 1), (6, 4, 5, 5), (2, 6, 1, 3), (5, 6, 3, 1), (8, 7, 3, 3)]
    assert [tuple(m.padding) for m in convs[:4]] == [(0, 0), (2, 2), (0, 1), (1, 0)] and tuple(convs[4].padding) == (0, 0)


@pytest.mark.parametrize("text, rows, columns", [("1×7 1 → 7×1 1", 7, 7), ("3×3 1 → 3×3 1", 5, 5), ("1×3 1 | 3×1 1", 3, 3)])
def test_factors_see_what_the_large_convolution_sees(text, rows, columns):
    layers, _ = branch(text, 1, same)
    for m in layers.modules():
        if isinstance(m, mc.nn.Conv2d):
            mc.nn.init.ones_(m.weight)
    dot = np.zeros((1, 1, 15, 15), np.float32)
    dot[0, 0, 7, 7] = 1
    reached = np.argwhere(layers.eval()(Tensor(dot)).numpy()[0].sum(0))
    assert (reached.max(0) - reached.min(0) + 1).tolist() == [rows, columns]
    assert len(reached) == (5 if "|" in text else rows * columns)                          # side by side: a cross


def test_the_widths_of_the_modules():
    c, widths = 192, []
    for texts in V3_TABLE.values():
        _, c = mixed(texts, c, same)
        widths.append(c)
    assert widths == [256, 288, 288, 768, 768, 768, 768, 768, 1280, 2048, 2048]


@pytest.mark.parametrize("count_padding", [True, False])
def test_averages_at_the_border(count_padding):
    pool, _ = branch("avg", 1, same, count_padding)
    y = pool(Tensor(np.ones((1, 1, 4, 4), np.float32))).numpy()[0, 0]
    assert abs(y[0, 0] - (4 / 9 if count_padding else 1)) < 1e-6 and y[1, 1] == 1
    pools = [m for m in models.create("inception_v3" if count_padding else "inception_v4").modules() if isinstance(m, mc.nn.AvgPool2d)]
    assert len(pools) == (9 if count_padding else 14) and all(m.count_include_pad is count_padding for m in pools)


@pytest.mark.parametrize("name", LATER)
def test_batch_norm(name):
    norms = [m for m in models.create(name).modules() if isinstance(m, (mc.nn.BatchNorm1d, mc.nn.BatchNorm2d))]
    assert {m.eps for m in norms} == {1e-3} and {m.momentum for m in norms} == {0.1}


def test_auxiliary_head_of_v3():
    model = models.create("inception_v3", aux=True)
    assert sum(p.numel() for p in model.parameters()) == 27_161_264 and model.loss_weights == (1.0, 0.4)
    assert [y.shape for y in model(mc.meta(2, 3, 299, 299))] == [(2, 1000), (2, 1000)]
    assert model.eval()(mc.meta(2, 3, 299, 299)).shape == (2, 1000)
    mc.manual_seed(0)
    head = models.create("inception_v3", aux=True).auxiliary[0]
    for layer, std in ((head.conv1.conv, 0.01), (head.fc, 0.001)):
        assert abs(layer.weight.data.std() / (0.8796 * std) - 1) < 0.01 and np.abs(layer.weight.data).max() <= 2 * std


def test_bn_inception_without_superfluous_biases():
    model = models.bn_inception(bias=False)
    assert sum(p.numel() for p in model.parameters()) == 11_285_224 == 11_295_240 - 10_016
    assert [name for name, _ in model.named_parameters() if name.endswith("conv.bias")] == []


@pytest.mark.parametrize("name", ["inception_3c", "inception_4e"])
def test_strided_modules_pass_their_input_through_a_pool(name):
    assert BN_TABLE[name][0] == BN_TABLE[name][-1] == 0
    model = models.bn_inception(width=1 / 16).eval()
    module = model.body.get_submodule(name)
    c = module.three[0].conv.weight.shape[1]
    x = images(2, c, 8, 6)
    expected = F.max_pool2d(x, 3, stride=2, ceil_mode=True).numpy()                       # Caffe's pool
    assert np.array_equal(module(x).numpy()[:, -c:], expected)
    assert module(mc.meta(1, c, 7, 9)).shape[2:] == (4, 5)                                # odd planes fit too


def test_pools_of_bn_inception():
    body = models.bn_inception(width=1 / 16).body
    kinds = [type(body.get_submodule(name).pool[0] if row[0] else body.get_submodule(name).pool).__name__ for name, row in BN_TABLE.items()]
    assert kinds == ["AvgPool2d"] * 2 + ["MaxPool2d"] + ["AvgPool2d"] * 4 + ["MaxPool2d", "AvgPool2d", "MaxPool2d"]


def test_the_residual_is_scaled():
    mc.manual_seed(0)
    texts = ("1×1 3", "1×1 2 → 3×3 4")
    block, last = InceptionResidual(texts, 6, 0.17, same).eval(), InceptionResidual(texts, 6, 0.17, same, last=True).eval()
    last.load_state_dict(block.state_dict())
    x = images(2, 6, 5, 4)
    residual = block.linear(block.branches(x)).numpy()
    assert np.abs(block(x).numpy() - np.maximum(x.numpy() + np.float32(0.17) * residual, 0)).max() < 1e-6
    assert np.abs(last(x).numpy() - (x.numpy() + residual)).max() < 1e-6 and last(x).numpy().min() < 0
    assert block.linear.bias is not None


@pytest.mark.parametrize("version, blocks", [(1, (5, 10, 6)), (2, (10, 20, 10))])
def test_scales_and_numbers_of_modules(version, blocks):
    body = models.inception_resnet(version=version, width=1 / 32).body
    found = [[block.scale for block in body.get_submodule(f"inception_{letter}")] for letter in "abc"]
    assert found == [[0.17] * blocks[0], [0.10] * blocks[1], [0.20] * (blocks[2] - 1) + [1.0]]
    paper = models.inception_resnet(version=version, width=1 / 32, blocks=(5, 10, 5)).body
    assert [len(paper.get_submodule(f"inception_{letter}")) for letter in "abc"] == [5, 10, 5]


def test_first_values():
    mc.manual_seed(0)
    v3, v4 = models.create("inception_v3"), models.create("inception_v4")
    for layer in (v3.body.mixed_6b.branch0[0].conv, v3.head.fc):                # cut off at two deviations, which leaves 0.88 of one
        assert abs(layer.weight.data.std() - 0.08796) < 1e-3 and np.abs(layer.weight.data).max() <= 0.2
    weight = v4.body.reduction_a[0].branch0[0].conv.weight
    assert abs(weight.data.std() * (9 * 384 / 2) ** 0.5 - 1) < 0.01 and not v4.head.fc.bias.data.any()


@pytest.mark.parametrize("name, source, pairs", [
    ("inception_v3", "torchvision.inception_v3", {
        "Conv2d_4a_3x3.bn.weight": "stem.5.norm.weight", "Mixed_5b.branch5x5_2.conv.weight": "body.mixed_5b.branch1.1.conv.weight",
        "Mixed_6a.branch3x3.conv.weight": "body.mixed_6a.branch0.0.conv.weight",
        "Mixed_6a.branch3x3dbl_3.conv.weight": "body.mixed_6a.branch1.2.conv.weight",
        "Mixed_6e.branch7x7dbl_5.bn.bias": "body.mixed_6e.branch2.4.norm.bias",
        "Mixed_7a.branch7x7x3_4.bn.bias": "body.mixed_7a.branch1.3.norm.bias",
        "Mixed_7c.branch3x3_2b.conv.weight": "body.mixed_7c.branch1.1.branch1.conv.weight",
        "Mixed_7c.branch_pool.conv.weight": "body.mixed_7c.branch3.1.conv.weight", "AuxLogits.fc.bias": None}),
    ("inception_v4", "timm.inception_v4", {
        "features.0.conv.weight": "stem.convolutions.0.conv.weight", "features.3.conv.bn.bias": "stem.mixed_3a.branch1.0.norm.bias",
        "features.10.branch0.conv.weight": "body.reduction_a.0.branch0.0.conv.weight",
        "features.21.branch2_3a.conv.weight": "body.inception_c.2.branch2.3.branch0.conv.weight", "last_linear.bias": "head.fc.bias"}),
    ("inception_resnet_v2", "timm.inception_resnet_v2", {
        "repeat.9.conv2d.bias": "body.inception_a.9.linear.bias",
        "repeat_1.0.branch0.bn.bias": "body.inception_b.0.branches.branch0.0.norm.bias",
        "block8.branch1.2.conv.weight": "body.inception_c.9.branches.branch1.2.conv.weight",
        "mixed_7a.branch2.1.conv.weight": "body.reduction_b.branch2.1.conv.weight", "conv2d_7b.bn.weight": "body.conv_7b.norm.weight"}),
])
def test_names_of_others(name, source, pairs):
    rules, own = models.info(name).keys[source], names_in(models.create(name))
    for theirs, ours in pairs.items():
        assert rename(theirs, rules) == ours and (ours is None or ours in own)


@pytest.mark.parametrize("build, options, text", [
    (models.inception_resnet, {"version": 3}, "version should be 1 or 2, got 3"),
    (models.inception_resnet, {"blocks": (1, 2)}, "blocks should be 3 whole numbers of at least 1, one for each kind, got (1, 2)"),
    (models.inception_v4, {"blocks": 4}, "inception_v4: blocks should be 3 whole numbers of at least 1"),
    (models.inception_v4, {"width": -1}, "inception_v4: width should be a number above 0, got -1"),
    (models.inception_v3, {"width": True}, "inception_v3: width should be a number above 0, got True"),
    (models.bn_inception, {"width": float("nan")}, "bn_inception: width should be a number above 0"),
])
def test_options_that_make_no_sense(build, options, text):
    with pytest.raises(ValueError) as caught:
        build(**options)
    assert text in str(caught.value)


@pytest.mark.parametrize("name", ["inception_v3", "inception_v4", "inception_resnet_v2"])
def test_recipes_divide_as_tensorflow_does(name):
    """MobileNet says that it is trained as Inception v3: the same numbers, but for the batch and the distortions."""
    recipe, mobile = models.info(name).recipe, models.info("mobilenet_v1").recipe
    assert dict(recipe.optimizer_options) == {"alpha": 0.9, "eps": 1.0, "eps_inside": True}
    for word in ("optimizer", "optimizer_options", "lr", "momentum", "weight_decay", "schedule", "schedule_options"):
        assert getattr(recipe, word) == getattr(mobile, word)


def test_bn_inception_is_as_wide_as_its_rows_not_as_the_papers_column_of_outputs():
    stages = models.info("bn_inception").stages
    assert [stages[f"inception_{name}"][0] for name in ("4c", "4d", "4e")] == [608, 608, 1056]          # there 576, 576, 1024


def test_images_that_are_too_small():
    with pytest.raises(ValueError, match="the smallest that fit are 3×75×75, and it was made for 3×299×299"):
        models.create("inception_v4")(mc.meta(2, 3, 64, 64))
