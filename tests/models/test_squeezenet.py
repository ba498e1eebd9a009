"""SqueezeNet: fires, pools that round up, bypasses."""
import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, models, nn
from minicnn.models.squeezenet import Fire


def reduced():
    """With biases that are not 0: where a squeeze of few maps is 0 altogether, what follows would stand on the corner of its ReLU."""
    network = models.squeezenet(num_classes=5, version="1.1", width=0.125, bypass="complex",
                                fires={2: (16, 64), 3: (16, 64), 4: (32, 128)})
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.1)
    return network, (3, 17, 23)


REDUCED = {"squeezenet": reduced}


def planes(name, side):
    features = models.create(name, features=True).eval()(mc.meta(1, 3, side, side))
    return {stage: y.shape[2] for stage, y in features.items() if stage == "stem" or stage.startswith("pool")}


def test_an_image_of_227_has_the_planes_of_table_1():
    assert planes("squeezenet1_0", 227) == {"stem": 111, "pool1": 55, "pool4": 27, "pool8": 13}


def test_pools_round_up():
    """At 224 the stem's 109 columns make 54 either way, but 54 make 27 only where the last window may hang over."""
    assert planes("squeezenet1_0", 224) == {"stem": 109, "pool1": 54, "pool4": 27, "pool8": 13}
    assert (54 - 3) // 2 + 1 == 26


def test_a_fiftieth_of_alexnet():
    assert 48 < 60_965_224 / models.info("squeezenet1_0").params < 50
    assert 2.3 < models.info("squeezenet1_0").macs / models.info("squeezenet1_1").macs < 2.4


def test_a_fire_is_a_squeeze_and_two_expansions_side_by_side():
    mc.manual_seed(0)
    fire, rng = Fire(6, 2, 3), np.random.default_rng(0)
    x = rng.standard_normal((2, 6, 5, 4)).astype(np.float32)
    y = fire(Tensor(x)).numpy()

    w, b = (p.numpy() for p in fire.squeeze.conv.parameters())
    s = np.maximum(0, np.einsum("kc,nchw->nkhw", w[:, :, 0, 0], x) + b[:, None, None])
    w, b = (p.numpy() for p in fire.expand.one.conv.parameters())
    one = np.maximum(0, np.einsum("kc,nchw->nkhw", w[:, :, 0, 0], s) + b[:, None, None])
    assert y.shape == (2, 6, 5, 4) and np.allclose(y[:, :3], one, atol=1e-5)
    assert np.allclose(y[:, 3:], fire.expand.three(Tensor(s)).numpy(), atol=1e-5)


def test_bypasses():
    """Simple: sums around fires 3, 5, 7, 9, without weights.  Complex: 1×1 convolutions around the other four too."""
    plain, simple, complex_ = (models.create("squeezenet1_0", bypass=kind) for kind in ("none", "simple", "complex"))
    assert {k: v.shape for k, v in plain.state_dict().items()} == {k: v.shape for k, v in simple.state_dict().items()}

    def around(network, kind):
        return [name for name, fire in network.body.named_children() if isinstance(fire, Fire) and isinstance(fire.bypass, kind)]
    assert around(plain, nn.Module) == []
    assert around(simple, nn.Identity) == around(complex_, nn.Identity) == ["fire3", "fire5", "fire7", "fire9"]
    assert around(simple, nn.Conv2d) == [] and around(complex_, nn.Conv2d) == ["fire2", "fire4", "fire6", "fire8"]
    complex_params, params = (mc.summary(network, (3, 64, 64)).trainable_params for network in (complex_, plain))
    assert complex_params - params == (96 + 1) * 128 + (128 + 1) * 256 + (256 + 1) * 384 + (384 + 1) * 512


def test_a_simple_bypass_adds_its_input():
    mc.manual_seed(0)
    fire, x = Fire(6, 2, 3, nn.Identity()), Tensor(np.random.default_rng(0).standard_normal((1, 6, 4, 3)).astype(np.float32))
    y = fire(x).numpy()
    fire.bypass = None
    assert np.allclose(y, fire(x).numpy() + x.numpy(), atol=1e-6)


def test_first_values():
    mc.manual_seed(0)
    network = models.create("squeezenet1_1")
    last, wide = network.head.conv.weight.numpy(), network.body.fire9.expand.three.conv.weight.numpy()
    bound = (3 / (64 * 9)) ** 0.5                                                          # Caffe's xavier looks at fan_in alone
    assert abs(last.std() - 0.01) < 2e-4 and 0.99 * bound < np.abs(wide).max() <= bound
    assert not any(p.numpy().any() for name, p in network.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize("options, text", [
    (dict(version="2"), "squeezenet: got version='2', expected one of '1.0', '1.1'"),
    (dict(bypass="full"), "squeezenet: got bypass='full', expected 'none', 'simple' or 'complex'"),
    (dict(width=0), "squeezenet: width should be a number above 0, got 0"),
])
def test_options_that_make_no_sense_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        models.squeezenet(**options)
