"""Convolutions and products against PyTorch, on configurations drawn with a fixed seed: values, gradients, second derivatives, errors."""
import numpy as np
import pytest
import torch
import torch.nn.functional as T

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, kernels

from .compare import compare, error

BACKENDS = ("reference", "numba")
DTYPES = ("float64", "float32")


def data(*shapes):
    """Standard normal numbers, None for an absent array."""
    rng = np.random.default_rng([n for shape in shapes if shape is not None for n in shape])
    return [None if shape is None else rng.standard_normal(shape) for shape in shapes]


def draw_channels(rng):
    """(C, K, groups): dense, grouped or depthwise."""
    kind = rng.choice(["dense", "dense", "grouped", "depthwise"])
    if kind == "dense":
        return int(rng.integers(1, 5)), int(rng.integers(1, 5)), 1
    groups = int(rng.integers(2, 4))
    if kind == "depthwise":
        return groups, groups * int(rng.integers(1, 3)), groups
    return groups * int(rng.integers(1, 6)), groups * int(rng.integers(1, 5)), groups


def draw_padding(rng, window):
    """(before, after), half of the time the same on both sides."""
    before = int(rng.integers(0, window + 1))
    return before, before if rng.random() < 0.5 else int(rng.integers(0, window + 1))


def draw_axis(rng):
    """Window, stride, dilation and padding along one axis, and a size that the window fits into."""
    window, stride, dilation = int(rng.integers(1, 5)), int(rng.integers(1, 4)), int(rng.choice([1, 1, 2, 3]))
    padding = draw_padding(rng, window)
    least = max(1, dilation * (window - 1) + 1 - sum(padding))
    return least + int(rng.integers(0, 7)), window, stride, dilation, padding


def draw_convolutions(count, seed):
    """(N, C, H, W), (K, C/G, R, S), bias or not, options."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        (H, R, *vertical), (W, S, *horizontal) = draw_axis(rng), draw_axis(rng)
        C, K, groups = draw_channels(rng)
        options = dict(zip(("stride", "dilation", "padding"), zip(vertical, horizontal)), groups=groups)
        found.append(((int(rng.choice([0, 1, 1, 2, 3])), C, H, W), (K, C // groups, R, S), bool(rng.integers(2)), options))
    return found


def draw_transposed(count, seed):
    """(N, C, P, Q), (C, K/G, R, S), bias or not, options."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        axes, sizes = [], [int(n) for n in rng.integers(1, 6, 2)]
        for _ in sizes:
            window, stride, dilation = int(rng.integers(1, 5)), int(rng.integers(1, 4)), int(rng.choice([1, 1, 2]))
            axes.append((window, stride, dilation, draw_padding(rng, 2), int(rng.integers(0, max(stride, dilation)))))
        if any((n - 1) * s - sum(p) + d * (r - 1) + extra < 0 for n, (r, s, d, p, extra) in zip(sizes, axes)):
            continue                                                       # nothing would be left of the output
        C, K, groups = draw_channels(rng)
        options = dict(zip(("stride", "dilation", "padding", "output_padding"), zip(*(axis[1:] for axis in axes))), groups=groups)
        shape = (int(rng.choice([0, 1, 1, 2, 3])), C, *sizes)
        found.append((shape, (C, K // groups, axes[0][0], axes[1][0]), bool(rng.integers(2)), options))
    return found


def name(shape, weight, bias, options):
    """1x3x7x9-4x3x3x2-bias-stride2,1-…: readable, and what is at its default is left out."""
    parts = ["x".join(map(str, shape)), "x".join(map(str, weight)), *["bias"] * bias]
    for key, value in options.items():
        if value not in (1, (1, 1), (0, 0), ((0, 0), (0, 0))):
            parts.append(key + str(value).replace(" ", "").replace("(", "").replace(")", ""))
    return "-".join(parts)


def parameters(configurations):
    return [pytest.param(*c, id=name(*c)) for c in configurations]


def torch_conv2d(x, w, b, padding, **options):
    (top, bottom), (left, right) = padding
    return T.conv2d(T.pad(x, (left, right, top, bottom)), w, b, **options)


def torch_transposed(x, w, b, padding, **options):
    """PyTorch cuts the same number of rows at the top and at the bottom: so nothing is cut there, and all of it here."""
    (top, bottom), (left, right) = padding
    y = T.conv_transpose2d(x, w, b, **options)
    return y[:, :, top:y.shape[2] - bottom, left:y.shape[3] - right]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape, weight, bias, options", parameters(draw_convolutions(80, 1)))
def test_conv2d(shape, weight, bias, options, backend, dtype):
    compare(lambda x, w, b: F.conv2d(x, w, b, **options), lambda x, w, b: torch_conv2d(x, w, b, **options),
            data(shape, weight, weight[:1] if bias else None), backend=backend, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape, weight, bias, options", parameters(draw_transposed(50, 2)))
def test_conv_transpose2d(shape, weight, bias, options, backend, dtype):
    compare(lambda x, w, b: F.conv_transpose2d(x, w, b, **options), lambda x, w, b: torch_transposed(x, w, b, **options),
            data(shape, weight, (weight[1] * options["groups"],) if bias else None), backend=backend, dtype=dtype)


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("window, dilation", [((3, 3), 1), ((4, 4), 1), ((2, 5), 1), ((3, 4), (2, 3))], ids=str)
@pytest.mark.parametrize("padding", [0, 2, (2, 1), "same", "valid"], ids=str)
def test_forms_of_padding_are_pytorchs(padding, window, dilation, backend):
    options = {"padding": padding, "dilation": dilation}
    compare(lambda x, w: F.conv2d(x, w, **options), lambda x, w: T.conv2d(x, w, **options),
            data((2, 2, 9, 11), (3, 2, *window)), backend=backend)


@pytest.mark.parametrize("size, window, stride", [(7, 3, 2), (8, 3, 2), (8, 2, 2), (9, 5, 3), (5, 1, 2), (7, 2, 4)])
def test_same_with_a_stride_has_the_size_divided_and_the_odd_pixel_after(size, window, stride):
    x, w = data((1, 1, size, size), (1, 1, window, window))
    count = -(-size // stride)
    total = max(0, (count - 1) * stride + window - size)
    pads = (total // 2, total - total // 2)
    y = F.conv2d(Tensor(x), Tensor(w), stride=stride, padding="same")
    assert y.shape == (1, 1, count, count)
    assert np.array_equal(y.numpy(), F.conv2d(Tensor(x), Tensor(w), stride=stride, padding=(pads, pads)).numpy())


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_image_without_a_batch(backend):
    compare(lambda x, w, b: F.conv2d(x, w, b, 2, 1), lambda x, w, b: T.conv2d(x, w, b, 2, 1),
            data((2, 5, 6), (3, 2, 3, 2), (3,)), backend=backend)
    compare(lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1), lambda x, w, b: T.conv_transpose2d(x, w, b, 2, 1),
            data((2, 5, 6), (2, 3, 3, 2), (3,)), backend=backend)


LINEAR = [((3, 5), 4, True), ((0, 5), 2, True), ((1, 7), 1, False), ((6,), 3, True), ((2, 3, 4), 5, True), ((2, 0, 4), 3, False),
          ((2, 1, 3, 2), 6, True), ((70, 3), 300, True), ((2, 400), 3, False), ((129, 2), 2, True)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape, outputs, bias", LINEAR, ids=lambda v: str(v).replace(" ", ""))
def test_linear(shape, outputs, bias, backend, dtype):
    compare(F.linear, T.linear, data(shape, (outputs, shape[-1]), (outputs,) if bias else None), backend=backend, dtype=dtype)


MATMUL = [((3, 4), (4, 5)), ((4,), (4,)), ((4,), (4, 3)), ((3, 4), (4,)), ((2, 3, 4), (4, 2)), ((3, 4), (2, 4, 5)), ((2, 3, 4), (4,)),
          ((4,), (3, 4, 2)), ((5, 2, 3), (5, 3, 2)), ((5, 1, 2, 3), (4, 3, 2)), ((1, 4, 2, 3), (5, 1, 3, 2)), ((0, 3), (3, 2)),
          ((2, 0), (0, 3)), ((0, 2, 3), (3, 4)), ((65, 3), (3, 257)), ((2, 70, 1), (1, 1, 3))]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("a, b", MATMUL, ids=lambda v: "x".join(map(str, v)))
def test_matmul(a, b, backend, dtype):
    compare(F.matmul, torch.matmul, data(a, b), backend=backend, dtype=dtype)
    compare(lambda x, y: x @ y, torch.matmul, data(a, b), backend=backend, dtype=dtype)


@pytest.mark.parametrize("algorithm", kernels.algorithms("conv2d"))
@pytest.mark.parametrize("shape, weight, bias, options", parameters(draw_convolutions(8, 3)))
def test_every_algorithm_does_every_convolution(shape, weight, bias, options, algorithm):
    """Which one runs by default is a matter of speed alone."""
    x, w, b = data(shape, weight, weight[:1] if bias else None)
    cpu, needs = kernels.module("conv2d", "cpu"), (True, True, bias)
    y, saved = cpu.forward(x, w, b, **options, algorithm=algorithm)
    expected, reference_saved = kernels.load("conv2d").forward(x, w, b, **options)
    assert error(y, expected) < 1e-12
    g = np.random.default_rng(0).standard_normal(y.shape)
    for found, wanted in zip(cpu.backward(g, saved, needs), kernels.load("conv2d").backward(g, reference_saved, needs)):
        assert (found is None and wanted is None) or error(found, wanted) < 1e-12


LARGE = [
    pytest.param((20, 32, 14, 14), (48, 32, 3, 3), 1,  id="3×3"),
    pytest.param((6, 96, 20, 21),  (40, 96, 1, 1), 1,  id="1×1"),
    pytest.param((6, 24, 40, 41),  (24, 1, 3, 3),  24, id="depthwise"),
    pytest.param((2, 3, 90, 91),   (16, 3, 7, 7),  1,  id="a large plane"),
    pytest.param((2, 512, 7, 7),   (64, 512, 3, 3), 1, id="many channels"),
]


@pytest.mark.parametrize("low", [-1, 0])
@pytest.mark.parametrize("shape, weight, groups", LARGE)
def test_large_convolutions_keep_float32_and_the_bits(shape, weight, groups, low):
    """Long sums within 2e-6 of float64, also where every number is positive; the same bits with one thread and with two."""
    rng, options = np.random.default_rng(0), {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": groups}
    arrays = [rng.uniform(low, 1, s).astype(np.float32) for s in (shape, weight, weight[:1])]
    reference = kernels.load("conv2d", "reference")
    expected, saved = reference.forward(*(a.astype(np.float64) for a in arrays), **options)
    g = rng.uniform(low, 1, expected.shape).astype(np.float32)
    gradients = reference.backward(g.astype(np.float64), saved, (True, True, True))

    def run(threads):
        before = mc.get_num_threads()
        try:
            mc.set_num_threads(threads)
            y, saved = kernels.load("conv2d", "numba").forward(*arrays, **options)
            return y, *kernels.load("conv2d", "numba").backward(g, saved, (True, True, True))
        finally:
            mc.set_num_threads(before)

    one, two = run(1), run(2)
    for a, b, oracle in zip(one, two, (expected, *gradients)):
        assert error(a, oracle) <= 2e-6
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ours, theirs, shapes", [
    pytest.param(lambda x, w, b: F.conv2d(x, w, b, (2, 1), ((1, 0), (2, 1)), (1, 2), 2),
                 lambda x, w, b: torch_conv2d(x, w, b, ((1, 0), (2, 1)), stride=(2, 1), dilation=(1, 2), groups=2),
                 ((2, 4, 5, 6), (6, 2, 3, 2), (6,)), id="conv2d"),
    pytest.param(lambda x, w, b: F.conv_transpose2d(x, w, b, (2, 1), ((1, 0), (2, 1)), (1, 1), 2, (1, 2)),
                 lambda x, w, b: torch_transposed(x, w, b, ((1, 0), (2, 1)), stride=(2, 1), output_padding=1, groups=2, dilation=(1, 2)),
                 ((2, 4, 3, 4), (4, 3, 3, 2), (6,)), id="conv_transpose2d"),
    pytest.param(F.linear, T.linear, ((2, 3, 4), (5, 4), (5,)), id="linear"),
    pytest.param(F.matmul, torch.matmul, ((2, 1, 3, 4), (5, 4, 2)), id="matmul"),
    pytest.param(F.matmul, torch.matmul, ((4,), (3, 4, 2)), id="vector · stack"),
])
def test_second_derivatives(ours, theirs, shapes, backend):
    """The gradient of the sum of squares of all gradients."""
    arrays = data(*shapes)

    def penalty(f, inputs, grad, sine):
        y = sine(f(*inputs)).sum()
        return sum((g * g).sum() for g in grad(y, inputs))

    with mc.use_backend(backend):
        inputs = [Tensor(a, requires_grad=True) for a in arrays]
        penalty(ours, inputs, lambda y, x: mc.grad(y, x, create_graph=True), F.sin).backward()
    oracles = [torch.tensor(a, requires_grad=True) for a in arrays]
    penalty(theirs, oracles, lambda y, x: torch.autograd.grad(y, x, create_graph=True), torch.sin).backward()
    for x, oracle in zip(inputs, oracles):
        assert error(x.grad.numpy(), oracle.grad.numpy()) < 1e-11


ERRORS = [
    # function            shapes                            options                what the message must hold
    (F.conv2d,            ((8, 3, 28, 28), (64, 1, 5, 5)),  {},                    (r"conv2d: input has 3 channels but weight "
     r"\(64, 1, 5, 5\) takes 1 \(groups=1\)\. Input shape \(8, 3, 28, 28\); give the layer in_channels=3")),
    (F.conv2d,            ((1, 4, 5, 5), (3, 2, 1, 1)),     {"groups": 2},         r"groups=2 does not divide the 3 output channels"),
    (F.conv2d,            ((1, 4, 5, 5), (3, 4, 1, 1)),     {"groups": 0},         r"groups should be a whole number of at least 1, got 0"),
    (F.conv2d,            ((1, 1, 4, 9), (1, 1, 5, 5)),     {"padding": (0, 1)},   (r"conv2d: a window of 5×5 does not fit into the padded "
     r"input of 4×11 \(input 4×9, padding .*larger input, more padding or a smaller window")),
    (F.conv2d,            ((1, 1, 4, 4), (1, 1, 3, 3)),     {"dilation": 2},       r"spanning 5×5 with dilation \(2, 2\)"),
    (F.conv2d,            ((5, 5), (1, 1, 3, 3)),           {},                    r"conv2d: expected an input .*, got shape \(5, 5\)"),
    (F.conv2d,            ((1, 1, 5, 5), (3, 3)),           {},                    r"conv2d: expected a weight .*, got shape \(3, 3\)"),
    (F.conv2d,            ((1, 1, 5, 5), (2, 1, 3, 3), (3,)), {},                   r"conv2d: bias has shape \(3,\), expected \(2,\)"),
    (F.conv2d,            ((1, 1, 5, 5), (2, 1, 3, 3)),     {"stride": 0},         r"conv2d: stride should be at least 1, got 0"),
    (F.conv2d,            ((1, 1, 5, 5), (2, 1, 3, 3)),     {"padding": -1},       r"conv2d: padding should be at least 0, got -1"),
    (F.conv2d,            ((1, 1, 5, 5), (2, 1, 3, 3)),     {"padding": "full"},   r"padding should be .*'same' or 'valid', got 'full'"),
    (F.conv_transpose2d,  ((1, 3, 5, 5), (2, 4, 3, 3)),     {},                    r"3 channels but weight \(2, 4, 3, 3\) takes 2"),
    (F.conv_transpose2d,  ((1, 3, 5, 5), (3, 4, 3, 3)),     {"groups": 2},         r"groups=2 does not divide the 3 input channels"),
    (F.conv_transpose2d,  ((1, 1, 5, 5), (1, 1, 3, 3), (2,)), {},                   r"bias has shape \(2,\), expected \(1,\)"),
    (F.conv_transpose2d,  ((1, 1, 5, 5), (1, 1, 3, 3)),     {"output_padding": 1}, r"output_padding \(1, 1\) must be smaller than stride"),
    (F.conv_transpose2d,  ((1, 1, 1, 1), (1, 1, 2, 2)),     {"padding": 1},        r"conv_transpose2d: an output of 0×0 is empty"),
    (F.conv_transpose2d,  ((1, 1, 3, 3), (1, 1, 2, 2)),     {"padding": "same"},   r"conv_transpose2d: padding should be a number"),
    (F.linear,            ((8, 784), (10, 400)),            {},                    (r"linear: the last axis of the input should be 400, "
     r".* input shape is \(8, 784\); give the layer in_features=784")),
    (F.linear,            ((8, 16, 5, 5), (10, 400)),       {},                    r"or flatten it first: x\.flatten\(1\)"),
    (F.linear,            ((2, 3), (4, 3), (3,)),           {},                    r"linear: bias has shape \(3,\), expected \(4,\)"),
    (F.matmul,            ((2, 3), (2, 3)),                 {},                    (r"the last axis of the first operand, 3, must equal "
     r"the last but one axis of the second, 2")),
    (F.matmul,            ((2, 3, 4), (3, 4, 2)),           {},                    r"leading axes \(2,\) and \(3,\) cannot be broadcast"),
    (F.matmul,            ((), (3,)),                       {},                    r"matmul: expected arrays of at least one axis"),
]


@pytest.mark.parametrize("function, shapes, options, text", [pytest.param(*e, id=f"{e[0].__name__}-{i}") for i, e in enumerate(ERRORS)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_errors_say_what_came_what_was_expected_and_what_to_do(function, shapes, options, text, backend):
    with mc.use_backend(backend), pytest.raises(ValueError, match=text):
        function(*(Tensor(np.zeros(shape)) for shape in shapes), **options)


def test_mixed_dtypes_are_refused():
    x, w = data((1, 1, 4, 4), (1, 1, 2, 2))
    with pytest.raises(TypeError, match="conv2d: the floating-point inputs should all be float32 or all float64, got float64, float32"):
        F.conv2d(Tensor(x), Tensor(w.astype(np.float32)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_nan_travels(backend):
    """Even times a weight of 0, and only to the outputs that see it."""
    for groups in (1, 2):
        x, w = np.ones((1, 2, 4, 4)), np.zeros((2, 2 // groups, 2, 2))
        x[0, 0, 0, 0] = np.nan
        with mc.use_backend(backend):
            y = F.conv2d(Tensor(x), Tensor(w), groups=groups).numpy()
        expected = T.conv2d(torch.tensor(x), torch.tensor(w), groups=groups).numpy()
        assert np.array_equal(np.isnan(y), np.isnan(expected)) and np.isnan(y[0, 0, 0, 0])
