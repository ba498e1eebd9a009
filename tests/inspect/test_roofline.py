"""What operations cost, what the machine could do, and the picture of both."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, kernels
from minicnn.inspect import Machine, cost, profile_model, roofline

MACHINE = Machine(flops=100e9, bandwidth=10e9)


def costs(call, *shapes, backward=True):
    """{operation: ((FLOPs, bytes) forward, backward)} of a call on tensors that all need gradients."""
    found = {}

    def note(event):
        if event.moment in ("forward", "backward"):
            measured = cost.forward_cost(event) if event.moment == "forward" else cost.backward_cost(event)
            found.setdefault(event.op.kernel or type(event.op).__name__.lower(), {})[event.moment] = measured
    tensors = [Tensor(np.ones(shape, np.float32), requires_grad=True) for shape in shapes]
    with mc.use_backend("reference"), mc.observe(note):
        y = call(*tensors)
        if backward:
            y.backward(Tensor(np.ones(y.shape, np.float32)))
    return found


def test_costs_by_hand():
    x, w, y = 2 * 3 * 8 * 8, 4 * 3 * 3 * 3, 2 * 4 * 6 * 6
    found = costs(lambda x, w, b: F.conv2d(x, w, b), (2, 3, 8, 8), (4, 3, 3, 3), (4,))["conv2d"]
    assert found["forward"] == (2 * y * 27, 4 * (x + w + 4 + y))
    assert found["backward"] == (2 * 2 * y * 27, 4 * (y + (x + w + 4) + (x + w + 4)))            # g, gradients, what was kept
    assert costs(lambda x, w: F.linear(x, w), (5, 7), (3, 7))["linear"]["forward"] == (2 * 5 * 7 * 3, 4 * (35 + 21 + 15))
    assert costs(lambda a, b: a @ b, (5, 7), (7, 3))["matmul"]["forward"] == (2 * 5 * 7 * 3, 4 * (35 + 21 + 15))
    relu = costs(F.relu, (10, 10))["relu"]
    assert relu["forward"] == (100, 800) and relu["backward"] == (100, 1200)                     # reads g and y, writes dx
    assert costs(lambda x: x.reshape(100), (10, 10))["reshape"] == {"forward": (0, 0), "backward": (0, 0)}
    assert costs(lambda a, b: mc.cat([a, b], 0), (2, 5), (3, 5))["cat"]["forward"] == (0, 200)


def test_a_gradient_that_nobody_needs_costs_nothing():
    w = Tensor(np.ones((4, 3, 3, 3), np.float32))
    found = costs(lambda x: F.conv2d(x, w), (2, 3, 8, 8))["conv2d"]
    assert found["backward"][0] == found["forward"][0]


def test_the_bound():
    assert MACHINE.seconds(100e9, 1) == 1 and MACHINE.seconds(1, 20e9) == 2
    model = mc.models.create("lenet5")
    with mc.use_backend("reference"):
        p = profile_model(model, np.zeros((2, 1, 32, 32), np.float32))
    conv = {entry.name: entry for entry in p.by_op()}["conv2d"]
    macs = sum(row.macs for row in mc.summary(model).rows if row.type == "Conv2d")
    assert conv.flops[0] == 2 * 2 * macs
    lines = p.table(machine=MACHINE).splitlines()
    assert lines[0].split()[-6:] == ["GFLOP", "moved", "FLOP/byte", "GFLOP/s", "roof", "reached"]
    row = next(line for line in lines if line.startswith("conv2d")).split()
    assert float(row[-7]) == 0 or row[-2] == "%" or row[-1] == "%"
    members = [entry for (name, _), entry in p.entries.items() if name == "conv2d"]
    least = sum(roofline.least(entry, MACHINE) for entry in members)
    assert row[-2:] == [f"{100 * least / conv.seconds:.0f}", "%"]
    assert float(row[-3]) == pytest.approx(sum(conv.flops) / least / 1e9, abs=0.05)
    view = next(line for line in lines if line.startswith("reshape")).split()
    assert view[-1] == "MiB"                                                                     # nothing behind its output
    assert p.table("module", MACHINE).splitlines()[0].startswith("module")


def test_the_picture(tmp_path):
    with mc.use_backend("reference"):
        p = profile_model(mc.models.create("lenet5"), np.zeros((2, 1, 32, 32), np.float32))
    roofline.draw(p, MACHINE, tmp_path / "roof.png")
    assert (tmp_path / "roof.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FileExistsError, match="exists and is not overwritten"):
        roofline.draw(p, MACHINE, tmp_path / "roof.png")
    with pytest.raises(ValueError, match="nothing was computed"):
        roofline.draw(type(p)(), MACHINE, tmp_path / "other.png")


def test_the_machine_is_measured():
    pytest.importorskip("numba")
    from minicnn.kernels import memory, peak, simd
    a, b = np.ones((peak.STEPS, simd.ROWS), np.float32), np.ones((peak.ROUND, peak.COLUMNS), np.float32)
    c, offsets = np.zeros((2, simd.ROWS, peak.COLUMNS), np.float32), np.arange(peak.STEPS) % peak.ROUND * peak.COLUMNS
    peak.multiply.run(2, 1, a, b, offsets, c)
    assert (c == peak.STEPS).all()                                         # the operations that are counted are done
    x, y, z = np.zeros(1001), np.arange(1001.0), np.ones(1001)
    peak.triad.run(peak.BLOCKS, x, y, z, 0.5)
    assert np.array_equal(x, y + 0.5)
    before = memory.statistics()["live"]
    assert 1e8 < peak.fma_peak(0.01) < 1e14 and kernels.memory.statistics()["live"] == before
