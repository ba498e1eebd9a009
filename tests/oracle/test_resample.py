"""Padding, interpolation, channel shuffle and shift against PyTorch, on configurations drawn with a fixed seed."""
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as T

import minicnn as mc
import minicnn.functional as F

from .compare import check, compare

BACKENDS = ("reference", "numba")
DTYPES = ("float64", "float32")


def data(shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def paddings(count):
    """(shape, pad, mode, value) that PyTorch takes; non-constant modes of the last one or two axes, with crops on either side."""
    rng, found = np.random.default_rng(5), []
    while len(found) < count:
        mode = ("constant", "reflect", "replicate", "circular")[len(found) % 4]
        shape = (int(rng.choice([0, 1, 2])), *(int(n) for n in rng.integers(1, 8, 3)))
        axes = int(rng.integers(1, 5)) if mode == "constant" else 2
        pad = []
        for size in shape[:-axes - 1:-1]:
            before, after = (int(n) for n in rng.integers(-2, 5, 2))
            left = size + min(before, 0) + min(after, 0)
            most = {"constant": 9, "reflect": size - 1, "replicate": 9, "circular": left}[mode]
            if left < 1 or max(before, after) > most:
                break
            pad += [before, after]
        else:
            found.append((shape, tuple(pad), mode, float(rng.integers(-3, 4)) if mode == "constant" else None))
    return found


def resizings(count):
    rng, found = np.random.default_rng(6), []
    for i in range(count):
        shape = (int(rng.choice([0, 1, 2])), *(int(n) for n in rng.integers(1, 12, 3)))
        options: dict[str, Any] = {"mode": ("nearest", "bilinear")[i % 2]}
        kind = i // 2 % 4
        if kind == 0:
            options["size"] = tuple(int(n) for n in rng.integers(1, 20, 2))
        else:
            factors = tuple(float(f) for f in np.round(rng.uniform(1.0, 3.0, 2) if kind < 3 else rng.uniform(0.3, 1.2, 2), 2))
            options["scale_factor"] = tuple(max(f, 1 / n + 0.01) for f, n in zip(factors, shape[2:]))
            if rng.random() < 0.3:
                options["recompute_scale_factor"] = True
        if options["mode"] == "bilinear" and rng.random() < 0.4:
            options["align_corners"] = True
        found.append((shape, options))
    for mode in ("nearest", "bilinear"):                                   # exact doubling, halving, and a scale at the same size
        found += [((2, 3, 4, 5), dict(mode=mode, scale_factor=2)), ((1, 2, 6, 8), dict(mode=mode, scale_factor=0.5)),
                  ((1, 2, 5, 4), dict(mode=mode, scale_factor=1.1)), ((1, 1, 7, 3), dict(mode=mode, size=14))]
    return found


def name(value):
    if isinstance(value, dict):
        return "-".join(f"{key}={name(v)}" if v is not True else key for key, v in value.items())
    if isinstance(value, tuple):
        return ",".join(str(round(v, 3)) if isinstance(v, float) else str(v) for v in value)
    return str(value)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape, pad, mode, value", paddings(48), ids=name)
def test_pad(shape, pad, mode, value, backend, dtype):
    compare(lambda x: F.pad(x, pad, mode, value), lambda x: T.pad(x, pad, mode, value), [data(shape)], backend=backend, dtype=dtype)


@pytest.mark.parametrize("backend", BACKENDS)
def test_pad_of_three_axes_and_of_none(backend):
    for mode in ("reflect", "replicate", "circular"):
        compare(lambda x, mode=mode: F.pad(x, (1, 2, 2, 0, 1, 1), mode), lambda x, mode=mode: T.pad(x, (1, 2, 2, 0, 1, 1), mode),
                [data((2, 2, 3, 4, 5))], backend=backend)
        compare(lambda x, mode=mode: F.pad(x, (1, 2), mode), lambda x, mode=mode: T.pad(x, (1, 2), mode), [data((3, 4))], backend=backend)
    compare(lambda x: F.pad(x, ()), lambda x: T.pad(x, ()), [data((3, 4))], backend=backend)
    compare(lambda x: F.pad(x, (-2, -2)), lambda x: T.pad(x, (-2, -2)), [data((3, 4))], backend=backend)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape, options", resizings(48), ids=name)
def test_interpolate(shape, options, backend, dtype):
    compare(lambda x: F.interpolate(x, **options), lambda x: T.interpolate(x, **options), [data(shape)], backend=backend, dtype=dtype)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nearest_at_every_pair_of_sizes(backend):
    """Positions at an exact border depend on the rounding of the ratio: all pairs up to 40 take PyTorch's pixel."""
    with mc.use_backend(backend):
        for n in range(1, 41, 3 if backend == "reference" else 1):
            x = np.arange(float(n)).reshape(1, 1, 1, n)
            for m in range(1, 41):
                found = F.interpolate(mc.Tensor(x), (1, m)).numpy()
                assert np.array_equal(found, T.interpolate(torch.from_numpy(x), (1, m)).numpy()), f"{n} -> {m}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape, groups", [((2, 6, 3, 4), 2), ((1, 6, 3, 4), 3), ((3, 12, 2, 5), 4), ((2, 5, 4, 3), 1), ((2, 5, 4, 3), 5),
                                           ((0, 4, 3, 3), 2), ((2, 8, 5), 4), ((1, 4, 2, 3, 2), 2)], ids=name)
def test_channel_shuffle(shape, groups, backend, dtype):
    compare(lambda x: F.channel_shuffle(x, groups), lambda x: T.channel_shuffle(x, groups), [data(shape)], backend=backend, dtype=dtype)


def shift_by_convolution(x, kernel_size, dilation):
    """Shift is a depthwise convolution whose kernels hold a single 1."""
    (R, S), C = kernel_size, x.shape[1]
    weight = torch.zeros(C, 1, R, S, dtype=x.dtype)
    each = C // (R * S)
    for c in range(C):
        tap = c // each if each and c < each * R * S else R * S // 2
        weight[c, 0, tap // S, tap % S] = 1
    return T.conv2d(x, weight, padding=(R // 2 * dilation[0], S // 2 * dilation[1]), dilation=dilation, groups=C)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape, kernel_size, dilation", [
    ((2, 9, 4, 5), (3, 3), (1, 1)), ((1, 18, 5, 3), (3, 3), (1, 1)), ((2, 13, 4, 4), (3, 3), (1, 1)), ((1, 5, 4, 6), (3, 3), (1, 1)),
    ((1, 25, 6, 4), (5, 5), (1, 1)), ((2, 11, 5, 7), (3, 3), (2, 3)), ((1, 7, 3, 4), (1, 3), (1, 2)), ((0, 9, 3, 3), (3, 3), (1, 1)),
    ((1, 9, 2, 2), (3, 3), (4, 4))], ids=name)
def test_shift(shape, kernel_size, dilation, backend, dtype):
    compare(lambda x: F.shift(x, kernel_size, dilation), lambda x: shift_by_convolution(x, kernel_size, dilation),
            [data(shape)], backend=backend, dtype=dtype)


FUNCTIONS = {
    "pad_constant": (lambda x: F.pad(x, (1, -1, 2, 1), value=0.7), lambda x: T.pad(x, (1, -1, 2, 1), value=0.7)),
    "pad_reflect": (lambda x: F.pad(x, (2, 1, 1, 3), "reflect"), lambda x: T.pad(x, (2, 1, 1, 3), "reflect")),
    "interpolate_nearest": (lambda x: F.interpolate(x, (7, 3)), lambda x: T.interpolate(x, (7, 3))),
    "interpolate_bilinear": (lambda x: F.interpolate(x, (7, 3), mode="bilinear"), lambda x: T.interpolate(x, (7, 3), mode="bilinear")),
    "channel_shuffle": (lambda x: F.channel_shuffle(x, 3), lambda x: T.channel_shuffle(x, 3)),
    "shift": (lambda x: F.shift(x), lambda x: shift_by_convolution(x, (3, 3), (1, 1))),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ours, theirs", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_second_and_third_order(ours, theirs, backend):
    """Gradients of gradients of gradients, through f(x)³: the two kernels of a linear operation, used crosswise."""
    values = data((2, 12, 5, 4))
    with mc.use_backend(backend):
        x = mc.Tensor(values, requires_grad=True)
        (first,) = mc.grad((ours(x) ** 3).sum(), x, create_graph=True)
        (second,) = mc.grad((first ** 2).sum(), x, create_graph=True)
        (second ** 2).sum().backward()
    y = torch.from_numpy(values).requires_grad_()
    (one,) = torch.autograd.grad((theirs(y) ** 3).sum(), y, create_graph=True)
    (two,) = torch.autograd.grad((one ** 2).sum(), y, create_graph=True)
    (two ** 2).sum().backward()
    assert x.grad is not None and y.grad is not None
    for title, found, expected in (("first", first, one), ("second", second, two), ("third", x.grad, y.grad)):
        check(f"{title} gradient", found.numpy(), expected.detach().numpy(), "float64")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ours, theirs", [pytest.param(*f, id=key) for key, f in FUNCTIONS.items() if key != "shift"])
def test_nan_travels_as_far_as_in_pytorch(ours, theirs, backend):
    values = data((1, 12, 5, 4))
    values[0, 3, 2, 1], values[0, 7, 0, 0] = np.nan, np.nan
    with mc.use_backend(backend):
        found = ours(mc.Tensor(values)).numpy()
    check("output", found, theirs(torch.from_numpy(values)).numpy(), "float64")


@pytest.mark.parametrize("backend", BACKENDS)
def test_shift_spreads_no_nan(backend):
    """A convolution would multiply its zeros with the NaN; a move takes it to one place."""
    values = np.zeros((1, 9, 5, 4))
    values[0, :, 2, 1] = np.nan
    with mc.use_backend(backend):
        found = F.shift(mc.Tensor(values)).numpy()
    assert np.argwhere(np.isnan(found[0])).tolist() == [[c, 2 - (c // 3 - 1), 1 - (c % 3 - 1)] for c in range(9)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_nearest_keeps_infinity(backend):
    values = np.array([[[[1.0, np.inf], [-np.inf, 2.0]]]])
    with mc.use_backend(backend):
        assert np.array_equal(F.interpolate(mc.Tensor(values), 5).numpy(), T.interpolate(torch.from_numpy(values), 5).numpy())


def test_the_same_bits_with_one_thread_and_with_two():
    x, results = data((3, 12, 31, 29)).astype(np.float32), []
    before = mc.get_num_threads()
    try:
        for threads in (1, 2):
            mc.set_num_threads(threads)
            for ours, _ in FUNCTIONS.values():
                t = mc.Tensor(x, requires_grad=True)
                y = ours(t)
                (y * y).sum().backward()
                assert t.grad is not None
                results.append(y.numpy().tobytes() + t.grad.numpy().tobytes())
    finally:
        mc.set_num_threads(before)
    assert results[:len(FUNCTIONS)] == results[len(FUNCTIONS):]


ERRORS = [
    (lambda x: F.pad(x, (1, 2, 3)), "pad: pad should be an even number of whole numbers"),
    (lambda x: F.pad(x, (1,) * 10), "pad: padding for 5 axes does not fit an input of shape (2, 6, 5, 4)"),
    (lambda x: F.pad(x, (1, 1), "mirror"), "pad: mode should be one of 'constant', 'reflect', 'replicate', 'circular', got 'mirror'"),
    (lambda x: F.pad(x, (4, 0), "reflect"), "pad: padding (4, 0) of axis 3 should be less than its size 4 in mode 'reflect'"),
    (lambda x: F.pad(x, (0, 5), "circular"), "pad: padding (0, 5) of axis 3 should be at most the 4 elements"),
    (lambda x: F.pad(x, (-2, -2), "replicate"), "pad: padding (-2, -2) of axis 3 leaves nothing of its 4 elements in mode 'replicate'"),
    (lambda x: F.pad(x, (-3, -2)), "pad: padding (-3, -2) of axis 3 crops 5 of 4 elements"),
    (lambda x: F.pad(x, (1, 1), "reflect", 2.0), "pad: mode 'reflect' takes its elements from the input; leave out value=2.0"),
    (lambda x: F.interpolate(x), "interpolate: give size or scale_factor, one of the two"),
    (lambda x: F.interpolate(x, 3, 2), "interpolate: give size or scale_factor, one of the two"),
    (lambda x: F.interpolate(x, 3, align_corners=False), "interpolate: align_corners=False belongs to mode 'bilinear'"),
    (lambda x: F.interpolate(x, 3, mode="cubic"), "interpolate: mode should be 'nearest' or 'bilinear', got 'cubic'"),
    (lambda x: F.interpolate(x, scale_factor=0.1), "should have at least one pixel, got 5×4 to 0×0"),
    (lambda x: F.interpolate(x, scale_factor=-1), "interpolate: scale_factor should be a positive number or a pair of them, got -1"),
    (lambda x: F.interpolate(x, scale_factor=float("nan")), "scale_factor should be a positive number or a pair of them, got nan"),
    (lambda x: F.interpolate(x, 3, recompute_scale_factor=True), "recompute_scale_factor=True belongs to scale_factor"),
    (lambda x: F.interpolate(x[0], 3), "interpolate: expected an input (N, C, H, W), got shape (6, 5, 4)"),
    (lambda x: F.channel_shuffle(x, 4), "channel_shuffle: groups should divide the channels, got 4 groups for 6 channels"),
    (lambda x: F.channel_shuffle(x[0, 0], 1), "channel_shuffle: expected an input (N, C, …) of at least 3 axes, got shape (5, 4)"),
    (lambda x: F.shift(x, 2), "shift: kernel_size should be odd"),
    (lambda x: F.shift(x[0]), "shift: expected an input (N, C, H, W), got shape (6, 5, 4)"),
]


@pytest.mark.parametrize("call, text", ERRORS, ids=[f"{i}-{text[:30]}" for i, (_, text) in enumerate(ERRORS)])
def test_errors(call, text):
    with pytest.raises(ValueError) as caught:
        call(mc.Tensor(data((2, 6, 5, 4))))
    assert text in str(caught.value)
