"""Arithmetic, reductions and shapes against PyTorch: values, gradients, and gradients of gradients."""
import numpy as np
import pytest
import torch

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor

from .compare import check, compare

ROWS = np.array([0, 0, 2])
MASK = np.array([True, False, True])
_w = torch.where

CASES = {
    # name                 ours                                              theirs                                       shapes
    "add":                 (lambda a, b: a + b,                              None,                                        [(3, 4), (1, 4)]),
    "sub":                 (lambda a, b: a - b - 1,                          None,                                     [(3, 1), (2, 1, 4)]),
    "rsub":                (lambda a: 2 - a,                                 None,                                        [(3, 4)]),
    "mul":                 (lambda a, b: a * b * 3,                          None,                                        [(3, 4), ()]),
    "div":                 (lambda a, b: a / b,                              None,                                        [(3, 4), (3, 1)]),
    "rdiv":                (lambda a: 2 / a,                                 None,                                        [(3, 4)]),
    "neg, pow":            (lambda a: (-a) ** 3 + a ** 2,                    None,                                        [(3, 4)]),
    "number to a power":   (lambda a: 2 ** a,                                None,                                        [(3, 4)]),
    "positive pow":        (lambda a, b: (a * a + 1) ** b,                   None,                                        [(3, 4), (4,)]),
    "exp":                 (lambda a: a.exp() * a,                           None,                                        [(3, 4)]),
    "log, sqrt":           (lambda a: (a * a + 1).log() + (a * a + 1).sqrt(), None,                                       [(3, 4)]),
    "abs":                 (lambda a: abs(a) * a,                            None,                                        [(3, 4)]),
    "sin, cos":            (lambda a: a.sin() * a.cos(),                     None,                                        [(3, 4)]),
    "maximum":             (lambda a, b: F.maximum(a, b) * a,                lambda a, b: torch.maximum(a, b) * a,        [(3, 4), (4,)]),
    "minimum":             (lambda a, b: F.minimum(a, b) * a,                lambda a, b: torch.minimum(a, b) * a,        [(3, 4), (3, 1)]),
    "clamp":               (lambda a: a.clamp(-0.5, 0.7) * a,                None,                                        [(3, 4)]),
    "clamp below":         (lambda a: a.clamp(min=0.1) * a,                  None,                                        [(3, 4)]),
    "where":               (lambda a, b: F.where(a > 0, a * a, b),           lambda a, b: _w(a > 0, a * a, b),            [(3, 4), (1, 4)]),
    "sum":                 (lambda a: (a * a).sum(),                         None,                                        [(3, 4, 5)]),
    "sum of dims":         (lambda a: (a * a).sum((0, -1)),                  None,                                        [(3, 4, 5)]),
    "mean keepdim":        (lambda a: (a * a).mean(1, keepdim=True),         None,                                        [(3, 4, 5)]),
    "var":                 (lambda a: a.var(1),                              None,                                        [(3, 4, 5)]),
    "var biased":          (lambda a: a.var((0, 2), unbiased=False),         None,                                        [(3, 4, 5)]),
    "std":                 (lambda a: a.std((0, 1)).exp(),                   None,                                        [(3, 4, 5)]),
    "max":                 (lambda a: (a * a).max(),                         None,                                        [(3, 4, 5)]),
    "max with ties":       (lambda a: (a * 0 + 1).max() * a.clamp(-0.1, 0.1).max() * a.clamp(-0.1, 0.1).min(), None,   [(3, 4)]),
    "max of dim":          (lambda a: a.max(1)[0] * a.min(-2)[0],            None,                                        [(3, 4, 5)]),
    "reshape, permute":    (lambda a: a.reshape(4, -1).permute(1, 0) ** 2,   None,                                        [(3, 4, 5)]),
    "flatten, transpose":  (lambda a: a.flatten(1).transpose(0, 1) ** 2,     None,                                        [(3, 4, 5)]),
    "squeeze, unsqueeze":  (lambda a: a.squeeze(1).unsqueeze(0) ** 2,        None,                                        [(3, 1, 5)]),
    "slices":              (lambda a: a[1:, ::2, -1] ** 2,                   None,                                        [(3, 4, 5)]),
    "index arrays":        (lambda a: a[ROWS, 1] ** 2,                       lambda a: a[torch.tensor(ROWS), 1] ** 2,     [(3, 4, 5)]),
    "a list of channels":  (lambda a: a[:, [0, 2, 2, -1]] ** 2,              None,                                        [(2, 4, 3)]),
    "a list and a slice":  (lambda a: a[1:, [2, 0, 2]] ** 2,                 None,                                        [(3, 4, 2)]),
    "mask":                (lambda a: a[MASK] ** 2,                          lambda a: a[torch.tensor(MASK)] ** 2,        [(3, 4)]),
    "cat":                 (lambda a, b: F.cat([a, b * b], 1) ** 2,          lambda a, b: torch.cat([a, b * b], 1) ** 2,  [(3, 4), (3, 2)]),
    "stack":               (lambda a, b: F.stack([a, b], -1) ** 2,           lambda a, b: torch.stack([a, b], -1) ** 2,   [(3, 4), (3, 4)]),
    "split":               (lambda a: a.split(2, 1)[1] * a.split([1, 3], 1)[0], None,                                     [(3, 4)]),
    "chunk":               (lambda a: a.chunk(2, 1)[0] * 2,                  None,                                        [(3, 5)]),
    "expand":              (lambda a: a.expand(5, 3, -1) ** 2,               None,                                        [(3, 4)]),
    "one tensor twice":    (lambda a: a * a + a,                             None,                                        [(3, 4)]),
    "empty":               (lambda a: (a * a).sum(1) + 1,                    None,                                        [(0, 4)]),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name, dtype):
    ours, theirs, shapes = CASES[name]
    rng = np.random.default_rng(len(name))
    compare(ours, theirs or ours, [rng.standard_normal(s) for s in shapes], dtype=dtype)


@pytest.mark.parametrize("name", CASES)
def test_second_order(name):
    """The gradient of Σ (gradient)², which needs the second derivative of every operation on the way."""
    ours, theirs, shapes = CASES[name]
    rng = np.random.default_rng(len(name))
    arrays = [rng.standard_normal(s) for s in shapes]
    a, b = [Tensor(x, requires_grad=True) for x in arrays], [torch.tensor(x, requires_grad=True) for x in arrays]
    y, expected = ours(*a), (theirs or ours)(*b)
    u = rng.standard_normal(y.shape)
    first = mc.grad(y, a, Tensor(u), create_graph=True)
    expected_first = torch.autograd.grad(expected, b, torch.tensor(u), create_graph=True)
    for g, e in zip(first, expected_first):
        check("gradient", g.numpy(), e.detach().numpy())
    if not any(e.requires_grad for e in expected_first):                  # a linear function: its gradient is a constant
        assert not any(g.requires_grad and np.any(np.asarray(mc.grad((g * g).sum(), a)[0] or 0)) for g in first)
        return
    second = mc.grad(sum((g * g).sum() for g in first if g.requires_grad), a)
    expected_second = torch.autograd.grad(sum((e * e).sum() for e in expected_first if e.requires_grad), b, allow_unused=True)
    for g, e in zip(second, expected_second):
        check("second-order gradient", np.zeros(e.shape) if g is None and e is not None else 0.0 if g is None else g.numpy(),
              0.0 if e is None and g is None else np.zeros(g.shape) if e is None else e.numpy(), tolerance=1e-10)


def test_integer_and_comparison_results_are_pytorchs():
    x, y = np.array([[1.0, 5.0, 5.0], [2.0, -1.0, 0.0]]), np.array([1.0, 5.0, 7.0])
    a, b, ta, tb = Tensor(x), Tensor(y), torch.tensor(x), torch.tensor(y)
    for ours, theirs in [(a < b, ta < tb), (a <= b, ta <= tb), (a == b, ta == tb), (a != b, ta != tb), (a > b, ta > tb), (a >= 1, ta >= 1),
                         (a.argmax(1), ta.argmax(1)), (a.argmax(), ta.argmax()), (a.max(1)[1], ta.max(1)[1])]:
        assert np.array_equal(ours.numpy(), theirs.numpy()) and not ours.requires_grad


@pytest.mark.parametrize("expression", [lambda t: t(1) + 0.5, lambda t: t(2) / 4, lambda t: t(3) * 2, lambda t: t(2.0) + t(1)])
def test_types_of_results_are_pytorchs(expression):
    ours = expression(lambda v: Tensor(np.array(v, np.float32 if isinstance(v, float) else np.int64)))
    theirs = expression(lambda v: torch.tensor(v))
    assert ours.dtype == theirs.numpy().dtype and ours.item() == theirs.item()


AS_PYTORCH = {
    "exp of int8":                 lambda m, t: m.exp(t(np.array([12], np.int8))),
    "exp of bool":                 lambda m, t: m.exp(t(np.array([True]))),
    "log of uint8":                lambda m, t: m.log(t(np.array([200], np.uint8))),
    "bool plus number":            lambda m, t: t(np.array([True, False])) + 2,
    "bool compared with a number": lambda m, t: t(np.array([True])) == 2,
    "where of ints and a float":   lambda m, t: m.where(t(np.array([True, False])), t(np.array([1, 2])), 0.5),
    "sum over no dims":            lambda m, t: t(np.array([1.0, 2.0])).sum(()),
    "sum of uint8":                lambda m, t: t(np.array([200, 100], np.uint8)).sum(),
    "number beside a list":        lambda m, t: t(np.arange(75.0).reshape(1, 3, 5, 5))[0, :, [0, 1]],
    "number, mask and None":       lambda m, t: t(np.arange(24.0).reshape(2, 3, 4))[None, 1, [True, False, True]],
    "cat of int and float32":      lambda m, t: m.cat([t(np.array([1])), t(np.array([0.5], np.float32))], 0),
    "int64 times float32":         lambda m, t: t(np.array([3])) * t(np.array([0.5], np.float32)),
    "division of ints":            lambda m, t: t(np.array([3])) / t(np.array([2])),
}


@pytest.mark.parametrize("name", AS_PYTORCH)
def test_odd_types_and_indices_as_in_pytorch(name):
    ours, theirs = AS_PYTORCH[name](F, Tensor).numpy(), AS_PYTORCH[name](torch, torch.from_numpy).numpy()
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=1e-6, atol=0)


@pytest.mark.parametrize("function, values", [
    (lambda m, a: a.std(), [2.0, 2.0]),                                       # a slope of 0, not of 0 · ∞
    (lambda m, a: (m.zeros(1, dtype=a.dtype) ** a).sum(), [-1.0]),            # −∞
    (lambda m, a: (a * 2).clamp(min=a * 0 + 2.5, max=a * 0 + 5).sum(), [1.0, 2.0, 3.0]),
])
def test_gradients_at_odd_places_are_pytorchs(function, values):
    ours, theirs = Tensor(np.array(values), requires_grad=True), torch.tensor(values, dtype=torch.float64, requires_grad=True)
    function(mc, ours).backward()
    function(torch, theirs).backward()
    assert np.array_equal(ours.grad.numpy(), theirs.grad.numpy())


def test_a_gradient_has_the_type_of_its_leaf():
    a, b = Tensor(np.ones(2, np.float32), requires_grad=True), Tensor(np.ones(2), requires_grad=True)
    (a * b).backward(np.array([1, 2]))
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)


def test_what_the_user_does_with_indices_and_masks_does_not_reach_backward():
    a = Tensor([3.0, 5.0, 1.0], requires_grad=True)
    index, mask = Tensor(np.array([2, 1])), Tensor(np.array([True, False, True]))
    values, winners = a.reshape(1, 3).max(1)
    total = a[index].sum() + F.where(mask, a, 0.0 * a).sum() + values.sum()
    for tensor in (index, mask, winners):
        tensor[...] = 0
    total.backward()
    assert np.array_equal(a.grad.numpy(), [1, 2, 2])
