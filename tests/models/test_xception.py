"""Xception: what a separable convolution is, where ReLU stands, and the two kinds of shortcuts."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models
from minicnn.models.keys import rename
from minicnn.models.xception import ENTRY, EXIT, LAST, MIDDLE, Block, separable

REDUCED = {"xception": lambda: (models.xception(num_classes=5, width=1 / 16, middle=1), (3, 49, 43))}


def images(*shape):
    return Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def test_a_separable_convolution_is_a_full_one_whose_kernels_are_products():
    """w[k,c,r,s] = pointwise[k,c] · depthwise[c,r,s], which has no ReLU between the two."""
    mc.manual_seed(0)
    layer, x = separable(4, 6).double(), Tensor(np.random.default_rng(0).standard_normal((2, 4, 5, 7)))
    depthwise, pointwise = layer.depthwise.weight.data, layer.pointwise.weight.data
    full = Tensor(pointwise[:, :, 0, 0][:, :, None, None] * depthwise[None, :, 0])
    found = layer.pointwise(layer.depthwise(x)).numpy()
    assert np.abs(found - F.conv2d(x, full, padding=1).numpy()).max() < 1e-12
    assert layer.depthwise.weight.numel() + layer.pointwise.weight.numel() == 9 * 4 + 4 * 6
    assert [name for name, _ in layer.named_children()] == ["depthwise", "pointwise", "norm"]


def test_the_sum_of_the_paper():
    """22,855,952 parameters from the widths alone: convolutions without bias, each separable pair with one batch norm of 2 a channel."""
    def pair(c, k):
        return 9 * c + c * k + 2 * k

    total, c = 3 * 9 * 32 + 2 * 32 + 32 * 9 * 64 + 2 * 64, 64
    for row in (*ENTRY, *[MIDDLE] * 8, EXIT):
        total += c * row[-1] + 2 * row[-1] if row is not MIDDLE else 0                       # the projection of the shortcut
        for k in row:
            total, c = total + pair(c, k), k
    for k in LAST:
        total, c = total + pair(c, k), k
    assert total + 2048 * 1000 + 1000 == 22_855_952 == models.info("xception").params


def test_relu_stands_before_the_convolutions():
    body = models.create("xception").body
    kinds = {name: [type(m).__name__ for m in body.get_submodule(name).residual] for name in ("block1", "block2", "block4", "block12")}
    assert kinds["block1"] == ["Sequential", "ReLU", "Sequential", "MaxPool2d"]
    assert kinds["block2"] == kinds["block12"] == ["ReLU", "Sequential", "ReLU", "Sequential", "MaxPool2d"]
    assert kinds["block4"] == ["ReLU", "Sequential"] * 3


def test_shortcuts():
    mc.manual_seed(0)
    middle, entry = Block(6, (6, 6, 6), halve=False).eval(), Block(4, (6, 6), halve=True).eval()
    for block in (middle, entry):
        for layer in block.residual:
            if isinstance(layer, mc.nn.Sequential):
                mc.nn.init.zeros_(layer.norm.weight)
    x = images(2, 6, 5, 4)
    assert np.array_equal(middle(x).numpy(), x.numpy())                                       # no ReLU after the sum either
    x = images(2, 4, 5, 8)
    expected = F.conv2d(x, entry.shortcut.conv.weight, stride=2).numpy() / np.sqrt(1 + 1e-5)
    assert entry(x).shape == (2, 6, 3, 4) and np.abs(entry(x).numpy() - expected).max() < 1e-6


def test_options():
    model = models.xception(middle=0, width=0.5, num_classes=7)
    assert [name for name, _ in model.body.named_children()] == ["block1", "block2", "block3", "block4", "exit"]
    assert model.head.fc.weight.shape == (7, 1024) and model.body.block3.residual[1].pointwise.weight.shape == (364, 128, 1, 1)
    assert not any(isinstance(m, mc.nn.Conv2d) and m.bias is not None for m in model.modules())


@pytest.mark.parametrize("options, text", [
    ({"middle": -1}, "xception: middle should be a whole number of at least 0, blocks of the middle flow, got -1; more than 1,000"),
    ({"width": 0.0}, "xception: width should be a number above 0, got 0.0"),
])
def test_options_that_make_no_sense(options, text):
    with pytest.raises(ValueError) as caught:
        models.xception(**options)
    assert text in str(caught.value)


def test_first_values():
    mc.manual_seed(0)
    model = models.create("xception")
    for weight, fans in ((model.body.block5.residual[1].pointwise.weight, 728 + 728), (model.head.fc.weight, 2048 + 1000)):
        bound = (6 / fans) ** 0.5
        assert 0.99 * bound < np.abs(weight.data).max() <= bound and abs(weight.data.std() - bound / 3 ** 0.5) < 0.01 * bound


def test_names_of_timm():
    model, rules = models.create("xception"), models.info("xception").keys["timm.legacy_xception"]
    own = {name for named in (model.named_parameters(), model.named_buffers()) for name, _ in named}
    for theirs, ours in {
            "bn2.weight": "stem.conv2.norm.weight", "block1.rep.0.conv1.weight": "body.block1.residual.0.depthwise.weight",
            "block1.rep.4.running_mean": "body.block1.residual.2.norm.running_mean", "block1.skipbn.bias": "body.block1.shortcut.norm.bias",
            "block2.rep.2.weight": "body.block2.residual.1.norm.weight",
            "block2.rep.1.pointwise.weight": "body.block2.residual.1.pointwise.weight",
            "block11.rep.8.bias": "body.block11.residual.5.norm.bias", "conv4.conv1.weight": "body.exit.conv4.depthwise.weight",
            "bn3.running_var": "body.exit.conv3.norm.running_var", "fc.weight": "head.fc.weight"}.items():
        assert rename(theirs, rules) == ours and ours in own
