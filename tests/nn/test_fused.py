"""Layers that take the ReLU behind them along: when they do, when they do not, and that nobody sees a difference."""
import numpy as np

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, nn
from minicnn.inspect import summary
from minicnn.nn.fused import add_then
from minicnn.observers import observe


def block(**layers) -> nn.Sequential:
    mc.manual_seed(0)
    return nn.Sequential(dict(conv=nn.Conv2d(3, 4, 3, padding=1), relu=nn.ReLU(), norm=nn.BatchNorm2d(4), relu2=nn.ReLU()) | layers)


def ran(model, *inputs) -> list[str]:
    """The operations that run when nobody looks, with the names of the modules that run them."""
    found = []

    def note(event):
        if event.moment == "forward":
            found.append(f"{event.path}:{event.op.kernel}")
    with observe(note, as_run=True):
        model(*inputs)
    return found


IMAGE = Tensor(np.random.default_rng(0).standard_normal((2, 3, 5, 4)).astype(np.float32))
ALONE = ["conv:conv2d", "relu:relu", "norm:batch_norm", "relu2:relu"]


def test_a_sequential_runs_pairs():
    model = block()
    assert ran(model, IMAGE) == ["conv:conv2d_relu", "norm:batch_norm_relu"]
    expected = F.relu(model.norm(F.relu(model.conv(IMAGE))))
    assert np.array_equal(model(IMAGE).numpy(), expected.numpy())
    assert model.norm.num_batches_tracked is not None and model.norm.num_batches_tracked.item() == 3
    assert ran(nn.Sequential(nn.BatchNorm1d(4), nn.ReLU(), nn.ReLU(), nn.ReLU6()), Tensor(np.ones((3, 4), np.float32))) == [
        "0:batch_norm_relu", "2:relu", "3:relu6"]


def test_lazy_layers_run_alone_until_they_know_their_size():
    model = nn.Sequential(dict(conv=nn.LazyConv2d(4, 3, padding=1), relu=nn.ReLU()))
    assert ran(model, IMAGE) == ["conv:conv2d", "relu:relu"] and ran(model, IMAGE) == ["conv:conv2d_relu"]


def test_layers_that_somebody_watches_run_alone():
    model, seen = block(), []
    handle = model.relu.register_forward_hook(lambda module, inputs, output: seen.append(float(inputs[0].numpy().min())))
    assert ran(model, IMAGE) == [*ALONE[:2], "norm:batch_norm_relu"] and seen[0] < 0
    handle.remove()
    with model.norm.register_forward_pre_hook(lambda module, inputs: None):
        assert ran(model, IMAGE) == ["conv:conv2d_relu", *ALONE[2:]]
    events = []
    with observe(events.append):
        model(IMAGE)
    assert [f"{e.path}:{e.op.kernel}" for e in events if e.moment == "forward"] == ALONE
    assert ran(model, IMAGE) == ["conv:conv2d_relu", "norm:batch_norm_relu"]
    assert [row.name for row in summary(model, (3, 5, 4)).rows] == ["conv", "relu", "norm", "relu2"]


class Doubled(nn.ReLU):
    def forward(self, input):
        return 2 * super().forward(input)


class Clipped(nn.Conv2d):
    def forward(self, input):
        return super().forward(input).clamp(max=0.1)


class Same(nn.Conv2d):
    """Another class, the same rule."""


def test_a_forward_of_ones_own_is_used(monkeypatch):
    for model in (block(relu=Doubled()), block(conv=Clipped(3, 4, 3, padding=1))):
        assert ran(model, IMAGE)[0] == "conv:conv2d"
        middle = model[1](model[0](IMAGE))
        assert np.array_equal(model[:2](IMAGE).numpy(), middle.numpy())
    assert ran(block(conv=Same(3, 4, 3, padding=1)), IMAGE)[0] == "conv:conv2d_relu"
    model = block()
    model.relu.forward = lambda input: 3 * input
    assert ran(model, IMAGE)[0] == "conv:conv2d"
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, input: -input)
    assert ran(block(), IMAGE)[0] == "conv:conv2d"


def test_a_padding_mode_stays_what_it_is():
    layers = nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.ReLU()
    assert np.array_equal(nn.Sequential(*layers)(IMAGE).numpy(), F.relu(layers[0](IMAGE)).numpy())


def test_add_then():
    a, b = IMAGE, Tensor(-2 * IMAGE.numpy())
    relu, expected = nn.ReLU(), np.maximum(a.numpy() + b.numpy(), 0)
    for activation, kernel in ((relu, ["add_relu"]), (nn.Identity(), [None]), (Doubled(), [None, "relu", None])):
        found = []
        with observe(lambda event, found=found: found.append(event.op.kernel) if event.moment == "forward" else None, as_run=True):
            y = add_then(activation, a, b)
        assert found == kernel
        assert np.array_equal(y.numpy(), activation(a + b).numpy())
    seen = []
    with relu.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs))):
        assert np.array_equal(add_then(relu, a, b).numpy(), expected)
    assert seen == [1]
