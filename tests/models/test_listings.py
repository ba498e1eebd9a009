"""The copied listings: layers counted row by row, and each slip in its place."""
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor, models, nn
from minicnn.models import d2l_listings as d2l
from minicnn.models import keras_listings as keras
from minicnn.models import keras_listings_deep as deep
from minicnn.models.blocks import kaiming, start
from minicnn.models.rounding import scaled_by


def lively(model):
    """Started so that signals neither fade nor are 0 where all maps are: a kink there says nothing of a gradient."""
    start(model, conv=kaiming, linear=kaiming)
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.bias is not None:
            nn.init.normal_(layer.bias, std=0.1)
    return model


def narrow(name, **options):
    return lively(models.create(name, num_classes=5, **options))


def keras_inception():
    stem, head = deep.conv_relu_bn(3, 4, 7, 2), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 5, 1), nn.Flatten())
    return lively(models.Network(stem, {"pool": nn.MaxPool2d(3, 2, "same"), "inception": deep.inception(4, 2)}, head, (3, 224, 224)))


def d2l_inception():
    stem, head = nn.Sequential(*d2l.conv_relu(4, 7, 2, 3)), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(5))
    return lively(d2l.assemble(stem, {"b3": d2l.inception(scaled_by(0.1, "d2l"), *d2l.INCEPTIONS["b3"][0])}, head, in_channels=1))


SHORT = {"stem": ((400, 7, 2, "valid"), keras.POOL), "conv2": ((600, 5, 2, "same"), keras.POOL), "conv3": ((600, (3, 2), 1, "same"),)}
REDUCED = {
    "keras_listings": lambda: (lively(keras.sequential(SHORT, (3, 75, 61), (3, 2), 2, 5, scaled_by(0.01, "short"), 0.5)), (3, 75, 61)),
    "keras_listings_deep": lambda: (narrow("resnet50_seed_keras", width=0.05, blocks=(2, 1)), (3, 33, 43)),
    "keras_listings_deep:googlenet": lambda: (keras_inception(), (3, 20, 17)),
    "keras_listings_deep:densenet": lambda: (narrow("densenet121_seed_keras", growth=2, blocks=(2, 1), compression=0.5), (3, 33, 43)),
    "d2l_listings": lambda: (narrow("alexnet_d2l", width=0.02), (1, 75, 91)),
    "d2l_listings:vgg": lambda: (narrow("vgg11_d2l", arch=((1, 2), (2, 4)), width=0.01), (1, 9, 12)),
    "d2l_listings:nin": lambda: (narrow("nin_d2l", width=0.03), (1, 75, 91)),
    "d2l_listings:googlenet": lambda: (d2l_inception(), (1, 12, 17)),
}
PLAIN = ["alexnet_seed_keras", "zfnet_seed_keras", "vgg16_seed_keras"]
KERAS = [*PLAIN, "googlenet_seed_keras", "resnet50_seed_keras", "densenet121_seed_keras"]


def layers(name, **options):
    """(shape, parameters, multiply-adds) of every convolution and linear layer, in the order of the calls."""
    table = mc.summary(models.create(name, **options), models.info(name).input_shape)
    return table, [(row.output_shape, row.params, row.macs) for row in table.rows if row.type in ("Conv2d", "Linear")]


def test_resnet50_row_by_row():
    """Parameters and multiply-adds as Keras counts them for the listing: 16 times three, 4 projections, the first and the last layer."""
    def row(maps, plane, params, macs):
        return (maps, plane, plane), params, macs
    expected = [row(64, 112, 9_472, 118_013_952)]
    for c, plane, blocks, first, projection in ((64, 56, 3, (4_160, 12_845_056), (147_712, 462_422_016)),
                                                (128, 28, 4, (32_896, 25_690_112), (1_180_160, 924_844_032)),
                                                (256, 14, 6, (131_328, 25_690_112), (4_719_616, 924_844_032)),
                                                (512, 7, 3, (524_800, 25_690_112), (18_876_416, 924_844_032))):
        for i in range(blocks):
            reduce = first if i == 0 else (4 * c * c + c, 51_380_224)
            expected += [row(c, plane, *reduce), row(c, plane, 9 * c * c + c, 115_605_504)]
            expected += [row(4 * c, plane, 4 * c * c + 4 * c, 51_380_224), *([row(4 * c, plane, *projection)] if i == 0 else [])]
    expected.append(((1000,), 2_049_000, 2_048_000))
    table, found = layers("resnet50_seed_keras")
    assert found == expected and len(found) == 54
    norms = [row.params for row in table.rows if row.type == "BatchNorm2d"]
    assert len(norms) == 53 and sum(norms) == 53_120 == 47_787_880 - 47_734_760            # as many as running statistics
    assert (table.params, table.macs) == (47_734_760, 6_735_265_792)


@pytest.mark.parametrize("compression, params, macs, surplus, blocks, last", [
    # layers, plane, the first 1×1, the last one, a 3×3, the transition: (parameters, multiply-adds) as Keras counts them for the listing
    (1.0, 14_045_224, 3_917_253_632, 136_640, (
        (6, 56, (8_192, 25_690_112), (28_672, 89_915_392), (36_864, 115_605_504), (65_536, 205_520_896)),
        (12, 28, (32_768, 25_690_112), (77_824, 61_014_016), (36_864, 28_901_376), (409_600, 321_126_400)),
        (24, 14, (81_920, 16_056_320), (176_128, 34_521_088), (36_864, 7_225_344), (1_982_464, 388_562_944)),
        (16, 7, (180_224, 8_830_976), (241_664, 11_841_536), (36_864, 1_806_336), None)), (1_921_000, 1_920_000)),
    (0.5, 8_062_504, 2_834_161_664, 83_648, (
        (6, 56, (8_192, 25_690_112), (28_672, 89_915_392), (36_864, 115_605_504), (32_768, 102_760_448)),
        (12, 28, (16_384, 12_845_056), (61_440, 48_168_960), (36_864, 28_901_376), (131_072, 102_760_448)),
        (24, 14, (32_768, 6_422_528), (126_976, 24_887_296), (36_864, 7_225_344), (524_288, 102_760_448)),
        (16, 7, (65_536, 3_211_264), (126_976, 6_221_824), (36_864, 1_806_336), None)), (1_025_000, 1_024_000)),
], ids=["as it stands", "compressed"])
def test_densenet121_row_by_row(compression, params, macs, surplus, blocks, last):
    table, found = layers("densenet121_seed_keras", compression=compression)
    expected = [((64, 112, 112), 9_408, 118_013_952)]
    for depth, plane, first_1x1, last_1x1, any_3x3, transition in blocks:
        for i in range(depth):                                         # each 1×1 sees 32 channels more: evenly from the first to the last
            reduce = [first + i * (end - first) // (depth - 1) for first, end in zip(first_1x1, last_1x1)]
            expected += [((128, plane, plane), *reduce), ((32, plane, plane), *any_3x3)]
        if transition:
            expected.append(((round((transition[0] * compression) ** 0.5), plane, plane), *transition))
    assert found == [*expected, ((1000,), *last)] and len(found) == 121
    scales = [row.params for row in table.rows if row.type == "Scale"]
    assert scales == [row.params for row in table.rows if row.type == "BatchNorm2d"] and sum(scales) == surplus
    assert (table.params, table.macs) == (params, macs)


def test_googlenet_has_no_5x5_and_one_layer_too_many():
    model = models.create("googlenet_seed_keras")
    kernels = {m.kernel_size for m in model.body.modules() if isinstance(m, nn.Conv2d)}
    assert kernels == {(1, 1), (3, 3)} and not any(isinstance(m, nn.LocalResponseNorm) for m in model.modules())
    widths = {b.get_submodule("1.conv").out_channels for b in (model.body.inception_4d.branch3x3, model.body.inception_4d.branch5x5)}
    assert widths == {132} and model.head.fc1.weight.shape == (1000, 1024, 1, 1) and model.head.fc2.weight.shape == (1000, 1000, 1, 1)


def test_the_norm_comes_after_the_relu_and_the_sum_stays_bare():
    mc.manual_seed(0)
    layer = deep.conv_relu_bn(3, 4, 3)
    x = Tensor(np.random.default_rng(0).standard_normal((2, 3, 7, 6)).astype(np.float32))
    expected = F.batch_norm(F.relu(layer.conv(x)), Tensor(np.zeros(4, np.float32)), Tensor(np.ones(4, np.float32)), eps=1e-3)
    assert np.array_equal(layer.eval()(x).numpy(), expected.numpy())
    block = deep.Bottleneck(8, 2, 1, projection=False).eval()
    x = Tensor(np.random.default_rng(1).standard_normal((2, 8, 5, 6)).astype(np.float32))
    residual = block.residual(x).numpy()
    assert residual.min() >= 0 and np.array_equal(block(x).numpy(), residual + x.numpy()) and block(x).numpy().min() < 0


def test_same_padding_puts_the_odd_pixel_after():
    """A 3×3 at stride 2 on an even plane is centred on the pixels 1, 3, 5 …, not on 0, 2, 4 … as with padding 1."""
    projection = models.create("resnet50_seed_keras", width=0.1, blocks=(1, 1)).body.stage2[0].shortcut.conv
    x = np.random.default_rng(0).standard_normal((1, projection.in_channels, 6, 8)).astype(np.float32)
    padded = np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)))
    expected = F.conv2d(Tensor(padded), projection.weight, projection.bias, stride=2).numpy()
    assert np.array_equal(projection(Tensor(x)).numpy(), expected) and expected.shape[2:] == (3, 4)
    first = models.create("googlenet_seed_keras", width=0.1).stem.conv1.conv                    # 224 + 2 + 3 for 7×7 at stride 2
    x = np.random.default_rng(0).standard_normal((1, 3, 10, 12)).astype(np.float32)
    expected = F.conv2d(Tensor(np.pad(x, ((0, 0), (0, 0), (2, 3), (2, 3)))), first.weight, first.bias, stride=2).numpy()
    assert np.array_equal(first(Tensor(x)).numpy(), expected)


def test_the_kernel_of_3x2():
    kernels = [m.kernel_size for m in models.create("vgg16_seed_keras").modules() if isinstance(m, nn.Conv2d)]
    assert kernels.count((3, 2)) == 1 and kernels[2] == (3, 2) and len(kernels) == 13
    assert 138_357_544 - models.info("vgg16_seed_keras").params == 64 * 128 * 3                # a column of the weights


def test_a_dense_layer_keeps_what_it_was_given():
    layer = deep.DenseLayer(6, 2, dropout=0.0).eval()
    x = Tensor(np.random.default_rng(0).standard_normal((2, 6, 5, 4)).astype(np.float32))
    y = layer(x).numpy()
    assert y.shape == (2, 8, 5, 4) and np.array_equal(y[:, :6], x.numpy())
    assert sum(isinstance(m, nn.Dropout) for m in deep.DenseLayer(6, 2, dropout=0.2).modules()) == 2


@pytest.mark.parametrize("name", KERAS)
def test_first_values_of_keras(name):
    mc.manual_seed(0)
    model = models.create(name, **({"growth": 8} if name.startswith("densenet") else {"width": 0.25}))
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.weight.numel() < 200_000:
            bound = 0.05 if name in PLAIN and isinstance(layer, nn.Conv2d) else (6 / sum(nn.init.fans(layer.weight))) ** 0.5
            largest, number = np.abs(layer.weight.data).max(), layer.weight.numel()
            assert (1 - 12 / number) * bound < largest <= bound * (1 + 1e-6)
            assert layer.bias is None or not layer.bias.data.any()
        if isinstance(layer, nn.BatchNorm2d):
            assert (layer.eps, layer.momentum) == (1.1e-5 if name.startswith("densenet") else 1e-3, 0.01)


@pytest.mark.parametrize("name", ["alexnet_d2l", "vgg11_d2l", "nin_d2l", "googlenet_d2l"])
def test_first_values_of_d2l(name):
    mc.manual_seed(0)
    model = models.create(name, width=0.1)
    assert not any(p.drawn for p in model.parameters()) and model.training
    for layer in model.modules():
        assert not type(layer).__name__.startswith("Lazy")
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            fan_in, fan_out = nn.init.fans(layer.weight)
            assert abs(layer.weight.data.std() / (2 / (fan_in + fan_out)) ** 0.5 - 1) < 4 / layer.weight.numel() ** 0.5
            assert 0 < np.abs(layer.bias.data).max() <= fan_in ** -0.5 * (1 + 1e-6)


def test_blocks_of_vgg_and_nin_have_what_the_text_lost():
    block = models.create("vgg11_d2l").body.block3
    assert [type(layer).__name__ for layer in block] == ["Conv2d", "ReLU", "Conv2d", "ReLU", "MaxPool2d"]
    head = models.create("nin_d2l").head
    assert type(head[0]) is nn.Dropout and head[0].p == 0.5 and type(head[-1]) is nn.Flatten
    assert sum(isinstance(m, nn.ReLU) for m in head.modules()) == 3                            # also after the maps of the classes


def test_vgg_by_its_blocks():
    small = models.create("vgg11_d2l", arch=((1, 16), (1, 32), (2, 64), (2, 128), (2, 128)))      # D2L trains this one
    assert [type(m).__name__ for m in small.modules()].count("Conv2d") == 8 and small.body.block5[0].out_channels == 128
    assert models.create("vgg11_d2l", arch=((1, 8),), width=0.1)(mc.meta(2, 1, 40, 30)).shape == (2, 10) and len(d2l.ARCH) == 5


@pytest.mark.parametrize("call, text", [
    (lambda: models.create("densenet121_seed_keras", compression=0), "compression should be above 0 and at most 1, got 0; 1.0 is"),
    (lambda: models.create("vgg16_seed_keras", width=-1), "vgg16_seed_keras: width should be a number above 0, got -1; 1.0 is"),
    (lambda: models.create("vgg11_d2l", arch=(1, 64)), "arch should be at least one row (convolutions, maps), of whole numbers"),
    (lambda: models.create("vgg16_seed_keras", dropout=2), "p is a probability, from 0 to 1, got 2"),
    (lambda: models.create("resnet50_seed_keras")(mc.meta(1, 1, 224, 224)), "build the model with in_channels=1"),
])
def test_what_makes_no_sense(call, text):
    with pytest.raises(ValueError) as caught:
        call()
    assert text in str(caught.value)


@pytest.mark.parametrize("name", [*KERAS, "alexnet_d2l", "vgg11_d2l", "nin_d2l", "googlenet_d2l"])
def test_other_sizes_get_in(name):
    C = models.info(name).input_shape[0]
    assert models.create(name)(mc.meta(2, C, 160, 250)).shape == (2, 10 if name.endswith("d2l") else 1000)
