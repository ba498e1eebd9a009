"""A reduced member of every family: each family's test file names its own in REDUCED, a function that makes one, and images for it."""
import importlib
import pkgutil
from pathlib import Path

import numpy as np

import minicnn as mc
from minicnn import nn

USERS = ("test_fused", "test_gradients", "test_second_order")              # the tests that use them
FILES = [importlib.import_module(f"{__package__}.{found.name}") for found in pkgutil.iter_modules([str(Path(__file__).parent)])
         if found.name.startswith("test_") and found.name not in USERS]
REDUCED = {name: build for file in FILES for name, build in getattr(file, "REDUCED", {}).items()}


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
