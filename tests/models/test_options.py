"""Options that make no sense: one ValueError, that says what came and what is expected.  And width, which is the same factor everywhere."""
import inspect
import time
from math import inf, nan

import numpy as np
import pytest

import minicnn as mc
from minicnn import models
from minicnn.models.senet import senet154
from minicnn.models.shiftnet import shiftresnet
from minicnn.models.vgg import grow
from minicnn.models.wide_resnet import wide_resnet_large

WITH_WIDTH = [name for name in models.names() if "width" in inspect.signature(models.info(name).build).parameters]
NOT_WHOLE = "whole numbers of at least 1"
SHALLOW = ((1, 4), (1, 6))


def keras(name, **options):
    return models.create(f"{name}_seed_keras", **options)


def small_vgg(**options):
    return models.vgg(**{"arch": SHALLOW, "hidden": 8, "num_classes": 3, **options})


@pytest.mark.parametrize("call, text", [
    *((lambda blocks=blocks, name=name: keras(name, blocks=blocks), f"{name}_seed_keras: blocks should be {NOT_WHOLE}, one a stage, got")
      for name in ("resnet50", "densenet121") for blocks in ((), [0], (2, -1), (True, 2), (10 ** 6,), 3, "ab")),
    (lambda: keras("densenet121", growth=0), "growth should be a whole number of at least 1, got 0"),
    *((lambda maps=maps: models.zfnet(maps=maps), f"zfnet: maps should be 3 {NOT_WHOLE}") for maps in ((-1, 1, 1), (0, 0, 0), (1.5, 1, 1))),
    (lambda: models.squeezenet(fires={}), "squeezenet: fires should be at least one row (squeeze, expand)"),
    (lambda: models.squeezenet(fires={2: (0, 0)}), "squeezenet: fires should be at least one row (squeeze, expand)"),
    (lambda: models.squeezenet(fires={"a": (16, 64)}), "fires should be {number of a fire: (squeeze, expand)}, as {2: (16, 64)}, got"),
    (lambda: models.mobilenet_v1(stages={}), "stages should be {name: rows of (channels, stride)} with at least one stage, got {}"),
    (lambda: models.mobilenet_v1(stages={"a": ()}), "stages['a'] should be at least one row (channels, stride), of whole numbers"),
    (lambda: models.mobilenet_v3(stages={}), "mobilenet_v3: stages should be"),
    (lambda: models.mobilenet_v3(stages={"a": ((3, 16, 16),)}), "stages['a'] should be at least one row (k, exp, c, SE, NL, s)"),
    (lambda: models.mobilenet_v3(hidden=1.5), "hidden should be a whole number of at least 1, got 1.5"),
    (lambda: models.mobilenet_v2(rows=()), "rows should be at least one row (t, c, n, s)"),
    (lambda: models.mobilenet_v2(rows=((6, 24, 0, 2),)), "at least one row (t, c, n, s), of whole numbers of at least 1, got"),
    (lambda: models.mobilenet_v2(last=1.5), "last should be a whole number of at least 1, got 1.5"),
    (lambda: models.shiftnet(rows=()), "rows should be at least one row (channels, first, others, kernel, modules)"),
    (lambda: shiftresnet(depth="20"), "got depth='20', expected 6n + 2"),
    (lambda: models.inception_v3(table={}), "inception_v3: table should be {stage: texts of its branches} with at least one stage"),
    (lambda: models.inception_v3(table={"a": "1×1 64"}), "inception_v3: table should be {stage: texts of its branches}"),
    (lambda: models.inception_v3(table={"a": ("1×1",)}), "a branch should consist of steps such as '3×3 96'"),
    (lambda: models.inception_v3(table={"a": ("1×1 64 → ",)}), "joined by → and |, got ''"),
    (lambda: models.inception_v3(table={"a": ("1x1 64",)}), "got '1x1 64'"),
    (lambda: models.inception_v3(aux=True, table={"a": ("1×1 64",)}), "aux=True puts a head on mixed_6e"),
    (lambda: models.vgg(hidden=0), "vgg: hidden should be a whole number of at least 1, got 0"),
    (lambda: models.vgg(arch=7), "each block of arch should be (convolutions, maps)"),
    *((lambda options=options: models.regnet(**options), "regnet: expected depth of at least 1, w0 a multiple of 8 above 0")
      for options in (dict(wm=inf), dict(wa=nan), dict(w0=8 * 10 ** 9), dict(wa=1e9), dict(depth=10 ** 9), dict(depth=2.5), dict(wm="a"))),
    (lambda: models.regnet(w0=8, wa=1000, wm=1e6), "regnet: got a stage of 8,000,000 channels, expected at most 100,000"),
    *((lambda depth=depth: models.efficientnet(depth=depth), "efficientnet: depth should be a number above 0, got")
      for depth in (inf, 1e9, "a", nan)),
    (lambda: models.xception(middle=10 ** 6), "middle should be a whole number of at least 0, blocks of the middle flow, got 1000000"),
    *((lambda scale=scale: models.convnext(layer_scale=scale), "convnext: layer_scale should be a number of at least 0, got")
      for scale in (nan, "a", -1, inf)),
    *((lambda build=build, p=p: build(drop_path=p, blocks=(1,)), "drop_path should be a probability in [0, 1), got")
      for build in (models.convnext, lambda **o: models.swin(heads=(3,), **o)) for p in (2, 1, -0.1, nan, "a", True)),
    (lambda: models.convnext(channels=1.5), "convnext: channels should be a whole number of at least 1, got 1.5"),
    *((lambda image=image: models.vit(image=image), "vit: image should be a side or a pair (height, width) of whole numbers")
      for image in ("a", None, (224, 224, 3), 224.0)),
    (lambda: models.vit(depth=0), "vit: depth should be a whole number of at least 1, got 0"),
    (lambda: models.swin(window=1000), "windows no larger than the plane of 224 / patch that they divide, got window=1000 and patch=4"),
    (lambda: models.swin(heads=5), f"swin: heads should be {NOT_WHOLE}"),
    *((lambda build=build: build(blocks=(True, 2)), f"blocks should be {NOT_WHOLE}")
      for build in (models.resnet, models.resnext, models.senet, models.preact_resnet, models.densenet, models.convnext)),
    (lambda: models.inception_v4(blocks=(True, True, True)), "blocks should be 3 whole numbers"),
    (lambda: models.resnet_cifar(depth="20"), "depth should be a whole number of at least 1, of the form 6n + 2, got '20'"),
    (lambda: models.resnext(cardinality=True), f"resnext: cardinality and base_width should be {NOT_WHOLE}"),
    (lambda: senet154(groups=0), "senet154: groups should be a whole number of at least 1, got 0"),
    (lambda: wide_resnet_large(widening=0), "wide_resnet: widening should be a number above 0, got 0; the paper has 2"),
    (lambda: grow(small_vgg(norm="batch"), small_vgg()), "has batch norms and Network has none; build both with the same norm"),
    (lambda: grow(small_vgg(), small_vgg(), convolutions=0), "convolutions should be a whole number of at least 1, got 0"),
    (lambda: grow(small_vgg(), small_vgg(), convolutions=True), "convolutions should be a whole number of at least 1, got True"),
])
def test_refused(call, text):
    begun = time.perf_counter()
    with pytest.raises(ValueError) as error:
        call()
    assert text in str(error.value)
    assert time.perf_counter() - begun < 10                                             # nothing huge is begun


def test_growing_something_else():
    with pytest.raises(TypeError, match="grow: expected two networks, .* got a Linear"):
        grow(small_vgg(), mc.nn.Linear(2, 3))


def test_what_may_come_once():
    assert models.vgg(arch=iter(SHALLOW), hidden=8)(mc.meta(1, 3, 16, 16)).shape == (1, 1000)


@pytest.mark.parametrize("width", [0, -1, inf, nan, "a", None, True, 1e308])
@pytest.mark.parametrize("name", sorted({models.info(name).family: name for name in WITH_WIDTH}.values()))
def test_width_is_a_number_above_0(name, width):
    with pytest.raises(ValueError, match="width should be a number above 0, got"):
        models.create(name, width=width)


@pytest.mark.parametrize("name", sorted({models.info(name).family: name for name in WITH_WIDTH}.values()))
def test_width_is_a_factor_of_the_published_channels(name):
    """Half of the channels have about a quarter of the weights; the last layers of some do not shrink."""
    info = models.info(name)
    half = models.create(name, width=0.5 * inspect.signature(info.build).parameters["width"].default, num_classes=7)
    assert half.eval()(mc.meta(1, *info.input_shape)).shape == (1, 7)
    count = sum(p.numel() for p in half.parameters())
    whole = sum(p.numel() for p in models.create(name, num_classes=7).parameters())
    assert 0.2 < count / whole < 0.6


@pytest.mark.parametrize("build", [lambda w: models.resnext(width=w), lambda w: senet154(width=w), lambda w: wide_resnet_large(width=w),
                                   lambda w: models.resnet(width=w, bottleneck=True), lambda w: models.preact_resnet(width=w, large=True)])
@pytest.mark.parametrize("width", [0.02, 0.3, 1.37])
def test_odd_widths(build, width):
    assert build(width).eval()(mc.meta(1, 3, 64, 64)).shape[0] == 1


def test_swin_takes_no_images():
    network = models.swin(blocks=(2, 1), heads=(1, 2), channels=4, window=3, num_classes=3)
    assert network.eval()(mc.Tensor(np.zeros((0, 3, 20, 28), np.float32))).shape == (0, 3)
