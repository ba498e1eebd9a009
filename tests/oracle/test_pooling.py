"""Pooling against PyTorch, on configurations drawn with a fixed seed: values, positions, gradients, second derivatives, errors."""
import numpy as np
import pytest
import torch
import torch.nn.functional as T

import minicnn as mc
import minicnn.functional as F
from minicnn import kernels

from .compare import check, compare

BACKENDS = ("reference", "numba")
DTYPES = ("float64", "float32")


def seen(size, window, stride, padding, dilation, count):
    """Whether every window along one axis sees the input (PyTorch reads outside of it where one does not)."""
    return all(any(0 <= p * stride - padding + r * dilation < size for r in range(window)) for p in range(count))


def draw_axis(rng, dilations):
    """A size, and a window with its stride, padding and dilation that fits into it."""
    while True:
        window, stride, dilation = int(rng.integers(1, 5)), int(rng.integers(1, 5)), int(rng.choice(dilations))
        span = dilation * (window - 1) + 1
        size, padding = int(rng.integers(1, 13)), int(rng.integers(0, window // 2 + 1))
        room = size + 2 * padding - span
        if room >= 0 and seen(size, window, stride, padding, dilation, -(-room // stride) + 1):
            return size, window, stride, padding, dilation


def draw(count, seed, dilations=(1,)):
    """(shape, options of PyTorch's function), with N from 0 to 3, often off the square."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        (H, *vertical), (W, *horizontal) = draw_axis(rng, dilations), draw_axis(rng, dilations)
        options = dict(zip(("kernel_size", "stride", "padding", "dilation"), zip(vertical, horizontal)), ceil_mode=bool(rng.integers(2)))
        found.append(((int(rng.choice([0, 1, 1, 2, 3])), int(rng.integers(1, 4)), H, W), options))
    return found


def name(shape, options):
    """1x3x7x9-kernel_size3,2-stride2,1-ceil_mode: readable, and no two alike."""
    parts = ["x".join(map(str, shape))]
    for key, value in options.items():
        if value is True:
            parts.append(key)
        elif value is not False and value is not None:
            parts.append(key + (",".join(map(str, value)) if isinstance(value, tuple) else str(value)))
    return "-".join(parts)


def parameters(configurations):
    return [pytest.param(shape, options, id=name(shape, options)) for shape, options in configurations]


def data(shape, seed=0, ties=False):
    """Below zero on the average, so that padding with zeros would show; with ties, multiples of ½."""
    x = np.random.default_rng([seed, *shape]).standard_normal(shape) - 1
    return np.round(x * 2) / 2 if ties else x


def averages(count):
    rng, found = np.random.default_rng(2), []
    for shape, options in draw(count, 3):
        options.pop("dilation")
        options.update(count_include_pad=bool(rng.integers(2)), divisor_override=(None, None, None, 3, 7)[rng.integers(5)])
        found.append((shape, options))
    return found


def adaptives(count):
    rng = np.random.default_rng(4)
    return [((int(rng.choice([0, 1, 2, 3])), *(int(n) for n in rng.integers(1, 13, 3))),
             dict(output_size=tuple(None if rng.random() < 0.1 else int(n) for n in rng.integers(1, 8, 2)))) for _ in range(count)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape, options", parameters(draw(40, 0) + draw(25, 1, dilations=(1, 2, 3))))
def test_max_pool2d(shape, options, backend, dtype):
    for ties in (False, True):
        compare(lambda x: F.max_pool2d(x, **options, return_indices=True), lambda x: T.max_pool2d(x, **options, return_indices=True),
                [data(shape, ties=ties)], backend=backend, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape, options", parameters(averages(60)))
def test_avg_pool2d(shape, options, backend, dtype):
    compare(lambda x: F.avg_pool2d(x, **options), lambda x: T.avg_pool2d(x, **options), [data(shape)], backend=backend, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape, options", parameters(adaptives(30)))
def test_adaptive(shape, options, backend, dtype):
    compare(lambda x: F.adaptive_avg_pool2d(x, **options), lambda x: T.adaptive_avg_pool2d(x, **options),
            [data(shape)], backend=backend, dtype=dtype)
    compare(lambda x: F.adaptive_max_pool2d(x, **options, return_indices=True),
            lambda x: T.adaptive_max_pool2d(x, **options, return_indices=True), [data(shape, ties=True)], backend=backend, dtype=dtype)


def around(x, padding, value):
    (top, bottom), (left, right) = padding
    return T.pad(x, (left, right, top, bottom), value=value)


def mean_of_the_input(x, padding, window, stride):
    """Without the padding in the divisor: the mean of x over the mean of ones, both with zeros around."""
    return T.avg_pool2d(around(x, padding, 0), window, stride) / T.avg_pool2d(around(torch.ones_like(x), padding, 0), window, stride)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("padding", [((0, 1), (1, 0)), ((2, 0), (0, 1)), ((1, 1), (2, 0))], ids=str)
def test_asymmetric_padding(padding, backend, dtype):
    x = data((2, 3, 7, 8))
    compare(lambda x: F.max_pool2d(x, 3, 2, padding), lambda x: T.max_pool2d(around(x, padding, -torch.inf), 3, 2),
            [x], backend=backend, dtype=dtype)
    compare(lambda x: F.avg_pool2d(x, 3, 2, padding), lambda x: T.avg_pool2d(around(x, padding, 0), 3, 2),
            [x], backend=backend, dtype=dtype)
    compare(lambda x: F.avg_pool2d(x, 3, 2, padding, count_include_pad=False), lambda x: mean_of_the_input(x, padding, 3, 2),
            [x], backend=backend, dtype=dtype)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size, window, stride, expected, padding", [
    ((7, 8), (3, 2), (2, 2), (4, 4), ((1, 1), (0, 0))),
    ((8, 9), (3, 3), (2, 2), (4, 5), ((0, 1), (1, 1))),          # the odd row comes after
    ((5, 5), (2, 2), (1, 1), (5, 5), ((0, 1), (0, 1))),
    ((5, 6), (1, 2), (4, 5), (2, 2), ((0, 0), (0, 1))),
])
def test_same_padding(size, window, stride, expected, padding, backend):
    x = data((2, 2, *size))
    with mc.use_backend(backend):
        assert F.max_pool2d(mc.Tensor(x), window, stride, "same").shape == (2, 2, *expected)
        assert F.avg_pool2d(mc.Tensor(x), window, stride, "valid").shape == F.avg_pool2d(mc.Tensor(x), window, stride).shape
    compare(lambda x: F.max_pool2d(x, window, stride, "same"), lambda x: T.max_pool2d(around(x, padding, -torch.inf), window, stride),
            [x], backend=backend)
    compare(lambda x: F.avg_pool2d(x, window, stride, "same"), lambda x: mean_of_the_input(x, padding, window, stride),
            [x], backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_same_padding_of_a_dilated_window(backend):
    """More than PyTorch allows: it compares the padding with the window, not with what the window spans."""
    wide = ((2, 2), (3, 3))
    compare(lambda x: F.max_pool2d(x, 3, 1, "same", (2, 3)), lambda x: T.max_pool2d(around(x, wide, -torch.inf), 3, 1, dilation=(2, 3)),
            [data((2, 2, 7, 8))], backend=backend)


FUNCTIONS = {
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1), lambda x: T.max_pool2d(x, 3, 2, 1)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 3, 2, 1), lambda x: T.avg_pool2d(x, 3, 2, 1)),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (3, 2)), lambda x: T.adaptive_avg_pool2d(x, (3, 2))),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, (3, 2)), lambda x: T.adaptive_max_pool2d(x, (3, 2))),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ours, theirs", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_one_image_without_a_batch(ours, theirs, backend):
    compare(ours, theirs, [data((3, 7, 6))], backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ours, theirs", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_second_order(ours, theirs, backend):
    """A gradient penalty: d/dx Σ (d/dx Σ f(x)³)³, where every factor depends on x."""
    values = data((2, 2, 7, 6))
    with mc.use_backend(backend):
        x = mc.Tensor(values, requires_grad=True)
        (first,) = mc.grad((ours(x) ** 3).sum(), x, create_graph=True)
        (first ** 3).sum().backward()
    y = torch.from_numpy(values).requires_grad_()
    (expected,) = torch.autograd.grad((theirs(y) ** 3).sum(), y, create_graph=True)
    (expected ** 3).sum().backward()
    assert x.grad is not None and y.grad is not None
    check("first gradient", first.numpy(), expected.detach().numpy(), "float64")
    check("second gradient", x.grad.numpy(), y.grad.numpy(), "float64")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ours, theirs", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_nan_and_infinity_travel_as_far_as_in_pytorch(ours, theirs, backend):
    values = data((1, 2, 7, 6))
    values[0, 0, 2, 3], values[0, 0, 3, 3], values[0, 1, 4, 1], values[0, 1, 0, 0] = np.nan, np.nan, -np.inf, np.inf
    with mc.use_backend(backend):
        check("output", ours(mc.Tensor(values)).numpy(), theirs(torch.from_numpy(values)).numpy(), "float64")


@pytest.mark.parametrize("backend", BACKENDS)
def test_positions_beside_nan_and_infinity(backend):
    rng = np.random.default_rng(7)                                         # many of each: every order of two within a window
    values = rng.choice([np.nan, -np.inf, np.inf, 0.0, 1.0], (4, 5, 13, 12), p=[0.15, 0.35, 0.05, 0.25, 0.2])
    x = torch.from_numpy(values)
    with mc.use_backend(backend):
        _, found = F.max_pool2d(mc.Tensor(values), 3, 2, 1, return_indices=True)
        _, adaptive = F.adaptive_max_pool2d(mc.Tensor(values), (5, 4), return_indices=True)
    assert np.array_equal(found.numpy(), T.max_pool2d(x, 3, 2, 1, return_indices=True)[1].numpy())
    assert np.array_equal(adaptive.numpy(), T.adaptive_max_pool2d(x, (5, 4), return_indices=True)[1].numpy())


def test_meta_tensors_have_the_shapes_and_dtypes():
    x = mc.Tensor(np.zeros((2, 3, 9, 8), np.float32), device="meta")
    y, indices = F.max_pool2d(x, 3, 2, return_indices=True)
    assert (y.shape, indices.shape, indices.dtype) == ((2, 3, 4, 3), (2, 3, 4, 3), np.int64)
    assert F.avg_pool2d(x, 2, ceil_mode=True).shape == (2, 3, 5, 4)
    assert F.adaptive_avg_pool2d(x, (None, 1)).shape == (2, 3, 9, 1)


def test_max_pooling_lets_its_input_go():
    """Backward reads the positions: the input may be written to, and is not kept alive."""
    x = mc.Tensor(data((1, 2, 6, 6)), requires_grad=True)
    hidden = x * 2.0
    y = F.max_pool2d(hidden, 2)
    with mc.no_grad():
        hidden.write(np.zeros(hidden.shape))
        y.write(np.zeros(y.shape))
    y.sum().backward()
    assert x.grad is not None and np.array_equal(np.unique(x.grad.numpy()), [0.0, 2.0])


def test_the_same_bits_with_one_thread_and_with_two():
    x, results = data((3, 5, 31, 29)).astype(np.float32), []
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
    (lambda x: F.max_pool2d(x, 3, padding=2),
     "max_pool2d: padding should be at most half of the window, but along the height it is 2 for a window of 3; use padding of at most 1"),
    (lambda x: F.max_pool2d(x, 3, padding=3, dilation=2),
     "it is 3 for a window of 3 (spanning 5 with dilation 2); use padding of at most 2"),
    (lambda x: F.avg_pool2d(x, (3, 2), padding=(0, 2)),
     "avg_pool2d: padding should be at most half of the window, but along the width it is 2"),
    (lambda x: F.max_pool2d(x, 7), "max_pool2d: a window of 7×7 does not fit into the padded input of 6×5"),
    (lambda x: F.avg_pool2d(x, (2, 8)), "avg_pool2d: a window of 2×8 does not fit"),
    (lambda x: F.max_pool2d(x, 2, padding=((0, 5), (0, 0))),
     "max_pool2d: window 4 along the height lies entirely in the padding (0, 5)"),
    (lambda x: F.max_pool2d(x, 2, 1, padding=((7, 0), (0, 0))),
     "max_pool2d: window 0 along the height lies entirely in the padding (7, 0)"),
    (lambda x: F.avg_pool2d(x, 2, padding=((0, 0), (3, 0)), count_include_pad=False),
     "avg_pool2d: window 0 along the width lies entirely in the padding (3, 0)"),
    (lambda x: F.avg_pool2d(x, 2, divisor_override=0), "avg_pool2d: divisor_override is 0"),
    (lambda x: F.max_pool2d(x, 2, stride=0), "max_pool2d: stride should be at least 1, got 0"),
    (lambda x: F.max_pool2d(x, (1, 2, 3)), "max_pool2d: kernel_size should be a whole number or a pair (height, width), got (1, 2, 3)"),
    (lambda x: F.max_pool2d(x, 2, padding="full"), "max_pool2d: padding should be a number, a pair"),
    (lambda x: F.max_pool2d(x[0, 0], 2), "max_pool2d: expected an input (N, C, H, W) or (C, H, W), got shape (6, 5)"),
    (lambda x: F.adaptive_avg_pool2d(x, 0), "adaptive_avg_pool2d: output_size should be at least 1, got (0, 0)"),
    (lambda x: F.adaptive_max_pool2d(x, (1, 2, 3)), "adaptive_max_pool2d: output_size should be a whole number or a pair"),
    (lambda x: F.adaptive_avg_pool2d(x[:, :, :0], 1), "adaptive_avg_pool2d: the input plane is empty, got shape (2, 3, 0, 5)"),
]


@pytest.mark.parametrize("call, text", ERRORS, ids=[f"{i}-{text[:30]}" for i, (_, text) in enumerate(ERRORS)])
def test_errors(call, text):
    with pytest.raises(ValueError) as caught:
        call(mc.Tensor(data((2, 3, 6, 5))))
    assert text in str(caught.value)


def test_a_window_in_dilated_padding_is_an_error():
    """Taps at −1 and 1 of a single pixel: PyTorch reads past the plane here."""
    with pytest.raises(ValueError, match="window 0 along the height lies entirely in the padding"):
        F.max_pool2d(mc.Tensor(np.zeros((1, 1, 1, 4))), 2, 1, padding=1, dilation=2)


def test_replaced_kernel():
    """Somebody's own max pooling, second order included."""
    def forward(x, **options):
        return kernels.module("max_pool2d", "reference").forward(x, **options)[0]

    x = mc.Tensor(data((1, 2, 4, 6)), requires_grad=True)
    with kernels.replace("max_pool2d", forward=forward):
        y = F.max_pool2d(x, 2)
        (first,) = mc.grad((y * y).sum(), x, create_graph=True)
        (first * first).sum().backward()
    assert np.array_equal(y.numpy(), F.max_pool2d(x, 2).numpy())
    winners = first.numpy() != 0
    assert x.grad is not None and np.allclose(x.grad.numpy(), np.where(winners, 8 * x.numpy(), 0), rtol=1e-14)
