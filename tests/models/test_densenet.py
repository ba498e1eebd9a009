"""Densely connected networks: who reads whom, and the form that spares memory."""
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models, nn
from minicnn.kernels import memory
from minicnn.models.densenet import DenseBlock

REDUCED = {
    "densenet": lambda: (models.densenet(num_classes=5, growth=4, blocks=(2, 2)), (3, 33, 35)),
    "densenet:plain": lambda: (models.densenet(num_classes=5, growth=3, blocks=(2, 2), bottleneck=False, compression=1.0, first=4,
                                               small_images=True, memory_sparing=True), (3, 11, 9)),
}

DEPTHS = {"densenet121": 121, "densenet169": 169, "densenet201": 201, "densenet161": 161, "densenet264": 265,
          "densenet_bc_100_12": 100, "densenet_40_12": 40}


@pytest.mark.parametrize("name", DEPTHS)
def test_the_number_in_the_name_counts_the_layers_with_weights(name):
    """But for DenseNet-264, whose blocks in table 1 make 265."""
    layers = [m for m in models.create(name).modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(layers) == DEPTHS[name]


def test_each_layer_reads_the_block_s_input_and_all_layers_before_it():
    """L·(L + 1)/2 connections, and the same maps stand in the output, in their order."""
    mc.manual_seed(0)
    block, read = DenseBlock(6, 4, 3, True, 0.0, False), []
    for layer in block:
        layer.register_forward_pre_hook(lambda layer, maps: read.append(maps))
    x = Tensor(np.random.default_rng(0).standard_normal((2, 6, 5, 4)).astype(np.float32))
    y = block(x)
    assert y.shape == (2, 6 + 4 * 3, 5, 4)
    assert [[m.shape[1] for m in maps] for maps in read] == [[6], [6, 3], [6, 3, 3], [6, 3, 3, 3]]
    for maps in read:
        together = np.concatenate([m.numpy() for m in maps], 1)
        assert np.array_equal(together, y.numpy()[:, :together.shape[1]])


def test_a_layer_is_the_paper_s_chain():
    """BN, ReLU, 1×1 to 4k, BN, ReLU, 3×3 to k; without a bottleneck BN, ReLU, 3×3."""
    def chain(layer):
        return [(type(m).__name__, *(m.weight.shape if isinstance(m, nn.Conv2d) else ())) for m in layer.modules() if not m._modules]
    bottleneck, plain = (DenseBlock(10, 1, 3, b, 0.0, False)[0] for b in (True, False))
    first = [("BatchNorm2d",), ("ReLU",)]
    assert chain(bottleneck) == [*first, ("Conv2d", 12, 10, 1, 1), *first, ("Conv2d", 3, 12, 3, 3)]
    assert chain(plain) == [*first, ("Conv2d", 3, 10, 3, 3), ("Identity",)]


def test_a_transition_keeps_the_floor_of_its_share():
    network = models.densenet(growth=5, blocks=(1, 1), first=8, compression=0.7, small_images=True)
    assert network.body.transition1.reduce.conv.weight.shape == (9, 13, 1, 1)            # ⌊0.7 · 13⌋ = ⌊9.1⌋


def test_dropout_follows_every_convolution_but_the_first():
    network = models.create("densenet_bc_100_12", dropout=0.2)
    kinds = [type(m) for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Dropout))]
    assert kinds == [nn.Conv2d] + [nn.Conv2d, nn.Dropout] * 98
    assert not any(isinstance(m, nn.Dropout) for m in models.create("densenet_bc_100_12").modules())


def test_first_values():
    mc.manual_seed(0)
    network = models.create("densenet_bc_100_12")
    weight = network.body.block3.layer1.second.conv.weight.numpy()                        # (12, 48, 3, 3), fan_out 108
    assert abs(weight.std() - (2 / 108) ** 0.5) < 0.05 * (2 / 108) ** 0.5 and abs(weight.mean()) < 0.01
    assert not network.head.fc.bias.numpy().any() and (network.head.norm.weight.numpy() == 1).all()


@pytest.mark.parametrize("options, text", [
    (dict(blocks=()), r"densenet: blocks should be whole numbers of at least 1, one a stage, got \(\)"),
    (dict(blocks=(2, 0)), r"blocks should be .* got \(2, 0\)"),
    (dict(growth=0), "growth should be a whole number of at least 1, got 0"),
    (dict(compression=0), "got compression=0, expected a share above 0 and at most 1"),
    (dict(compression=1.5), "got compression=1.5"),
])
def test_options_that_make_no_sense_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        models.densenet(**options)


# --- memory-sparing: the same bits in less memory ---

def train(layers, sparing, bottleneck=True, dropout=0.0, steps=1):
    """(bits of the loss, gradients and statistics; bytes kept for the backward; bytes at the peak) of one block of so many layers"""
    mc.manual_seed(0)
    network = models.densenet(num_classes=5, growth=8, blocks=(layers,), small_images=True, bottleneck=bottleneck, dropout=dropout,
                              memory_sparing=sparing)
    x = Tensor(np.random.default_rng(0).standard_normal((2, 3, 16, 14)).astype(np.float32))
    drawn = [p.data for p in network.parameters()]                                         # before anything is counted
    assert drawn
    before, bits = memory.statistics()["live"], []
    memory.reset_peak()
    kept = 0
    for _ in range(steps):
        loss = F.cross_entropy(network(x), Tensor(np.array([1, 2])))
        kept = memory.statistics()["live"] - before
        loss.backward()
        bits.append(loss.numpy().tobytes())
    peak = memory.statistics()["peak"] - before
    bits += [p.grad.numpy().tobytes() for p in network.parameters()] + [b.numpy().tobytes() for b in network.buffers()]
    return bits, kept, peak


@pytest.mark.parametrize("backend", ["reference", "numba"])
@pytest.mark.parametrize("bottleneck", [True, False], ids=["bottleneck", "plain"])
def test_memory_sparing_gives_the_same_bits(backend, bottleneck):
    """Loss, gradients and running statistics, after two passes, with dropout."""
    with mc.use_backend(backend):
        assert train(3, True, bottleneck, 0.2, steps=2)[0] == train(3, False, bottleneck, 0.2, steps=2)[0]


def test_memory_sparing_peaks_lower_and_grows_with_depth_not_with_its_square():
    """Twice as many layers keep almost four times as much without it, about twice as much with it (Pleiss et al., section 3)."""
    plain, sparing = ({layers: train(layers, kind)[1:] for layers in (12, 24)} for kind in (False, True))
    assert sparing[24][1] < plain[24][1] / 4
    assert plain[24][0] > 3 * plain[12][0] and sparing[24][0] < 2.1 * sparing[12][0]


def test_memory_sparing_peaks_lower_with_compiled_kernels():
    with mc.use_backend("numba"):
        assert train(12, True)[2] < 0.6 * train(12, False)[2]


def test_memory_sparing_has_the_same_parameters_and_needs_no_gradients():
    plain, sparing = (models.create("densenet_40_12", memory_sparing=kind) for kind in (False, True))
    assert {k: v.shape for k, v in plain.state_dict().items()} == {k: v.shape for k, v in sparing.state_dict().items()}
    assert mc.summary(sparing, (3, 32, 32)).macs == models.info("densenet_40_12").macs
    with mc.no_grad():
        assert sparing.eval()(mc.meta(2, 3, 40, 32)).shape == (2, 10)
