"""What normalisation does besides its formula: running values, checkpoints, threads, errors, shapes without values."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import kernels
from minicnn.kernels import random

from .oracle.compare import check

BACKENDS = ("reference", "numba")


def gradient(tensor: mc.Tensor) -> np.ndarray:
    assert tensor.grad is not None
    return tensor.grad.data


def running(channels=3):
    return mc.Tensor(np.zeros(channels)), mc.Tensor(np.ones(channels))


@pytest.mark.parametrize("backend", BACKENDS)
def test_running_values_count_their_writes(backend):
    x = mc.Tensor(np.random.default_rng(10).standard_normal((4, 3)), requires_grad=True)
    mean, var = running()
    with mc.use_backend(backend):
        reader = x * mean                                    # its backward reads mean
        before = mean.version[0], var.version[0]
        F.batch_norm(x, mean, var, training=False)
        assert (mean.version[0], var.version[0]) == before
        F.batch_norm(x, mean, var, training=True)
        assert mean.version[0] > before[0] and var.version[0] > before[1]
        with pytest.raises(RuntimeError, match="changed in place"):
            reader.sum().backward()


@pytest.mark.parametrize("backend", BACKENDS)
def test_running_values_that_are_not_contiguous_are_written(backend):
    x = mc.Tensor(np.random.default_rng(11).standard_normal((4, 3)))
    buffer, plain = np.zeros((3, 2)), running()
    with mc.use_backend(backend):
        F.batch_norm(x, *plain, training=True)
        strided = mc.Tensor(buffer[:, 0]), mc.Tensor(np.ones(3))
        F.batch_norm(x, *strided, training=True)
    assert np.array_equal(buffer[:, 0], plain[0].data) and not buffer[:, 1].any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_evaluation_keeps_the_values_it_used(backend):
    """A training forward between an evaluation and its second-order backward changes nothing."""
    array, found = np.random.default_rng(12).standard_normal((4, 3)), []
    for write in (False, True):
        x = mc.Tensor(array, requires_grad=True)
        mean, var = running()
        with mc.use_backend(backend):
            y = (F.batch_norm(x * x, mean, var) ** 2).sum()
            if write:
                F.batch_norm(x, mean, var, training=True)
            (g,) = mc.grad(y, [x], create_graph=True)
            (g * g).sum().backward()
        found.append(gradient(x))
    assert np.array_equal(*found)


@pytest.mark.parametrize("backend", BACKENDS)
def test_checkpointed_block_gives_the_same_bits(backend):
    """Batch norm and dropout inside a checkpoint: same gradients, running values written once, same random numbers after it."""
    array = np.random.default_rng(13).standard_normal((4, 3, 5, 2))

    def bits(wrap):
        mean, var = running()
        x, w = mc.Tensor(array.copy(), requires_grad=True), mc.Tensor(np.array([0.5, -1.0, 2.0]), requires_grad=True)
        mc.manual_seed(3)
        with mc.use_backend(backend):
            y = wrap(lambda x: F.dropout(F.batch_norm(x, mean, var, w, None, True), 0.4))(x)
            (y * y).sum().backward()
            after = F.dropout(mc.Tensor(array), 0.5)
        return [a.tobytes() for a in (y.data, gradient(x), gradient(w), mean.data, var.data, after.data)]

    assert bits(mc.checkpoint) == bits(lambda block: block)


THREADED = {
    "batch_norm": ((5, 7, 33, 31), 4, dict(training=True, momentum=0.1, eps=1e-5)),
    "layer_norm": ((67, 129), 2, dict(normalized_shape=(129,), eps=1e-5)),
    "group_norm": ((5, 6, 33, 31), 2, dict(num_groups=3, eps=1e-5)),
    "local_response_norm": ((3, 7, 33, 31), 0, dict(size=5, alpha=0.1, beta=0.75, k=2.0)),
}


@pytest.mark.parametrize("op", THREADED)
def test_bits_do_not_depend_on_threads(op):
    shape, factors_, options = THREADED[op]
    rng, kernel = np.random.default_rng(14), kernels.load(op, "numba")
    affine = options.get("normalized_shape", (shape[1],))
    arrays = [rng.standard_normal(shape).astype(np.float32), *(rng.uniform(0.5, 2, affine).astype(np.float32) for _ in range(factors_))]
    g, threads, results = rng.standard_normal(shape).astype(np.float32), mc.get_num_threads(), []
    try:
        for count in (1, 2):
            mc.set_num_threads(count)
            y, saved = kernel.forward(*(a.copy() for a in arrays), **options)
            gradients = kernel.backward(g, saved, [True] * len(arrays))
            results.append([a.tobytes() for a in (y, *gradients) if a is not None])
    finally:
        mc.set_num_threads(threads)
    assert results[0] == results[1]


X = mc.Tensor(np.zeros((2, 6, 3, 3)))
THREE, SIX = mc.Tensor(np.ones(3)), mc.Tensor(np.ones(6))


@pytest.mark.parametrize("call, message", [
    (lambda: F.batch_norm(X, SIX, SIX, THREE), r"input has 6 channels, so weight should have the shape \(6,\), got \(3,\)"),
    (lambda: F.batch_norm(X, THREE, SIX), r"running_mean should have the shape \(6,\), got \(3,\)"),
    (lambda: F.batch_norm(X, None, None), "evaluation .* normalises by running_mean and running_var"),
    (lambda: F.batch_norm(X, SIX, None), "both running_mean and running_var, or neither"),
    (lambda: F.batch_norm(SIX, SIX, SIX), r"expected an input \(N, C\)"),
    (lambda: F.batch_norm(mc.Tensor(np.zeros((1, 6))), None, None, training=True), "one value a channel has no variance"),
    (lambda: F.batch_norm(X, None, None, training=True, eps=0.0), "eps should be positive"),
    (lambda: F.batch_norm(X, SIX, SIX, training=False, eps=float("nan")), "eps should be positive"),
    (lambda: F.batch_norm(X, mc.Tensor(np.ones(6), requires_grad=True), SIX), "running_mean is a statistic that has no gradient"),
    (lambda: F.layer_norm(X, (6, 3)), r"normalized_shape \(6, 3\), got an input of shape \(2, 6, 3, 3\)"),
    (lambda: F.layer_norm(X, 3, SIX), r"weight should have the shape of normalized_shape, \(3,\), got \(6,\)"),
    (lambda: F.layer_norm(X, ()), "at least one axis"),
    (lambda: F.group_norm(X, 4), "num_groups should divide the channels evenly, got 4 for 6 channels"),
    (lambda: F.group_norm(X, 0), "num_groups should divide the channels evenly, got 0"),
    (lambda: F.group_norm(X, 3, THREE), r"weight should have the shape \(6,\), got \(3,\)"),
    (lambda: F.group_norm(mc.Tensor(np.zeros((1, 4))), 4), "one value a group has no variance"),
    (lambda: F.local_response_norm(X, 0), "size counts channels and must be at least 1, got 0"),
    (lambda: F.local_response_norm(mc.Tensor(np.zeros((2, 6))), 3), r"at least 3 axes, got shape \(2, 6\)"),
])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_inputs_of_two_types_are_refused():
    with pytest.raises(TypeError, match="all be float32 or all float64"):
        F.batch_norm(X, mc.Tensor(np.ones(6, np.float32)), mc.Tensor(np.ones(6, np.float32)))


def test_meta_tensors_have_shapes_and_draw_nothing():
    x = mc.Tensor(np.zeros((2, 6, 3, 3)), device="meta")
    mean, var = running(6)
    state = random.default_generator.state
    for y in (F.batch_norm(x, mean, var, training=True), F.layer_norm(x, (3, 3)), F.group_norm(x, 2), F.local_response_norm(x, 5),
              F.dropout(x, 0.5)):
        assert y.device == "meta" and y.shape == (2, 6, 3, 3)
    assert random.default_generator.state == state
    assert not mean.data.any() and mean.version[0] == 0


@pytest.mark.parametrize("algorithm", ["direct", "sliding"])
def test_algorithms_of_local_response_norm(algorithm):
    """Every rung of cpu.py computes the same."""
    kernel, reference = kernels.load("local_response_norm", "numba"), kernels.load("local_response_norm", "reference")
    x = np.random.default_rng(8).standard_normal((2, 7, 18, 15))                       # more than a strip of pixels
    for size in (1, 2, 5, 9):
        options = dict(size=size, alpha=0.3, beta=0.75, k=1.5)
        check(f"size {size}", kernel.forward(x, **options, algorithm=algorithm)[0], reference.forward(x, **options)[0])
