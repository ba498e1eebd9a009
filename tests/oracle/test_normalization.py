"""Batch, layer, group and local response normalisation against PyTorch: generated configurations, then what they do not reach."""
from typing import Any

import numpy as np
import pytest
import torch

import minicnn as mc
import minicnn.functional as F

from .compare import check, compare

TF = torch.nn.functional
BACKENDS = ("reference", "numba")
DTYPES = (np.float64, np.float32)
FACTORS = ("affine", "weight", "bias", "plain")


def case(name, *values):
    """A parameter with a readable id: layer_norm-0-3x1x5 …"""
    return pytest.param(*values, id=f"{name}-" + "-".join("x".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in values))


def trailing(rng, rank: int) -> tuple:
    return tuple(int(n) for n in rng.integers(1, 8, rank))


def batch_norm_configurations(count=36):
    """(seed, shape of x, training, affine, running): ranks 2 to 5, one image, one channel, two values a channel, empty batches."""
    rng = np.random.default_rng(0)
    for seed in range(count):
        N, C, rest = int(rng.choice([0, 1, 2, 3, 5])), int(rng.choice([1, 2, 3, 6])), trailing(rng, int(rng.integers(0, 4)))
        training = bool(rng.random() < 0.6)
        if training and N * int(np.prod(rest)) == 1:
            N = 2
        yield case("batch_norm", seed, (N, C, *rest), "train" if training else "eval", str(rng.choice(FACTORS)),
                   "running" if not training or rng.random() < 0.7 else "none")


def layer_norm_configurations(count=24):
    rng = np.random.default_rng(1)
    for seed in range(count):
        rows, normalized = trailing(rng, int(rng.integers(0, 3))), trailing(rng, int(rng.integers(1, 4)))
        if int(np.prod(normalized)) == 1:                    # a single value has no gradient: rounding would be compared with 0
            normalized = (2,)
        if rows and seed % 8 == 0:
            rows = (0, *rows[1:])
        yield case("layer_norm", seed, rows, normalized, str(rng.choice(FACTORS)))


def group_norm_configurations(count=24):
    rng = np.random.default_rng(2)
    for seed in range(count):
        N, G, width = int(rng.choice([0, 1, 2, 3])), int(rng.integers(1, 5)), int(rng.integers(1, 4))
        rest = trailing(rng, int(rng.integers(0, 4)))
        if width * int(np.prod(rest)) == 1:                  # a group of one value has no gradient: rounding would be compared with 0
            width = 2
        yield case("group_norm", seed, (N, G * width, *rest), G, str(rng.choice(FACTORS)))


def local_response_norm_configurations(count=24):
    """PyTorch pools the squares over 3 and more axes; β = ¾ is a path of its own in cpu.py."""
    rng = np.random.default_rng(3)
    for seed in range(count):
        x = (int(rng.choice([0, 1, 2, 3])), int(rng.integers(1, 9)), *trailing(rng, int(rng.integers(1, 4))))
        yield case("local_response_norm", seed, x, int(rng.integers(1, 8)), float(rng.choice([1e-4, 0.1, 1.0])),
                   float(rng.choice([0.75, 0.5, 1.3])), float(rng.choice([1.0, 2.0, 0.5])))


def some_eps(rng, values: int) -> float:
    """Two values become ±1 whatever they were, so with a tiny eps their gradient is what rounding leaves of 1 − 1: there a large one."""
    return 0.5 if values <= 2 else float(rng.choice([1e-5, 1e-3, 0.5]))


def factors(rng, shape, affine):
    """weight and bias away from 1 and 0, None where the configuration leaves them out."""
    return [rng.uniform(-1.5, 1.5, shape) if affine in ("affine", "weight") else None,
            rng.standard_normal(shape) if affine in ("affine", "bias") else None]


@pytest.mark.parametrize("dtype", DTYPES, ids=("float64", "float32"))
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed, x, mode, affine, running", list(batch_norm_configurations()))
def test_batch_norm(seed, x, mode, affine, running, backend, dtype):
    """Output, gradients, and the running values that training leaves."""
    rng = np.random.default_rng(100 + seed)
    momentum, eps = float(rng.choice([0.1, 0.5, 1.0])), some_eps(rng, x[0] * int(np.prod(x[2:])))
    statistics = [rng.standard_normal(x[1]), rng.uniform(0.3, 3, x[1])] if running == "running" else [None, None]

    def with_running_values(f):
        def function(x, weight, bias, mean, var):
            y = f.batch_norm(x, mean, var, weight, bias, mode == "train", momentum, eps)
            return y if mean is None else (y, mean, var)
        return function

    compare(with_running_values(F), with_running_values(TF), [rng.standard_normal(x) * 2 + 1, *factors(rng, x[1], affine), *statistics],
            backend=backend, dtype=dtype, grads=[True, True, True, False, False], seed=seed)


@pytest.mark.parametrize("dtype", DTYPES, ids=("float64", "float32"))
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed, rows, normalized, affine", list(layer_norm_configurations()))
def test_layer_norm(seed, rows, normalized, affine, backend, dtype):
    rng = np.random.default_rng(200 + seed)
    eps = some_eps(rng, int(np.prod(normalized)))
    compare(lambda x, w, b: F.layer_norm(x, normalized, w, b, eps), lambda x, w, b: TF.layer_norm(x, normalized, w, b, eps),
            [rng.standard_normal((*rows, *normalized)) * 2 + 1, *factors(rng, normalized, affine)], backend=backend, dtype=dtype, seed=seed)


@pytest.mark.parametrize("dtype", DTYPES, ids=("float64", "float32"))
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed, x, groups, affine", list(group_norm_configurations()))
def test_group_norm(seed, x, groups, affine, backend, dtype):
    rng = np.random.default_rng(300 + seed)
    eps = some_eps(rng, x[1] // groups * int(np.prod(x[2:])))

    def theirs(x, w, b):                                     # PyTorch 2.13 cannot differentiate group_norm with a bias and no weight
        return TF.group_norm(x, groups, torch.ones_like(b) if w is None and b is not None else w, b, eps)

    compare(lambda x, w, b: F.group_norm(x, groups, w, b, eps), theirs,
            [rng.standard_normal(x) * 2 + 1, *factors(rng, x[1], affine)], backend=backend, dtype=dtype, seed=seed)


@pytest.mark.parametrize("dtype", DTYPES, ids=("float64", "float32"))
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed, x, size, alpha, beta, k", list(local_response_norm_configurations()))
def test_local_response_norm(seed, x, size, alpha, beta, k, backend, dtype):
    compare(lambda x: F.local_response_norm(x, size, alpha, beta, k), lambda x: TF.local_response_norm(x, size, alpha, beta, k),
            [np.random.default_rng(400 + seed).standard_normal(x) * 2], backend=backend, dtype=dtype, seed=seed)


FAR_FROM_ZERO = {
    "batch_norm-train": (lambda f: lambda x, w, b: f.batch_norm(x, None, None, w, b, training=True), (8, 4, 9, 7), (4,)),
    "layer_norm": (lambda f: lambda x, w, b: f.layer_norm(x, (9, 7), w, b), (8, 4, 9, 7), (9, 7)),
    "group_norm": (lambda f: lambda x, w, b: f.group_norm(x, 2, w, b), (8, 4, 9, 7), (4,)),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", FAR_FROM_ZERO)
def test_mean_far_from_zero(name, backend):
    """float32, mean 10⁴ and standard deviation 1: mean square minus squared mean would have no digit left."""
    function, x, affine = FAR_FROM_ZERO[name]
    rng = np.random.default_rng(5)
    compare(function(F), function(TF), [1e4 + rng.standard_normal(x), *factors(rng, affine, "affine")], backend=backend, dtype=np.float32)


SECOND_ORDER = {
    "batch_norm-train": (lambda f: lambda x, w, b: f.batch_norm(x, None, None, w, b, training=True), (4, 3, 2, 3), (3,)),
    "batch_norm-features": (lambda f: lambda x, w, b: f.batch_norm(x, None, None, w, b, training=True, eps=0.1), (5, 3), (3,)),
    "layer_norm": (lambda f: lambda x, w, b: f.layer_norm(x, (3, 2), w, b), (4, 3, 2), (3, 2)),
    "group_norm": (lambda f: lambda x, w, b: f.group_norm(x, 2, w, b), (2, 4, 3, 2), (4,)),
    "local_response_norm": (lambda f: lambda x, w, b: f.local_response_norm(x, 4, 0.3, 0.75, 1.5) * w + b, (2, 5, 3, 2), (2,)),
}


def penalty(gradients: Any) -> Any:
    """Σ of the fourth powers: its own gradients take second derivatives."""
    return sum((g ** 4).sum() for g in gradients)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", [*SECOND_ORDER, "batch_norm-eval"])
def test_second_order(name, backend):
    rng = np.random.default_rng(6)
    if name == "batch_norm-eval":
        mean, var = rng.standard_normal(3), rng.uniform(0.5, 2, 3)
        x, affine = (4, 3, 2, 3), (3,)

        def function(f):
            tensor = mc.Tensor if f is F else torch.from_numpy
            return lambda x, w, b: f.batch_norm(x * x, tensor(mean), tensor(var), w, b)
    else:
        function, x, affine = SECOND_ORDER[name]
    arrays = [rng.standard_normal(shape) for shape in (x, affine, affine)]
    upstream = rng.standard_normal(x)

    theirs = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    first = torch.autograd.grad((function(TF)(*theirs) * torch.from_numpy(upstream)).sum(), theirs, create_graph=True)
    penalty(first).backward()
    with mc.use_backend(backend):
        ours = [mc.Tensor(a.copy(), requires_grad=True) for a in arrays]
        first = mc.grad((function(F)(*ours) * mc.Tensor(upstream)).sum(), ours, create_graph=True)
        penalty(first).backward()
    for i in range(2):                                       # the gradient of b does not depend on anything
        found, expected = ours[i].grad, theirs[i].grad
        assert found is not None and expected is not None
        check(f"gradient {i}", found.numpy(), expected.numpy(), np.float64, tolerance=1e-10)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nan_goes_where_it_goes_in_pytorch(backend):
    x = np.random.default_rng(7).standard_normal((3, 4, 2, 2))
    x[1, 2, 0, 1] = np.nan
    for function in (lambda f: lambda x: f.batch_norm(x, None, None, training=True), lambda f: lambda x: f.local_response_norm(x, 2)):
        compare(function(F), function(TF), [x], backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_forwards_before_the_first_backward(backend):
    """The second forward writes the running values again; the first backward does not read them and must not refuse."""
    rng = np.random.default_rng(9)
    arrays = [rng.standard_normal((4, 3, 2)), rng.standard_normal((4, 3, 2)), rng.standard_normal(3)]

    def twice(f):
        return lambda a, b, w, mean, var: (f.batch_norm(a, mean, var, w, None, True) * f.batch_norm(b, mean, var, w, None, True), mean, var)

    compare(twice(F), twice(TF), [*arrays, np.zeros(3), np.ones(3)], backend=backend, grads=[True, True, True, False, False])
