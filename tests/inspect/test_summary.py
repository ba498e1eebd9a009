"""mc.summary against counts made by hand."""
# what is wrong here is wrong on purpose
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false, reportOptionalMemberAccess=false
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import nn
from minicnn.kernels.random import default_generator


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.factor = nn.Parameter(np.ones(1, np.float32))
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        return F.relu(self.conv(x) * self.factor + x)


def test_rows_of_a_lenet():
    table = mc.summary(mc.models.create("lenet_caffe"), (1, 28, 28))
    assert [(r.name, r.type, r.output_shape, r.params, r.macs, r.activation_bytes) for r in table.rows] == [
        ("features.conv1", "Conv2d", (20, 24, 24), 520, 288_000, 46_080),
        ("features.pool1", "MaxPool2d", (20, 12, 12), 0, 0, 11_520),
        ("features.conv2", "Conv2d", (50, 8, 8), 25_050, 1_600_000, 12_800),
        ("features.pool2", "MaxPool2d", (50, 4, 4), 0, 0, 3_200),
        ("classifier.flatten", "Flatten", (800,), 0, 0, 0),              # a view
        ("classifier.ip1", "Linear", (500,), 400_500, 400_000, 2_000),
        ("classifier.relu1", "ReLU", (500,), 0, 0, 2_000),
        ("classifier.ip2", "Linear", (10,), 5_010, 5_000, 40),
    ]
    assert (table.params, table.macs, table.activation_bytes) == (431_080, 2_293_000, 77_640)


def test_the_paper_of_1998():
    table = mc.summary(mc.models.create("lenet5_1998"), (1, 32, 32))
    rows = {r.name: r for r in table.rows}
    assert rows["c3"].params == 1_516 and rows["c3"].macs == 150_000 and rows["s2"].params == 12 and rows["output"].params == 0
    assert rows["c3"].activation_bytes == 16 * 100 * 4


def test_operations_of_a_larger_module_and_modules_that_are_not_called():
    table = mc.summary(nn.Sequential(Residual()), (4, 5, 6))
    assert [(r.name, r.type, r.params) for r in table.rows] == [
        ("0.conv", "Conv2d", 4 * 2 * 9 + 4), ("0.mul", "Mul", 0), ("0.add", "Add", 0), ("0.relu", "ReLU", 0), ("0", "Residual", 1)]
    assert table.rows[0].macs == 4 * 5 * 6 * 2 * 9 and table.not_called == ["0.unused"]
    assert table.params == 76 + 1 + 12 and "not used in evaluation: 0.unused" in str(table)


def test_transposed_convolution_and_double_precision():
    table = mc.summary(nn.Sequential(nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2, bias=False)).double(), (4, 5, 5))
    assert table.macs == 4 * 25 * 3 * 9 and table.rows[0].output_shape == (6, 11, 11) and table.activation_bytes == 6 * 121 * 8


def test_nothing_is_drawn_and_the_mode_is_kept():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout())
    model[1].eval()
    state = default_generator.state
    mc.summary(model, (3, 8, 8))
    assert not any(p.drawn for p in model.parameters()) and [m.training for m in model.modules()] == [True, True, False, True]
    assert default_generator.state == state and not model._hooks and model[1].num_batches_tracked.item() == 0


def test_the_table_reads():
    text = str(mc.summary(mc.models.create("lenet5"), (8, 1, 32, 32)))
    lines = text.splitlines()
    assert lines[0].split() == ["layer", "type", "output", "parameters", "multiply-adds", "memory"]
    assert any(line.split() == ["features.c1", "Conv2d", "6×28×28", "156", "117,600", "18.4", "KiB"] for line in lines)
    assert "61,706" in lines[-2] and "416,520" in lines[-2] and lines[-1] == "for one input of 1×32×32"


def test_lazy_layers_get_their_sizes():
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(2))
    assert mc.summary(model, (3, 5, 5)).params == 4 * 27 + 4 + 36 * 2 + 2


@pytest.mark.parametrize("call, error, text", [
    (lambda: mc.summary("lenet5", (1, 32, 32)), TypeError, "expected a Module, got str"),
    (lambda: mc.summary(nn.ReLU(), ()), ValueError, "input_shape should be the shape of one input"),
    (lambda: mc.summary(nn.ReLU(), (3, 0, 5)), ValueError, "input_shape should be"),
    (lambda: mc.summary(mc.models.create("lenet5"), (1, 28, 28)), ValueError, "expected images of 1×32×32"),
])
def test_wrong_arguments(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_hooks_go_away_after_an_error():
    model = mc.models.create("lenet5")
    with pytest.raises(ValueError):
        mc.summary(model, (1, 28, 28))
    assert not any(m._hooks or m._pre_hooks for m in model.modules()) and not mc.observers.observers
