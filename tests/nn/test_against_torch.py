"""Layers against PyTorch's of the same name: signature, state_dict, repr, and the output with PyTorch's own weights."""
import inspect

import numpy as np
import pytest

from minicnn import manual_seed, nn, no_grad, Tensor
from tests.oracle.compare import error

torch = pytest.importorskip("torch")

IMAGE = (2, 6, 7, 9)
#   layer                   arguments                                                                           input
CASES = [
    ("Conv2d",              dict(in_channels=6, out_channels=4, kernel_size=(3, 2), stride=(2, 1), padding=1, groups=2),    IMAGE),
    ("Conv2d",              dict(in_channels=6, out_channels=5, kernel_size=3, padding="same", dilation=2, bias=False),     IMAGE),
    ("Conv2d",              dict(in_channels=6, out_channels=5, kernel_size=3, padding=(2, 1), padding_mode="reflect"),     IMAGE),
    ("Conv2d",              dict(in_channels=6, out_channels=5, kernel_size=3, padding=(1, 2), padding_mode="circular"),    IMAGE),
    ("ConvTranspose2d",     dict(in_channels=6, out_channels=4, kernel_size=3, stride=2, padding=1, output_padding=1, groups=2), IMAGE),
    ("Linear",              dict(in_features=9, out_features=4),                            IMAGE),
    ("Linear",              dict(in_features=9, out_features=4, bias=False),                (3, 9)),
    ("MaxPool2d",           dict(kernel_size=3, stride=2, padding=1, ceil_mode=True),       IMAGE),
    ("AvgPool2d",           dict(kernel_size=(2, 3), padding=(1, 1), count_include_pad=False), IMAGE),
    ("AdaptiveAvgPool2d",   dict(output_size=(3, None)),                                    IMAGE),
    ("AdaptiveMaxPool2d",   dict(output_size=4),                                            IMAGE),
    ("BatchNorm1d",         dict(num_features=6),                                           (5, 6)),
    ("BatchNorm2d",         dict(num_features=6, momentum=0.3, eps=0.5),                    IMAGE),
    ("BatchNorm2d",         dict(num_features=6, momentum=None),                            IMAGE),
    ("BatchNorm2d",         dict(num_features=6, bias=False),                               IMAGE),
    ("BatchNorm2d",         dict(num_features=6, affine=False, track_running_stats=False),  IMAGE),
    ("LayerNorm",           dict(normalized_shape=[7, 9], bias=False),                      IMAGE),
    ("LayerNorm",           dict(normalized_shape=9, elementwise_affine=False),             IMAGE),
    ("GroupNorm",           dict(num_groups=3, num_channels=6),                             IMAGE),
    ("LocalResponseNorm",   dict(size=3, alpha=0.5, beta=0.6, k=2.0),                       IMAGE),
    ("ReLU",                dict(),                                                         IMAGE),
    ("ReLU6",               dict(),                                                         IMAGE),
    ("LeakyReLU",           dict(negative_slope=0.2),                                       IMAGE),
    ("ELU",                 dict(alpha=0.7),                                                IMAGE),
    ("Sigmoid",             dict(),                                                         IMAGE),
    ("Tanh",                dict(),                                                         IMAGE),
    ("SiLU",                dict(),                                                         IMAGE),
    ("GELU",                dict(approximate="tanh"),                                       IMAGE),
    ("Hardsigmoid",         dict(),                                                         IMAGE),
    ("Hardswish",           dict(),                                                         IMAGE),
    ("Softmax",             dict(dim=1),                                                    IMAGE),
    ("LogSoftmax",          dict(dim=-1),                                                   IMAGE),
    ("Flatten",             dict(start_dim=1, end_dim=2),                                   IMAGE),
    ("Unflatten",           dict(dim=1, unflattened_size=(2, 3)),                           IMAGE),
    ("Upsample",            dict(scale_factor=2.0, mode="bilinear", align_corners=True),    IMAGE),
    ("ZeroPad2d",           dict(padding=(1, 2, 0, 3)),                                     IMAGE),
    ("ChannelShuffle",      dict(groups=3),                                                 IMAGE),
    ("Identity",            dict(),                                                         IMAGE),
    ("Dropout",             dict(p=0.0),                                                    IMAGE),
    ("Dropout2d",           dict(p=0.0),                                                    IMAGE),
]
OTHER_REPR = {"Dropout", "Dropout2d"}                               # PyTorch's shows inplace, which ours do not have
DTYPES = {"float32": 2e-6, "float64": 1e-12}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name, options, shape", CASES, ids=[f"{name}-{i}" for i, (name, _, _) in enumerate(CASES)])
def test_layer(name, options, shape, dtype):
    torch.manual_seed(0)
    ours, theirs = getattr(nn, name)(**options).to(dtype), getattr(torch.nn, name)(**options).double()
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(torch.randn_like(p).float())                    # float32 values, so that both start from the same
    assert {k: tuple(v.shape) for k, v in theirs.state_dict().items()} == {k: v.shape for k, v in ours.state_dict().items()}
    ours.load_state_dict(theirs.state_dict())

    rng = np.random.default_rng(1)
    for training in (True, True, False):                            # the running statistics go through all three
        x = rng.standard_normal(shape).astype(np.float32)
        ours.train(training)
        theirs.train(training)
        with no_grad(), torch.no_grad():
            y, expected = ours(Tensor(x.astype(dtype))), theirs(torch.tensor(x, dtype=torch.float64)).numpy()
        assert y.shape == expected.shape and y.dtype == dtype
        assert error(y.numpy(), expected) <= DTYPES[dtype]
    for key, value in theirs.state_dict().items():
        assert error(ours.state_dict()[key].numpy(), value.numpy()) <= DTYPES[dtype], key


@pytest.mark.parametrize("name, options", [case[:2] for case in CASES if case[0] not in OTHER_REPR])
def test_repr(name, options):
    assert repr(getattr(nn, name)(**options)) == repr(getattr(torch.nn, name)(**options))


OURS_ALONE = {"DropPath", "Identity", "Module", "ModuleList", "Parameter", "RemovableHandle", "Scale", "ScaledTanh", "Sequential", "Shift",
              "StateDictError", "init"}
NOT_HERE = {"size_average", "reduce"}                               # deprecated there
REQUIRED_HERE = {("Softmax", "dim"), ("LogSoftmax", "dim")}         # PyTorch guesses, and warns


@pytest.mark.parametrize("name", sorted(set(nn.__all__) - OURS_ALONE))
def test_signature(name):
    """The same arguments in the same order with the same defaults; ours may have more behind them, by keyword."""
    theirs = [p for p in inspect.signature(getattr(torch.nn, name)).parameters.values()
              if p.name not in NOT_HERE and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    ours = [p for p in inspect.signature(getattr(nn, name)).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    assert [p.name for p in ours] == [p.name for p in theirs]
    for a, b in zip(ours, theirs):
        assert a.default == b.default or (name, a.name) in REQUIRED_HERE, a.name


@pytest.mark.parametrize("name, options, target", [
    ("CrossEntropyLoss", dict(label_smoothing=0.1, weight=np.array([1.0, 2.0, 0.5])), "labels"),
    ("NLLLoss", dict(ignore_index=1, reduction="sum"), "labels"),
    ("MSELoss", dict(reduction="none"), "values"),
])
def test_loss(name, options, target):
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((5, 3)), rng.integers(0, 3, 5) if target == "labels" else rng.standard_normal((5, 3))
    there = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    ours, theirs = getattr(nn, name)(**options)(Tensor(x), Tensor(y)), getattr(torch.nn, name)(**there)(torch.tensor(x), torch.tensor(y))
    assert error(ours.numpy(), theirs.numpy()) <= 1e-12


def test_first_values_have_pytorchs_distribution():
    """U(−1/√fan_in, 1/√fan_in) for weight and bias: the spread of PyTorch's own layers."""
    manual_seed(0)                                         # of eight numbers the largest is now and then small
    torch.manual_seed(0)
    for name, arguments in (("Conv2d", (8, 256, 3)), ("ConvTranspose2d", (256, 8, 3)), ("Linear", (72, 512))):
        ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments)
        for key in ("weight", "bias"):
            a, b = getattr(ours, key).numpy(), getattr(theirs, key).detach().numpy()
            assert abs(np.abs(a).max() / np.abs(b).max() - 1) < 0.35 if a.size < 100 else abs(a.std() / b.std() - 1) < 0.1, (name, key)
