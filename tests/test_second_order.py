"""Gradients of gradients: every operation's backward written in Tensors, held to its kernel and to finite differences."""
import math

import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, kernels
from minicnn.checks import gradcheck, operations

from .oracle.compare import error


def smooth_cases():
    """Two cases an operation, the smallest ones: the point is the formula, not the shape."""
    for op in operations():
        cases = [c for c in kernels.module(op, "cases").CASES
                 if c.smooth and c.op in (None, op) and all(s is None or math.prod(s) for s in c.shapes)]
        for case in sorted(cases, key=lambda c: sum(math.prod(s) for s in c.shapes if s is not None))[:2]:
            yield pytest.param(op, case, id=f"{op}/{case.name}")


@pytest.mark.parametrize("op, case", list(smooth_cases()))
def test_every_operation(op, case):
    cls, rng = operations()[op], np.random.default_rng(1)
    arrays = case.arrays(rng)
    written = getattr(kernels.module(op), "WRITES", ())
    asked = [i for i, a in enumerate(arrays) if a is not None and a.dtype.kind == "f" and i not in written]

    def run(*tensors):
        places = dict(zip(asked, tensors))
        inputs = [places[i] if i in places else None if a is None else Tensor(a.copy()) for i, a in enumerate(arrays)]
        result = cls.apply(*inputs, **case.options)
        return result[0] if isinstance(result, tuple) else result

    with mc.use_backend("reference"):
        leaves = [Tensor(arrays[i], requires_grad=True) for i in asked]
        upstream = Tensor(rng.standard_normal(run(*leaves).shape), requires_grad=True)
        found = mc.grad(run(*leaves), leaves, upstream.detach())
        reached = [i for i, g in enumerate(found) if g is not None]                # a target may have no gradient
        plain = mc.grad(run(*leaves), [leaves[i] for i in reached], upstream.detach())

        def gradients(u, *tensors):
            with mc.enable_grad():
                return tuple(mc.grad(run(*tensors), [tensors[i] for i in reached], u, create_graph=True))

        for first, g in zip(gradients(upstream, *leaves), plain):
            assert error(first.numpy(), g.numpy()) < 1e-11, f"{cls.__name__}.backward_graph is not its backward"
        report = gradcheck(gradients, [upstream, *leaves], coordinates=24, directions=2)
        assert report, report


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_gradient_penalty_through_conv_relu_linear_is_pytorchs(backend):
    torch = pytest.importorskip("torch")
    import minicnn.functional as F
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s) for s in ((3, 2, 6, 5), (4, 2, 3, 2), (4,), (5, 4 * 3 * 4), (5,))]

    def penalty(f, x, w, b, v, c, gradient_of):
        hidden = f.relu(f.conv2d(x, w, b, stride=(2, 1), padding=(1, 0)))
        scores = f.linear(hidden.reshape(3, -1), v, c)
        (slope,) = gradient_of((scores * scores).sum(), x)
        return (((slope * slope).sum((1, 2, 3)) + 1e-6).sqrt() - 1) ** 2

    with mc.use_backend(backend):
        ours = [Tensor(a, requires_grad=True) for a in arrays]
        penalty(F, *ours, lambda y, x: mc.grad(y, x, create_graph=True)).sum().backward()
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    penalty(torch.nn.functional, *theirs, lambda y, x: torch.autograd.grad(y, x, create_graph=True)).sum().backward()
    for a, t in zip(ours, theirs):
        if t.grad is not None:
            assert error(a.grad.numpy(), t.grad.numpy()) < 1e-12
    assert ours[1].grad is not None and ours[3].grad is not None


@pytest.mark.parametrize("fn", [lambda x: F.linear(x, x), lambda x: mc.checkpoint(lambda a, b: a * b * x)(x, x)],
                         ids=["linear", "checkpoint"])
def test_a_tensor_that_comes_twice_gets_its_gradient_once(fn):
    x = Tensor(np.random.default_rng(0).standard_normal((3, 3)), requires_grad=True)
    (plain,), (recorded,) = mc.grad(fn(x).sum(), x), mc.grad(fn(x).sum(), x, create_graph=True)
    np.testing.assert_allclose(recorded.numpy(), plain.numpy(), rtol=1e-12)
