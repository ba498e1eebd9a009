"""The three MobileNets: separable convolutions, inverted residuals, excitation; and the rule that rounds their channels."""
import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, models, nn
from minicnn.models.blocks import SqueezeExcitation
from minicnn.models.mobilenet_v1 import separable
from minicnn.models.mobilenet_v2 import InvertedResidual
from minicnn.models.mobilenet_v3 import HS, LARGE, RE, SMALL, Block
from minicnn.models.rounding import round_channels, scaled_by

V1 = {"stage1": ((32, 1),), "stage2": ((64, 2), (64, 1))}
V2 = ((1, 16, 1, 1), (6, 24, 2, 2))
V3 = {"stage1": ((3, 16, 16, True, RE, 2),), "stage2": ((5, 40, 24, True, HS, 2), (3, 72, 24, False, HS, 1))}
REDUCED = {
    "mobilenet_v1": lambda: (models.mobilenet_v1(num_classes=5, width=0.5, stages=V1), (3, 19, 22)),
    "mobilenet_v2": lambda: (models.mobilenet_v2(num_classes=5, width=0.5, rows=V2, last=32), (3, 17, 21)),
    "mobilenet_v3": lambda: (models.mobilenet_v3(num_classes=5, stages=V3, hidden=16), (3, 17, 21)),
}


def random(*shape):
    return Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


# --- rounding ---

@pytest.mark.parametrize("channels, rounded", [(1, 8), (8, 8), (11.9, 8 + 8), (12, 16), (18, 24), (19.2, 24), (24, 24), (27.9, 32),
                                               (33.6, 32), (36, 40), (1280, 1280)])
def test_rounding_channels(channels, rounded):
    """18 → 16 would be less than 90 %, so 24; 33.6 → 32 is more."""
    assert round_channels(channels) == rounded


def test_rounding_is_the_nearest_multiple_or_the_next_and_never_below_nine_tenths():
    for tenths in range(1, 20_000):
        channels = tenths / 10
        rounded = round_channels(channels)
        assert rounded % 8 == 0 and rounded >= 0.9 * channels and rounded - max(8, channels) < 8
        assert round_channels(channels, 1) >= 1
    assert round_channels(30, 16) == 32 and round_channels(24, 16) == 32


@pytest.mark.parametrize("arguments", [(0,), (-8,), (float("nan"),), (8, 0)])
def test_rounding_nothing_is_refused(arguments):
    with pytest.raises(ValueError, match="round_channels: got channels=.* and divisor=.*, expected both above 0"):
        round_channels(*arguments)


@pytest.mark.parametrize("width, multiple, channels, scaled", [(1, 1, 7, 7), (0.5, 1, 7, 4), (0.5, 2, 7, 4), (0.01, 1, 3, 1),
                                                               (0.01, 2, 3, 2)])
def test_scaling_leaves_at_least_one_multiple(width, multiple, channels, scaled):
    assert scaled_by(width, "any", multiple)(channels) == scaled


@pytest.mark.parametrize("width", [0, -1, True, "1", None, float("nan"), float("inf")])
def test_scaling_by_no_number_above_0_is_refused(width):
    with pytest.raises(ValueError, match=f"any: width should be a number above 0, got {width!r}; 1.0 is"):
        scaled_by(width, "any")


# --- V1 ---

def test_depthwise_is_a_convolution_of_each_plane_by_itself():
    mc.manual_seed(0)
    layer, x = separable(3, 5, 2), random(2, 3, 7, 6)
    conv, found = layer.depthwise.conv, layer.depthwise.conv(x).numpy()
    for c in range(3):
        alone = mc.functional.conv2d(x[:, c:c + 1], conv.weight[c:c + 1], stride=2, padding=1).numpy()
        assert np.allclose(found[:, c:c + 1], alone, atol=1e-6)
    assert layer(x).shape == (2, 5, 4, 3)


def test_the_cost_of_a_separable_convolution():
    """1/K + 1/9 of a full one (section 3.1)."""
    one, full = separable(32, 64, 1), nn.Conv2d(32, 64, 3, padding=1, bias=False)
    ratio = mc.summary(one, (32, 14, 14)).macs / mc.summary(full, (32, 14, 14)).macs
    assert ratio == pytest.approx(1 / 64 + 1 / 9)


@pytest.mark.parametrize("side, millions", [(192, 418), (160, 290), (128, 186)])
def test_the_resolution_multiplier_is_the_image_s_size(side, millions):
    """Table 7 of the paper: multiply-adds of images of 192, 160 and 128 pixels."""
    assert mc.summary(models.create("mobilenet_v1_1.0"), (3, side, side)).macs // 1_000_000 == millions


def test_activations_of_v1():
    network = models.create("mobilenet_v1_0.25")
    assert sum(isinstance(m, nn.ReLU) for m in network.modules()) == 27
    other = models.create("mobilenet_v1_0.25", activation=nn.ReLU6)
    assert sum(isinstance(m, nn.ReLU6) for m in other.modules()) == 27


# --- V2 ---

@pytest.mark.parametrize("name, width, params", [
    ("mobilenet_v2", 0.35, 1_677_128), ("mobilenet_v2", 0.5, 1_968_680), ("mobilenet_v2", 0.75, 2_636_424),
    ("mobilenet_v2", 1.4, 6_108_776), ("mobilenet_v3_large", 0.75, 3_993_528), ("mobilenet_v3_small", 0.75, 2_041_872)])
def test_parameters_of_other_widths(name, width, params):
    """Counted on timm's mobilenetv2_035 to _140, mobilenetv3_large_075 and mobilenetv3_small_075."""
    assert mc.summary(models.create(name, width=width), (3, 64, 64)).trainable_params == params


def test_shortcuts_join_only_equal_ends():
    assert InvertedResidual(8, 8, 1, 6).shortcut
    assert not InvertedResidual(8, 16, 1, 6).shortcut and not InvertedResidual(8, 8, 2, 6).shortcut
    with_shortcut = [block.shortcut for stage in models.create("mobilenet_v2").body for block in stage]
    assert with_shortcut == [False] + [i > 0 for n in (2, 3, 4, 3, 3, 1) for i in range(n)]


def test_the_ends_of_a_block_are_linear():
    """No activation after the projection: its output is negative as often as positive."""
    mc.manual_seed(0)
    block, x = InvertedResidual(8, 12, 1, 6), random(2, 8, 6, 5)
    y = block(x).numpy()
    assert 0.4 < (y < 0).mean() < 0.6
    names = [type(m).__name__ for m in block.modules() if not m._modules]
    assert names == ["Conv2d", "BatchNorm2d", "ReLU6", "Conv2d", "BatchNorm2d", "ReLU6", "Conv2d", "BatchNorm2d"]


def test_without_expansion_there_is_no_first_convolution():
    assert list(dict(InvertedResidual(8, 8, 1, 1).residual.named_children())) == ["depthwise", "project"]


def test_the_last_convolution_never_shrinks():
    assert [models.create("mobilenet_v2", width=w).head.fc.in_features for w in (0.35, 1.0, 1.4)] == [1280, 1280, 1792]


# --- V3 ---

def test_excitation_is_a_quarter_of_the_expanded_width():
    """Not of the block's input, as in EfficientNet: rounded to 8, so 16 → 8 and 120 → 32."""
    for name, stages in (("mobilenet_v3_large", LARGE), ("mobilenet_v3_small", SMALL)):
        rows = [row for stage in stages.values() for row in stage]
        found = [[m for m in block.modules() if isinstance(m, SqueezeExcitation)] for stage in models.create(name).body for block in stage]
        assert [len(f) for f in found] == [row[3] for row in rows]
        for (_, exp, *_), excite in zip(rows, found):
            assert all(e.reduce.weight.shape[:2] == (round_channels(exp / 4), exp) for e in excite)


def test_excitation_stands_before_the_projection_and_weighs_with_a_hard_sigmoid():
    block = Block(8, 24, 8, 5, True, HS, 1)
    assert list(dict(block.residual.named_children())) == ["expand", "depthwise", "excite", "project"]
    assert isinstance(block.residual.excite.gate, nn.Hardsigmoid) and isinstance(block.residual.excite.activation, nn.ReLU)
    with mc.no_grad():
        block.residual.excite.expand.weight.write(0.0)
        block.residual.excite.expand.bias.write(-3.0)                                      # hard sigmoid of −3 is exactly 0
    x = random(2, 24, 5, 4)
    assert not block.residual.excite(x).numpy().any()


@pytest.mark.parametrize("name", ["mobilenet_v3_large", "mobilenet_v3_small"])
def test_batch_norms_of_v3(name):
    norms = [m for m in models.create(name).modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and all((m.eps, m.momentum) == (1e-3, 0.01) for m in norms)


def test_h_swish_only_in_the_deeper_half():
    for name, first in (("mobilenet_v3_large", "stage4"), ("mobilenet_v3_small", "stage3")):
        stages = dict(models.create(name).body.named_children())
        swish = [stage for stage, blocks in stages.items() if any(isinstance(m, nn.Hardswish) for m in blocks.modules())]
        assert swish == [stage for stage in stages if stage >= first]


# --- all ---

@pytest.mark.parametrize("name", ["mobilenet_v1_1.0", "mobilenet_v2", "mobilenet_v3_small"])
def test_first_values(name):
    """Normal with std 0.09, cut off at two of them, which leaves a std of 0.88 · 0.09."""
    mc.manual_seed(0)
    weight = models.create(name).head.fc.weight.numpy()
    assert np.abs(weight).max() <= 0.18 and abs(weight.std() - 0.8796 * 0.09) < 1e-3


@pytest.mark.parametrize("family", ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3"])
@pytest.mark.parametrize("width", [0, -1.0])
def test_a_width_of_nothing_is_refused(family, width):
    with pytest.raises(ValueError, match=rf"{family}: width should be a number above 0, got {width}; "):
        getattr(models, family)(width=width)
