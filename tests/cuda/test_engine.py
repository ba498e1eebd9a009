"""Every operation and layer of the engine on device "cuda", with the numbers of the CPU; and what else one does with tensors there.

Without a GPU the arrays are those of strict_cupy.py. MINICNN_CUDA=gpu runs the same tests on a GPU.
"""
import copy
import pickle

import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import data, nn, optim
from minicnn.checks.basics import BASICS
from minicnn.checks.layers import in_general_position, LAYERS
from minicnn.kernels import cuda
from minicnn.kernels.cuda import where as modes
from minicnn.kernels.cuda.launches import watching

from ..oracle.compare import check
from .on_device import needs_cuda
from .test_kernels import Launched

pytestmark = [needs_cuda, pytest.mark.usefixtures("strict")]


def results(function, arrays, options, device: str) -> list[np.ndarray]:
    """The outputs on the host, then the gradients of Σ u·y for u drawn the same way each time."""
    leaves = [mc.Tensor(a.copy(), requires_grad=a.dtype.kind == "f", device=device) if isinstance(a, np.ndarray) else a for a in arrays]
    found = function(*leaves, **options)
    outputs = [y for y in (found if isinstance(found, (tuple, list)) else [found])]
    parameters = list(function.parameters()) if isinstance(function, nn.Module) else []
    smooth = [y for y in outputs if y.requires_grad]
    rng = np.random.default_rng(5)
    asked = [t for t in (*leaves, *parameters) if isinstance(t, mc.Tensor) and t.requires_grad]
    gradients = mc.grad(smooth, asked, [mc.Tensor(rng.standard_normal(y.shape), device=y.device) for y in smooth]) if smooth else []
    assert all(t.device == device for t in (*outputs, *(g for g in gradients if g is not None)))
    return [t.numpy() for t in (*outputs, *(g for g in gradients if g is not None))]


def agree(function, arrays, options, on_cuda=None) -> None:
    mc.manual_seed(3)
    expected = results(function, arrays, options, "cpu")
    mc.manual_seed(3)
    found = results(on_cuda or function, arrays, options, "cuda")
    assert len(found) == len(expected) > 0
    for i, (a, b) in enumerate(zip(found, expected)):
        check(f"result {i}", a, b, b.dtype)


@pytest.mark.parametrize("name", [name for name in BASICS if name != "to a device"])
def test_basic_operations(name):
    for case in BASICS[name].cases:
        agree(BASICS[name].function, case.arrays(np.random.default_rng(0)), case.options)


@pytest.mark.parametrize("mode", ["training", "evaluation"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, mode):
    make, shape, more = LAYERS[name]
    rng = np.random.default_rng(0)
    mc.manual_seed(0)
    layer = in_general_position(make(), rng).to("float64").train(mode == "training")
    agree(layer, [rng.standard_normal(shape), *more(rng)], {}, copy.deepcopy(layer).to("cuda"))


def test_gradcheck_runs_where_the_function_is():
    conv = nn.Conv2d(2, 3, 3, stride=2, padding=1).to("cuda")
    x = mc.Tensor(np.random.default_rng(1).standard_normal((2, 2, 5, 6)), device="cuda")
    assert mc.gradcheck(conv, x) and {p.device for p in conv.parameters()} == {"cuda"}
    seen = []

    def wrong(x):                                          # the graph is cut: that must show there as it does on the CPU
        seen.append(x.device)
        return x * x.detach()
    assert not mc.gradcheck(wrong, mc.randn(3), device="cuda") and set(seen) == {"cuda"}
    assert mc.gradgradcheck(lambda x: (x * x * x).to("cpu"), mc.randn(3), device="cuda")


def test_numbers_and_arrays_beside_a_tensor():
    x = mc.Tensor(np.arange(6, dtype=np.float32).reshape(2, 3), device="cuda")
    y = mc.Tensor(x.numpy())
    for f in (lambda t: 2 * t - 1, lambda t: 1 / (t + 1), lambda t: t ** 2, lambda t: F.where(t > 2, t, 0.0), lambda t: F.clamp(t, 1, 4),
              lambda t: t[:, [2, 0, 2]], lambda t: t[t > 1], lambda t: t[1], lambda t: t.max(1)[1], lambda t: t.argmax(),
              lambda t: mc.cat([t, t], 1), lambda t: t.transpose(0, 1).reshape(-1), lambda t: t.mean(), lambda t: t.std(), lambda t: -t):
        found, expected = f(x), f(y)
        assert found.device == "cuda"
        check("result", found.numpy(), expected.numpy(), expected.dtype)
    assert repr(x).startswith("Tensor([[0., 1., 2.]") and "device='cuda'" in repr(x)
    assert float(x.sum()) == 15 and x.tolist()[1] == [3, 4, 5] and len(x) == 2 and bool(x[0, 1] == 1)
    with mc.no_grad():
        x[0] = 7
        x[1, 1:] = np.array([8, 9], np.float32)
        x.write(x + 1)
    assert x.tolist() == [[8, 8, 8], [4, 9, 10]]


def test_an_array_of_the_device_becomes_a_tensor_there():
    array = mc.Tensor(np.ones((2, 3), np.float32), device="cuda").data
    if hasattr(array, "__cuda_array_interface__"):         # (emulated, arrays of the device are NumPy's)
        x = mc.Tensor(array, requires_grad=True)
        (x * 3).sum().backward()
        assert x.device == "cuda" and x.data is array and x.grad.tolist() == [[3] * 3] * 2
        assert mc.Tensor(array, device="cpu").device == "cpu"


def test_models_are_copied_and_pickled():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).to("cuda")
    x = mc.randn(2, 1, 4, 4).to("cuda")
    expected = model.eval()(x).numpy()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert {t.device for t in (*twin.parameters(), *twin.buffers())} == {"cuda"} and np.array_equal(twin(x).numpy(), expected)


def test_labels_out_of_range_are_nan_since_the_host_does_not_wait_to_look():
    scores = mc.randn(3, 4).to("cuda")
    assert np.isnan(F.cross_entropy(scores, np.array([0, 4, 1])).item()) and np.isnan(F.nll_loss(scores, np.array([0, -1, 1])).item())
    assert np.isfinite(F.cross_entropy(scores, np.array([0, 3, -100])).item())


def test_gradients_are_clipped():
    found = []
    for device in ("cpu", "cuda"):
        p = mc.Tensor(np.array([3.0, 4.0]), requires_grad=True, device=device)
        (p * p).sum().backward()
        norm = optim.clip_grad_norm_([p], 1.0)
        optim.clip_grad_value_([p], 0.7)
        found.append([norm.item(), *p.grad.tolist()])
    assert found[0] == pytest.approx(found[1]) and found[0] == pytest.approx([10, 0.6, 0.7])


def test_anomalies_are_found():
    x = mc.Tensor(np.array([-1.0, 2.0]), requires_grad=True, device="cuda")
    with mc.detect_anomaly(), pytest.raises(FloatingPointError, match="Log made the first NaN"):
        x.log()
    with mc.detect_anomaly():
        y = (x * x).sum()
        x.data[...] = 5.0
        with pytest.raises(RuntimeError, match="was written to, past the Tensor"):
            y.backward()


def test_checkpoint_draws_the_same_masks():
    def block(t):
        return F.dropout(F.conv2d(t, weight, padding=1), 0.5)
    weight = mc.Tensor(np.random.default_rng(0).standard_normal((3, 2, 3, 3)), requires_grad=True, device="cuda")
    x = mc.Tensor(np.random.default_rng(1).standard_normal((2, 2, 4, 5)), device="cuda")
    gradients = []
    for run in (block, mc.checkpoint(block)):
        mc.manual_seed(9)
        gradients.append(mc.grad(run(x).sum(), weight)[0].numpy())
    assert np.array_equal(*gradients) and np.any(gradients[0])


def images(count: int) -> data.Dataset:
    rng = np.random.default_rng(0)
    return data.Dataset(rng.integers(0, 255, (count, 1, 6, 5)).astype(np.uint8), np.arange(count) % 3, ("a", "b", "c"))


def test_the_loader_copies_ahead_and_gives_the_batches_of_the_cpu():
    loaders = [data.Loader(images(23), 5, shuffle=True, seed=2, device=device) for device in ("cpu", "cuda")]
    for _ in range(2):
        pairs = list(zip(*(list(loader) for loader in loaders), strict=True))
        assert len(pairs) == 5
        for (x, t), (y, u) in pairs:                       # every batch is held until the end: none may lie in another's memory
            assert y.device == u.device == "cuda" and np.array_equal(x.numpy(), y.numpy()) and np.array_equal(t.numpy(), u.numpy())
    assert next(iter(loaders[1]))[0].device == "cuda"      # and one may stop in the middle
    assert [t.shape for t in next(loaders[1].batches(0, start=4))] == [(3, 1, 6, 5), (3,)]


def test_what_a_transform_raises_comes_in_its_place():
    def transform(batch, draws):
        if 7 in draws.indices:
            raise ValueError("an image of the second batch")
        return batch.astype(np.float32)
    batches = data.Loader(images(12), 5, transform=transform, device="cuda").batches()
    assert next(batches)[0].shape == (5, 1, 6, 5)
    with pytest.raises(ValueError, match="second batch"):
        next(batches)


def test_use_algorithm_reaches_the_kernels():
    rng = np.random.default_rng(0)
    x, w = (mc.Tensor(rng.standard_normal(s).astype(np.float32), device="cuda") for s in ((2, 3, 6, 5), (4, 3, 3, 3)))
    expected = F.conv2d(mc.Tensor(x.numpy()), mc.Tensor(w.numpy())).numpy()
    for name, kernel in (("naive", "forward_naive<float>"), ("tiles", "forward_tiles<float>"), ("im2col", "product<float32>")):
        launched = Launched()
        with mc.use_algorithm("conv2d", name), watching(launched):
            check(name, F.conv2d(x, w).numpy(), expected, "float32")
        assert any(kernel in each for each in launched.names), (name, launched.names)


def test_what_is_computed_of_one_number():
    for function in (F.relu, F.gelu, lambda t: F.add_relu(t, t), lambda t: F.dropout(t, 0.0)):
        x = mc.Tensor(np.array([1.0, 3.0]), requires_grad=True, device="cuda")
        y = function(x.mean())
        y.backward()
        assert y.shape == () and y.item() > 1.9 and np.isfinite(x.grad.numpy()).all()


def test_without_tf32_nothing_is_rounded(monkeypatch):
    """A GPU before compute capability 8.0 has no TF32: what is allowed changes nothing there."""
    monkeypatch.setattr(modes, "has_tf32", lambda: False)
    monkeypatch.setattr(cuda, "has_tf32", lambda: False)
    cuda.allow_tf32(True)
    try:
        launched = Launched()
        x, w = (mc.randn(*shape).to("cuda") for shape in ((2, 3, 6, 5), (4, 3, 3, 3)))
        with watching(launched), mc.use_algorithm("conv2d", "tensor_cores"):
            F.conv2d(x, w)
        assert not cuda.tf32_allowed() and launched.names == ["conv2d/gpu.cu forward_tiles<float>"]
    finally:
        cuda.allow_tf32(False)


def test_devices_that_do_not_belong_together_are_told():
    p = mc.Tensor(np.ones(3), requires_grad=True, device="cuda")
    for gradient in (mc.Tensor(np.ones(3)), mc.meta(3, dtype=np.float64)):
        with pytest.raises(RuntimeError, match="the gradient is on '(cpu|meta)', the tensor on 'cuda'"):
            (p * 2).backward(gradient)
    p.grad = mc.Tensor(np.ones(3))
    with pytest.raises(RuntimeError, match="a parameter of shape .3,. is on 'cuda', its gradient on 'cpu'"):
        optim.SGD([p], lr=0.1).step()


def test_parameters_that_share_memory_are_refused():
    whole = mc.Tensor(np.zeros(6), device="cuda")
    with pytest.raises(ValueError, match="share memory"):
        optim.SGD([whole[:4].detach().requires_grad_(), whole[2:].detach().requires_grad_()], lr=1.0)
    with pytest.raises(ValueError, match="read-only memory"):
        optim.SGD([mc.Tensor(np.zeros(1), device="cuda").expand(5).detach().requires_grad_()], lr=1.0)


def test_an_index_that_is_not_there_is_refused():
    x = mc.randn(4).to("cuda")
    for index in ([99], [-5], mc.Tensor(np.array([0, 4]))):
        with pytest.raises(IndexError):
            x[index]
        with pytest.raises(IndexError), mc.no_grad():
            x[index] = 1.0
    assert x[[3, -4]].shape == (2,) and x[x > 100].shape == (0,)


def test_no_output_channels():
    for device in ("cpu", "cuda"):
        w = mc.Tensor(np.zeros((0, 3, 3, 3)), requires_grad=True, device=device)
        x = mc.Tensor(np.ones((2, 3, 5, 5)), requires_grad=True, device=device)
        F.conv2d(x, w).sum().backward()
        assert x.grad.numpy().sum() == 0 and w.grad.shape == (0, 3, 3, 3)
