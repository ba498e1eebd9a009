"""Whole networks, in which convolutions, batch norms and sums take the ReLU behind them along: the bits of layers that run one by one."""
from contextlib import ExitStack

import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, models
from minicnn.observers import observe

from .reduced import REDUCED, reduced


def bits(name, training, one_by_one):
    """Scores, and after a backward all gradients and buffers."""
    model, x = reduced(name, training)
    model.to("float32")
    image = Tensor(x.astype(np.float32), requires_grad=True)
    with ExitStack() as stack:
        if one_by_one:
            stack.enter_context(observe(lambda event: None))
        mc.manual_seed(5)
        scores = model(image)
        scores = scores if isinstance(scores, tuple) else (scores,)
        sum((y * y).sum() for y in scores).backward()
    grads = {f"grad of {key}": p.grad for key, p in [("image", image), *model.named_parameters()] if p.grad is not None}
    return {key: tensor.numpy().tobytes() for key, tensor in {**dict(enumerate(scores)), **grads, **dict(model.named_buffers())}.items()}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", REDUCED)
def test_the_same_bits(name, training):
    together, apart = bits(name, training, False), bits(name, training, True)
    assert together.keys() == apart.keys()
    assert [key for key in together if together[key] != apart[key]] == []


def operations(name) -> dict[str, int]:
    """Operation -> how often it runs in one forward on shapes alone."""
    found: dict[str, int] = {}

    def count(event):
        if event.moment == "forward" and event.op.kernel:
            found[event.op.kernel] = found.get(event.op.kernel, 0) + 1
    with observe(count, as_run=True):
        models.create(name).eval()(mc.functional.meta(1, *models.info(name).input_shape))
    return found


@pytest.mark.parametrize("name, expected", {
    "alexnet":      dict(conv2d_relu=5, relu=2),
    "vgg16":        dict(conv2d_relu=13, relu=2),
    "googlenet":    dict(conv2d_relu=57),
    "resnet50":     dict(conv2d=53, batch_norm_relu=33, batch_norm=20, add_relu=16),
    "resnet20":     dict(conv2d=19, batch_norm_relu=10, batch_norm=9, add_relu=9, relu=0),
    "densenet121":  dict(conv2d=120, batch_norm_relu=121),
    "mobilenet_v1": dict(conv2d=27, batch_norm_relu=27),
}.items())
def test_networks_run_them(name, expected):
    found = operations(name)
    assert {kernel: found.get(kernel, 0) for kernel in expected} == expected
