"""A plan: what a network does, written down, and done again by PyTorch with the same numbers."""
import numpy as np
import pytest
import torch

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models, nn
from minicnn.bench.plan import Plan, Step, load, name_of, record, without_dropout
from minicnn.bench.replay import RUN, Replay, unfused, written_over
from minicnn.bench.shapes import SUBJECTS

from ..models.reduced import REDUCED, reduced
from ..oracle.compare import error

pytestmark = pytest.mark.usefixtures("numpy_kernels")
TOLERANCE = 1e-7                         # constants of a network are recorded in float32; else nothing but float64's rounding


@pytest.fixture
def numpy_kernels():
    """What is recorded does not depend on the backend, and nothing has to be compiled for this one."""
    with mc.use_backend("reference"):
        yield


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", REDUCED)
def test_every_family_replays(name, training, tmp_path):
    """Outputs, and in training the gradients of all parameters and the running statistics."""
    model, x = reduced(name, training)
    without_dropout(model, x.shape)
    record(model, Tensor(x.astype(np.float32))).save(tmp_path / "plan.safetensors")
    plan = load(tmp_path / "plan.safetensors")
    model.double()
    own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    theirs = Replay(plan, lambda name: torch.from_numpy(own[name].numpy().copy()))
    theirs.constants = {slot: c.double() if torch.is_tensor(c) and c.is_floating_point() else c for slot, c in theirs.constants.items()}
    found, expected = model(Tensor(x)), theirs(torch.from_numpy(x))
    found = found if isinstance(found, tuple) else (found,)
    assert len(found) == len(expected)
    assert max(error(a.numpy(), b.detach().numpy()) for a, b in zip(found, expected)) < TOLERANCE
    if not training:
        return
    labels = np.arange(len(x)) % found[0].shape[1]
    sum((F.cross_entropy(scores, labels) for scores in found[1:]), F.cross_entropy(found[0], labels)).backward()
    sum(torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)) for scores in expected).backward()
    pairs = {name: (parameter.grad.numpy(), getattr(theirs, name.replace(".", "/")).grad)
             for name, parameter in model.named_parameters() if parameter.grad is not None}
    largest = max(np.abs(a).max() for a, _ in pairs.values())         # in front of a batch norm a bias has no gradient but rounding
    wrong = {name: np.abs(a - (0 if b is None else b.numpy())).max() / largest for name, (a, b) in pairs.items()}
    assert max(wrong.values()) < TOLERANCE, sorted(wrong.items(), key=lambda item: -item[1])[:5]
    for name, buffer in model.named_buffers():
        if name in plan.buffers:
            assert error(buffer.numpy(), getattr(theirs, name.replace(".", "/")).numpy()) < TOLERANCE, name


def test_recording_leaves_the_model_as_it_was():
    model, x = reduced("resnet", True)
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    plan = record(model, Tensor(x.astype(np.float32)))
    assert all(np.array_equal(value.numpy(), before[name]) for name, value in model.state_dict().items())
    assert set(plan.parameters) == {name for name, _ in model.named_parameters()}


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_every_operation_of_the_zoo_has_a_line(training):
    missing = {}
    for name in models.names():
        model = without_dropout(models.create(name).train(training), (2, *models.info(name).input_shape))
        found = set()
        with mc.no_grad(), mc.observe(lambda event, found=found: found.add(name_of(event.op))):
            model(mc.meta(2, *models.info(name).input_shape))
        missing.update({op: name for op in found if unfused(op) not in RUN})
    assert not missing


@pytest.mark.parametrize("op", sorted({subject.op for subject in SUBJECTS}))
def test_every_operation_that_is_benchmarked_has_a_line(op):
    assert op in RUN


def test_dropout_is_off_and_nothing_else():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(2 * 36, 3))
    plan = record(without_dropout(model.train(), (2, 1, 8, 8)), Tensor(np.ones((2, 1, 8, 8), np.float32)))
    assert [step.op for step in plan.steps] == ["conv2d", "batch_norm", "reshape", "linear"] and plan.steps[1].options["training"]
    assert [module.training for module in model] == [True, True, False, True, True]


def plan_of(*steps: tuple[str, tuple[int, ...], int], outputs=(), shape=(2, 3)) -> Plan:
    return Plan([Step(op, {}, inputs, (made,), (shape,)) for op, inputs, made in steps], outputs=outputs)


@pytest.mark.parametrize("plan, expected", [
    (plan_of(("conv2d", (0,), 1), ("relu", (1,), 2)), {1: 0}),
    (plan_of(("sigmoid", (0,), 1), ("relu", (1,), 2)), {}),                                      # whose backward reads its output
    (plan_of(("relu", (0,), 1)), {}),                                                            # the images are the user's
    (plan_of(("conv2d", (0,), 1), ("relu", (1,), 2), ("conv2d", (1,), 3)), {}),                  # somebody else reads it
    (plan_of(("conv2d", (0,), 1), ("relu", (1,), 2), outputs=(1, 2)), {}),                       # it is a result
    (plan_of(("relu", (0,), 1), ("batch_norm", (1,), 2), ("add", (1, 2), 3)), {2: 1}),
    (plan_of(("batch_norm", (0,), 1), ("add", (1, 1), 2)), {}),
])
def test_what_is_written_over(plan, expected):
    assert written_over(plan) == expected


def test_a_relu_may_be_fused():
    x = torch.randn(2, 3)
    for op in ("add_relu", "addrelu"):
        y, = Replay(plan_of((op, (0, 0), 1), outputs=(1,)), lambda name: x)(x)
        assert torch.equal(y, torch.relu(x + x))
    assert written_over(plan_of(("batch_norm", (0,), 1), ("add_relu", (2, 1), 3))) == {1: 1}


def test_an_operation_without_a_line_is_named():
    with pytest.raises(NotImplementedError, match="does not say how PyTorch computes fourier"):
        Replay(plan_of(("fourier", (0,), 1)), lambda name: torch.zeros(1))


def test_indices_survive_the_file(tmp_path):
    class Crop(nn.Module):
        def forward(self, x):
            return x[..., 1:3, [2, 0]]
    x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    record(Crop(), Tensor(x)).save(tmp_path / "plan.safetensors")
    y, = Replay(load(tmp_path / "plan.safetensors"), lambda name: torch.zeros(0))(torch.from_numpy(x))
    assert np.array_equal(y.numpy(), x[..., 1:3, [2, 0]])
