"""ShuffleNets: groups and shuffles as the papers say, the columns of their tables, first values, options."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models
from minicnn.models.shufflenet_v1 import CHANNELS
from minicnn.models.shufflenet_v1 import Unit as UnitV1
from minicnn.models.shufflenet_v2 import TABLE
from minicnn.models.shufflenet_v2 import Unit as UnitV2

REDUCED = {
    "shufflenet_v1": lambda: (models.shufflenet_v1(num_classes=5, groups=3, width=0.1, units=(2, 1, 2)), (3, 64, 70)),
    "shufflenet_v2": lambda: (models.shufflenet_v2(num_classes=5, width=0.1, units=(2, 1, 2)), (3, 64, 70)),
}


def images(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("groups, width, params", [                      # counted by another implementation, pytorchcv 0.0.74
    (1, 1.0, 1_531_936), (2, 1.0, 1_733_848), (3, 1.0, 1_865_728), (4, 1.0, 1_968_344), (8, 1.0, 2_434_768),
    (1, 0.75, 975_214), (3, 0.75, 1_238_266), (1, 0.5, 534_484), (3, 0.5, 718_324), (1, 0.25, 209_746), (3, 0.25, 305_902)])
def test_the_columns_of_the_table(groups, width, params):
    assert parameters(models.shufflenet_v1(groups=groups, width=width)) == params


def test_all_columns_cost_about_the_same():
    macs = {groups: mc.summary(models.shufflenet_v1(groups=groups), (3, 224, 224)).macs for groups in CHANNELS}
    assert all(130e6 < count < 146e6 for count in macs.values()), macs
    channels = [models.shufflenet_v1(groups=groups).head.fc.weight.shape[1] for groups in CHANNELS]
    assert channels == [576, 800, 960, 1088, 1536]


def test_the_first_convolution_of_stage_2_is_not_grouped_and_no_relu_follows_a_depthwise_one():
    model = models.create("shufflenet_v1_g3")
    units = list(model.body.stage2.children()) + list(model.body.stage3.children())
    assert [unit.residual.reduce.conv.groups for unit in units] == [1] + [3] * 11
    assert all(unit.residual.expand.conv.groups == 3 for unit in units)
    assert not any(hasattr(unit.residual.depthwise, "activation") for unit in units)


def test_a_grouped_convolution_is_as_many_parallel_ones_and_the_shuffle_deals_them_out():
    mc.manual_seed(0)
    unit = UnitV1(24, 24, 1, groups=3).double().eval()
    x = images(2, 24, 5, 6)
    weight = unit.residual.reduce.conv.weight.numpy()
    pieces = [np.einsum("kc,nchw->nkhw", weight[2 * g:2 * g + 2, :, 0, 0], x[:, 8 * g:8 * g + 8]) for g in range(3)]
    found = unit.residual.reduce.conv(Tensor(x)).numpy()
    assert np.abs(found - np.concatenate(pieces, 1)).max() < 1e-12
    shuffled = unit.residual.shuffle(Tensor(found)).numpy()
    for i in range(2):                                                            # channel i of each of the three groups, side by side
        for g in range(3):
            assert np.array_equal(shuffled[:, 3 * i + g], found[:, 2 * g + i])


def test_without_the_shuffle_groups_would_not_meet():
    """How many of the input's channels reach one channel after two grouped 1×1 convolutions: a third of them, or all."""
    mc.manual_seed(0)
    first, second = mc.nn.Conv2d(12, 12, 1, groups=3, bias=False), mc.nn.Conv2d(12, 12, 1, groups=3, bias=False)
    for middle, reach in ((mc.nn.Identity(), 4), (mc.nn.ChannelShuffle(3), 12)):
        x = Tensor(np.ones((1, 12, 1, 1), np.float32), requires_grad=True)
        second(middle(first(x)))[0, 0].sum().backward()
        assert np.count_nonzero(x.grad.numpy()) == reach


def test_stride_2_of_the_first_paper_sets_an_average_beside_what_was_found():
    mc.manual_seed(0)
    unit = UnitV1(12, 24, 2, groups=3).double().eval()
    x = images(1, 12, 7, 8)
    y = unit(Tensor(x)).numpy()
    average = F.avg_pool2d(Tensor(x), 3, 2, 1).numpy()
    assert y.shape == (1, 24, 4, 4) and np.allclose(y[:, :12], np.maximum(average, 0))


def test_the_second_paper_leaves_half_of_the_channels_alone():
    mc.manual_seed(0)
    unit = UnitV2(8, 8, 1).double().eval()
    x = images(2, 8, 5, 6)
    y = unit(Tensor(x)).numpy()
    assert np.array_equal(y[:, 0::2], x[:, :4])                                   # shuffled with what was found of the others
    assert np.allclose(y[:, 1::2], unit.right(Tensor(x[:, 4:])).numpy())
    assert parameters(UnitV2(8, 8, 1)) == 2 * 4 * 4 + 4 * 9 + 3 * 8               # nothing on the left


def test_stride_2_of_the_second_paper_has_two_branches_of_equal_width():
    unit = UnitV2(24, 48, 2)
    assert unit.left(mc.meta(1, 24, 9, 8)).shape == unit.right(mc.meta(1, 24, 9, 8)).shape == (1, 24, 5, 4)
    assert unit(mc.meta(1, 24, 9, 8)).shape == (1, 48, 5, 4)


def test_every_1x1_of_the_second_paper_keeps_its_width_within_a_stage():
    for width in TABLE:
        model = models.shufflenet_v2(width=width)
        for stage in model.body.children():
            for unit in list(stage.children())[1:]:
                for part in (unit.right.pointwise1, unit.right.pointwise2):
                    assert part.conv.weight.shape[0] == part.conv.weight.shape[1] and part.conv.groups == 1


def test_first_values():
    mc.manual_seed(0)
    for model in (models.shufflenet_v1(), models.shufflenet_v2()):
        unit = model.body.stage4[1]
        wide = (unit.residual.expand if hasattr(unit, "residual") else unit.right.pointwise2).conv.weight
        depthwise = (unit.residual if hasattr(unit, "residual") else unit.right).depthwise
        assert np.isclose(wide.numpy().std() * wide.shape[1], 1, rtol=0.02)
        assert np.isclose(depthwise.conv.weight.numpy().std(), 1, rtol=0.05)
        assert np.isclose(model.stem.conv1.conv.weight.numpy().std(), 0.01, rtol=0.1)
        assert np.isclose(model.head.fc.weight.numpy().std(), 0.01, rtol=0.02) and not model.head.fc.bias.numpy().any()
        assert np.allclose(depthwise.norm.bias.numpy(), 1e-4)


def test_dropout_is_that_of_the_largest_alone():
    assert [models.create(f"shufflenet_v2_{width}").head.dropout.p for width in TABLE] == [0, 0, 0, 0.2]


def test_other_widths():
    assert models.shufflenet_v2(width=0.75).body.stage2[0].right.pointwise1.conv.weight.shape[0] == 44        # 87 to 88, in two halves
    assert models.shufflenet_v1(groups=8, width=0.5)(mc.meta(2, 3, 64, 96)).shape == (2, 1000)


@pytest.mark.parametrize("build, options, text", [
    (models.shufflenet_v1, {"groups": 5}, "got groups=5, expected one of 1, 2, 3, 4, 8"),
    (models.shufflenet_v1, {"width": 0}, "width should be a number above 0, got 0; the paper has"),
    (models.shufflenet_v1, {"units": (4, 8)}, r"units should be 3 whole numbers of at least 1, .* got \(4, 8\)"),
    (models.shufflenet_v2, {"width": -1}, "width should be a number above 0, got -1; 0.5, 1.0, 1.5, 2.0 are"),
    (models.shufflenet_v2, {"units": (0, 1, 1)}, r"units should be 3 whole numbers of at least 1, .* got \(0, 1, 1\)"),
])
def test_wrong_options(build, options, text):
    with pytest.raises(ValueError, match=text):
        build(**options)
