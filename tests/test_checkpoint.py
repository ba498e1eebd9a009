"""A checkpointed block gives the bits of the block itself: outputs, gradients and running statistics."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, nn
from minicnn.kernels import memory


def block():
    mc.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.4),
                         nn.Conv2d(8, 4, 3), nn.Dropout2d(0.3))


def run(wrap, backend):
    model, rng = block(), np.random.default_rng(0)
    x = Tensor(rng.standard_normal((2, 3, 7, 6)).astype(np.float32), requires_grad=True)
    bits = []
    with mc.use_backend(backend):
        for _ in range(2):
            y = wrap(model)(x * 2)
            y.backward(Tensor(rng.standard_normal(y.shape).astype(np.float32)))
            bits.append(y.numpy().tobytes())
    bits += [p.grad.numpy().tobytes() for p in (x, *model.parameters())]
    return bits + [b.numpy().tobytes() for b in model.buffers()]


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_the_same_bits_with_dropout_and_batch_norm(backend):
    assert run(mc.checkpoint, backend) == run(lambda model: model, backend)


def test_the_recomputation_uses_the_kernels_of_the_forward():
    used = []

    def f(x):
        used.append(mc.get_backend())
        return x.exp()

    x = Tensor([1.0], requires_grad=True)
    with mc.use_backend("reference"):
        y = mc.checkpoint(f)(x)
    y.backward()
    assert used == ["reference", "reference"]


def test_second_order_through_a_checkpoint():
    x = Tensor(np.array([0.5, 2.0]), requires_grad=True)
    (first,) = mc.grad(mc.checkpoint(lambda t: t ** 3)(x * 1).sum(), x, create_graph=True)
    (second,) = mc.grad(first.sum(), x)
    assert np.allclose(first.numpy(), 3 * x.numpy() ** 2, rtol=1e-14) and np.allclose(second.numpy(), 6 * x.numpy(), rtol=1e-14)


def test_what_a_block_reads_from_outside_gets_its_gradient():
    x, w = (Tensor(np.array(v), requires_grad=True) for v in ([2.0], [3.0]))
    between = w * w
    mc.checkpoint(lambda t: t * between * w)(x).backward()           # x·w³
    assert x.grad.item() == 27.0 and w.grad.item() == 54.0


def test_it_keeps_less():
    def live(wrap):
        def deep(x):
            for _ in range(20):
                x = x.exp().log()
            return x
        x = Tensor(np.ones(10_000), requires_grad=True)
        before = memory.statistics()["live"]
        y = wrap(deep)(x)
        return memory.statistics()["live"] - before, y
    assert live(mc.checkpoint)[0] * 10 < live(lambda f: f)[0]


def test_without_gradients_it_is_the_block_itself():
    with mc.no_grad():
        y = mc.checkpoint(lambda t: t * 2)(Tensor([1.0], requires_grad=True))
    assert y.op is None and y.item() == 2.0


def test_a_parameter_that_changed_before_the_second_forward_is_noticed():
    layer, x = nn.Linear(2, 1), Tensor(np.ones((1, 2), np.float32), requires_grad=True)
    y = mc.checkpoint(lambda x: F.sigmoid(layer(x)))(x).sum()
    with mc.no_grad():
        layer.weight.write(layer.weight.data * 2)
    with pytest.raises(RuntimeError, match="Checkpoint: a tensor that its backward reads was changed"):
        y.backward()
