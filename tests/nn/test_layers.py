"""What is ours alone: lazy layers, Scale, Shift, the 1998 tanh, and what layers say to wrong arguments and inputs."""
# what is wrong here is wrong on purpose
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false, reportOptionalMemberAccess=false
import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, nn


def image(*shape, dtype=np.float32):
    return Tensor(np.random.default_rng(0).standard_normal(shape).astype(dtype))


def lazy():
    return nn.Sequential(nn.LazyConv2d(8, 3, groups=2), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(5))


def plain():
    return nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 4 * 5, 5))


def test_lazy_layers_take_their_size_from_the_first_batch():
    model = lazy()
    assert model(image(2, 4, 6, 7)).shape == (2, 5)
    assert [type(layer) for layer in model] == [type(layer) for layer in plain()] and repr(model) == repr(plain())
    assert {k: v.shape for k, v in model.state_dict().items()} == {k: v.shape for k, v in plain().state_dict().items()}
    bound = 1 / np.sqrt(2 * 9)
    assert 0.5 * bound < np.abs(model[0].bias.data).max() <= bound and 0.8 * bound < np.abs(model[0].weight.data).max() <= bound
    with pytest.raises(ValueError, match="3 channels"):
        model(image(2, 3, 6, 7))


def test_lazy_layers_take_their_size_from_a_meta_tensor_without_drawing():
    model = lazy()
    assert model(mc.meta(1, 4, 6, 7)).shape == (1, 5)
    assert not any(p.drawn for p in model.parameters())
    assert model(image(2, 4, 6, 7)).shape == (2, 5)


def test_lazy_layers_take_their_size_from_a_state_dict():
    source, model = plain(), lazy()
    source.eval()
    model.eval()
    model.load_state_dict(source.state_dict())
    x = image(2, 4, 6, 7)
    assert np.array_equal(model(x).numpy(), source(x).numpy())


def test_lazy_layers_keep_their_dtype_and_their_parameters():
    model = lazy().double()
    before = list(model.parameters())
    model(image(2, 4, 6, 7, dtype=np.float64))
    assert all(a is b for a, b in zip(before, model.parameters(), strict=True)) and {p.dtype for p in before} == {np.dtype("float64")}
    assert model[1].running_mean.dtype == np.float64


def test_before_the_first_batch_a_lazy_layer_says_what_to_do():
    with pytest.raises(ValueError, match="run one batch through the model"):
        lazy().state_dict()
    with pytest.raises(ValueError, match="groups=2 does not divide the 3 channels"):
        lazy()(image(1, 3, 6, 6))


def test_scale():
    layer = nn.Scale(3)
    x = image(2, 3, 4, 5)
    assert np.array_equal(layer(x).numpy(), x.numpy())
    layer.load_state_dict({"weight": [1, 2, 3], "bias": [0, 0, 10]})
    assert np.array_equal(layer(x).numpy()[:, 2], x.numpy()[:, 2] * 3 + 10)
    with pytest.raises(ValueError, match=r"Scale: expected \(N, 3, …\), got an input of shape \(2, 4\)"):
        layer(image(2, 4))


def test_shift_moves_channels():
    x = image(1, 9, 4, 4)
    y = nn.Shift(3)(x).numpy()
    planes = {tuple(plane.reshape(-1)[[5, 10]]) for plane in y[0]}      # inner pixels, moved by each of the nine offsets
    expected = {(x.numpy()[0, c, 1 + dy, 1 + dx], x.numpy()[0, c, 2 + dy, 2 + dx])
                for c in range(9) for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
    assert planes <= expected and np.count_nonzero(np.all(y == x.numpy(), axis=(0, 2, 3))) == 1      # one channel stays where it is


def test_scaled_tanh_keeps_one():
    y = nn.ScaledTanh()(Tensor(np.array([-1.0, 0.0, 1.0]))).numpy()
    assert np.abs(y - [-1, 0, 1]).max() < 1e-4


def test_dropout_in_training_and_evaluation():
    mc.manual_seed(0)
    x = Tensor(np.ones((100, 100), np.float32))
    layer = nn.Dropout(0.25)
    values, counts = np.unique(layer(x).numpy(), return_counts=True)
    assert np.allclose(values, [0, 1 / 0.75]) and abs(counts[0] / 10_000 - 0.25) < 0.02
    assert np.array_equal(layer.eval()(x).numpy(), x.numpy())
    assert np.allclose(nn.Dropout(0.25, paper=True).eval()(x).numpy(), 0.75)
    channels = nn.Dropout2d(0.5)(Tensor(np.ones((8, 16, 3, 3), np.float32))).numpy()
    assert all(len(np.unique(channels[n, c])) == 1 for n in range(8) for c in range(16)) and 0 < (channels == 0).mean() < 1


def test_batch_norm_counts_batches_in_training_only():
    layer = nn.BatchNorm2d(2)
    for training in (True, True, False):
        layer.train(training)(image(3, 2, 4, 4))
    assert layer.num_batches_tracked.item() == 2
    layer.train()(mc.meta(3, 2, 4, 4))                                  # a shape is no batch
    assert layer.num_batches_tracked.item() == 2
    layer.reset_running_stats()
    assert layer.num_batches_tracked.item() == 0 and layer.running_var.numpy().tolist() == [1, 1]


@pytest.mark.parametrize("make, text", [
    (lambda: nn.Conv2d(3, 8, 3, groups=2), "groups=2 should divide in_channels=3 and out_channels=8"),
    (lambda: nn.Conv2d(0, 8, 3), "in_channels should be a whole number of at least 1, got 0"),
    (lambda: nn.Conv2d(3, 8, 0), "kernel_size should be at least 1"),
    (lambda: nn.Conv2d(3, 8, 3, padding="smae"), "padding should be"),
    (lambda: nn.Conv2d(3, 8, 3, padding_mode="mirror"), "padding_mode should be one of zeros, reflect"),
    (lambda: nn.Linear(3, 2.5), "out_features should be a whole number"),
    (lambda: nn.GroupNorm(4, 6), "num_groups=4 should divide num_channels=6"),
    (lambda: nn.Dropout(1.5), "p is a probability"),
    (lambda: nn.ZeroPad2d((1, 2)), "left, right, top, bottom"),
    (lambda: nn.BatchNorm2d(3)(image(2, 3)), r"BatchNorm2d: expected an input \(N, C, H, W\), got shape \(2, 3\)"),
    (lambda: nn.BatchNorm1d(3)(image(2, 3, 4, 4)), r"expected an input \(N, C\) or \(N, C, L\)"),
    (lambda: nn.Conv2d(1, 64, 5)(image(8, 3, 28, 28)), r"conv2d: input has 3 channels but weight \(64, 1, 5, 5\) takes 1 \(groups=1\)"),
    (lambda: nn.Linear(10, 2)(image(4, 9)), "9"),
])
def test_wrong_arguments_and_inputs(make, text):
    with pytest.raises(ValueError, match=text):
        make()
