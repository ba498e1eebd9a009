"""Losses against PyTorch: every combination of target, weights, ignored labels, reduction and smoothing; and what is refused."""
import itertools
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as T

import minicnn as mc
import minicnn.functional as F

from .compare import compare, error

BACKENDS, DTYPES = ("reference", "numba"), ("float32", "float64")
SHAPES = {"rows": (7, 5), "planes": (2, 4, 3, 5), "no batch": (6,), "one class": (3, 1), "one row": (1, 9), "strips": (2, 3, 20, 21)}


def everywhere(test):
    return pytest.mark.parametrize("backend", BACKENDS)(pytest.mark.parametrize("dtype", DTYPES)(test))


def draw(shape, weighted, soft=False, ignore_index=None, seed=0, scale=2.0):
    """Scores, target, weight or None: labels, or probabilities; some labels ignored, but never the first."""
    rng = np.random.default_rng([seed, *shape])
    C = shape[min(1, len(shape) - 1)]
    rows = shape[:1] + shape[2:] if len(shape) > 1 else ()
    if soft:
        target = rng.random(shape) + 0.1
        target = target / target.sum(min(1, len(shape) - 1), keepdims=True)
    else:
        target = rng.integers(0, C, rows)
        if ignore_index is not None and rows:
            ignored = rng.random(rows) < 0.4
            ignored.flat[0] = False
            target = np.where(ignored, ignore_index, target)
    return scale * rng.standard_normal(shape), target, rng.random(C) + 0.2 if weighted else None


def labelled():
    """All combinations on rows, and on every other shape a fixed part of them."""
    found = []
    for number, (name, weighted, reduction, smoothing, ignore_index) in enumerate(itertools.product(
            SHAPES, (False, True), ("none", "mean", "sum"), (0.0, 0.15), (None, -100, 1, 255))):
        if (name == "rows" or number % 7 == 0) and (name, ignore_index) != ("one class", 1):
            words = name, reduction, "weighted" * weighted, "smoothed" * (smoothing > 0), f"ignore {ignore_index}"
            found.append(pytest.param(name, weighted, reduction, smoothing, ignore_index, id="-".join(filter(None, words))))
    return found


@everywhere
@pytest.mark.parametrize("name, weighted, reduction, smoothing, ignore_index", labelled())
def test_cross_entropy_of_labels(name, weighted, reduction, smoothing, ignore_index, backend, dtype):
    arrays = draw(SHAPES[name], weighted, ignore_index=ignore_index)
    options: Any = dict(ignore_index=-100 if ignore_index is None else ignore_index, reduction=reduction, label_smoothing=smoothing)
    compare(lambda x, t, w: F.cross_entropy(x, t, w, **options), lambda x, t, w: T.cross_entropy(x, t, w, **options),
            arrays, backend=backend, dtype=dtype, grads=[True, False, False])


@everywhere
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("name", ["rows", "planes", "no batch"])
def test_cross_entropy_of_probabilities(name, weighted, reduction, smoothing, backend, dtype):
    """With the gradient of the target probabilities too."""
    options = dict(reduction=reduction, label_smoothing=smoothing)
    compare(lambda x, t, w: F.cross_entropy(x, t, w, **options), lambda x, t, w: T.cross_entropy(x, t, w, **options),
            draw(SHAPES[name], weighted, soft=True), backend=backend, dtype=dtype, grads=[True, True, False])


@everywhere
@pytest.mark.parametrize("scale, offset", [(1e3, 0.0), (1.0, 1e4), (1.0, -1e4)])
def test_cross_entropy_of_extremes(scale, offset, backend, dtype):
    x, t, _ = draw((6, 5), False)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        compare(lambda x, t: F.cross_entropy(x, t, reduction="none"), lambda x, t: T.cross_entropy(x, t, reduction="none"),
                [scale * x + offset, t], backend=backend, dtype=dtype)


@everywhere
def test_cross_entropy_of_infinities(backend, dtype):
    """A class of score −∞ that is not asked for costs nothing; the right one costs infinity; +∞ and NaN make their row NaN alone."""
    x = np.array([[-np.inf, 0.0, 1.0], [0.0, -np.inf, 1.0], [np.inf, 0.0, 1.0], [np.nan, 0.0, 1.0], [1.0, 2.0, 3.0]])
    t = np.array([1, 1, 1, 1, 1])
    compare(lambda x, t: F.cross_entropy(x, t, reduction="none"), lambda x, t: T.cross_entropy(x, t, reduction="none"),
            [x, t], backend=backend, dtype=dtype)


@everywhere
@pytest.mark.parametrize("ignore_index", [None, 1])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("name", ["rows", "planes", "no batch"])
def test_nll_loss(name, weighted, reduction, ignore_index, backend, dtype):
    options: Any = dict(ignore_index=-100 if ignore_index is None else ignore_index, reduction=reduction)
    compare(lambda x, t, w: F.nll_loss(x, t, w, **options), lambda x, t, w: T.nll_loss(x, t, w, **options),
            draw(SHAPES[name], weighted, ignore_index=ignore_index), backend=backend, dtype=dtype, grads=[True, False, False])


@everywhere
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (0, 3), (3, 5000)], ids=str)
def test_mse_loss(shape, reduction, backend, dtype):
    rng = np.random.default_rng(1)
    compare(lambda x, t: F.mse_loss(x, t, reduction=reduction), lambda x, t: T.mse_loss(x, t, reduction=reduction),
            [rng.standard_normal(shape), rng.standard_normal(shape)], backend=backend, dtype=dtype)


@everywhere
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_mse_loss_broadcasts_with_a_warning(backend, dtype):
    rng = np.random.default_rng(2)
    with pytest.warns(UserWarning, match=r"mse_loss: input \(4, 1\) and target \(3,\) differ in shape"):
        compare(F.mse_loss, T.mse_loss, [rng.standard_normal((4, 1)), rng.standard_normal(3)], backend=backend, dtype=dtype)


@everywhere
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("shape, target, ignored", [((0, 3), (0,), False), ((0, 3, 2), (0, 2), False), ((0, 3), (0, 3), False),
                                                    ((4, 3), (4,), True)], ids=str)
def test_nothing_to_average(shape, target, ignored, reduction, backend, dtype):
    """An empty batch, or one of ignored labels: the mean is NaN, the sum 0, the gradient 0."""
    t = np.zeros(target) if target == shape else np.full(target, -100 if ignored else 0)
    x = np.random.default_rng(3).standard_normal(shape)
    compare(lambda x, t: F.cross_entropy(x, t, reduction=reduction), lambda x, t: T.cross_entropy(x, t, reduction=reduction),
            [x, t], backend=backend, dtype=dtype)
    if t.dtype.kind == "i":
        compare(lambda x, t: F.nll_loss(x, t, reduction=reduction), lambda x, t: T.nll_loss(x, t, reduction=reduction),
                [x, t], backend=backend, dtype=dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("integers", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_labels_of_any_integer_type(integers, backend):
    x, t, _ = draw((7, 5), False)
    with mc.use_backend(backend):
        expected = F.cross_entropy(mc.Tensor(x), mc.Tensor(t)).item()
        assert F.cross_entropy(mc.Tensor(x), mc.Tensor(t.astype(integers))).item() == expected
        assert F.cross_entropy(mc.Tensor(x), t.astype(integers)).item() == expected


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("loss", ["cross_entropy of labels", "cross_entropy of probabilities", "nll_loss", "mse_loss"])
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_second_order(loss, reduction, backend):
    """The gradient of |∂Σv·loss/∂x|², through what comes before the loss too."""
    x0, t0, w0 = draw((2, 3, 4), True, soft="probabilities" in loss or loss == "mse_loss", ignore_index=1)

    def run(f, x, t, w):
        x = x * x
        if loss == "mse_loss":
            return f.mse_loss(x, t, reduction=reduction)
        if loss == "nll_loss":
            return f.nll_loss(f.log_softmax(x, 1), t, w, ignore_index=1, reduction=reduction)
        return f.cross_entropy(x, t, w, ignore_index=1 if "labels" in loss else -100, reduction=reduction, label_smoothing=0.1)

    with mc.use_backend(backend):
        x = mc.Tensor(x0, requires_grad=True)
        y = run(F, x, mc.Tensor(t0), mc.Tensor(w0))
        v = np.random.default_rng(4).standard_normal(y.shape)
        first = mc.grad((y * mc.Tensor(np.asarray(v))).sum(), [x], create_graph=True)[0]
        second = mc.grad((first * first).sum(), [x])[0]
    tx = torch.tensor(x0, requires_grad=True)
    ty = run(T, tx, torch.tensor(t0), torch.tensor(w0))
    t_first = torch.autograd.grad((ty * torch.tensor(v)).sum(), tx, create_graph=True)[0]
    t_second = torch.autograd.grad((t_first * t_first).sum(), tx)[0]
    assert error(first.numpy(), t_first.detach().numpy()) <= 1e-12
    assert error(second.numpy(), t_second.numpy()) <= 1e-11


ROWS, LABELS = np.zeros((4, 3)), np.array([0, 2, 1, 0])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("call, exception, text", [
    (lambda x: F.cross_entropy(x, np.array([0, 1, 3, -5])), ValueError,
     "cross_entropy: label 3 at position 2 of the target is out of range: with 3 classes, labels run from 0 to 2"),
    (lambda x: F.nll_loss(x, np.array([0, -1, 2, 1])), ValueError,
     "nll_loss: label -1 at position 1 of the target is out of range: with 3 classes"),
    (lambda x: F.cross_entropy(x.reshape(1, 3, 4), np.array([[0, 1, 7, 1]])), ValueError, r"label 7 at position \(0, 2\)"),
    (lambda x: F.cross_entropy(x, np.array([0, 255, 1, 1], np.uint8)), ValueError, "label 255 at position 1"),
    (lambda x: F.cross_entropy(x, LABELS[:3]), ValueError, r"input of shape \(4, 3\) should have shape \(4,\).*got \(3,\)"),
    (lambda x: F.cross_entropy(x, LABELS.astype(float)), TypeError,
     r"whole numbers, got float64 of shape \(4,\); convert them with target.long\(\)"),
    (lambda x: F.nll_loss(x, LABELS.astype(float)), TypeError, "nll_loss: a target of class labels should hold whole numbers, got float64"),
    (lambda x: F.cross_entropy(x, LABELS > 0), TypeError, "whole numbers, got bool"),
    (lambda x: F.cross_entropy(x, np.eye(4, 3, dtype=int)), ValueError, "Class probabilities should be floating-point"),
    (lambda x: F.cross_entropy(x, LABELS, mc.Tensor(np.ones(4))), ValueError,
     r"weight should have one number a class, shape \(3,\), got \(4,\)"),
    (lambda x: F.cross_entropy(x, LABELS, mc.Tensor(np.ones(3), requires_grad=True)), ValueError, "class weights are constants"),
    (lambda x: F.cross_entropy(x, LABELS, reduction="avg"), ValueError, "reduction should be 'none', 'mean' or 'sum', got 'avg'"),
    (lambda x: F.nll_loss(x, LABELS, reduction="avg"), ValueError, "reduction should be"),
    (lambda x: F.mse_loss(x, x, reduction="avg"), ValueError, "reduction should be"),
    (lambda x: F.cross_entropy(x, LABELS, label_smoothing=1.5), ValueError, "label_smoothing should be from 0 to 1, got 1.5"),
    (lambda x: F.cross_entropy(x, LABELS, label_smoothing=float("nan")), ValueError, "label_smoothing should be from 0 to 1, got nan"),
    (lambda x: F.cross_entropy(x.sum(), np.array(0)), ValueError, "got a single number"),
])
def test_errors(call, exception, text, backend):
    with mc.use_backend(backend), pytest.raises(exception, match=text):
        call(mc.Tensor(ROWS))
