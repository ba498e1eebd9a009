"""Every architecture can learn: sixteen small images by heart, to 100 %.

    pytest -m slow tests/models/test_overfit.py

The images are digits, in the colours and the smallest size that the network takes, normalised as its recipe says. What decides is the
network as it is trained, with the statistics of the batch, and without dropout.
"""
from dataclasses import replace

import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, data, models, nn
from minicnn.training import transforms

STEPS = 400
RATE = 1e-3                                      # of Adam
SMALLER = 3e-4                                   # where larger steps throw a network off: its classifier, or all of it, has no
                                                 # normalisation; or it is a vision transformer, here without its warm-up
OPTIONS = {"vit_b16": {"image": 64}}             # whose positions are made for one size of image
# Their scores pass a ReLU, and one that is always 0 never learns. So they start at 1; and there are a hundred, since the layers before
# them in nin_d2l are as narrow as there are classes.
DYING = ("squeezenet", "nin")


def sixteen(name, shape):
    """Digits in the network's colours and size, normalised as its recipe says: (images (16, C, H, W), labels)"""
    digits = data.mnist5k()
    prepare = transforms(replace(models.info(name).recipe, image_size=shape[1]), training=False)
    return prepare(digits.images[:16].repeat(shape[0], 1)).astype(np.float32), digits.labels[:16]


def smallest(name):
    """The smallest image, in steps of 32, of which a batch goes through the network in training; where ReLUs die easily, one of 64."""
    model, (C, H, W) = models.create(name), models.info(name).input_shape
    if name in OPTIONS:
        return C, OPTIONS[name]["image"], OPTIONS[name]["image"]
    if isinstance(model, models.Network) and model.any_size:
        for side in range(64 if name.startswith(DYING) else 32, H, 32):
            if model.train().takes((2, C, side, side)):
                return C, side, side
    return C, H, W


def learns(name):
    mc.manual_seed(0)
    shape = smallest(name)
    model = models.create(name, num_classes=100 if name.startswith(DYING) else 10, **OPTIONS.get(name, {})).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    if name.startswith(DYING):
        last = [module for module in model.modules() if isinstance(module, nn.Conv2d)][-1]
        nn.init.ones_(last.bias)
    images, labels = (Tensor(a) for a in sixteen(name, shape))
    has_norm = any(isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)) for module in model.modules())
    rate = RATE if has_norm and not name.startswith(("vgg", "vit")) else SMALLER
    optimizer = mc.optim.Adam(model.parameters(), lr=rate)
    history = []
    for step in range(STEPS):
        scores = model(images)
        scores = scores if isinstance(scores, tuple) else (scores,)
        accuracy = float((scores[0].numpy().argmax(1) == labels.numpy()).mean())
        losses = [weight * F.cross_entropy(s, labels) for weight, s in zip(getattr(model, "loss_weights", (1.0,)), scores)]
        history.append((accuracy, losses[0].item()))
        if accuracy == 1.0:
            return step, history
        optimizer.zero_grad()
        sum(losses[1:], losses[0]).backward()
        optimizer.step()
    return None, history


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(models.names(), key=lambda name: models.info(name).macs))
def test_sixteen_images_by_heart(name):
    with mc.use_backend("numba"):
        steps, history = learns(name)
    print(f"{name}: {steps} steps")
    assert steps is not None, f"accuracy and loss every 20 steps: {history[::20]}, {history[-1]}"
