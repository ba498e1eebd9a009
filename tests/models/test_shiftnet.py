"""ShiftNets: shifts that cost nothing and still reach neighbours, the modules of the paper, totals against its figures, options."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models
from minicnn.models.shiftnet import CSC, A, C, ShiftBlock, shiftresnet

REDUCED = {
    "shiftnet": lambda: (models.shiftnet(num_classes=5, rows=((64, 4, 1, 5, 2), (96, 4, 1, 3, 2)), width=0.25), (3, 33, 38)),
}


def images(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def test_a_module_costs_its_1x1_convolutions_and_norms_alone():
    module = CSC(16, 16, 1, expansion=3, kernel=5)
    table = mc.summary(module, (16, 8, 10))
    assert table.macs == 2 * 16 * 48 * 80
    assert table.trainable_params == 2 * 16 * 48 + 2 * (16 + 48)
    assert not list(module.residual.shift.parameters())


def test_a_shift_then_a_1x1_reads_the_neighbourhood_of_a_convolution():
    """With one channel for each of the nine offsets, the 1×1 after it is a 3×3 convolution of the plane that they copy."""
    w, x = images(9), images(1, 1, 6, 7)
    copies = Tensor(np.repeat(x, 9, 1))
    found = F.conv2d(F.shift(copies, 3), Tensor(w.reshape(1, 9, 1, 1))).numpy()
    expected = F.conv2d(Tensor(x), Tensor(w.reshape(1, 1, 3, 3)), padding=1).numpy()
    assert np.abs(found - expected).max() < 1e-12


@pytest.mark.parametrize("build, reach", [
    (lambda: CSC(12, 12, 1, 3, 3), 3), (lambda: CSC(12, 12, 1, 3, 5), 5), (lambda: ShiftBlock(12, 12, 1, 6), 3)])
def test_a_module_sees_as_far_as_its_kernel(build, reach):
    mc.manual_seed(0)
    module = build().double().eval()
    x = Tensor(images(1, 12, 9, 9), requires_grad=True)
    module(x)[0, :, 4, 4].sum().backward()
    rows, columns = np.nonzero(np.abs(x.grad.numpy()).sum((0, 1)))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4 - reach // 2, 4 + reach // 2) * 2


def test_modules_begin_with_norm_and_relu_and_add_what_comes_in():
    assert list(dict(CSC(8, 8, 1, 2, 3).residual.named_children())) == ["norm1", "relu1", "conv1", "shift", "norm2", "relu2", "conv2"]
    module, x = CSC(12, 12, 1, 2, 3).double().eval(), images(2, 12, 5, 6)
    mc.nn.init.zeros_(module.residual.conv2.weight)
    assert np.array_equal(module(Tensor(x)).numpy(), x)


def test_the_first_module_of_a_group_sets_an_average_beside_what_it_found():
    module, x = CSC(12, 20, 2, 2, 3).double().eval(), images(1, 12, 7, 8)
    y = module(Tensor(x)).numpy()
    assert y.shape == (1, 20, 4, 4)
    assert np.allclose(y[:, 8:], F.avg_pool2d(Tensor(x), 3, 2, 1).numpy())
    assert module.residual.conv1.weight.shape == (16, 12, 1, 1)                   # twice what it adds, not twice the output


def test_a_block_of_the_residual_network_has_no_relu_after_its_sum():
    mc.manual_seed(0)
    block, x = ShiftBlock(18, 18, 1, 6).double().eval(), images(2, 18, 5, 6)
    y = block(Tensor(x)).numpy()
    assert (y < 0).any() and (y - x >= -1e-12).all()                               # what is added is what a ReLU lets through


@pytest.mark.parametrize("name, params, macs", [("a", 4.1e6, 1.4e9), ("b", 1.1e6, 371e6), ("c", 0.78e6, None)])
def test_totals_are_near_the_papers_figures(name, params, macs):
    """Recalled figures with two digits or three: an approximation, and all that is known."""
    info = models.info(f"shiftnet_{name}")
    table = mc.summary(models.create(info.name), info.input_shape)
    assert (table.trainable_params, table.macs) == (info.params, info.macs)
    assert abs(info.params / params - 1) < 0.08             # batch norms are 1 % of it; whether they count is not said
    assert macs is None or abs(info.macs / macs - 1) < 0.02


def test_the_rows_of_the_table():
    assert [row.channels for row in A] == [64, 128, 256, 512] and [row.modules for row in A] == [5, 6, 7, 3]
    assert [(row.first, row.others) for row in A] == [(4, 4), (4, 3), (3, 2), (2, 1)] and [row.kernel for row in A] == [5, 5, 3, 3]
    assert [row.modules for row in C] == [1, 4, 4, 3] and {row.kernel for row in C} == {3}


def test_residual_networks_by_depth_and_expansion():
    model = shiftresnet(depth=20, expansion=9)
    blocks = [block for stage in model.body.children() for block in stage.children()]
    assert len(blocks) == 9 and {b.residual.conv1.conv.weight.shape[0] // b.residual.conv2.conv.weight.shape[0] for b in blocks} == {9}
    assert sum(isinstance(b.shortcut, mc.nn.Identity) for b in blocks) == 7
    assert models.create("shiftresnet20_6_cifar100", num_classes=10, width=0.5)(mc.meta(2, 3, 40, 36)).shape == (2, 10)


def test_gradients_of_a_small_residual_network():
    mc.manual_seed(0)
    model = shiftresnet(num_classes=3, depth=8, expansion=3, width=0.2).double()
    x = Tensor(images(2, 3, 9, 11), requires_grad=True)
    assert mc.gradcheck(lambda x: model(x).sum(), (x,))


def test_first_values():
    mc.manual_seed(0)
    weight = models.create("shiftnet_a").body.group4[2].residual.conv1.weight
    assert np.isclose(weight.numpy().std(), np.sqrt(2 / weight.shape[0]), rtol=0.02)
    weight = shiftresnet(depth=20, expansion=6).body.stage3[2].residual.conv1.conv.weight
    assert np.abs(weight.numpy()).max() <= 1 / 8 and np.isclose(weight.numpy().std(), 1 / 8 / np.sqrt(3), rtol=0.02)


@pytest.mark.parametrize("build, options, text", [
    (models.shiftnet, {"width": 0}, "shiftnet: width should be a number above 0, got 0"),
    (models.shiftnet, {"rows": ((32, 1, 1, 3, 1),)}, "group 1 has 32 channels after 32; expected more"),
    (lambda **options: models.create("shiftresnet20_6_cifar100", **options), {"depth": 21}, r"got depth=21, expected 6n \+ 2"),
    (lambda **options: models.create("shiftresnet20_6_cifar100", **options), {"expansion": 0}, "got expansion=0"),
])
def test_wrong_options(build, options, text):
    with pytest.raises(ValueError, match=text):
        build(**options)
