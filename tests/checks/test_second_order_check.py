"""gradgradcheck passes right second derivatives and fails wrong ones, of functions, Ops and layers."""
import sys

import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import nn
from minicnn.tensor import Op

RNG = np.random.default_rng(0)


def randn(*shape):
    return RNG.standard_normal(shape)


@pytest.mark.parametrize("fn, inputs", [
    (lambda x: (x * x * x).sum(), [randn(3, 4)]),
    (lambda a, b: (a @ b).tanh(), [randn(3, 4), randn(4, 2)]),
    (lambda x, w: F.conv2d(x, w, None, 2, 1), [randn(2, 3, 5, 4), randn(4, 3, 3, 2)]),
    (lambda x: F.softmax(x, 1), [randn(3, 5)]),
    (lambda x: F.relu(x) * x, [randn(5, 6)]),
    (lambda x: F.max_pool2d(x * x, 2), [randn(1, 2, 4, 6)]),
    (lambda x: x.abs() * x.exp(), [np.array([0.0, 1.0, -2.0, 0.0])]),           # at 0 the first derivative jumps
], ids=["cube", "tanh of a product", "conv2d", "softmax", "relu", "max pool", "a jump"])
def test_right_second_derivatives_pass(fn, inputs):
    report = mc.gradgradcheck(fn, inputs)
    assert report, report
    assert [row.name for row in report.rows] == [*(f"input {i}" for i in range(len(inputs))), "upstream 0"]


def test_a_layer_is_checked_with_its_parameters():
    mc.manual_seed(0)
    layer = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Tanh())
    before = {k: v.numpy().copy() for k, v in layer.state_dict().items()}
    report = mc.gradgradcheck(layer, randn(3, 2, 4, 5))
    assert report, report
    assert "0.weight" in {row.name for row in report.rows}
    assert all(np.array_equal(v.numpy(), before[k]) for k, v in layer.state_dict().items())


class Cube(Op):
    """x³."""

    def forward(self, x):
        self.inputs = (x,)
        return x ** 3

    def backward(self, g, needs):
        return (3 * self.inputs[0] ** 2 * g,)

    def backward_graph(self, g):
        x, = self.input_tensors()
        return (3 * (x * x) * g,)


class Spoilt(Cube):
    def backward_graph(self, g):
        x, = self.input_tensors()
        return (3 * (x.detach() * x) * g,)                    # the value is right, half of its derivative is missing


def test_a_wrong_second_derivative_fails_though_the_first_is_right():
    assert mc.gradcheck(Cube, randn(3, 4)) and mc.gradgradcheck(Cube, randn(3, 4))
    assert mc.gradcheck(Spoilt, randn(3, 4))
    report = mc.gradgradcheck(Spoilt, randn(3, 4))
    assert not report and not report.passed(report.rows[0]) and report.passed(report.rows[1])


@pytest.mark.parametrize("op, right", [(Cube, True), (Spoilt, False)])
def test_a_large_network(op, right, monkeypatch):
    monkeypatch.setattr(sys.modules["minicnn.checks.gradcheck"], "LARGE", 100)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(5, 41), nn.Linear(41, 2)         # the bias of the last has no second derivative

        def forward(self, x):
            return self.second(op.apply(self.first(x)))
    mc.manual_seed(0)
    assert bool(mc.gradgradcheck(Network(), randn(3, 5))) is right


def test_an_op_without_a_second_derivative_says_so():
    class Once(Op):
        def forward(self, x):
            self.x = x
            return x * x

        def backward(self, g, needs):
            return (2 * self.x * g,)
    report = mc.gradgradcheck(Once, randn(3))
    assert not report and "no second derivative" in str(report)
