"""RegNets: the quantised linear rule, the two kinds of blocks, first values, options and what is said to wrong ones."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models
from minicnn.models.keys import rename
from minicnn.models.regnet import TABLE, Block, stage_widths


def off_the_kinks(network):
    """A pixel at which all channels are 0 after a ReLU is exactly 0 after the next convolution, unless its norm has an offset."""
    for layer in network.modules():
        if isinstance(layer, mc.nn.BatchNorm2d):
            mc.nn.init.normal_(layer.bias, std=0.3)
    return network


REDUCED = {"regnet": lambda: (off_the_kinks(models.regnet(depth=4, w0=8, wa=8, wm=2, group_width=4, se=True, num_classes=5)), (3, 33, 35))}

# widths, blocks of each stage, as the authors list them
RELEASED = {
    "x_002": ((24, 56, 152, 368), (1, 1, 4, 7)),
    "x_004": ((32, 64, 160, 384), (1, 2, 7, 12)),
    "x_032": ((96, 192, 432, 1008), (2, 6, 15, 2)),
    "x_080": ((80, 240, 720, 1920), (2, 5, 15, 1)),
    "x_320": ((336, 672, 1344, 2520), (2, 7, 13, 1)),
    "y_006": ((48, 112, 256, 608), (1, 3, 7, 4)),
    "y_016": ((48, 120, 336, 888), (2, 6, 17, 2)),
    "y_040": ((128, 192, 512, 1088), (2, 6, 12, 2)),
    "y_320": ((232, 696, 1392, 3712), (2, 5, 12, 1)),
}


@pytest.mark.parametrize("name", RELEASED)
def test_the_rule_gives_the_released_stages(name):
    widths, blocks, _ = zip(*stage_widths(*TABLE[name][:5]))
    assert (widths, blocks) == RELEASED[name]


@pytest.mark.parametrize("name", TABLE)
def test_widths_are_near_the_line_and_made_of_whole_groups(name):
    d, w0, wa, wm, group_width = TABLE[name][:5]
    stages = stage_widths(d, w0, wa, wm, group_width)
    assert len(stages) == 4 and sum(blocks for _, blocks, _ in stages) == d
    assert all(width % g == 0 and g == min(group_width, width) for width, _, g in stages)
    of_blocks = [width for width, blocks, _ in stages for _ in range(blocks)]
    for j, width in enumerate(of_blocks):              # rounding moves a width by half a power of w_m, half of 8, and half a group
        line = w0 + wa * j
        assert line / wm ** 0.5 - 4 - group_width / 2 <= width <= line * wm ** 0.5 + 4 + group_width / 2


def test_a_group_is_never_wider_than_its_stage():
    assert stage_widths(depth=2, w0=8, wa=8, wm=2, group_width=16) == [(8, 1, 8), (16, 1, 16)]


def test_squeezed_width_comes_from_the_blocks_input():
    network = models.create("regnety_002")
    squeezed = [(block.se.reduce.weight.shape[:2]) for stage in network.body for block in stage]
    assert squeezed[:4] == [(8, 24), (6, 56), (14, 152), (38, 152)]       # inputs of 32, 24, 56 and 152 channels


def test_y_with_open_gates_is_x():
    mc.manual_seed(0)
    options = dict(depth=4, w0=8, wa=8, wm=2, group_width=4, num_classes=5)
    x_network, y_network = models.regnet(**options), models.regnet(**options, se=True)
    missing = y_network.load_state_dict(x_network.state_dict(), strict=False).missing_keys
    assert missing and all(".se." in name for name in missing)
    for name, p in y_network.named_parameters():
        if ".se.expand" in name:
            mc.nn.init.constant_(p, 50.0 if name.endswith("bias") else 0.0)       # sigmoid(50) is 1
    images = Tensor(np.random.default_rng(0).standard_normal((2, 3, 40, 36)).astype(np.float32))
    expected, found = x_network.eval()(images).numpy(), y_network.eval()(images).numpy()
    assert np.abs(expected).max() > 0 and np.abs(found - expected).max() < 1e-6 * np.abs(expected).max()


def test_a_block_whose_residual_is_off_is_the_shortcut():
    block = Block(8, 8, 1, 4, se=False)
    mc.nn.init.zeros_(block.conv3.norm.weight)
    x = Tensor(np.random.default_rng(0).standard_normal((2, 8, 5, 6)).astype(np.float32))
    assert np.array_equal(block(x).numpy(), F.relu(x).numpy())
    assert isinstance(block.shortcut, mc.nn.Identity) and not isinstance(Block(8, 8, 2, 4, se=False).shortcut, mc.nn.Identity)


def test_first_values():
    mc.manual_seed(0)
    network = models.create("regnety_004")
    block = network.body.stage4[1]
    for layer in (network.stem.conv, network.body.stage3[0].shortcut.conv, block.conv1.conv, block.conv2.conv, block.se.reduce):
        K, _, R, S = layer.weight.shape
        assert abs(layer.weight.numpy().std() / (2 / (K * R * S)) ** 0.5 - 1) < 0.1
    assert abs(network.head.fc.weight.numpy().std() / 0.01 - 1) < 0.05
    assert not network.head.fc.bias.numpy().any() and (network.body.stage1[0].conv3.norm.weight.numpy() == 1).all()


def test_recipes_scale_the_rate_with_the_batch():
    batches = {name: models.info(f"regnet{name}").recipe.batch_size for name in TABLE}
    assert (batches["x_016"], batches["x_032"], batches["y_160"], batches["y_320"]) == (1024, 512, 512, 256)
    for name in TABLE:
        recipe = models.info(f"regnet{name}").recipe
        assert recipe.lr == pytest.approx(0.1 * recipe.batch_size / 128)


def test_keys_count_blocks_from_0():
    rules = models.info("regnety_002").keys["timm.regnety_002"]
    assert rename("s4.b7.conv2.bn.weight", rules) == "body.stage4.6.conv2.norm.weight"
    rules = models.info("regnety_004").keys["torchvision.regnet_y_400mf"]
    assert rename("trunk_output.block4.block4-5.f.b.1.bias", rules) == "body.stage4.5.conv2.norm.bias"
    assert not any("torchvision" in source for source in models.info("regnetx_004").keys)          # fitted anew there


@pytest.mark.parametrize("option", [dict(depth=0), dict(w0=0), dict(w0=20), dict(wa=-1), dict(wm=1.0), dict(group_width=0)])
def test_numbers_outside_the_space_are_refused(option):
    with pytest.raises(ValueError, match=r"regnet: expected depth of at least 1, w0 a multiple of 8 above 0, .* the paper's smallest"):
        models.regnet(**option)


def test_options():
    network = models.create("regnetx_002", num_classes=3, in_channels=1)
    assert network.eval()(mc.meta(2, 1, 50, 70)).shape == (2, 3)
    assert models.regnet(depth=6, w0=16, wa=20, wm=2.5).eval()(mc.meta(1, 3, 64, 64)).shape == (1, 1000)
