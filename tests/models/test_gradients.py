"""Gradients of whole networks against finite differences, in float64.

Reduced members of every family, in training and in evaluation, along directions of all parameters at once. Parameter by parameter, and
every architecture in full size:  pytest -m slow tests/models/test_gradients.py
"""
import numpy as np
import pytest

import minicnn as mc
from minicnn import models
from minicnn.checks import check_directions, gradcheck

from .reduced import REDUCED, reduced

FULL_SIZE = sorted(models.names(), key=lambda name: models.info(name).macs)


def test_every_family_has_a_reduced_member():
    assert {models.info(name).family for name in models.names()} <= {name.partition(":")[0] for name in REDUCED}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", REDUCED)
def test_reduced(name, training):
    report = check_directions(*reduced(name, training), tolerance=1e-6, directions=3)
    assert report, str(report)


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", REDUCED)
def test_reduced_parameter_by_parameter(name, training):
    report = gradcheck(*reduced(name, training), tolerance=1e-5, directions=1, coordinates=2)
    assert report, str(report)


def test_a_wrong_gradient_fails(monkeypatch):
    """One factor of a batch norm 1 % wrong, in the middle of a network: the check along directions of everything must see it."""
    model, image = REDUCED["resnet"]()
    x = np.random.default_rng(0).standard_normal((2, *image))
    assert check_directions(model.train(), x)
    from minicnn.functional.normalization import BatchNorm
    right = BatchNorm.backward

    def wrong(self, *grads, needs):
        dx, dw, *rest = right(self, *grads, needs=needs)
        return (dx, None if dw is None else 1.01 * dw, *rest)
    monkeypatch.setattr(BatchNorm, "backward", wrong)
    assert not check_directions(model, x)


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size(name):
    info = models.info(name)
    mc.manual_seed(0)
    with mc.use_backend("numba"):
        x = np.random.default_rng(0).standard_normal((2, *info.input_shape))
        report = check_directions(models.create(name).train(), x, tolerance=1e-6)
    assert report, str(report)
