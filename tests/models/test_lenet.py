"""The LeNets: the connection table, the drawings, gradients against finite differences, and images of the wrong size."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models
from minicnn.models import lenet_1998

REDUCED = {name: lambda model=model: (models.create(model), models.info(model).input_shape)          # as they are: small already
           for name, model in {"lenet": "lenet5_textbook", "lenet:caffe": "lenet_caffe", "lenet_1998": "lenet5_1998"}.items()}


def test_the_connection_table_is_the_papers():
    table = lenet_1998.CONNECTIONS
    assert table.shape == (6, 16) and table.sum() == 60
    for k in range(6):                                            # three, then four neighbours on a ring of six
        assert set(np.flatnonzero(table[:, k])) == {k, (k + 1) % 6, (k + 2) % 6}
        assert set(np.flatnonzero(table[:, k + 6])) == {k, (k + 1) % 6, (k + 2) % 6, (k + 3) % 6}
    for i, k in enumerate((12, 13, 14)):                          # two pairs with a gap on each side
        assert set(np.flatnonzero(table[:, k])) == {i, i + 1, (i + 3) % 6, (i + 4) % 6}
    assert table[:, 15].all()


def test_a_table_convolution_is_the_dense_one_with_zeros():
    mc.manual_seed(0)
    layer = models.create("lenet5_1998").body.c3.double()
    x = np.random.default_rng(0).standard_normal((2, 6, 9, 8))
    dense, at = np.zeros((16, 6, 5, 5)), 0
    for k in range(16):
        for c in np.flatnonzero(lenet_1998.CONNECTIONS[:, k]):
            dense[k, c] = layer.weight.data[at]
            at += 1
    expected = F.conv2d(Tensor(x), Tensor(dense), Tensor(layer.bias.data)).numpy()
    assert at == 60 and np.abs(layer(Tensor(x)).numpy() - expected).max() < 1e-13


def test_subsampling_adds_up_four_pixels():
    layer = models.create("lenet5_1998").stem.s2
    layer.load_state_dict({"weight": np.arange(6), "bias": np.arange(6) * 10})
    x = np.random.default_rng(0).standard_normal((1, 6, 4, 4)).astype(np.float32)
    y = layer(Tensor(x)).numpy()
    assert abs(y[0, 3, 1, 0] - (3 * x[0, 3, 2:4, 0:2].sum() + 30)) < 1e-5


def test_the_drawings():
    codes = lenet_1998.digit_codes()
    assert codes.shape == (10, 84) and set(np.unique(codes)) == {-1, 1}
    distances = ((codes[:, None] - codes[None]) ** 2).sum(2) / 4                    # pixels that differ
    assert distances[~np.eye(10, dtype=bool)].min() >= 15
    zero = codes[0].reshape(12, 7)
    assert np.array_equal(zero, zero[:, ::-1]) and np.array_equal(zero, zero[::-1])


def test_the_output_is_minus_the_distance():
    output = models.create("lenet5_1998").head.output
    codes = lenet_1998.digit_codes().astype(np.float32)
    y = output(Tensor(codes)).numpy()
    assert (y.argmax(1) == np.arange(10)).all() and not np.diagonal(y).any() and y.max() == 0
    assert len(list(output.parameters())) == 0 and dict(output.named_buffers())["code"].shape == (10, 84)


def test_first_values_of_1998():
    mc.manual_seed(0)
    model = models.create("lenet5_1998")
    for layer, fan_in in ((model.stem.c1, 25), (model.stem.s2, 4), (model.body.c5, 400), (model.head.f6, 120)):
        for p in layer.parameters():
            assert 0.3 * 2.4 / fan_in < np.abs(p.data).max() <= 2.4 / fan_in
    kernels = np.abs(model.body.c3.weight.data).max((1, 2))
    assert (kernels[:18] <= 2.4 / 75).all() and (kernels[18:54] <= 2.4 / 100).all() and (kernels[54:] <= 2.4 / 150).all()
    assert kernels[:18].max() > 2.4 / 100 and kernels[18:54].max() > 2.4 / 150


def test_first_values_of_the_others():
    """Uniform within the bound that each one names: what is drawn comes close to it and does not pass it; biases 0."""
    bounds = {"lenet5_textbook": {"stem.c1": (6 / 175) ** 0.5, "body.c3": (6 / 550) ** 0.5, "head.c5": (6 / 520) ** 0.5},
              "lenet_caffe": {"stem.conv1": (3 / 25) ** 0.5, "body.conv2": (3 / 500) ** 0.5, "head.ip1": (3 / 800) ** 0.5},
              "lenet_seed_keras": {"stem.conv1": 0.05, "body.conv2": 0.05, "head.fc1": (6 / 1124) ** 0.5}}
    for name, layers in bounds.items():
        mc.manual_seed(0)
        model = models.create(name)
        for path, bound in layers.items():
            layer = model.get_submodule(path)
            assert 0.97 * bound < np.abs(layer.weight.data).max() <= bound * (1 + 1e-6) and not layer.bias.data.any()


def test_steps_of_the_paper_are_features():
    x = Tensor(np.random.default_rng(0).standard_normal((2, 1, 32, 32)).astype(np.float32))
    network = models.create("lenet5_1998")
    found = models.create("lenet5_1998", features=("c3", "s4"))
    found.load_state_dict(network.state_dict(), strict=False)
    maps = found(x)
    assert np.array_equal(maps["s4"].numpy(), network.body.s4(network.body.t3(maps["c3"])).numpy())
    assert not hasattr(found.body, "c5")


@pytest.mark.parametrize("name, shape, text", [
    ("lenet5", (8, 1, 28, 28), "lenet5_textbook: expected images of 1×32×32, got an input of shape (8, 1, 28, 28); "
                               "pad them: F.pad(x, (2, 2, 2, 2)), or resize them: F.interpolate(x, (32, 32)"),
    ("lenet_caffe", (8, 1, 32, 32), "expected images of 1×28×28, got an input of shape (8, 1, 32, 32); "
                                    "resize them: F.interpolate(x, (28, 28)"),
    ("lenet5_1998", (8, 3, 32, 32), "build the model with in_channels=3"),
    ("lenet5", (1, 32, 32), "add the batch dimension: x.unsqueeze(0)"),
    ("lenet_seed_keras", (8, 784), "a batch of shape (N, 1, 28, 28) is needed"),
])
def test_images_of_the_wrong_size(name, shape, text):
    with pytest.raises(ValueError) as caught:
        models.create(name)(Tensor(np.zeros(shape, np.float32)))
    assert text in str(caught.value)


@pytest.mark.parametrize("name, lr", [("lenet5_1998", 3e-3), ("lenet5_textbook", 0.05)])
def test_a_few_steps_learn_a_few_images(name, lr):
    mc.manual_seed(0)
    model = models.create(name)
    rng = np.random.default_rng(0)
    x, t = Tensor(rng.standard_normal((10, 1, 32, 32)).astype(np.float32)), Tensor(np.arange(10))
    optimizer = mc.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    losses = []
    for _ in range(30):
        loss = F.cross_entropy(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0] and np.isfinite(losses).all()
