"""Convolutions with more channels than one tile or one group of channels takes, over odd planes, on every rung of the ladder: right, with
the same bits on any number of threads, and within their arrays."""
import numpy as np
import pytest

pytest.importorskip("numba")
from minicnn import kernels  # noqa: E402
from minicnn.kernels import memory, threads  # noqa: E402
from minicnn.kernels.conv2d import cpu, reference  # noqa: E402

from .protected import POSSIBLE, Fence  # noqa: E402

LIMIT = {"float32": 2e-6, "float64": 1e-12}
# N, C, H, W, K, R, S, stride, padding (top, bottom), (left, right), dilation, groups
LAYERS = {
    "3x3": (2, 67, 9, 13, 130, 3, 3, (1, 1), (1, 1), (1, 1), (1, 1), 1),
    "3x3, a plane of 7": (3, 130, 7, 7, 65, 3, 3, (1, 1), (1, 1), (1, 1), (1, 1), 1),
    "3x3, many tiles": (2, 33, 41, 30, 40, 3, 3, (1, 1), (0, 2), (2, 1), (1, 1), 1),
    "3x3, padded beyond the window": (1, 64, 3, 5, 64, 3, 3, (1, 1), (3, 2), (4, 0), (1, 1), 1),
    "3x3, two groups": (2, 70, 6, 11, 140, 3, 3, (1, 1), (1, 0), (0, 1), (1, 1), 2),
    "3x3, stride 2": (2, 50, 15, 14, 70, 3, 3, (2, 2), (1, 1), (1, 1), (1, 1), 1),
    "1x1": (2, 129, 7, 9, 70, 1, 1, (1, 1), (0, 0), (0, 0), (1, 1), 1),
    "1x1, stride 2": (2, 65, 9, 10, 130, 1, 1, (2, 2), (0, 0), (0, 0), (1, 1), 1),
    "1x1, one position": (3, 200, 1, 1, 67, 1, 1, (1, 1), (0, 0), (0, 0), (1, 1), 1),
    "stem": (2, 3, 37, 41, 50, 7, 7, (2, 2), (3, 2), (3, 3), (1, 1), 1),
    "large window, stride 4": (1, 3, 45, 47, 33, 11, 11, (4, 4), (2, 2), (1, 2), (1, 1), 1),
    "5x3, dilated": (2, 40, 19, 17, 35, 5, 3, (1, 1), (2, 2), (2, 1), (2, 3), 1),
    "strides 2 and 3": (2, 35, 17, 20, 36, 3, 5, (2, 3), (1, 1), (2, 2), (1, 1), 1),
    "depthwise": (2, 67, 12, 19, 67, 3, 3, (1, 1), (1, 1), (1, 1), (1, 1), 67),
    "depthwise, stride 2, multiplier 2": (2, 33, 15, 18, 66, 5, 5, (2, 2), (2, 2), (2, 1), (1, 1), 33),
    "many groups": (2, 128, 9, 10, 96, 3, 3, (1, 1), (1, 1), (1, 1), (1, 1), 32),
    "depthwise, 7x7, several blocks": (2, 5, 47, 90, 5, 7, 7, (1, 1), (3, 3), (3, 3), (1, 1), 5),
    "depthwise, more groups than tasks": (3, 71, 7, 7, 71, 3, 3, (1, 1), (1, 1), (1, 1), (1, 1), 71),
    "depthwise, dilated rows, stride 2": (2, 6, 40, 37, 6, 3, 5, (2, 2), (2, 2), (4, 4), (2, 2), 6),
    "depthwise, rows of eleven, stride 3": (1, 4, 50, 49, 4, 11, 4, (3, 3), (5, 4), (1, 2), (1, 1), 4),
    "groups of odd width": (3, 35, 13, 21, 55, 4, 3, (1, 1), (1, 2), (1, 1), (1, 1), 5),
    "groups of odd width, strides 2 and 1": (2, 27, 40, 33, 15, 5, 2, (2, 1), (2, 2), (0, 1), (1, 1), 3),
    "groups, 1x1": (3, 69, 23, 25, 30, 1, 1, (1, 1), (0, 0), (0, 0), (1, 1), 3),
    "groups, 1x1, padded": (2, 8, 13, 9, 20, 1, 1, (1, 1), (1, 0), (0, 2), (1, 1), 4),
    "many groups, stride 2": (2, 96, 9, 10, 96, 3, 3, (2, 2), (1, 1), (1, 1), (1, 1), 4),
}


def drawn(layer, dtype):
    """(x, weight, bias, the options) of a layer."""
    N, C, H, W, K, R, S, stride, down, across, dilation, groups = layer
    rng = np.random.default_rng(sum(layer[:7]))
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in ((N, C, H, W), (K, C // groups, R, S), (K,))]
    return arrays, {"stride": stride, "padding": (down, across), "dilation": dilation, "groups": groups}


def results(kernel, arrays, grad_output, options, place=np.copy) -> list[np.ndarray]:
    """y and the gradients of x, of the weights and, if there is one, of the bias."""
    y, saved = kernel.forward(*map(place, arrays), **options)
    return [y, *kernel.backward(place(grad_output), saved, (True, True, len(arrays) == 3))][:1 + len(arrays)]


@pytest.mark.parametrize("algorithm", ["", *kernels.algorithms("conv2d")])
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_wide_layers(layer, algorithm, monkeypatch):
    exact, options = drawn(layer, "float64")
    shape = reference.forward(*exact, **options)[0].shape
    upstream = np.random.default_rng(1).standard_normal(shape)
    for dtype in ("float32", "float64"):
        arrays, g, chosen = [a.astype(dtype) for a in exact], upstream.astype(dtype), options | {"algorithm": algorithm or None}
        expected = results(reference, [a.astype("float64") for a in arrays], g.astype("float64"), options)
        found = results(cpu, arrays, g, chosen)
        for name, value, right in zip(("y", "grad_x", "grad_weight", "grad_bias"), found, expected, strict=True):
            assert value.shape == right.shape and value.dtype == dtype
            error = np.abs(value - right).max() / np.abs(right).max()
            assert error <= LIMIT[dtype], f"{name}, {dtype}: {error}"
        wanted = threads.get_num_threads()
        try:
            for count in (1, 2, 3):
                threads.set_num_threads(count)
                for value, again in zip(found, results(cpu, arrays, g, chosen), strict=True):
                    assert value.tobytes() == again.tobytes(), f"{dtype}: other bits with {count} threads"
        finally:
            threads.set_num_threads(wanted)
        for fence in map(Fence, (False, True) if POSSIBLE else ()):
            with monkeypatch.context() as patched:
                patched.setattr(memory, "empty", fence.empty)
                patched.setattr(memory, "zeros", fence.zeros)
                for value, again in zip(found, results(cpu, arrays, g, chosen, fence.copy), strict=True):
                    assert value.tobytes() == again.tobytes(), f"{dtype}: other bits beside a protected page"


@pytest.mark.parametrize("algorithm", ["", *kernels.algorithms("conv2d")])
def test_what_is_not_finite_stays_where_it_is_seen(algorithm):
    """NaN reaches every output that sees it; by Winograd also those that share a tile of 2×2 outputs with one that does."""
    x, weight = np.zeros((1, 40, 12, 13), "float32"), np.ones((40, 40, 3, 3), "float32")
    x[0, 3, 6, 5] = np.nan
    y, saved = cpu.forward(x, weight, stride=(1, 1), padding=((1, 1), (1, 1)), dilation=(1, 1), groups=1, algorithm=algorithm or None)
    sees = np.zeros((12, 13), bool)
    sees[5:8, 4:7] = True
    winograd = cpu.choose("forward", (1, *weight.shape), (1, 1), (1, 1), (12, 13), algorithm or None) == "winograd"
    may = np.kron(sees[:, :12].reshape(6, 2, 6, 2).any(axis=(1, 3)), np.ones((2, 2))).astype(bool) if winograd else sees[:, :12]
    found = np.isnan(y[0]).all(axis=0)
    assert found[sees].all() and not np.isnan(y[0])[:, :, :12][:, ~may].any() and not np.isnan(y[0, :, :, 12]).any()
    grad_x, grad_weight, grad_bias = cpu.backward(np.ones_like(y), saved, (True, True, True))
    assert np.isfinite(grad_x).all() and np.isfinite(grad_bias).all()
    assert np.isnan(grad_weight[:, 3]).all() and np.isfinite(np.delete(grad_weight, 3, axis=1)).all()


@pytest.mark.parametrize("algorithm", ["", *(name for name in kernels.algorithms("conv2d") if name != "direct")])
@pytest.mark.parametrize("stride", (1, 2, 3))
@pytest.mark.parametrize("channels", (1, 2, 9))
def test_in_groups_nan_reaches_exactly_what_sees_it(channels, stride, algorithm):
    """A NaN of x, and then one of the gradient of y, in the middle and in a corner: in y, in the gradient of x and in that of the weights
    NaN stands where it stands in the reference, which is inside one group.  (direct does not multiply the zeros of the padding at all.)"""
    rng, options = np.random.default_rng(0), {"stride": (stride, stride), "padding": ((1, 2), (2, 1)), "dilation": (1, 1), "groups": 3}
    for place in ((6, 20), (0, 0), (16, 21)):
        for infinite in (np.nan, np.inf):
            x, weight = rng.standard_normal((2, 3 * channels, 17, 22)), rng.standard_normal((3 * channels, channels, 3, 4))
            g = rng.standard_normal(reference.forward(x, weight, **options)[0].shape)
            for broken in (x, g):
                broken[1, channels, min(place[0], broken.shape[2] - 1), min(place[1], broken.shape[3] - 1)] = infinite
                with np.errstate(invalid="ignore"):
                    expected = results(reference, (x, weight), g, options)
                found = results(cpu, (x, weight), g, options | {"algorithm": algorithm or None})
                for value, right in zip(found, expected, strict=True):
                    assert (np.isfinite(value) == np.isfinite(right)).all()
                broken[...] = np.where(np.isfinite(broken), broken, 0)


EMPTY = {   # N, C, K, groups, stride of a 3×3 window
    "no output channel": (2, 40, 0, 1, 1), "no input channel": (3, 0, 9, 1, 1), "no channel in a group": (3, 0, 9, 3, 1),
    "no output in a group": (3, 15, 0, 3, 1), "no output, depthwise": (3, 4, 0, 4, 1), "no image": (0, 4, 4, 4, 1),
    "nothing": (0, 0, 9, 3, 1),
    "a stride beyond the plane": (2, 6, 6, 1, 1000), "the same, depthwise": (2, 6, 6, 6, 1000),
}


@pytest.mark.parametrize("algorithm", ["", *kernels.algorithms("conv2d")])
@pytest.mark.parametrize("N, C, K, groups, stride", EMPTY.values(), ids=EMPTY)
def test_little_or_nothing(N, C, K, groups, stride, algorithm):
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((N, C, 14, 13)), rng.standard_normal((K, C // groups, 3, 3))
    options = {"stride": (stride, stride), "padding": ((1, 1), (0, 1)), "dilation": (1, 1), "groups": groups}
    y, saved = reference.forward(x, weight, **options)
    g = rng.standard_normal(y.shape)
    found, kept = cpu.forward(x, weight, **options, algorithm=algorithm or None)
    for value, right in zip((found, *cpu.backward(g, kept, (True, True, True))), (y, *reference.backward(g, saved, (True, True, True)))):
        np.testing.assert_allclose(value, right, rtol=0, atol=1e-12)
