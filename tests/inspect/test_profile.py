"""mc.profile: what ran, where, how often and how long."""
import time

import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, nn
from minicnn.inspect import profile_model


def test_operations_modules_calls_and_bytes():
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU())
    x = Tensor(np.ones((2, 2, 3), np.float32))
    with mc.use_backend("reference"), mc.profile() as p:
        for _ in range(3):
            model(x).sum().backward()
    by_op = {entry.name: entry for entry in p.by_op()}
    assert by_op["linear"].calls == 3 and by_op["linear"].bytes == 3 * 2 * 4 * 4 and by_op["relu"].calls == 3
    assert by_op["linear"].forward_seconds > 0 and by_op["linear"].backward_seconds > 0
    assert by_op["reshape"].bytes == 0                                   # a view
    by_module = {entry.name: entry for entry in p.by_module()}
    assert by_module["1"].seconds == by_op["linear"].seconds and "(model)" in by_module       # the sum is outside every module
    assert abs(sum(e.seconds for e in p.by_op()) - p.seconds) < 1e-9 and abs(sum(e.seconds for e in p.by_module()) - p.seconds) < 1e-9


def test_time_is_where_it_is_spent():
    def slow(x):
        time.sleep(0.05)
        return np.maximum(x, 0)
    x = Tensor(np.ones((4, 4), np.float32))
    with mc.use_backend("reference"), mc.kernels.replace("relu", forward=slow), mc.profile() as p:
        F.relu(x + 1)
    entries = {entry.name: entry for entry in p.by_op()}
    assert p.by_op()[0].name == "relu" and entries["relu"].forward_seconds >= 0.05 > entries["add"].forward_seconds


def test_an_operation_inside_another_is_counted_once():
    model = nn.Linear(3, 3)
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    with mc.use_backend("reference"):
        y = mc.checkpoint(model)(x).sum()
        start = time.perf_counter()
        with mc.profile() as p:
            y.backward()                                                 # runs the block's forward and backward inside its own
        assert p.seconds <= time.perf_counter() - start
    assert {"linear", "checkpoint"} <= {entry.name for entry in p.by_op()}


def test_a_model_as_a_whole():
    model = mc.models.create("lenet5")
    x = np.zeros((2, 1, 32, 32), np.float32)
    with mc.use_backend("reference"):
        p = profile_model(model, x, repeat=2)
        forward_only = profile_model(model, x, backward=False)
    assert {e.name: e.calls for e in p.by_op()}["conv2d"] == 4
    assert all(parameter.grad is None for parameter in model.parameters())
    assert {"stem.c1", "head.f6"} <= {e.name for e in p.by_module()}
    assert not any(e.backward_seconds for e in forward_only.by_op())
    lines = str(p).splitlines()
    assert lines[0].split() == ["operation", "calls", "forward", "backward", "share", "output"] and lines[-1].startswith("sum")
    assert p.table("module").splitlines()[0].startswith("module")
    with pytest.raises(ValueError, match="by should be 'op' or 'module'"):
        p.table("layer")
    with pytest.raises(ValueError, match="repeat should be at least 1"):
        profile_model(model, x, repeat=0)
