"""The engine on device "cuda": tensors, layers, optimisers, a checkpoint, second derivatives; the same numbers as on the CPU."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import io, models, optim

from ..small_training import batches, network
from ..training.tiny import tiny_trainer
from .on_device import needs_cuda

pytestmark = [needs_cuda, pytest.mark.usefixtures("somewhere")]
TOLERANCE = 1e-5                                  # of float32 sums in another order, over a few steps


def trained(device: str, optimizer, steps: int = 3):
    mc.manual_seed(1)
    net = network().to(device)
    step = optimizer(net.parameters())
    losses = []
    for images, labels in batches(steps):
        step.zero_grad()
        loss = F.cross_entropy(net(mc.Tensor(images, device=device)), mc.Tensor(labels, device=device))
        loss.backward()
        step.step()
        losses.append(loss.item())
    return losses, {name: t.to("cpu").numpy() for name, t in net.state_dict().items()}, net


OPTIMIZERS = {"sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-4), "adam": lambda p: optim.Adam(p, lr=0.003),
              "adamw": lambda p: optim.AdamW(p, lr=0.003), "rmsprop": lambda p: optim.RMSprop(p, lr=0.001)}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_is_that_of_the_cpu(name):
    losses, weights, _ = trained("cuda", OPTIMIZERS[name])
    expected, others, _ = trained("cpu", OPTIMIZERS[name])
    assert np.allclose(losses, expected, rtol=TOLERANCE)
    for key, value in others.items():
        if key in ("0.bias", "1.running_mean") and name != "sgd":
            continue                                  # batch norm takes that bias out: its gradient is rounding, of which these make steps
        scale = max(1.0, float(np.abs(value).max()))
        assert np.abs(weights[key] - value).max() <= 10 * TOLERANCE * scale, key


def test_the_same_bits_in_every_run():
    first, second = (trained("cuda", OPTIMIZERS["sgd"])[:2] for _ in range(2))
    assert first[0] == second[0] and all(first[1][k].tobytes() == second[1][k].tobytes() for k in first[1])


@pytest.mark.parametrize("p, channels", [(0.3, False), (0.5, True)])
def test_dropout_draws_the_masks_of_the_cpu(p, channels):
    x = np.ones((5, 7, 3, 3), np.float32)
    masks = []
    for device in ("cpu", "cuda"):
        mc.manual_seed(4)
        drop = F.dropout2d if channels else F.dropout
        masks.append(drop(mc.Tensor(x, device=device), p, True).to("cpu").numpy())
    assert np.array_equal(*masks) and 0 < (masks[0] == 0).mean() < 1


def test_to_the_device_and_back(tmp_path):
    _, weights, net = trained("cuda", OPTIMIZERS["sgd"], steps=1)
    assert {p.device for p in net.parameters()} == {"cuda"}
    io.save(net.state_dict(), tmp_path / "net.safetensors")
    other = network()
    other.load_state_dict(io.load(tmp_path / "net.safetensors"))
    assert all(np.array_equal(t.numpy(), weights[name]) for name, t in other.state_dict().items())
    assert {p.device for p in net.to("cpu").parameters()} == {"cpu"}


def test_a_run_goes_on_where_it_was_stopped_bit_for_bit(tmp_path):
    whole = tiny_trainer(device="cuda", epochs=2)
    whole.fit()
    first = tiny_trainer(device="cuda", epochs=2)
    first.epochs = 1
    first.fit()
    io.save(first.state(), tmp_path / "last.safetensors")
    second = tiny_trainer(device="cuda", epochs=2)
    second.load_state(io.load(tmp_path / "last.safetensors"))
    second.fit()
    a, b = whole.state(), second.state()
    assert {t.device for t in a["model"].values()} == {"cuda"}
    assert all(a["model"][name].numpy().tobytes() == b["model"][name].numpy().tobytes() for name in a["model"])
    assert all(a["average"]["values"][name].tobytes() == b["average"]["values"][name].tobytes() for name in a["average"]["values"])
    assert [r["loss"] for r in whole.history] == [r["loss"] for r in second.history]
    second.load_best()


def test_training_learns_as_on_the_cpu():
    here, there = (tiny_trainer(device=device, epochs=3).fit() for device in ("cpu", "cuda"))
    for mine, other in zip(here, there, strict=True):
        assert mine["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert mine["validation_accuracy"] == other["validation_accuracy"]


def test_devices_do_not_mix():
    with pytest.raises(RuntimeError, match="different devices"):
        mc.Tensor(np.ones(3, np.float32), device="cuda") + mc.Tensor(np.ones(3, np.float32))


def test_a_gradient_of_a_gradient():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 5, 6)), rng.standard_normal((4, 3, 3, 3))
    found = []
    for device in ("cpu", "cuda"):
        X, W = (mc.Tensor(a, requires_grad=True, device=device) for a in (x, w))
        y = F.tanh(F.conv2d(X, W, padding=1)).sum()
        g, = mc.grad(y, [X], create_graph=True)
        (g * g).sum().backward()
        found.append(W.grad.to("cpu").numpy())
    assert np.allclose(*found, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["lenet5", "resnet20"])
def test_models(name):
    size = models.info(name).input_shape
    x = np.random.default_rng(2).standard_normal((2, *size)).astype(np.float32)
    found = []
    for device in ("cpu", "cuda"):
        mc.manual_seed(0)
        found.append(models.create(name).to(device).eval()(mc.Tensor(x, device=device)).to("cpu").numpy())
    assert np.abs(found[0] - found[1]).max() <= TOLERANCE * np.abs(found[0]).max()
