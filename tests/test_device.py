"""Devices and backends: what serves a tensor, and shapes without memory."""
import os
import subprocess
import sys

import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, device, kernels, nn


def test_backends_by_call_and_by_with():
    before = mc.get_backend()
    with mc.use_backend("reference"):
        assert mc.get_backend() == "reference"
        with mc.use_backend("numba"):
            assert mc.get_backend() == "numba"
        assert mc.get_backend() == "reference"
    assert mc.get_backend() == before
    mc.use_backend("reference")
    assert mc.get_backend() == "reference"
    mc.use_backend(before)


def test_an_op_keeps_the_kernels_of_its_forward():
    x = Tensor(np.ones((1, 1, 3, 3)), requires_grad=True)
    with mc.use_backend("reference"):
        y = F.max_pool2d(x, 2, 1)
    reference = y.op.kernels
    with mc.use_backend("numba"):
        assert y.op.kernels is reference
        y.sum().backward()
    assert x.grad.numpy()[0, 0].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


ALGORITHM = "direct"                                                 # of conv2d: not the one that it chooses for a window of 3×3


def test_algorithms_by_call_and_by_with():
    assert ALGORITHM in kernels.algorithms("conv2d") and mc.get_algorithm("conv2d") is None
    other = next(name for name in kernels.algorithms("conv2d") if name != ALGORITHM)
    with mc.use_algorithm("conv2d", ALGORITHM):
        assert mc.get_algorithm("conv2d") == ALGORITHM and mc.get_algorithm("max_pool2d") is None
        assert mc.get_algorithm("conv2d_relu") == ALGORITHM == device.kernel("conv2d_relu", "cpu").algorithm
        with mc.use_algorithm("conv2d", other), mc.use_algorithm("conv2d", None):
            assert mc.get_algorithm("conv2d") is None
        assert mc.get_algorithm("conv2d") == ALGORITHM
    assert mc.get_algorithm("conv2d") is None
    mc.use_algorithm("conv2d", ALGORITHM)
    assert mc.get_algorithm("conv2d") == ALGORITHM
    mc.use_algorithm("conv2d", None)


def test_an_algorithm_reaches_the_kernel_and_stays_with_the_op(monkeypatch):
    cpu, asked = kernels.load("conv2d", "numba"), []
    forward, gradients = cpu.forward, cpu.gradients
    monkeypatch.setattr(cpu, "forward", lambda *a, **o: asked.append(("forward", o.get("algorithm"))) or forward(*a, **o))
    monkeypatch.setattr(cpu, "gradients", lambda *a, **o: asked.append(("backward", o.get("algorithm"))) or gradients(*a, **o))
    x, w = (Tensor(np.ones(shape, np.float32), requires_grad=True) for shape in ((1, 2, 5, 5), (3, 2, 3, 3)))
    with mc.use_backend("numba"), mc.use_algorithm("conv2d", ALGORITHM):
        y = F.conv2d(x, w)
        F.relu(y), F.max_pool2d(y, 2)                                # operations without algorithms, or with others, take no notice
        with kernels.replace("conv2d", forward=lambda x, w, b, *, stride, padding, dilation, groups: y.numpy()):
            F.conv2d(x, w)                                           # nor does somebody's own kernel, which does not know the option
    y.sum().backward()
    assert asked == [("forward", ALGORITHM), ("backward", ALGORITHM)]
    with mc.use_backend("reference"), mc.use_algorithm("conv2d", ALGORITHM):
        assert np.array_equal(F.conv2d(x, w).numpy(), y.numpy())
    assert len(asked) == 2


def test_the_backend_of_the_environment():
    def run(backend):
        code = "import minicnn; print(minicnn.get_backend())"
        return subprocess.run([sys.executable, "-c", code], env={**os.environ, "MINICNN_BACKEND": backend}, capture_output=True, text=True)
    assert run("reference").stdout.strip() == "reference"
    assert "MINICNN_BACKEND: there is no CPU backend 'fast'; choose 'numba' (fast) or 'reference'" in run("fast").stderr


def test_meta_tensors_have_shapes_and_no_memory():
    model = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Flatten(), nn.Dropout(),
                          nn.Linear(64 * 56 * 56, 10_000))
    before = kernels.memory.statistics()["live"]
    x = mc.meta(512, 3, 224, 224)
    y = model(x)                                                     # the weight alone would be 8 GB
    assert y.device == "meta" and y.shape == (512, 10_000)
    assert F.softmax(y * 2 + 1, 1)[:5].sum(1, keepdim=True).shape == (5, 1)
    assert kernels.memory.statistics()["live"] == before and x.data.strides == (0, 0, 0, 0)
    with pytest.raises(RuntimeError, match="a meta tensor has a shape but no values"):
        y.numpy()


def test_shapes_are_checked_on_meta_too():
    with pytest.raises(ValueError, match="conv2d: input has 3 channels"):
        F.conv2d(mc.meta(1, 3, 8, 8), mc.meta(4, 1, 3, 3))


@pytest.mark.parametrize("do, error, text", [
    (lambda: mc.use_backend("nunba"), ValueError, "there is no CPU backend 'nunba'"),
    (lambda: mc.use_algorithm("conv2d", "guess"), ValueError, "no algorithm 'guess'; choose .*'direct'.* or None: by the shapes"),
    (lambda: mc.use_algorithm("shift", "fast"), ValueError, "shift has no algorithm 'fast'; it has one form"),
    (lambda: mc.use_algorithm("conv3d", "direct"), ValueError, "no operation 'conv3d'"),
    (lambda: mc.zeros(2, device="tpu"), ValueError, "unknown device 'tpu'"),
    (lambda: kernels.load("conv3d", "reference"), ValueError, "no operation 'conv3d' in kernels/; did you mean 'conv2d'"),
    (lambda: kernels.load("conv2d", "cudnn"), ValueError, "unknown backend 'cudnn'"),
    (lambda: mc.set_num_threads(0), ValueError, "expected a whole number of at least 1, got 0"),
    (lambda: mc.manual_seed(-1), ValueError, "from 0 to 2\\*\\*64 - 1, got -1"),
])
def test_errors(do, error, text):
    with pytest.raises(error, match=text):
        do()


def test_your_own_kernel():
    def forward(x, weight, bias):
        return x @ weight.T + bias

    def backward(grad_output, x, weight, bias):
        return grad_output @ weight, 2 * grad_output.T @ x, grad_output.sum(0)      # the weight's gradient is twice too large

    x, w, b = (Tensor(np.random.default_rng(0).standard_normal(s), requires_grad=True) for s in ((5, 3), (2, 3), (2,)))
    (right,) = mc.grad(F.linear(x, w, b).sum(), w)
    with kernels.replace("linear", forward=forward, backward=backward):
        (twice,) = mc.grad(F.linear(x, w, b).sum(), w)
        assert not mc.gradcheck(F.linear, [x, w, b])
    assert np.allclose(twice.numpy(), 2 * right.numpy(), rtol=1e-13)
    with kernels.replace("linear", forward=forward):                              # the missing half is the reference's
        assert mc.gradcheck(F.linear, [x, w, b])
    with kernels.replace("linear", backward=lambda g, x, w, b: (g @ w, g, g.sum(0))):
        with pytest.raises(ValueError, match=r"gradient 1 is shape \(5, 2\); it should have"):
            F.linear(x, w, b).sum().backward()
    assert np.array_equal(mc.grad(F.linear(x, w, b).sum(), w)[0].numpy(), right.numpy())


def test_your_own_kernel_of_a_wrong_shape_is_told():
    x = Tensor(np.ones((1, 1, 4, 4)))
    for op, forward, text in [("relu", lambda x: x[:, :, :2], r"returned \(1, 1, 2, 4\); it should return an array of shape \(1, 1, 4"),
                              ("relu", lambda x: None, "returned NoneType"),
                              ("max_pool2d", lambda x, **_: x[:, :, ::2, ::2], "it should return a tuple of arrays of shapes")]:
        with kernels.replace(op, forward=forward), pytest.raises(ValueError, match=text):
            F.relu(x) if op == "relu" else F.max_pool2d(x, 2)
    with pytest.raises(ValueError, match="'sgd' cannot be replaced"), kernels.replace("sgd", forward=lambda x: x):
        pass
