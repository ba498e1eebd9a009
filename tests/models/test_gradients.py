"""Gradients of whole networks against finite differences, in float64.

Reduced members of every family, in training and in evaluation, along directions of all parameters at once; each family's test file names
its own in REDUCED. Parameter by parameter, and every architecture in full size:  pytest -m slow tests/models/test_gradients.py
"""
import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import minicnn as mc
from minicnn import models, nn
from minicnn.checks import check_directions, gradcheck

FILES = [importlib.import_module(f"{__package__}.{found.name}") for found in pkgutil.iter_modules([str(Path(__file__).parent)])
         if found.name.startswith("test_") and found.name != Path(__file__).stem]
REDUCED = {name: build for file in FILES for name, build in getattr(file, "REDUCED", {}).items()}
FULL_SIZE = sorted(models.names(), key=lambda name: models.info(name).macs)


def reduced(name, training):
    """A reduced network and a few images, in general position: factors, offsets and statistics are not all 1 and 0.

    Else the sums of what is 0 would be 0, at the very kink of a ReLU.
    """
    mc.manual_seed(0)
    model, image = REDUCED[name]()
    rng = np.random.default_rng(1)
    with mc.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                module.bias.write(rng.normal(0, 0.1, module.bias.shape))
            if isinstance(module, nn.BatchNorm2d):
                n = module.num_features
                module.running_mean.write(rng.normal(0, 0.2, n)), module.running_var.write(rng.uniform(0.5, 1.5, n))
                if module.affine:
                    module.weight.write(rng.uniform(0.5, 1.5, n)), module.bias.write(rng.normal(0, 0.2, n))
    assert image[1] != image[2] or not model.any_size, "a square image does not show an H in the place of a W"
    # of two images, the batch norm of a plane of one pixel would be a step function
    return model.train(training), rng.standard_normal((5 if training else 2, *image))


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
