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
        ("stem.conv1", "Conv2d", (20, 24, 24), 520, 288_000, 46_080),
        ("stem.pool1", "MaxPool2d", (20, 12, 12), 0, 0, 11_520),
        ("body.conv2", "Conv2d", (50, 8, 8), 25_050, 1_600_000, 12_800),
        ("body.pool2", "MaxPool2d", (50, 4, 4), 0, 0, 3_200),
        ("head.flatten", "Flatten", (800,), 0, 0, 0),              # a view
        ("head.ip1", "Linear", (500,), 400_500, 400_000, 2_000),
        ("head.relu1", "ReLU", (500,), 0, 0, 2_000),
        ("head.ip2", "Linear", (10,), 5_010, 5_000, 40),
    ]
    assert (table.params, table.macs, table.activation_bytes) == (431_080, 2_293_000, 77_640)


def test_the_paper_of_1998():
    table = mc.summary(mc.models.create("lenet5_1998"), (1, 32, 32))
    rows = {r.name: r for r in table.rows}
    assert (rows["body.c3"].params, rows["body.c3"].macs, rows["body.c3"].activation_bytes) == (1_516, 150_000, 16 * 100 * 4)
    assert rows["stem.s2"].params == 12 and rows["head.output"].params == 0


def test_operations_of_a_larger_module_and_modules_that_are_not_called():
    table = mc.summary(nn.Sequential(Residual()), (4, 5, 6))
    assert [(r.name, r.type, r.params) for r in table.rows] == [
        ("0.conv", "Conv2d", 4 * 2 * 9 + 4), ("0.mul", "Mul", 0), ("0.add", "Add", 0), ("0.relu", "ReLU", 0), ("0", "Residual", 1)]
    assert table.rows[0].macs == 4 * 5 * 6 * 2 * 9 and table.not_called == ["0.unused"]
    assert table.params == 76 + 1 + 12 and "not used here: 0.unused" in str(table)


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
    assert lines[0].split() == ["layer", "type", "output", "sees", "parameters", "multiply-adds", "memory"]
    assert any(line.split() == ["stem.c1", "Conv2d", "6×28×28", "5", "156", "117,600", "18.4", "KiB"] for line in lines)
    assert "61,706" in lines[-2] and "416,520" in lines[-2] and lines[-1].startswith("for one input of 1×32×32")


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


def test_the_table_of_alexnet_in_the_lectures():
    """Layer by layer what courses show of AlexNet, in its one-tower form at 227×227: output, KiB, parameters without biases, multiply-adds.

    Every number is computed here from its formula: weights K·C·R·S, multiply-adds weights · P·Q, memory 4·K·P·Q.
    """
    layers = [("conv", 64, 3, 11, 56), ("pool", 64, 0, 3, 27), ("conv", 192, 64, 5, 27), ("pool", 192, 0, 3, 13), ("conv", 384, 192, 3, 13),
              ("conv", 256, 384, 3, 13), ("conv", 256, 256, 3, 13), ("pool", 256, 0, 3, 6),
              ("fc", 4096, 9216, 1, 1), ("fc", 4096, 4096, 1, 1), ("fc", 1000, 4096, 1, 1)]
    table = mc.summary(mc.models.create("alexnet_owt"), (3, 227, 227))
    rows = [row for row in table.rows if row.type in ("Conv2d", "MaxPool2d", "Linear")]
    assert len(rows) == len(layers)
    for row, (kind, K, C, R, P) in zip(rows, layers):
        weights = K * C * R * R
        assert row.output_shape == ((K,) if kind == "fc" else (K, P, P)) and row.activation_bytes == 4 * K * P * P
        assert row.params == (weights + K if weights else 0) and row.macs == weights * P * P
    assert [row.activation_bytes // 1024 for row in rows] == [784, 182, 546, 126, 253, 169, 169, 36, 16, 16, 3]
    assert [round(row.macs / 1e6) for row in rows] == [73, 0, 224, 0, 112, 150, 100, 0, 38, 17, 4]
    # the three trends: memory early, parameters in the linear layers, multiply-adds in the convolutions
    early = table.part("stem").activation_bytes + table.part("body.conv2").activation_bytes
    assert early > 0.6 * table.activation_bytes
    assert table.part("head").params > 0.95 * table.params and table.part("head").macs < 0.1 * table.macs
    assert table.params == sum(table.part(part).params for part in ("stem", "body", "head"))


def test_parts_and_stages():
    table = mc.summary(mc.models.create("resnet18"), (3, 224, 224))
    assert table.part("body.stage4").output_shape == (512, 7, 7) and table.part("head").params == 513_000
    text = str(table)
    assert [line.split(",")[0].strip() for line in text.splitlines() if ", together" in line] == ["stem", "body", "head"]
    by_stage = mc.inspect.table(table, by_stage=True).splitlines()
    assert [line.split()[0] for line in by_stage if line.startswith((" stem", " body", " head"))] == [
        "stem", "body.stage1", "body.stage2", "body.stage3", "body.stage4", "head"]
    with pytest.raises(ValueError, match="there is no layer in 'tail'"):
        table.part("tail")
    plain = mc.summary(nn.Sequential(nn.ReLU()), (3, 4, 4))
    assert "together" not in str(plain) and mc.inspect.table(plain, by_stage=True) == str(plain)
