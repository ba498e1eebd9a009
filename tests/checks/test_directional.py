"""The check of a whole network at once: pieces that are held are the functions themselves, and a wrong gradient fails wherever it is."""
import sys

import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, nn
from minicnn.checks import check_directions
from minicnn.checks.kinks import PIECES, Sides

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def reference_backend():
    with mc.use_backend("reference"):
        yield


@pytest.mark.parametrize("name", PIECES)
def test_a_piece_is_the_function_on_its_side_and_goes_on_smoothly_beyond(name):
    function, x = getattr(F, name), np.concatenate([RNG.standard_normal(200) * 4, [0.0, 3.0, -3.0, 6.0]])
    with Sides() as sides:
        y = function(Tensor(x)).numpy()
    with sides.held():
        assert np.abs(function(Tensor(x)).numpy() - y).max() < 1e-14
    step = 10.0                                              # far beyond every kink: each number moves on its own piece
    with sides.held():
        far = function(Tensor(x + step)).numpy()
    slopes = [value for value in PIECES[name][1](x + step, {"negative_slope": 0.01, "alpha": 1.0})]
    assert all(min(abs(f - s[i]) for s in slopes) < 1e-12 for i, f in enumerate(far))
    assert not np.allclose(far, function(Tensor(x + step)).numpy())


@pytest.mark.parametrize("pool", [lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: F.adaptive_max_pool2d(x, (2, 3))])
def test_a_maximum_keeps_its_place(pool):
    x = RNG.standard_normal((2, 3, 7, 8))
    with Sides() as sides:
        y = pool(Tensor(x)).numpy()
    with sides.held():
        assert np.array_equal(pool(Tensor(x)).numpy(), y)
    with sides.held():
        assert np.array_equal(pool(Tensor(-x)).numpy(), -y)            # of −x these are the minima, if the places are kept


def test_another_order_is_refused():
    x = Tensor(RNG.standard_normal((2, 3)))
    with Sides() as sides:
        F.relu(F.relu6(x))
    for run, text in ((lambda: F.relu(x), "relu of"), (lambda: F.relu6(x[:1]), "relu6 of"), (lambda: F.relu6(x), "relu did not run again")):
        with pytest.raises(RuntimeError, match=text):
            with sides.held():
                run()


def network():
    mc.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(6, 4, 2), nn.Hardswish(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(4 * 3 * 2, 3))


X = RNG.standard_normal((4, 2, 10, 8))


def test_a_right_network_passes_and_is_left_as_it_was():
    model = network()
    before = {name: t.numpy().copy() for name, t in model.state_dict().items()}
    report = check_directions(model, X, tolerance=1e-7, directions=3)
    assert report and len(report.rows) == 3 and "passed" in str(report)
    assert all(np.array_equal(t.numpy(), before[name]) for name, t in model.state_dict().items())
    assert not mc.observers.observers and all(p.grad is None for p in model.parameters())


def test_a_network_on_its_kinks_passes():
    """Half of the image is 0: ReLUs at their kink, windows of ties. A plain quotient would give half of the slope."""
    model = nn.Sequential(nn.Conv2d(2, 3, 1, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3 * 5 * 4, 3))
    x = X.copy()
    x[:, :, :5] = 0
    assert check_directions(model, x, tolerance=1e-7)


@pytest.mark.parametrize("op, which", [("Conv2d", 0), ("Conv2d", 1), ("Conv2d", 2), ("BatchNorm", 1), ("BatchNorm", 2), ("Linear", 1),
                                       ("ReLU", 0)])
def test_one_percent_anywhere_fails(op, which, monkeypatch):
    files = [sys.modules[f"minicnn.functional.{name}"] for name in ("activation", "conv", "linear", "normalization")]
    cls = next(getattr(file, op) for file in files if hasattr(file, op))
    right = cls.backward

    def wrong(self, *grads, needs):
        found = list(right(self, *grads, needs=needs))
        found[which] = None if found[which] is None else 1.01 * found[which]
        return tuple(found)
    monkeypatch.setattr(cls, "backward", wrong)
    assert not check_directions(network(), X, tolerance=1e-5)


def test_a_branch_that_hardly_counts_is_checked_as_well(monkeypatch):
    """A tenth of one factor, in a branch of a millionth of the scores: only a direction along which all tensors add as much sees it."""
    class Faint(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.branch = network(), nn.Sequential(nn.Flatten(), nn.Linear(160, 3))

        def forward(self, x):
            return self.trunk(x) + 1e-6 * self.branch(x)
    assert check_directions(Faint(), X, tolerance=1e-6)
    cls = sys.modules["minicnn.functional.linear"].Linear
    right = cls.backward

    def wrong(self, *grads, needs):
        dx, dw, db = right(self, *grads, needs=needs)
        return dx, 1.1 * dw if dw.shape == (3, 160) else dw, db
    monkeypatch.setattr(cls, "backward", wrong)
    report = check_directions(Faint(), X)
    assert [report.passed(row) for row in report.rows] == [True, False] and "branch.1.weight" in str(report)


def test_a_gradient_that_is_missing_or_nan_fails():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x):
            return self.used(x)
    report = check_directions(Cut(), RNG.standard_normal((2, 3)))
    assert not report and "unused.weight gets no gradient" in str(report)
    assert not check_directions(nn.Linear(3, 2), np.array([[np.nan, 1, 2]]))
