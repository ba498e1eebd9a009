"""Every architecture has the parameters, the multiply-adds and the shapes that were counted independently of this code.

architectures.json: counted from reference implementations by others (torchvision, timm, Keras, the papers' own code), not from ours:
id, image, trainable parameters, multiply-adds of convolutions and linear layers, and the shapes after each stage, in their order.
"""
import json
from pathlib import Path

import pytest

import minicnn as mc
from minicnn import models

REFERENCE = {row["id"]: row for row in json.loads((Path(__file__).parent / "architectures.json").read_text())}
TRAINING = {"googlenet_aux"}             # counted with the heads that exist in training alone


def shapes_in_order(model, image, training):
    """Shapes of the outputs of all modules, in the order in which they are done, and the multiply-adds, on a meta tensor."""
    shapes, handles = [], []

    def done(module, inputs, output):
        shapes.extend(t.shape[1:] for t in (output if isinstance(output, tuple) else (output,)))
    for module in model.modules():
        handles.append(module.register_forward_hook(done))
    model.train(training)(mc.meta(1, *image))
    for handle in handles:
        handle.remove()
    return shapes


def contains_in_order(found, expected):
    """Whether the expected shapes come in found in this order, with anything in between."""
    at = iter(found)
    return all(shape in at for shape in expected)


@pytest.mark.parametrize("name", [name for name, row in REFERENCE.items() if row["params"] is not None])
def test_counts_and_shapes_of_the_reference(name):
    row, info = REFERENCE[name], models.info(name)
    assert info.name == name and info.input_shape == tuple(row["input"])
    model = models.create(name)
    table = mc.summary(model, info.input_shape, training=name in TRAINING)
    assert (table.trainable_params, table.macs) == (row["params"], row["macs"]) == (info.params, info.macs)
    assert not any(p.drawn for p in model.parameters())
    shapes = [info.input_shape, *shapes_in_order(model, info.input_shape, name in TRAINING)]      # Keras counts the input as a layer
    expected = [tuple(shape) for shape in row["stages"]]
    assert contains_in_order(shapes, expected), f"{expected} not in order among {shapes}"


@pytest.mark.parametrize("name", models.names())
def test_what_a_model_declares(name):
    info = models.info(name)
    assert info.year >= 1989 and info.paper and info.summary and info.recipe.source
    features = models.create(name, features=True)
    shapes = {stage: y.shape[1:] for stage, y in features.eval()(mc.meta(1, *info.input_shape)).items()}
    assert list(shapes.items()) == list(info.stages.items())
    assert models.create(name, num_classes=7, in_channels=2).eval()(mc.meta(3, 2, *info.input_shape[1:])).shape == (3, 7)
