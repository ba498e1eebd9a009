"""Optimisers and clipping against torch.optim: ten steps with every option, in both backends and types; and what belongs to them."""
import copy
from typing import Any

import numpy as np
import pytest
import torch

import minicnn as mc
from minicnn import nn, optim

from .compare import TOLERANCE, error

BACKENDS, DTYPES = ("reference", "numba"), ("float32", "float64")
SHAPES = ((3, 4), (5,), (), (2, 3, 2, 2), (1, 4100))
STEPS = 10

CONFIGURATIONS = [
    ("SGD", dict(lr=0.1)),
    ("SGD", dict(lr=0.1, weight_decay=0.1)),
    ("SGD", dict(lr=0.1, maximize=True, weight_decay=0.1)),
    ("SGD", dict(lr=0.1, momentum=0.9)),
    ("SGD", dict(lr=0.1, momentum=0.9, dampening=0.3)),
    ("SGD", dict(lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.1, maximize=True)),
    ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True)),
    ("SGD", dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1)),
    *((name, options) for name in ("Adam", "AdamW") for options in (
        dict(),
        dict(lr=0.1),
        dict(lr=0.1, betas=(0.5, 0.8)),
        dict(lr=0.1, betas=(0.0, 0.9)),
        dict(lr=0.1, eps=0.1),
        dict(lr=0.1, weight_decay=0.2),
        dict(lr=0.1, amsgrad=True),
        dict(lr=0.1, amsgrad=True, weight_decay=0.2, maximize=True),
        dict(lr=0.1, maximize=True),
    )),
    ("RMSprop", dict()),
    ("RMSprop", dict(lr=0.1, alpha=0.8)),
    ("RMSprop", dict(lr=0.1, eps=0.1)),
    ("RMSprop", dict(lr=0.1, weight_decay=0.2)),
    ("RMSprop", dict(lr=0.1, momentum=0.9)),
    ("RMSprop", dict(lr=0.1, centered=True, eps=1e-3)),
    ("RMSprop", dict(lr=0.1, centered=True, momentum=0.5, weight_decay=0.2, eps=1e-3)),
    ("RMSprop", dict(lr=0.1, maximize=True)),
    ("Adagrad", dict()),
    ("Adagrad", dict(lr=0.1, lr_decay=0.1)),
    ("Adagrad", dict(lr=0.1, weight_decay=0.2)),
    ("Adagrad", dict(lr=0.1, initial_accumulator_value=0.5)),
    ("Adagrad", dict(lr=0.1, eps=0.1)),
    ("Adagrad", dict(lr=0.1, maximize=True, lr_decay=0.1, weight_decay=0.2)),
]
IDS = [f"{name}-{','.join(f'{k}={v}' for k, v in options.items()) or 'defaults'}" for name, options in CONFIGURATIONS]


def draw(dtype) -> Any:
    """Starting values, and gradients for each step, none near zero: where a gradient almost vanishes, Adam divides rounding by rounding."""
    rng = np.random.default_rng(0)

    def values(shape):
        return np.asarray(rng.choice([-1.0, 1.0], shape) * rng.uniform(0.2, 2.0, shape)).astype(dtype)
    return [values(s) for s in SHAPES], [[values(s) for s in SHAPES] for _ in range(STEPS)]


def give(parameters, gradients):
    for p, g in zip(parameters, gradients):
        p.grad = mc.Tensor(g.copy()) if isinstance(p, mc.Tensor) else torch.tensor(g.astype(np.float64))


def flat(parameters):
    return np.concatenate([p.detach().numpy().reshape(-1) for p in parameters])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name, options", CONFIGURATIONS, ids=IDS)
def test_ten_steps(name, options, dtype, backend):
    """All parameters after each step, together, against PyTorch in float64 on the same numbers."""
    start, gradients = draw(dtype)
    ours = [mc.Tensor(a.copy(), requires_grad=True) for a in start]
    theirs = [torch.tensor(a.astype(np.float64), requires_grad=True) for a in start]
    arrays, versions = [p.data for p in ours], [p.version[0] for p in ours]
    mine, oracle = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    with mc.use_backend(backend):
        for g in gradients:
            give(ours, g)
            give(theirs, g)
            mine.step()
            oracle.step()
            assert error(flat(ours), flat(theirs)) <= TOLERANCE[np.dtype(dtype)]
            assert all(p.dtype == dtype for p in ours)
    assert all(p.data is a for p, a in zip(ours, arrays)), "a step should write in place"
    assert [p.version[0] - before for p, before in zip(ours, versions)] == [STEPS] * len(ours)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rmsprop_with_eps_inside_the_root(momentum, backend):
    """TensorFlow's form, by its formula: v ← αv + (1−α)g²,  m ← momentum·m + g/√(v + eps),  θ ← θ − lr·m"""
    start, gradients = draw("float64")
    ours = [mc.Tensor(a.copy(), requires_grad=True) for a in start]
    mine = optim.RMSprop(ours, lr=0.1, alpha=0.9, eps=0.3, momentum=momentum, eps_inside=True)
    theta, v, m = [a.copy() for a in start], [np.zeros(s) for s in SHAPES], [np.zeros(s) for s in SHAPES]
    with mc.use_backend(backend):
        for g in gradients:
            give(ours, g)
            mine.step()
            for i in range(len(SHAPES)):
                v[i] = 0.9 * v[i] + 0.1 * g[i] ** 2
                m[i] = momentum * m[i] + g[i] / np.sqrt(v[i] + 0.3)
                theta[i] = theta[i] - 0.1 * m[i]
                assert error(ours[i].numpy(), theta[i]) <= 1e-12


@pytest.mark.parametrize("name, options", [
    ("SGD", dict(lr=0.1, momentum=0.9, dampening=0.5)), ("Adam", dict(amsgrad=True)), ("AdamW", dict()),
    ("RMSprop", dict(centered=True, momentum=0.9)), ("Adagrad", dict(lr_decay=0.1))], ids=str)
def test_state_dict_goes_on_bit_for_bit(name, options):
    """Four steps, and two, a new optimiser that loads the state, and two more: the same bits."""
    start, gradients = draw("float32")

    def run(interrupted):
        ps = [mc.Tensor(a.copy(), requires_grad=True) for a in start]
        optimizer = getattr(optim, name)([{"params": ps[:2], "lr": 0.01}, {"params": ps[2:]}], **options)
        before = start
        for number, g in enumerate(gradients[:4]):
            if interrupted and number == 2:
                saved = optimizer.state_dict()
                optimizer.step()                                     # what is saved is a copy
                optimizer = getattr(optim, name)([{"params": ps[:2]}, {"params": ps[2:]}])
                for p, a in zip(ps, before):
                    p.data[...] = a
                optimizer.load_state_dict(copy.deepcopy(saved))
                assert optimizer.param_groups[0]["lr"] == 0.01
            give(ps, g)
            optimizer.step()
            before = [p.numpy().copy() for p in ps]
        return [p.numpy().tobytes() for p in ps]

    assert run(True) == run(False)


def test_state_dict_is_plain():
    p = mc.Tensor(np.ones(3, np.float32), requires_grad=True)
    optimizer = optim.Adam([p])
    p.grad = mc.Tensor(np.ones(3, np.float32))
    optimizer.step()
    state = optimizer.state_dict()
    assert set(state) == {"state", "param_groups"} and set(state["state"]["0"]) == {"step", "exp_avg", "exp_avg_sq"}
    assert state["param_groups"][0]["params"] == [0] and state["param_groups"][0]["betas"] == [0.9, 0.999]
    assert state["state"]["0"]["step"] == 1
    for change, text in (
            (lambda s: s["param_groups"].append({"params": []}), r"for groups of \[1, 0\] parameters, this optimiser has groups of \[1\]"),
            (lambda s: s["state"]["0"].update(exp_avg=np.ones(4)), r"exp_avg of parameter 0 has shape \(4,\), the parameter \(3,\)"),
            (lambda s: s["state"].update({"7": {}}), "something for a parameter 7"),
            (lambda s: s["param_groups"][0].pop("betas"), "has no betas: it belongs to another optimiser"),
            (lambda s: s["param_groups"][0].update(lr=float("nan")), "lr should be a finite number"),
            (lambda s: s.pop("state"), "has the keys 'state' and 'param_groups'")):
        broken = copy.deepcopy(state)
        change(broken)
        with pytest.raises(ValueError, match=text):
            optimizer.load_state_dict(broken)
        assert optimizer.state_dict()["param_groups"] == state["param_groups"], "a state that is refused changes nothing"


def test_parameters_of_any_layout():
    """A transposed parameter is written in place; a gradient may be a broadcast view, or of another type."""
    data = np.arange(6.0).reshape(2, 3).T
    p = mc.Tensor(data, requires_grad=True)
    p.grad = mc.Tensor(np.broadcast_to(np.float32(2), (3, 2)))
    optim.SGD([p], lr=0.5).step()
    assert p.data is data and np.array_equal(data, np.arange(6.0).reshape(2, 3).T - 1)


def test_what_has_no_gradient_stays():
    p, q = (mc.Tensor(np.ones(2, np.float32), requires_grad=True) for _ in range(2))
    optimizer = optim.Adam([p, q], weight_decay=0.5)
    p.grad = mc.Tensor(np.ones(2, np.float32))
    optimizer.step()
    assert p.numpy()[0] != 1 and q.numpy().tolist() == [1, 1] and len(optimizer.state) == 1
    optimizer.zero_grad()
    assert p.grad is None
    p.grad = mc.Tensor(np.ones(2, np.float32))
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.numpy().tolist() == [0, 0]


def test_closure_and_backward_after_a_step():
    p = mc.Tensor(np.ones(2, np.float32), requires_grad=True)
    optimizer = optim.SGD([p], lr=0.1)
    y = (p * p).sum()

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss
    assert optimizer.step(closure).item() == 2 and np.allclose(p.numpy(), 0.8)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()                                             # its p·p was of the old values


def test_a_parameter_draws_its_values_first():
    layer = nn.Linear(3, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    layer(mc.Tensor(np.ones((1, 3), np.float32))).sum().backward()
    before = layer.weight.numpy().copy()
    optimizer.step()
    assert np.allclose(layer.weight.numpy(), before - 0.1, atol=1e-7)


P: Any = mc.Tensor(np.ones(3, np.float32), requires_grad=True)
WORD: Any = "0.1"
NUMBER: Any = 0.9
ARRAYS: Any = [np.ones(3)]


@pytest.mark.parametrize("make, exception, text", [
    (lambda: optim.SGD([P], lr=float("nan")), ValueError, "SGD: lr should be a finite number, 0 or more, got nan"),
    (lambda: optim.Adam([P], lr=-1.0), ValueError, "Adam: lr should be a finite number, 0 or more, got -1.0"),
    (lambda: optim.SGD([P], lr=float("inf")), ValueError, "lr should be a finite number"),
    (lambda: optim.SGD([P], lr=WORD), ValueError, "lr should be a finite number, 0 or more, got '0.1'"),
    (lambda: optim.SGD([P], weight_decay=-0.1), ValueError, "weight_decay should be"),
    (lambda: optim.SGD([P], momentum=-0.1), ValueError, "momentum should be"),
    (lambda: optim.SGD([P], nesterov=True), ValueError, "nesterov needs a momentum above 0 and no dampening"),
    (lambda: optim.Adam([P], betas=NUMBER), ValueError, r"betas should be two numbers, as \(0.9, 0.999\), got 0.9"),
    (lambda: optim.SGD([mc.Tensor(np.broadcast_to(np.ones(1), 3))], 0.1), ValueError, r"parameter 0, of shape \(3,\), is read-only memory"),
    (lambda: optim.Adam([P], betas=(0.9, 1.0)), ValueError, r"betas should be from 0 to below 1, got \(0.9, 1.0\)"),
    (lambda: optim.Adam([P], eps=-1.0), ValueError, "eps should be"),
    (lambda: optim.Adagrad([P], lr_decay=-1.0), ValueError, "lr_decay should be"),
    (lambda: optim.SGD([]), ValueError, "SGD: there are no parameters to optimise"),
    (lambda: optim.SGD(P), TypeError, "expected an iterable of tensors or of groups"),
    (lambda: optim.SGD(ARRAYS), TypeError, r"parameter 0 should be a Tensor, got ndarray; pass model.parameters\(\)"),
    (lambda: optim.SGD(nn.Linear(2, 2).named_parameters()), TypeError, "parameter 0 should be a Tensor, got tuple"),
    (lambda: optim.SGD([P, P]), ValueError, r"parameter 1, of shape \(3,\), comes twice"),
    (lambda: optim.SGD([{"params": [P]}, {"params": [P]}]), ValueError, "comes twice"),
    (lambda: optim.SGD([P * 2]), ValueError, "is the result of an operation"),
    (lambda: optim.SGD([{"params": [P], "learning_rate": 0.1}]), ValueError, "unknown options learning_rate of a group; there are lr"),
    (lambda: optim.SGD([{"params": [P], "lr": -0.1}]), ValueError, "lr should be"),
    (lambda: optim.SGD([P]).add_param_group(ARRAYS), TypeError, "should be a dict with the key 'params'"),
    (lambda: optim.clip_grad_norm_([P], -1.0), ValueError, "max_norm should be 0 or more"),
    (lambda: optim.clip_grad_norm_([P], 1.0, 0.0), ValueError, "norm_type should be above 0"),
    (lambda: optim.clip_grad_value_([P], float("nan")), ValueError, "clip_value should be 0 or more"),
    (lambda: optim.clip_grad_norm_(ARRAYS, 1.0), TypeError, "expected tensors, got ndarray"),
])
def test_errors(make, exception, text):
    with pytest.raises(exception, match=text):
        make()


def test_gradient_of_another_shape():
    p = mc.Tensor(np.ones(3, np.float32), requires_grad=True)
    p.grad = mc.Tensor(np.ones((3, 1), np.float32))
    with pytest.raises(ValueError, match=r"the parameter has shape \(3,\), its gradient \(3, 1\)"):
        optim.SGD([p]).step()


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 1e4, 0.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_clip_grad_norm(max_norm, norm_type, dtype):
    start, gradients = draw(dtype)
    ours, theirs = [mc.Tensor(a) for a in start] + [mc.Tensor(np.ones(2))], [torch.tensor(a.astype(np.float64)) for a in start]
    give(ours, gradients[0])
    give(theirs, gradients[0])
    total = optim.clip_grad_norm_(ours, max_norm, norm_type)                 # the last tensor has no gradient
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert error(total.numpy(), expected.numpy()) <= TOLERANCE[np.dtype(dtype)]
    for p, t in zip(ours, theirs):
        assert t.grad is not None
        assert p.grad.dtype == dtype and error(p.grad.numpy(), t.grad.numpy()) <= TOLERANCE[np.dtype(dtype)]


def test_clip_grad_norm_of_what_is_no_number_and_of_what_is_large():
    p = mc.Tensor(np.ones(2))
    p.grad = mc.Tensor(np.array([1e200, 1e200]))
    assert np.isclose(optim.clip_grad_norm_([p], 1.0).item(), 1e200 * 2 ** 0.5)
    assert np.allclose(p.grad.numpy(), 0.5 ** 0.5)
    p.grad = mc.Tensor(np.array([1.0, np.nan]))
    with pytest.raises(RuntimeError, match="the norm of the gradients is nan"):
        optim.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad.numpy()[0] == 1
    assert np.isnan(optim.clip_grad_norm_([p], 1.0).item()) and np.isnan(p.grad.numpy()).all()
    assert optim.clip_grad_norm_([], 1.0).item() == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_clip_grad_value(dtype):
    start, gradients = draw(dtype)
    ours, theirs = [mc.Tensor(a) for a in start], [torch.tensor(a) for a in start]
    give(ours, gradients[0])
    for t, g in zip(theirs, gradients[0]):
        t.grad = torch.tensor(g)
    optim.clip_grad_value_(ours, 0.7)
    torch.nn.utils.clip_grad_value_(theirs, 0.7)
    for p, t in zip(ours, theirs):
        assert t.grad is not None and np.array_equal(p.grad.numpy(), t.grad.numpy())
