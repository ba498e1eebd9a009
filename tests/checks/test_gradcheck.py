"""gradcheck passes what is right, fails what is wrong, and says where."""
import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, nn
from minicnn.checks import check_model, check_operation, gradcheck
from minicnn.tensor import Op


class Wrong(Op):
    """x² with a backward that `mistake` spoils."""

    def __init__(self, mistake=lambda g: g):
        self.mistake = mistake

    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, g, needs):
        return (self.mistake(g * 2 * self.x),)


def spoilt(mistake):
    class Spoilt(Wrong):
        def __init__(self):
            super().__init__(mistake)
    return Spoilt.apply


def one_cell(g):
    g = g.copy()
    g.reshape(-1)[7] *= 1.01
    return g


def test_right_gradients_pass():
    assert gradcheck(spoilt(lambda g: g), np.random.default_rng(0).standard_normal((5, 7)))
    assert gradcheck(lambda a, b: (a @ b).exp().sum(1), [mc.randn(3, 4), mc.randn(4, 2)])
    assert gradcheck(lambda x: x.relu() * x.abs(), mc.randn(30, 31))


MISTAKES = {"zeros": lambda g: 0 * g, "sign": lambda g: -g, "a hundredth of a percent": lambda g: g * 1.0001,
            "flipped": lambda g: g[::-1].copy(), "one cell": one_cell, "NaN": lambda g: g * np.nan}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_wrong_gradients_fail(mistake):
    assert not gradcheck(spoilt(mistake), np.random.default_rng(0).standard_normal((5, 7)))


def test_the_classical_blind_spot_of_ones_upstream():
    """A softmax whose backward is all zeros passes where the upstream gradient is ones, for its true gradient is then zero."""
    class ZeroBackward(Op):
        def forward(self, x):
            e = np.exp(x - x.max(1, keepdims=True))
            return e / e.sum(1, keepdims=True)

        def backward(self, g, needs):
            return (np.zeros_like(g),)
    assert not gradcheck(ZeroBackward.apply, mc.randn(3, 4))


def test_a_cut_graph_is_said_to_be_cut():
    report = gradcheck(lambda x: Tensor(x.numpy() ** 2), mc.randn(3))
    assert not report and "the graph is cut" in str(report)


def test_the_report_names_the_worst_element():
    report = gradcheck(spoilt(one_cell), np.random.default_rng(0).standard_normal((3, 4)))
    assert report.rows[0].index == (1, 3) and "finite differences say" in str(report) and "BAD input 0 (3, 4)" in str(report)


def test_a_module_is_checked_with_its_parameters_and_left_as_it_was():
    mc.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(3 * 3 * 2, 4))
    before = {k: v.numpy().tobytes() for k, v in model.state_dict().items()}
    report = gradcheck(model, mc.randn(3, 2, 5, 4))
    assert report, report
    assert {row.name for row in report.rows} == {"input 0", *(name for name, _ in model.named_parameters())}
    assert {k: v.numpy().tobytes() for k, v in model.state_dict().items()} == before


def test_a_pair_of_numpy_functions():
    def forward(x, w):
        return x @ w

    def backward(grad_output, x, w):
        return grad_output @ w.T, x.T @ grad_output
    inputs = [np.random.default_rng(0).standard_normal(s) for s in ((3, 4), (4, 2))]
    assert gradcheck(forward, inputs, backward=backward)
    assert not gradcheck(forward, inputs, backward=lambda g, x, w: (g @ w.T, x.T @ g / 3))
    wrong_shape = gradcheck(forward, inputs, backward=lambda g, x, w: (g @ w.T, g.T @ x))
    assert not wrong_shape and "backward's gradient has shape (2, 4), the input (4, 2)" in str(wrong_shape)


def test_inputs_stay_as_they_were():
    x = np.random.default_rng(0).standard_normal((3, 4))
    before = x.tobytes()
    gradcheck(lambda t: t * t, x)
    assert x.tobytes() == before


def test_nothing_to_check():
    with pytest.raises(ValueError, match="nothing to check"):
        gradcheck(lambda x: x, np.arange(3))


def test_operations_and_models_by_name():
    reports = dict(check_operation("linear", "reference"))
    assert len(reports) >= 2 and all(reports.values())
    with pytest.raises(ValueError, match="did you mean 'conv2d'"):
        next(check_operation("conv2"))
    report = check_model("lenet5", batch=2, coordinates=16)
    assert report, report
    assert len(report.rows) == 11                       # the input and ten parameters


def test_a_jump_is_left_for_a_point_beside_it():
    """sign(x) at 0 lies halfway between its sides: no gap shows the jump, but difference quotients grow without end."""
    def step(x):
        return 2 * np.sign(x) + x
    x = np.array([0.0, 1.0, 2.0])
    report = gradcheck(step, [x], backward=lambda g, x: g)
    assert report and report.kinks == 1, report
    assert not gradcheck(step, [x], backward=lambda g, x: 1.1 * g)
    wrong = gradcheck(lambda x: 0 * x + 3, [x], backward=lambda g, x: g)          # quotients of rounding alone are no jump
    assert not wrong and wrong.kinks == 0
