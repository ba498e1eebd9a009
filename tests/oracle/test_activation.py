"""Activations and softmax against PyTorch: values, gradients, gradients of gradients, NaN and infinity, and the kinks."""
import numpy as np
import pytest
import torch
import torch.nn.functional as T

import minicnn as mc
import minicnn.functional as F
from minicnn.kernels.activation import A, S

from .compare import compare, error

FUNCTIONS = {
    "relu": (F.relu, T.relu),
    "relu6": (F.relu6, T.relu6),
    "leaky_relu": (F.leaky_relu, T.leaky_relu),
    "leaky_relu 0.3": (lambda x: F.leaky_relu(x, 0.3), lambda x: T.leaky_relu(x, 0.3)),
    "elu": (F.elu, T.elu),
    "elu 0.5": (lambda x: F.elu(x, 0.5), lambda x: T.elu(x, 0.5)),
    "sigmoid": (F.sigmoid, torch.sigmoid),
    "tanh": (F.tanh, torch.tanh),
    "scaled_tanh": (F.scaled_tanh, lambda x: A * torch.tanh(S * x)),
    "silu": (F.silu, T.silu),
    "gelu": (F.gelu, T.gelu),
    "gelu tanh": (lambda x: F.gelu(x, approximate="tanh"), lambda x: T.gelu(x, approximate="tanh")),
    "hardsigmoid": (F.hardsigmoid, lambda x: T.relu6(x + 3) / 6),        # PyTorch's own takes 1/6 in float32 also for float64 gradients
    "hardswish": (F.hardswish, T.hardswish),
}
BACKENDS, DTYPES = ("reference", "numba"), ("float32", "float64")
SHAPES = {"a number": (), "no images": (0, 3, 4, 4), "odd": (2, 3, 5, 7), "blocks": (3, 1, 57, 61)}
EXTREMES = np.array([-1e4, -88.0, -20.0, -3.0, -1.0, -1e-6, 0.0, 1e-6, 1.0, 3.0, 6.0, 20.0, 88.0, 1e4])
EVERYWHERE = pytest.mark.parametrize("backend", BACKENDS), pytest.mark.parametrize("dtype", DTYPES)


def everywhere(test):
    for mark in EVERYWHERE:
        test = mark(test)
    return test


@everywhere
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_activation(name, shape, backend, dtype):
    ours, theirs = FUNCTIONS[name]
    compare(ours, theirs, [3 * np.random.default_rng(1).standard_normal(SHAPES[shape])], backend=backend, dtype=dtype)


@everywhere
@pytest.mark.parametrize("name", FUNCTIONS)
def test_kinks_and_extremes(name, backend, dtype):
    """The same convention at every kink; no overflow at ±10⁴, and no warning of one."""
    ours, theirs = FUNCTIONS[name]
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        compare(ours, theirs, [EXTREMES], backend=backend, dtype=dtype)


@everywhere
@pytest.mark.parametrize("name", FUNCTIONS)
def test_small_inputs(name, backend, dtype):
    """tanh and expm1 keep the digits of 10⁻⁶, which the difference of two exponentials would lose."""
    ours, theirs = FUNCTIONS[name]
    compare(ours, theirs, [1e-6 * np.random.default_rng(2).standard_normal(20)], backend=backend, dtype=dtype)


@everywhere
@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_in_nan_out(name, backend, dtype):
    with mc.use_backend(backend):
        y = FUNCTIONS[name][0](mc.Tensor(np.array([1.0, np.nan, -1.0] * 7, dtype))).numpy()
    assert np.isnan(y).tolist() == [False, True, False] * 7


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", [*FUNCTIONS, "softmax", "log_softmax"])
def test_second_order(name, backend):
    """The gradient of |∂Σv·y/∂x|², a gradient penalty."""
    pairs = {**FUNCTIONS, "softmax": (lambda x: F.softmax(x, 1), lambda x: T.softmax(x, 1)),
             "log_softmax": (lambda x: F.log_softmax(x, 1), lambda x: T.log_softmax(x, 1))}
    rng = np.random.default_rng(3)
    x0, v0 = 3 * rng.standard_normal((4, 5)), rng.standard_normal((4, 5))
    ours, theirs = pairs[name]
    with mc.use_backend(backend):
        x, v = mc.Tensor(x0, requires_grad=True), mc.Tensor(v0, requires_grad=True)
        first = mc.grad((ours(x) * v).sum(), [x], create_graph=True)[0]
        second = mc.grad((first * first).sum() + 0 * (x * v).sum(), [x, v])
    tx, tv = torch.tensor(x0, requires_grad=True), torch.tensor(v0, requires_grad=True)
    t_first = torch.autograd.grad((theirs(tx) * tv).sum(), tx, create_graph=True)[0]
    t_second = torch.autograd.grad((t_first * t_first).sum() + 0 * (tx * tv).sum(), [tx, tv])
    assert error(first.numpy(), t_first.detach().numpy()) <= 1e-12
    for a, b in zip(second, t_second):
        assert error(a.numpy(), b.numpy()) <= 1e-11


@everywhere
@pytest.mark.parametrize("shape, dim", [((4, 7), 1), ((4, 7), -2), ((2, 5, 3, 4), 1), ((2, 5, 3, 4), -1), ((2, 3, 400), 1), ((6,), 0),
                                        ((0, 3), 1), ((3, 1), 1)], ids=str)
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(name, shape, dim, backend, dtype):
    x = 4 * np.random.default_rng(5).standard_normal(shape)
    compare(lambda x: getattr(F, name)(x, dim), lambda x: getattr(T, name)(x, dim), [x], backend=backend, dtype=dtype)


@everywhere
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("scale, offset", [(1e3, 0), (1, 1e4), (1, -1e4), (1e-3, 0)])
def test_softmax_of_extremes(name, scale, offset, backend, dtype):
    x = scale * np.random.default_rng(6).standard_normal((5, 6)) + offset
    x[0] /= scale                                       # an ordinary row: the gradient of rows far apart may underflow in float32
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        compare(lambda x: getattr(F, name)(x, 1), lambda x: getattr(T, name)(x, 1), [x], backend=backend, dtype=dtype)


@everywhere
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_infinities(name, backend, dtype):
    """−∞ is a class that cannot be; a row of nothing else, +∞ or NaN make the row NaN, and no other row."""
    x = np.array([[-np.inf, 0.0, 1.0], [-np.inf] * 3, [np.inf, 0.0, 1.0], [np.nan, 0.0, 1.0], [1.0, 2.0, 3.0]])
    compare(lambda x: getattr(F, name)(x, 1), lambda x: getattr(T, name)(x, 1), [x], backend=backend, dtype=dtype, grads=[False])


@pytest.mark.parametrize("call, text", [
    (lambda x: F.gelu(x, "erf"), "approximate should be 'none'"),
    (lambda x: F.softmax(x, 2), r"shape \(2, 3\) has dimensions -2 … 1, got dim=2"),
    (lambda x: F.log_softmax(x, -3), r"got dim=-3"),
])
@pytest.mark.parametrize("backend", BACKENDS)
def test_errors(call, text, backend):
    with mc.use_backend(backend), pytest.raises(ValueError, match=text):
        call(mc.Tensor(np.zeros((2, 3))))


def test_integers_are_refused():
    with pytest.raises(TypeError, match="relu: expected a floating-point input, got int64"):
        F.relu(mc.Tensor(np.arange(3)))
