"""ViT and Swin: attention by plain loops, what order and distance mean, windows, their shift and its mask, first values, options."""
from math import exp, sqrt

import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, models
from minicnn.models.swin import Merging, WindowAttention, join, partition, relative_position, roll, shift_mask
from minicnn.models.vit import Attention


def with_head(network):
    """ViT's head starts at 0, which stops every gradient: here it does not."""
    mc.nn.init.normal_(network.head.fc.weight, std=0.5)
    return network


REDUCED = {
    "vit": lambda: (with_head(models.vit(channels=12, depth=2, heads=3, patch=4, image=(12, 16), num_classes=5, dropout=0.0)), (3, 12, 16)),
    # planes of 9×11, 5×6 and 3×3: filled up, shifted, and one window alone
    "swin": lambda: (models.swin(blocks=(2, 2, 1), heads=(1, 2, 4), channels=4, window=3, num_classes=5, drop_path=0.0), (3, 36, 44)),
}


def random(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def attend(words, layer, heads, added=lambda head, i, j: 0.0):
    """Attention among a list of words (L, D) with the weights of a layer, one sum at a time."""
    L, D = words.shape
    d = D // heads
    W, b = layer.qkv.weight.numpy(), layer.qkv.bias.numpy()
    q, k, v = (words @ W[m * D:(m + 1) * D].T + b[m * D:(m + 1) * D] for m in range(3))
    y = np.zeros((L, D))
    for head in range(heads):
        own = slice(head * d, (head + 1) * d)
        for i in range(L):
            weights = [exp(sum(q[i, own] * k[j, own]) / sqrt(d) + added(head, i, j)) for j in range(L)]
            for j in range(L):
                y[i, own] += weights[j] / sum(weights) * v[j, own]
    return y @ layer.mix.weight.numpy().T + layer.mix.bias.numpy()


# --- ViT ---

def test_attention_is_the_formula():
    mc.manual_seed(0)
    layer = Attention(6, 3).double()
    x = random(2, 5, 6)
    found = layer(Tensor(x)).numpy()
    for n in range(2):
        assert np.abs(found[n] - attend(x[n], layer, 3)).max() < 1e-12


def small_vit(**options):
    mc.manual_seed(0)
    return with_head(models.vit(channels=12, depth=2, heads=3, patch=4, image=(8, 12), num_classes=5, **options)).double().eval()


def test_patches_are_one_linear_map_row_by_row():
    network, x = small_vit(), random(1, 3, 8, 12)
    patches = network.stem.patches
    found = patches(Tensor(x)).numpy()
    assert found.shape == (1, 6, 12)
    W = patches.conv.weight.numpy().reshape(12, -1)
    for place in range(6):
        row, column = divmod(place, 3)
        pixels = x[0, :, 4 * row:4 * row + 4, 4 * column:4 * column + 4].reshape(-1)
        assert np.abs(found[0, place] - W @ pixels).max() < 1e-12


def test_order_is_seen_in_the_positions_alone():
    network, x = small_vit(), random(1, 3, 8, 12)
    turned = np.concatenate([x[..., 4:8], x[..., 8:12], x[..., 0:4]], -1)              # the three columns of patches in another order
    assert np.abs(network(Tensor(turned)).numpy() - network(Tensor(x)).numpy()).max() > 1e-4
    mc.nn.init.zeros_(network.stem.position)
    assert np.abs(network(Tensor(turned)).numpy() - network(Tensor(x)).numpy()).max() < 1e-12


def test_the_class_token_alone_is_classified():
    network = small_vit()
    last = network.body(network.stem(Tensor(random(2, 3, 8, 12))))
    changed = last.numpy().copy()
    changed[:, 1:] = 0
    assert np.array_equal(network.head(Tensor(changed)).numpy(), network.head(last).numpy())


def test_first_values_of_vit():
    mc.manual_seed(0)
    network = models.vit(channels=192, depth=1, heads=3)
    block, bound = network.body.block1, sqrt(6 / (192 + 192))
    for m in range(3):                                                                  # each of the three maps is a matrix of its own
        largest = np.abs(block.attention.qkv.weight.numpy()[192 * m:192 * (m + 1)]).max()
        assert 0.99 * bound < largest <= bound
    assert 0.99 < np.abs(block.layers.expand.weight.numpy()).max() / sqrt(6 / (192 + 768)) <= 1
    assert abs(block.layers.expand.bias.numpy().std() / 1e-6 - 1) < 0.1 and not block.attention.qkv.bias.numpy().any()
    assert abs(network.stem.patches.conv.weight.numpy().std() * sqrt(3 * 16 * 16) - 1) < 0.05
    assert abs(network.stem.position.numpy().std() / 0.02 - 1) < 0.05 and not network.stem.class_token.numpy().any()
    assert not network.head.fc.weight.numpy().any() and network.head.norm.eps == 1e-6


def test_dropout_stands_where_the_paper_puts_it():
    network = models.vit(channels=12, depth=2, heads=3, dropout=0.25)
    assert [layer.p for layer in network.modules() if isinstance(layer, mc.nn.Dropout)] == [0.25] * (1 + 3 * 2)
    assert not any(isinstance(layer, mc.nn.Dropout) for layer in network.body.block1.attention.modules())


def test_vit_takes_one_size():
    network = models.vit(channels=12, depth=1, heads=2, patch=8, image=(16, 40), in_channels=1, num_classes=3)
    assert network(mc.meta(2, 1, 16, 40)).shape == (2, 3)
    with pytest.raises(ValueError, match=r"vit_b16: expected images of 3×224×224, .* resize them"):
        models.create("vit_b16")(mc.meta(1, 3, 256, 256))
    with pytest.raises(ValueError, match=r"vit: an image of 225×224 pixels cannot be cut into patches of 16×16; give image="):
        models.vit(image=(225, 224))
    with pytest.raises(ValueError, match=r"vit: expected channels that divide into heads, got channels=768, heads=5"):
        models.vit(heads=5)


# --- Swin ---

def test_windows_are_cut_and_joined():
    x = random(2, 6, 9, 2)
    windows = partition(Tensor(x), 3)
    assert windows.shape == (2, 6, 9, 2)
    assert np.array_equal(windows.numpy()[1, 4], x[1, 3:6, 3:6].reshape(9, 2))          # the second row of windows, its second
    assert np.array_equal(join(windows, 3, 6, 9).numpy(), x)


@pytest.mark.parametrize("rows, columns", [(0, 0), (2, 0), (0, 1), (2, 3), (-2, -3)])
def test_roll(rows, columns):
    x = random(2, 5, 6, 1)
    assert np.array_equal(roll(Tensor(x), rows, columns).numpy(), np.roll(x, (-rows, -columns), (1, 2)))


def test_relative_position_is_one_number_a_distance():
    M = 4
    index = relative_position(M)
    numbers = {}
    for i in range(M * M):
        for j in range(M * M):
            distance = (i // M - j // M, i % M - j % M)
            assert numbers.setdefault(distance, index[i, j]) == index[i, j]
    assert len(numbers) == len(set(numbers.values())) == (2 * M - 1) ** 2
    assert sorted(numbers.values()) == list(range((2 * M - 1) ** 2))


def shifted_window(position, M, shift):
    """The number of the window, of those that begin shift further on, in which a row or a column lies; the first is cut off at the edge."""
    return (position - shift) // M


@pytest.mark.parametrize("H, W, M, rows, columns", [(8, 12, 4, 2, 2), (6, 6, 3, 1, 1), (9, 3, 3, 1, 0), (7, 14, 7, 0, 3)])
def test_the_mask_forbids_attention_between_pixels_that_are_not_in_one_shifted_window(H, W, M, rows, columns):
    mask = shift_mask(H, W, M, rows, columns)
    places = np.stack(np.meshgrid(np.arange(H), np.arange(W), indexing="ij"), -1)[None]
    places = partition(roll(Tensor(places), rows, columns), M).numpy()[0]               # where the pixels of each window came from
    assert mask.shape == (len(places), 1, M * M, M * M) and set(np.unique(mask)) <= {0.0, -100.0}
    for window, pixels in enumerate(places):
        for i, (h, w) in enumerate(pixels):
            for j, (h2, w2) in enumerate(pixels):
                together = shifted_window(h, M, rows) == shifted_window(h2, M, rows) \
                    and shifted_window(w, M, columns) == shifted_window(w2, M, columns)
                assert (mask[window, 0, i, j] == 0) == together
    assert (mask == 0).all() == (rows == columns == 0)


@pytest.mark.parametrize("H, W, M, shift", [(4, 6, 2, 0), (6, 9, 3, 1), (4, 8, 4, 2)])
def test_shifted_attention_is_attention_in_each_shifted_window(H, W, M, shift):
    """By loops on the plane as it lies: no roll, no mask, windows cut off at the edges; a plane of one window's height is not shifted."""
    mc.manual_seed(0)
    layer = WindowAttention(4, 2, M, shift).double()
    x = random(1, H, W, 4)
    found, bias = layer(Tensor(x)).numpy(), layer.bias.numpy()
    down, right = shift if H > M else 0, shift if W > M else 0
    together = {}
    for h in range(H):
        for w in range(W):
            together.setdefault((shifted_window(h, M, down), shifted_window(w, M, right)), []).append((h, w))
    assert len(together) == (H // M + (down > 0)) * (W // M + (right > 0))
    for places in together.values():
        def added(head, i, j, places=places):
            (h, w), (h2, w2) = places[i], places[j]
            return bias[(h - h2 + M - 1) * (2 * M - 1) + w - w2 + M - 1, head]
        expected = attend(np.stack([x[0, h, w] for h, w in places]), layer, 2, added)
        assert np.abs(np.stack([found[0, h, w] for h, w in places]) - expected).max() < 1e-12


def test_planes_that_windows_do_not_fill_get_zeros():
    mc.manual_seed(0)
    layer = WindowAttention(4, 2, 3, 1).double()
    x = random(2, 5, 7, 4)
    filled = np.zeros((2, 6, 9, 4))
    filled[:, :5, :7] = x
    assert np.array_equal(layer(Tensor(x)).numpy(), layer(Tensor(filled)).numpy()[:, :5, :7])


def test_merging_takes_four_neighbours():
    mc.manual_seed(0)
    merging = Merging(3).double()
    x = random(1, 3, 4, 3)
    filled = np.concatenate([x, np.zeros((1, 1, 4, 3))], 1)
    found = merging(Tensor(x)).numpy()
    assert found.shape == (1, 2, 2, 6)
    for h, w in ((0, 0), (0, 1), (1, 1)):
        four = np.concatenate([filled[0, 2 * h + a, 2 * w + b] for b in (0, 1) for a in (0, 1)])
        four = (four - four.mean()) / np.sqrt(four.var() + 1e-5)
        assert np.abs(found[0, h, w] - merging.reduce.weight.numpy() @ four).max() < 1e-12


def test_every_second_block_is_shifted():
    network = models.create("swin_t")
    layers = [layer for layer in network.modules() if isinstance(layer, WindowAttention)]
    assert [layer.shift for layer in layers] == [0, 3] * 6 and {layer.window for layer in layers} == {7}
    rates = [layer.p for layer in network.modules() if isinstance(layer, mc.nn.DropPath)]
    assert np.allclose(rates, np.linspace(0, 0.2, 12))


def test_first_values_of_swin():
    mc.manual_seed(0)
    block = models.create("swin_t").body.stage2.block1
    for weight in (block.attention.qkv.weight, block.layers.reduce.weight, block.attention.bias):
        assert abs(weight.numpy().std() / 0.02 - 1) < 0.07
    assert not block.attention.mix.bias.numpy().any() and not block.layers.expand.bias.numpy().any()


def test_swin_takes_any_size():
    options = dict(blocks=(2, 2), heads=(1, 2), channels=4, window=3, num_classes=3)
    for H, W in ((4, 4), (33, 47), (24, 48)):
        assert models.swin(**options, in_channels=1)(mc.meta(2, 1, H, W)).shape == (2, 3)
    with pytest.raises(ValueError, match="the smallest that fit are 3×4×4"):
        models.create("swin_t")(mc.meta(1, 3, 3, 9))


@pytest.mark.parametrize("option, text", [
    (dict(heads=(3, 6)), "expected heads for each stage"), (dict(blocks=(2, 0, 6, 2)), "blocks should be whole numbers of at least 1"),
    (dict(channels=95), "share its channels .* evenly, got .* channels=95"), (dict(window=1), "expected window of at least 2"),
    (dict(patch=0), "patch of at least 1, .* got window=7 and patch=0")])
def test_options_that_swin_refuses(option, text):
    with pytest.raises(ValueError, match=f"swin: .*{text}"):
        models.swin(**option)
