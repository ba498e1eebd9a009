"""Two operations in one pass: the bits of the two one after the other, in everything that anybody can ask for."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, kernels, nn
from minicnn.checks import check_directions
from minicnn.inspect import summary
from minicnn.kernels import memory

BACKENDS, DTYPES = ("reference", "numba"), ("float32", "float64")
ODD = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30)                # sprinkled over inputs and upstream gradients


def normal(rng, shape, dtype, odd=False):
    x = rng.standard_normal(shape).astype(dtype)
    if odd:
        x.flat[rng.choice(x.size, len(ODD), replace=False)] = ODD
    return x


def conv_arrays(x, weight, bias=True):
    return lambda rng, dtype, odd: [normal(rng, x, dtype, odd), normal(rng, weight, dtype), normal(rng, weight[0], dtype) if bias else None]


def norm_arrays(x, affine=True):
    rows = 2 if affine else 0
    return lambda rng, dtype, odd: [normal(rng, x, dtype, odd), *(normal(rng, x[1], dtype) for _ in range(rows)), *[None] * (2 - rows)]


def norm(function, training, running=True):
    """The function on fresh running values, which come back as outputs."""
    def call(x, weight, bias):
        C = x.shape[1]
        values = [Tensor(np.linspace(-1, 1, C).astype(x.dtype)), Tensor(np.linspace(0.5, 2, C).astype(x.dtype))] if running else [None] * 2
        y = function(x, *values, weight, bias, training, 0.3, 1e-3)
        return [y, *(v for v in values if v is not None)]
    return call


def one(function, **options):
    return lambda *tensors: [function(*tensors, **options)]


def pairs(fused, first, **options):
    return one(fused, **options), one(lambda *tensors: F.relu(first(*tensors, **options)))


def norm_pairs(training, running=True):
    return norm(F.batch_norm_relu, training, running), norm(lambda *arguments: F.relu(F.batch_norm(*arguments)), training, running)


def sum_arrays(*shapes):
    return lambda rng, dtype, odd: [normal(rng, shape, dtype, odd) for shape in shapes]


#   name                      in one, and one after the other                             arrays
CASES = {
    "conv":                  (pairs(F.conv2d_relu, F.conv2d, padding=1),                   conv_arrays((2, 3, 6, 5), (4, 3, 3, 3))),
    "conv, no bias":         (pairs(F.conv2d_relu, F.conv2d, stride=2),                    conv_arrays((2, 3, 6, 5), (4, 3, 2, 3), False)),
    "conv, groups":          (pairs(F.conv2d_relu, F.conv2d, groups=2, dilation=(2, 1)),   conv_arrays((3, 4, 7, 5), (6, 2, 3, 2))),
    "conv, depthwise":       (pairs(F.conv2d_relu, F.conv2d, groups=3, padding=(0, 2)),    conv_arrays((2, 3, 6, 7), (3, 1, 3, 3))),
    "conv, one image":       (pairs(F.conv2d_relu, F.conv2d, padding="same"),              conv_arrays((3, 6, 5), (4, 3, 3, 3))),
    "conv, many blocks":     (pairs(F.conv2d_relu, F.conv2d, padding=1),                   conv_arrays((2, 3, 41, 53), (5, 3, 3, 3))),
    "training":              (norm_pairs(True),                                            norm_arrays((4, 3, 5, 7))),
    "training, no affine":   (norm_pairs(True),                                            norm_arrays((4, 3, 5, 7), False)),
    "training, no running":  (norm_pairs(True, running=False),                             norm_arrays((2, 5, 4, 4))),
    "training, features":    (norm_pairs(True),                                            norm_arrays((9, 4))),
    "training, many blocks": (norm_pairs(True),                                            norm_arrays((3, 37, 23, 29))),
    "evaluation":            (norm_pairs(False),                                           norm_arrays((4, 3, 5, 7))),
    "evaluation, few":       (norm_pairs(False),                                           norm_arrays((1, 4, 2, 3))),
    "evaluation, many":      (norm_pairs(False),                                           norm_arrays((3, 37, 23, 29), False)),
    "sum":                   (pairs(F.add_relu, F.add),                                    sum_arrays((3, 4, 5), (3, 4, 5))),
    "sum, many blocks":      (pairs(F.add_relu, F.add),                                    sum_arrays((3, 67, 101), (3, 67, 101))),
    "sum, broadcast":        (pairs(F.add_relu, F.add),                                    sum_arrays((3, 4, 5), (4, 5))),
}


def everything(call, arrays, upstream, second=None):
    """Outputs, first gradients, with `second` also those of the first gradients, and what became of the inputs: as bits."""
    leaves = [None if a is None else Tensor(a.copy(), requires_grad=True) for a in arrays]
    asked = [leaf for leaf in leaves if leaf is not None]
    y, *more = call(*leaves)
    result = [y, *more]
    result += (found := mc.grad(y, asked, Tensor(upstream(y)), create_graph=second is not None))
    if second is not None:
        total = sum((g * g * Tensor(second(g))).sum() for g in found)
        result += [g for g in mc.grad(total, asked) if g is not None] if total.requires_grad else []      # of a sum they are constant
    return [None if t is None else (t.shape, t.dtype, t.numpy().tobytes()) for t in [*result, *asked]]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("odd", [False, True], ids=["", "NaN"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_the_same_bits(case, odd, dtype, backend):
    (together, apart), make = CASES[case]

    def run(call):
        rng = np.random.default_rng(len(case))
        return everything(call, make(rng, dtype, odd), lambda y: normal(rng, y.shape, dtype, odd))
    with mc.use_backend(backend):
        assert run(together) == run(apart)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", [name for name in CASES if "many" not in name])
def test_the_same_second_derivatives(case, backend):
    (together, apart), make = CASES[case]

    def run(call):
        rng = np.random.default_rng(len(case))
        return everything(call, make(rng, "float64", False), lambda y: rng.standard_normal(y.shape), lambda g: rng.standard_normal(g.shape))
    with mc.use_backend(backend):
        assert run(together) == run(apart)


@pytest.mark.parametrize("case", CASES)
def test_shapes_without_values(case):
    (together, apart), make = CASES[case]
    arrays = make(np.random.default_rng(0), "float32", False)
    metas = [None if a is None else Tensor(a, device="meta") for a in arrays]
    (y, *_), (expected, *_) = together(*metas), apart(*metas)
    assert y.device == expected.device == "meta" and y.shape == expected.shape and y.dtype == expected.dtype


def test_gradients_do_not_depend_on_what_else_is_asked_for():
    """With frozen weights backward leaves sums out: the gradient of the input keeps its bits."""
    x, w = (np.random.default_rng(0).standard_normal(s).astype(np.float32) for s in ((4, 3, 9, 8), 3))
    found = []
    for frozen in (False, True):
        leaf = Tensor(x, requires_grad=True)
        for training in (True, False):
            y = F.batch_norm_relu(leaf, Tensor(0 * w), Tensor(w * w + 0.5), Tensor(w, requires_grad=not frozen), None, training)
            found.append(mc.grad((y * y).sum(), [leaf])[0].numpy().tobytes())
    assert found[:2] == found[2:]


def kept_by(call, *arrays) -> int:
    """Bytes that are live after a forward while its graph lives, beyond the inputs and the output."""
    leaves = [Tensor(a, requires_grad=True) for a in arrays]
    call(*leaves)                                                       # compiled now
    before = memory.statistics()["live"]
    y = call(*leaves)
    return memory.statistics()["live"] - before - y.data.nbytes


def test_memory_holds_nothing_of_what_stands_between():
    x = np.random.default_rng(0).standard_normal((4, 8, 32, 32)).astype(np.float32)
    weight, row = np.ones((8, 8, 3, 3), np.float32), np.ones(8, np.float32)
    with mc.use_backend("numba"):
        assert kept_by(lambda x, w: F.conv2d_relu(x, w, padding=1), x, weight) < 4096
        assert kept_by(lambda x, w: F.batch_norm_relu(x, None, None, w, w, True), x, row) < 4096
        assert kept_by(F.add_relu, x, x) < 4096
        leaf = Tensor(x, requires_grad=True)
        y = F.batch_norm_relu(leaf, None, None, training=True)
        with mc.no_grad():
            y.write(-1)                                                 # its backward does not look at it
        y.sum().backward()


def test_an_output_that_backward_reads_may_not_be_changed():
    x = Tensor(np.ones((1, 1, 2, 2)), requires_grad=True)
    for y in (F.conv2d_relu(x, Tensor(np.ones((1, 1, 1, 1)))), F.add_relu(x, x)):
        with mc.no_grad():
            y.write(-1)
        with pytest.raises(RuntimeError, match="changed in place"):
            y.sum().backward()


def test_a_kernel_of_ones_own_is_used():
    rng = np.random.default_rng(0)
    x, w = Tensor(rng.standard_normal((2, 3, 4, 4))), Tensor(rng.standard_normal((3, 3, 1, 1)))
    calls = []

    def relu(x):
        calls.append("relu")
        return np.maximum(x, 0)

    def conv2d(x, weight, bias, **options):
        calls.append("conv2d")
        return np.zeros((2, 3, 4, 4))

    def batch_norm(x, *rows, **options):
        calls.append("batch_norm")
        return x
    with kernels.replace("relu", forward=relu):
        F.conv2d_relu(x, w), F.batch_norm_relu(x, None, None, training=True), F.add_relu(x, x)
    with kernels.replace("conv2d", forward=conv2d), kernels.replace("batch_norm", forward=batch_norm):
        F.conv2d_relu(x, w), F.batch_norm_relu(x, None, None, training=True)
    assert calls == ["relu"] * 3 + ["conv2d", "batch_norm"]


IMAGE = Tensor(np.random.default_rng(0).standard_normal((2, 3, 5, 4)).astype(np.float32))


def layers() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(4), nn.ReLU())


class Explicit(nn.Module):
    """A network whose author calls the functions himself."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4)

    def forward(self, x):
        x = F.conv2d_relu(x, self.conv.weight, self.conv.bias, 2, 1)
        y = F.batch_norm_relu(x, self.norm.running_mean, self.norm.running_var, self.norm.weight, self.norm.bias, self.training)
        return F.add_relu(x, -y)


def test_who_looks_at_networks_knows_them():
    model = Explicit()
    found = summary(model, (3, 9, 8))
    assert [(row.type, row.output_shape, row.macs, row.receptive_field) for row in found.rows[:2]] == [
        ("Conv2dReLU", (4, 5, 4), 4 * 5 * 4 * 27, (3, 3)), ("BatchNormReLU", (4, 5, 4), 0, (3, 3))]
    assert found.macs == 4 * 5 * 4 * 27 and found.rows[-1].type == "AddReLU"
    with mc.profile() as p:
        model(IMAGE)
    assert {"conv2d_relu", "batch_norm_relu", "add_relu"} <= {entry.name for entry in p.by_op()}


@pytest.mark.parametrize("model", [Explicit, layers])
def test_their_gradients_are_checked_in_networks(model):
    """Sides of the ReLUs inside are held, see minicnn/checks/kinks.py."""
    x = np.random.default_rng(1).standard_normal((3, 3, 9, 8))
    report = check_directions(model().train(), x)
    assert report, str(report)
