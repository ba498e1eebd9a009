"""What a second look at the checker found: wrong code that passed, and right code that was accused."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, nn
from minicnn.checks import check_directions
from minicnn.tensor import Op

RNG = np.random.default_rng(0)


class Product(Op):
    """a·b, whose backward is right only where both gradients are asked for."""

    def forward(self, a, b):
        self.a, self.b = a, b
        return a * b

    def backward(self, g, needs):
        return (g * self.b, g * self.a) if all(needs) else (g * self.a, g * self.a)


def test_a_backward_that_is_right_only_when_asked_for_all_fails():
    report = mc.gradcheck(Product, [RNG.standard_normal((2, 3)), RNG.standard_normal((2, 3))])
    assert not report and "asked for this gradient alone" in str(report)


@pytest.mark.parametrize("fn, backward", [(lambda x: x + 4097.0, lambda g, x: g), (lambda x: np.round(x * 1e4), lambda g, x: 0 * g)],
                         ids=["a large offset", "whole numbers"])
def test_large_or_whole_numbers_are_not_taken_for_float32(fn, backward):
    assert "float32" not in str(mc.gradcheck(fn, [np.zeros(3)], backward=backward))


def test_float32_inside_is_said_to_be():
    report = mc.gradcheck(lambda x: (x.astype(np.float32) * np.float32(1.1)).astype(float), [RNG.standard_normal((3, 4))],
                          backward=lambda g, x: 1.1 * g)
    assert not report and "computed in float32" in str(report)


@pytest.mark.parametrize("layer, edge", [(F.relu, 0), (F.relu6, 0), (F.relu6, 6), (F.hardsigmoid, -3), (F.hardsigmoid, 3),
                                         (F.hardswish, -3), (F.hardswish, 3), (F.elu, 0), (F.leaky_relu, 0)],
                         ids=lambda p: getattr(p, "__name__", str(p)))
def test_a_network_with_numbers_on_the_edge_of_a_piece_passes(layer, edge):
    class Edge(nn.Module):
        def forward(self, x):
            return layer(x) * x
    assert check_directions(Edge(), np.array([[edge, 1.0], [edge, -0.5]]), tolerance=1e-7)


class Large(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(500, 500)

    def forward(self, x, labels=None):
        return self.linear(x) if labels is None else F.cross_entropy(self.linear(x), labels)


def test_a_large_network_is_left_as_it_was_and_its_labels_stay_whole():
    model = Large()
    report = mc.gradcheck(model, [RNG.standard_normal((2, 500)), np.array([3, 4])])
    assert report, report
    assert "at once" in report.notes[0] and model.linear.weight.dtype == np.float32


def test_what_does_not_apply_to_a_large_network_is_refused_and_what_it_raises_is_told():
    with pytest.raises(ValueError, match="backward is not for a network of more than 200,000 values"):
        mc.gradcheck(Large(), [np.zeros((2, 500))], backward=lambda g, x: g)
    report = mc.gradcheck(Large(), [np.zeros((2, 7))])
    assert not report and "the network raised ValueError" in str(report)


def test_a_dead_network_is_said_to_be_dead():
    class Dead(nn.Module):
        def forward(self, x):
            return x * 0
    report = check_directions(Dead(), np.ones((2, 3)))
    assert not report and "every gradient is 0" in str(report)


def test_numerical_backward_near_the_edge_of_a_domain():
    x = Tensor(np.array([1e-3, 1e-6, 1.0, 50.0]), requires_grad=True)
    with pytest.warns(UserWarning):
        mc.numerical_backward(np.sqrt)(x).sum().backward()
    assert np.abs(x.grad.numpy() * 2 * np.sqrt(x.numpy()) - 1).max() < 1e-4
