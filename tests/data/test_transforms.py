"""The distortions do what their formulas say, and depend on (seed, epoch, image) alone."""
import math

import numpy as np
import pytest

from minicnn.data import Compose, Distort, Draws, Flip, Normalise, Pad
from minicnn.data.transforms import GRID, bend, resample

RNG = np.random.default_rng(3)
IMAGES = RNG.integers(0, 256, (5, 2, 7, 9), np.uint8)


def spec(images, M, t, e, background=0.0):
    """The formula of `resample` in plain loops."""
    N, C, H, W = images.shape
    y = np.zeros(images.shape)

    def x(n, c, i, j):
        return float(images[n, c, i, j]) if 0 <= i < H and 0 <= j < W else background

    for n in range(N):
        for c in range(C):
            for p in range(H):
                for q in range(W):
                    u, v = p - (H - 1) / 2, q - (W - 1) / 2
                    i = (H - 1) / 2 + M[n, 0, 0] * u + M[n, 0, 1] * v - t[n, 0] + e[n, 0, p, q]
                    j = (W - 1) / 2 + M[n, 1, 0] * u + M[n, 1, 1] * v - t[n, 1] + e[n, 1, p, q]
                    i0, j0 = math.floor(i), math.floor(j)
                    for a in (0, 1):
                        for b in (0, 1):
                            y[n, c, p, q] += (1 - abs(i - i0 - a)) * (1 - abs(j - j0 - b)) * x(n, c, i0 + a, j0 + b)
    return y


@pytest.mark.parametrize("background", [0, 40])
def test_resampling_equals_its_formula_in_loops(background):
    M = (np.eye(2) + RNG.uniform(-0.6, 0.6, (5, 2, 2))).astype(np.float32)
    t = RNG.uniform(-4, 4, (5, 2)).astype(np.float32)
    e = RNG.uniform(-2, 2, (5, 2, 7, 9)).astype(np.float32)
    expected = spec(IMAGES, *(array.astype(np.float64) for array in (M, t, e)), background)
    assert np.abs(resample(IMAGES, M, t, e, background) - expected).max() <= 1e-3         # of 255; coordinates are float32


def test_bending_equals_its_formula_and_moves_all_alike_where_all_arrows_are():
    arrows = RNG.uniform(-1, 1, (2, 2, GRID, GRID)).astype(np.float32)

    def beta(x):
        x = abs(x)
        return 2 / 3 - x ** 2 + x ** 3 / 2 if x < 1 else max(2 - x, 0) ** 3 / 6

    def weight(p, size, a):
        place = p * (GRID - 1) / (size - 1)
        return beta(place - a) / sum(beta(place - b) for b in range(GRID))
    expected = [[[[sum(weight(p, 7, a) * weight(q, 9, b) * arrows[n, k, a, b] for a in range(GRID) for b in range(GRID))
                   for q in range(9)] for p in range(7)] for k in range(2)] for n in range(2)]
    assert np.abs(bend(arrows, 7, 9) - expected).max() < 1e-6
    assert np.abs(bend(np.ones((1, 2, GRID, GRID), np.float32), 32, 28) - 1).max() < 1e-6


def test_without_a_distortion_nothing_changes():
    assert np.array_equal(Distort()(IMAGES, Draws(0, 0, np.arange(5))), IMAGES)


def test_a_shift_moves_down_and_right_and_background_comes_in():
    M, t = np.tile(np.eye(2, dtype=np.float32), (5, 1, 1)), np.tile(np.array([1, 2], np.float32), (5, 1))
    moved = resample(IMAGES, M, t, None, 7)
    assert np.array_equal(moved[:, :, 1:, 2:], IMAGES[:, :, :-1, :-2]) and (moved[:, :, 0] == 7).all() and (moved[:, :, :, :2] == 7).all()


def centre_of_ink(images):
    """(row, column) of the centre of mass, from the centre of the image.  (N, H, W) → (2, N)"""
    grid, mass = np.arange(images.shape[1]) - (images.shape[1] - 1) / 2, images.sum((1, 2))
    return np.stack([images.sum(2) @ grid / mass, images.sum(1) @ grid / mass])


def test_distortions_stay_within_their_range():
    """A blob in the centre moves by at most the shift; one beside it, turned by at most 90°, stays on its circle."""
    image = np.zeros((200, 1, 25, 25), np.uint8)
    image[:, :, 11:14, 11:14] = 255
    offsets = centre_of_ink(Distort(shift=3)(image, Draws(1, 0, np.arange(200)))[:, 0])
    assert 2.8 < np.abs(offsets).max() <= 3.001 and np.abs(offsets.mean(1)).max() < 0.4

    image = np.roll(image, 8, 3)
    down, right = centre_of_ink(Distort(rotate=90)(image, Draws(1, 0, np.arange(200)))[:, 0])
    assert np.abs(np.hypot(down, right) - 8).max() < 0.1 and right.min() > -0.1 and down.min() < -7.5 and down.max() > 7.5


def test_draws_depend_on_seed_epoch_and_image_alone():
    jitter = Distort(2, 15, 0.1, 0.2, 2)
    whole = jitter(IMAGES, Draws(4, 2, np.arange(5)))
    part = jitter(IMAGES[[3, 1]], Draws(4, 2, np.array([3, 1])))
    assert np.array_equal(part, whole[[3, 1]])
    assert not np.array_equal(jitter(IMAGES, Draws(4, 3, np.arange(5))), whole)
    assert not np.array_equal(jitter(IMAGES, Draws(5, 2, np.arange(5))), whole)


def test_the_second_transform_draws_other_numbers_than_the_first():
    draws = Draws(0, 0, np.arange(3))
    first, second = draws.uniform(5), draws.uniform(5)
    assert first.shape == (3, 5) and first.min() >= -1 and first.max() < 1 and not np.intersect1d(first, second).size


def test_pad_and_normalise():
    padded = Pad(12, background=9)(IMAGES)
    assert padded.shape == (5, 2, 12, 12) and np.array_equal(padded[:, :, 2:9, 1:10], IMAGES) and padded[0, 0, 0, 0] == 9
    scaled = Normalise((0.5, 0.25), (0.5, 2.0))(IMAGES)
    assert scaled.dtype == np.float32
    for channel, mean, std in ((0, 0.5, 0.5), (1, 0.25, 2.0)):
        assert np.abs(scaled[:, channel] - (IMAGES[:, channel] / 255 - mean) / std).max() < 1e-6
    with pytest.raises(ValueError, match=r"Pad: images of 7×9 pixels do not fit into 8×8; resize them first"):
        Pad(8)(IMAGES)
    with pytest.raises(ValueError, match=r"Normalise: 3 means for images of 2 channels"):
        Normalise((0, 0, 0), (1, 1, 1))(IMAGES)


def test_flip_mirrors_about_half():
    images = np.broadcast_to(np.arange(4, dtype=np.uint8), (400, 1, 3, 4))
    flipped = Flip()(images, Draws(0, 0, np.arange(400)))
    mirrored = (flipped[:, 0, 0, 0] == 3)
    assert 150 < mirrored.sum() < 250 and np.array_equal(flipped[mirrored], images[mirrored][..., ::-1])


def test_compose_runs_in_order():
    assert Compose([Pad(11), Normalise()])(IMAGES, Draws(0, 0, np.arange(5))).shape == (5, 2, 11, 11)
