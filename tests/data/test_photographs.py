"""Transforms of photographs against their formulas, and against Pillow where it does the same."""
import numpy as np
import pytest
from PIL import Image

from minicnn.data import Colour, Crop, Draws, Fit, Lighting, Resize
from minicnn.data.photographs import AXES, SPREAD, weights

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 3, 12, 15), np.uint8)
DRAWS = Draws(3, 0, np.arange(40))


@pytest.mark.parametrize("size", [5, 12, 31])
def test_resizing_is_pillows(size):
    found = Resize(size)(IMAGES[:4])
    for image, y in zip(IMAGES[:4], found):
        expected = [np.asarray(Image.fromarray(c.astype(np.float32)).resize((size, size), Image.Resampling.BILINEAR)) for c in image]
        assert np.abs(y - np.stack(expected)).max() < 0.01
    assert np.allclose(weights(7, 3).sum(1), 1)


def test_fit_gives_a_margin_or_resizes():
    digits = RNG.integers(0, 256, (2, 1, 28, 28), np.uint8)
    assert np.array_equal(Fit(32)(digits)[:, :, 2:-2, 2:-2], digits) and Fit(32)(digits).shape == (2, 1, 32, 32)
    assert np.allclose(Fit(64)(digits), Resize(64)(digits)) and np.allclose(Fit(14)(digits), Resize(14)(digits))
    assert Fit(64)(IMAGES).shape == (40, 3, 64, 64)


def test_a_crop_is_a_part_of_the_image():
    """On an image that is its own row number, a crop shows which rows it took."""
    rows = np.broadcast_to(np.arange(12.0, dtype=np.float32)[:, None], (200, 1, 12, 15)).copy()
    y = Crop(0.25)(rows, Draws(0, 0, np.arange(200)))[:, 0, :, 0]
    heights = (y[:, -1] - y[:, 0]) / 11
    assert y.min() > -1e-3 and y.max() < 11.001 and heights.min() > 0.4 and heights.max() <= 1.0001
    assert heights.std() > 0.1 and (y[:, 0] + y[:, -1]).std() > 1                          # sizes and places differ
    assert np.allclose(Crop(1.0)(IMAGES, DRAWS).mean((2, 3)), IMAGES.mean((2, 3)), rtol=0.2)
    columns = np.broadcast_to(np.arange(15.0, dtype=np.float32), (200, 1, 12, 15)).copy()
    z = Crop(0.25)(columns, Draws(0, 0, np.arange(200)))[:, 0, 0]
    widths = (z[:, -1] - z[:, 0]) / 14
    inside = (heights < 0.999) & (widths < 0.999)
    shape, area = (widths / heights)[inside], (widths * heights)[inside]
    assert 0.74 < shape.min() < 0.85 and 1.2 < shape.max() < 1.34 and 0.25 <= area.min() + 1e-3 and inside.sum() > 100


def test_colours_change_and_stay_in_range():
    y = Colour(0.4)(IMAGES, DRAWS)
    assert y.min() >= 0 and y.max() <= 255 and y.dtype == np.float32 and not np.allclose(y, IMAGES, atol=5)
    assert np.allclose(Colour(0.0)(IMAGES, DRAWS), IMAGES, atol=1e-3)
    flat = np.full((40, 3, 4, 4), 100, np.uint8)                            # a grey image has only brightness to change
    y = Colour(0.3)(flat, DRAWS)
    assert np.allclose(y, y[:, :1, :1, :1], atol=1e-3) and 69 < y.min() < 80 and 120 < y.max() < 131
    assert Colour(0.3)(flat[:, :1], DRAWS).shape == (40, 1, 4, 4)


def test_lighting_moves_all_pixels_alike_along_the_principal_colours():
    many = np.zeros((4000, 3, 1, 1), np.float32)
    moved = Lighting(0.1)(many, Draws(0, 0, np.arange(4000)))[:, :, 0, 0] / 255
    expected = AXES @ np.diag((0.1 * SPREAD) ** 2) @ AXES.T
    assert np.abs(np.cov(moved.T) - expected).max() < 0.1 * np.abs(expected).max()
    y = Lighting(0.1)(IMAGES, DRAWS) - IMAGES
    assert np.allclose(y, y[:, :, :1, :1], atol=1e-3) and np.array_equal(Lighting(0.1)(IMAGES[:, :1], DRAWS), IMAGES[:, :1])


def test_an_image_is_changed_alike_in_every_batch():
    some = np.array([3, 7])
    for transform in (Crop(0.3), Colour(0.3), Lighting(0.1)):
        assert np.array_equal(transform(IMAGES[some], Draws(3, 0, some)), transform(IMAGES, Draws(3, 0, np.arange(40)))[some])
