"""Anomaly detection names the operation and the user's line, forward and backward; observers see everything that runs."""
import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, nn


def leaf(*values):
    return Tensor(np.array(values, np.float64), requires_grad=True)


def test_the_forward_that_made_the_first_nan():
    with mc.detect_anomaly(), pytest.raises(FloatingPointError) as caught:
        x = leaf(1.0, -1.0)
        y = x.log()                                                            # here
        (y * 2).sum()
    text = str(caught.value)
    assert "the forward of Log made the first NaN; its inputs were finite" in text
    assert "test_anomaly.py" in text and "y = x.log()" in text and "# here" in text


def test_the_backward_that_made_the_first_infinity():
    with mc.detect_anomaly(), pytest.raises(FloatingPointError) as caught:
        y = leaf(0.0, 4.0).sqrt()                                              # its slope at 0
        y.sum().backward()
    text = str(caught.value)
    assert "the backward of Sqrt made the first infinity, in the gradient of its input 0" in text
    assert "the gradient that arrived there was finite" in text
    assert "# its slope at 0" in text


def test_a_nan_in_the_data_is_told_from_one_that_was_made():
    with mc.detect_anomaly(), pytest.raises(FloatingPointError, match="its input 0 already held one, which no operation made"):
        leaf(float("nan")) * 2


def test_the_module_is_named():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with mc.detect_anomaly(), pytest.raises(FloatingPointError, match="in module .*0"):
        model(Tensor(np.full((1, 2), np.inf, np.float32)))


def test_raw_numpy_writes_are_found_by_checksum():
    array = np.ones(3)
    x = Tensor(array, requires_grad=True)
    with mc.detect_anomaly():
        y = (x * x).sum()
        array[1] = 7
        with pytest.raises(RuntimeError, match="was written to, past the Tensor, between forward and backward"):
            y.backward()


def test_nothing_is_raised_where_all_is_well():
    x = leaf(1.0, 2.0)
    with mc.detect_anomaly():
        (x.log() * x).sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_observers_see_every_moment_with_its_place():
    events = []
    x = leaf(1.0, 2.0)
    with mc.observe(events.append):
        (x * x).sum().backward()
    moments = [(e.moment, type(e.op).__name__) for e in events]
    assert moments == [(m, op) for op in ("Mul", "Sum", "Reshape") for m in ("before forward", "forward")] \
        + [(m, op) for op in ("Reshape", "Sum", "Mul") for m in ("before backward", "backward")]
    assert all(e.where[0].endswith("test_anomaly.py") for e in events) and all(e.seconds >= 0 for e in events)
    assert np.array_equal(events[1].outputs[0], [1, 4])
    (x * x).sum()
    assert len(events) == 12                                                   # and nothing any more


def test_running_statistics_may_be_written_by_a_second_forward():
    norm, x = nn.BatchNorm2d(2), mc.randn(2, 2, 3, 3, requires_grad=True)
    with mc.detect_anomaly():
        (norm(x).sum() + norm(x * 2).sum()).backward()
    assert x.grad is not None


def test_a_backward_that_is_itself_recorded_is_watched_too():
    x = leaf(0.0, 4.0)
    with mc.detect_anomaly(), pytest.raises(FloatingPointError, match="Div"):
        mc.grad(x.sqrt().sum(), x, create_graph=True)
