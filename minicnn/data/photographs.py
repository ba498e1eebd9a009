"""Transforms of photographs: sizes, parts and light.  Values are on the scale 0 to 255; every image draws its own numbers."""
from dataclasses import dataclass

import numpy as np

from .transforms import Draws, Pad, resample

# Of the colours of ImageNet's pixels in [0, 1]: standard deviations along the principal axes, and the axes as columns.
# Krizhevsky, Sutskever, Hinton, 2012, section 4.1; the numbers as they are passed on since Torch's training script of 2016.
SPREAD = np.array([0.2175, 0.0188, 0.0045], np.float32)
AXES = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]], np.float32)
GREY = np.array([0.299, 0.587, 0.114], np.float32).reshape(3, 1, 1)            # how bright red, green and blue look (ITU-R BT.601)


def weights(size: int, out: int) -> np.ndarray:
    """(out, size): a row has the shares of the old pixels in a new one, a triangle as wide as the larger of both pixels; rows sum to 1."""
    ratio = size / out
    distance = np.abs((np.arange(out)[:, None] + 0.5) * ratio - (np.arange(size) + 0.5)) / max(1.0, ratio)
    triangle = np.clip(1 - distance, 0, None)
    return (triangle / triangle.sum(1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Resize:
    """y[n,c,p,q] = Σ_h,w A[p,h] · B[q,w] · x[n,c,h,w], bilinear, averaging where it makes smaller.  (N, C, H, W) → (N, C, size, size)"""
    size: int

    def __call__(self, images: np.ndarray, draws: Draws | None = None) -> np.ndarray:
        H, W = images.shape[2:]
        return weights(H, self.size) @ images.astype(np.float32) @ weights(W, self.size).T


@dataclass(frozen=True)
class Fit:
    """Images that are up to a fifth smaller get a margin, all others are resized: (N, C, H, W) → (N, C, size, size)."""
    size: int

    def __call__(self, images: np.ndarray, draws: Draws | None = None) -> np.ndarray:
        small, large = min(images.shape[2:]), max(images.shape[2:])
        return Pad(self.size)(images) if 0.8 * self.size <= small and large <= self.size else Resize(self.size)(images)


@dataclass(frozen=True)
class Crop:
    """A part of the image, enlarged to its size: a share of the area uniform in [least, 1], a shape from 3:4 to 4:3, anywhere.

    Szegedy et al., "Going deeper with convolutions", 2014, section 6.
    """
    least: float

    def __call__(self, images: np.ndarray, draws: Draws) -> np.ndarray:
        u = draws.uniform(4)                                                  # in [−1, 1)
        area = self.least + (1 - self.least) * (u[:, 0] + 1) / 2
        shape = np.sqrt((4 / 3) ** u[:, 1])
        sides = np.minimum(np.stack([np.sqrt(area) / shape, np.sqrt(area) * shape], 1), 1)
        # the furthest that the centre may move: half of what is left over
        t = u[:, 2:] * (1 - sides) * (np.array(images.shape[2:]) - 1) / 2
        return resample(images, (sides[:, :, None] * np.eye(2)).astype(np.float32), t.astype(np.float32))


@dataclass(frozen=True)
class Colour:
    """Brightness, contrast and saturation, each × (1 + u·value) with its own u in [−1, 1).

    y = f·x;  y = m + f·(x − m), m the image's mean brightness;  y = g + f·(x − g), g the pixel's brightness.  Cut off at 0 and 255.
    Howard, "Some improvements on deep convolutional neural network based image classification", 2013, section 2.
    """
    value: float

    def __call__(self, images: np.ndarray, draws: Draws) -> np.ndarray:
        factors = 1 + draws.uniform(3)[:, :, None, None, None] * np.float32(self.value)          # (N, 3, 1, 1, 1)

        def brightness(x):
            return (x * GREY).sum(1, keepdims=True) if x.shape[1] == 3 else x.mean(1, keepdims=True)
        x = images * factors[:, 0]
        x = (mean := brightness(x).mean((2, 3), keepdims=True)) + factors[:, 1] * (x - mean)
        x = (grey := brightness(x)) + factors[:, 2] * (x - grey) if x.shape[1] > 1 else x
        return np.clip(x, 0, 255).astype(np.float32)


@dataclass(frozen=True)
class Lighting:
    """y = x + 255 · Σ_k a[n,k] · SPREAD[k] · AXES[:,k],  a ~ N(0, std²): another light on the scene.  Grey images stay as they are.

    Krizhevsky, Sutskever, Hinton, 2012, section 4.1, with std = 0.1.
    """
    std: float

    def __call__(self, images: np.ndarray, draws: Draws) -> np.ndarray:
        if images.shape[1] != 3:
            return images
        u = (draws.uniform(6) + 1) / 2                                        # two uniform numbers make a normal one (Box, Muller, 1958)
        a = self.std * np.sqrt(-2 * np.log(1 - u[:, :3])) * np.cos(2 * np.pi * u[:, 3:])
        return images + 255 * ((a * SPREAD) @ AXES.T)[:, :, None, None].astype(np.float32)
