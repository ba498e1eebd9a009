"""Every architecture can learn: sixteen small images by heart, to 100 %.

    pytest -m slow tests/models/test_overfit.py

The images are digits, in the colours and the smallest size that the network takes. What decides is the network as it is trained, with the
statistics of the batch and without dropout.
"""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, data, models, nn

STEPS = 200
RATE = 1e-3


def sixteen(shape):
    """Digits with their labels: (images (16, C, H, W) of mean 0 and deviation 1, labels)"""
    digits = data.mnist5k()
    C, H, _ = shape
    images = data.Resize(H)(digits.images[:16]).repeat(C, 1)
    images = (images - images.mean()) / images.std()
    return images.astype(np.float32), digits.labels[:16]


def smallest(name):
    """The smallest image, in steps of 32, of which a batch goes through the network in training."""
    model, (C, H, W) = models.create(name), models.info(name).input_shape
    if isinstance(model, models.Network) and model.any_size:
        for side in range(32, H, 32):
            if model.train().takes((2, C, side, side)):
                return C, side, side
    return C, H, W


def learns(name, rate):
    mc.manual_seed(0)
    shape = smallest(name)
    model = models.create(name, num_classes=10).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    images, labels = (Tensor(a) for a in sixteen(shape))
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
    steps, history = learns(name, RATE)
    print(f"{name}: {steps} steps")
    assert steps is not None, f"accuracy and loss every 20 steps: {history[::20]}, {history[-1]}"
