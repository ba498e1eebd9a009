"""ConvNeXt: the norm over channels, the block in the paper's two forms, layer scale, dropped paths, first values, options."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models
from minicnn.models.convnext import TABLE, Block, ChannelNorm

REDUCED = {"convnext": lambda: (models.convnext(blocks=(1, 2), channels=8, num_classes=5, drop_path=0.0, layer_scale=0.5), (3, 33, 42))}


def plane(*shape):
    return Tensor(np.random.default_rng(0).standard_normal(shape))


def test_channel_norm_is_of_each_pixel():
    norm = ChannelNorm(6, eps=1e-6).double()
    norm.load_state_dict({"weight": np.arange(1.0, 7.0), "bias": np.arange(6.0)})
    x = plane(2, 6, 3, 4)
    found = norm(x).numpy()
    for n, h, w in ((0, 0, 0), (1, 2, 3), (1, 0, 2)):
        pixel = x.numpy()[n, :, h, w]
        expected = (pixel - pixel.mean()) / np.sqrt(pixel.var() + 1e-6) * np.arange(1, 7) + np.arange(6)
        assert np.abs(found[n, :, h, w] - expected).max() < 1e-12


def test_linear_layers_over_channels_are_1x1_convolutions():
    mc.manual_seed(0)
    block = Block(4, 0.0, 0.5).double()
    x = plane(2, 4, 9, 8)
    norm = ChannelNorm(4, eps=1e-6).double()
    y = norm(F.conv2d(x, block.depthwise.weight, block.depthwise.bias, padding=3, groups=4))
    y = F.gelu(F.conv2d(y, block.expand.weight.reshape(16, 4, 1, 1), block.expand.bias))
    y = F.conv2d(y, block.reduce.weight.reshape(4, 16, 1, 1), block.reduce.bias)
    assert np.abs(block(x).numpy() - (x + 0.5 * y).numpy()).max() < 1e-12


def test_a_block_starts_as_nearly_nothing():
    mc.manual_seed(0)
    block = models.create("convnext_tiny").body.stage1.block0.double()
    x = plane(1, 96, 8, 9)
    change = np.abs(block(x).numpy() - x.numpy()).max()
    assert 0 < change < 1e-5
    mc.nn.init.zeros_(block.scale)
    assert np.array_equal(block(x).numpy(), x.numpy())


@pytest.mark.parametrize("name", TABLE)
def test_dropped_paths_grow_along_a_line(name):
    network = models.create(f"convnext_{name}")
    rates = [layer.p for layer in network.modules() if isinstance(layer, mc.nn.DropPath)]
    assert len(rates) == sum(TABLE[name][0])
    assert np.allclose(rates, np.linspace(0, TABLE[name][2], len(rates)))


def test_a_dropped_path_leaves_the_shortcut():
    mc.manual_seed(0)
    block = Block(4, 0.5, 1.0)
    x = Tensor(plane(16, 4, 7, 7).numpy().astype(np.float32))
    full, dropped = block.eval()(x).numpy(), block.train()(x).numpy()
    kinds = set()
    for n in range(16):
        if np.array_equal(dropped[n], x.numpy()[n]):
            kinds.add("dropped")
        else:
            kinds.add("kept")
            assert np.abs(dropped[n] - x.numpy()[n] - 2 * (full[n] - x.numpy()[n])).max() < 1e-5
    assert kinds == {"dropped", "kept"}


def test_first_values():
    mc.manual_seed(0)
    network = models.create("convnext_tiny")
    block = network.body.stage3.block4
    for weight in (network.stem.conv.weight, block.depthwise.weight, block.expand.weight, network.body.stage2.downsample.conv.weight,
                   network.head.fc.weight):
        assert abs(weight.numpy().std() / 0.02 - 1) < 0.05
    assert not block.expand.bias.numpy().any() and not network.stem.conv.bias.numpy().any()
    assert np.allclose(block.scale.numpy(), 1e-6) and block.norm.eps == network.stem.norm.eps == 1e-6


def test_options():
    network = models.convnext(blocks=(1, 1, 2), channels=16, num_classes=3, in_channels=1)
    assert network.eval()(mc.meta(2, 1, 64, 48)).shape == (2, 3)
    assert list(dict(network.body.named_children())) == ["stage1", "stage2", "stage3"]
    with pytest.raises(ValueError, match="convnext: blocks should be whole numbers of at least 1, one a stage, got \\(1, 0\\)"):
        models.convnext(blocks=(1, 0))


def test_images_that_are_too_small():
    network = models.create("convnext_tiny")
    with pytest.raises(ValueError, match="convnext_tiny: images of 3×31×40 are too small .* the smallest that fit are 3×32×32"):
        network(mc.meta(1, 3, 31, 40))
