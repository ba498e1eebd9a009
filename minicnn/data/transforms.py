"""What is done to images on their way into a network: pad, jitter, normalise.

A transform is called with the images of a batch (N, C, H, W) and with their Draws, the random numbers of those images. A Draws depends on
(seed, epoch, sample index) alone, so that an image is jittered in the same way whatever batch, order or thread it travels in.
Until Normalise, values stay on the scale of the stored images, 0 to 255.
"""
from dataclasses import dataclass
from typing import Callable, Sequence

import numpy as np

from ..kernels.random import philox

AUGMENT, SHUFFLE, SPLIT = 1 << 31, 1 << 30, 1 << 29      # high word of a stream: those of weights and masks count from 0
GRID = 6                                                 # of elastic distortions: arrows a side


class Draws:
    """Random numbers of some images: block i of image n is philox(counter = (i, 0, n, AUGMENT + epoch), key = seed)."""

    def __init__(self, seed: int, epoch: int, indices: np.ndarray):
        self.seed, self.epoch, self.indices, self.blocks = seed, epoch, np.asarray(indices, dtype=np.uint64), 0

    def uniform(self, count: int) -> np.ndarray:
        """The next `count` numbers in [−1, 1) of every image: (N, count) float32."""
        blocks = -(-count // 4)
        counter = np.zeros((len(self.indices), blocks, 4), np.uint64)
        counter[:, :, 0] = self.blocks + np.arange(blocks)
        counter[:, :, 2] = self.indices[:, None]
        counter[:, :, 3] = AUGMENT | self.epoch
        self.blocks += blocks
        words = philox(counter, self.seed).reshape(len(self.indices), -1)[:, :count]
        return ((words >> np.uint32(8)) * 2.0 ** -23 - 1).astype(np.float32)


Transform = Callable[[np.ndarray, Draws], np.ndarray]
NO_DRAWS = Draws(0, 0, np.zeros(0))               # for transforms that draw nothing


@dataclass(frozen=True)
class Compose:
    """One transform after another."""
    transforms: Sequence[Transform]

    def __call__(self, images: np.ndarray, draws: Draws = NO_DRAWS) -> np.ndarray:
        for transform in self.transforms:
            images = transform(images, draws)
        return images


@dataclass(frozen=True)
class Pad:
    """y[n,c,p,q] = x[n,c,p−⌊(size−H)/2⌋,q−⌊(size−W)/2⌋], background outside.  (N, C, H, W) → (N, C, size, size)"""
    size: int
    background: float = 0

    def __call__(self, images: np.ndarray, draws: Draws | None = None) -> np.ndarray:
        H, W = images.shape[2:]
        if max(H, W) > self.size:
            raise ValueError(f"Pad: images of {H}×{W} pixels do not fit into {self.size}×{self.size}; resize them first")
        top, left = (self.size - H) // 2, (self.size - W) // 2
        out = np.full((*images.shape[:2], self.size, self.size), self.background, images.dtype)
        out[:, :, top:top + H, left:left + W] = images
        return out


@dataclass(frozen=True)
class Normalise:
    """y[n,c,p,q] = (x[n,c,p,q]/255 − mean[c]) / std[c], float32."""
    mean: Sequence[float] = (0.0,)
    std: Sequence[float] = (1.0,)

    def __call__(self, images: np.ndarray, draws: Draws | None = None) -> np.ndarray:
        if len(self.mean) not in (1, images.shape[1]):
            raise ValueError(f"Normalise: {len(self.mean)} means for images of {images.shape[1]} channels; give one, or one a channel")
        mean, std = (np.array(v, np.float32).reshape(-1, 1, 1) for v in (self.mean, self.std))
        return images * (1 / (255 * std)) - mean / std


@dataclass(frozen=True)
class Flip:
    """Half of the images mirrored, left to right."""

    def __call__(self, images: np.ndarray, draws: Draws) -> np.ndarray:
        return np.where(draws.uniform(1)[:, :, None, None] < 0, images, images[:, :, :, ::-1])


@dataclass(frozen=True)
class Distort:
    """y[n,c,p,q] = x[n,c,i,j],  (i, j) = centre + M·((p, q) − centre) − t + e[p,q]:  bilinear, background outside.

    M = rotation · shear / zoom: every image has its own angle in ±rotate degrees, zoom in 1 ± scale, slant in ±shear (columns a row, as
    handwriting leans) and t in ±shift pixels, uniform. e bends it like rubber: a grid of random arrows in ±elastic pixels, a GRID-th of
    the image apart, smoothed in between (see bend). All are one resampling: several in turn would blur several times.

    Simard, Steinkraus, Platt, "Best practices for convolutional neural networks applied to visual document analysis", 2003, section 2,
    where random arrows at every pixel are smoothed by a Gaussian.
    """
    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    background: float = 0

    def __call__(self, images: np.ndarray, draws: Draws) -> np.ndarray:
        u = draws.uniform(5)
        angle, slant = np.radians(u[:, 0] * self.rotate), u[:, 1] * self.shear
        zoom, t = 1 + u[:, 2] * self.scale, u[:, 3:] * self.shift
        cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
        #    M = [cos −sin; sin cos] · [1 0; slant 1]        on (row, column): the column moves with the row
        M = np.stack([cos - sin * slant, -sin, sin + cos * slant, cos], 1).reshape(-1, 2, 2).astype(np.float32)
        if not self.elastic:
            return resample(images, M, t, None, self.background)
        arrows = draws.uniform(2 * GRID * GRID).reshape(-1, 2, GRID, GRID) * np.float32(self.elastic)
        return resample(images, M, t, bend(arrows, *images.shape[2:]), self.background)


def bend(arrows: np.ndarray, H: int, W: int) -> np.ndarray:
    """e[n,k,p,q] = Σ_a,b β(p' − a) · β(q' − b) · arrows[n,k,a,b],  p' = p·(g−1)/(H−1), q' likewise.  (N, 2, g, g) → (N, 2, H, W)

    β is the cubic B-spline, scaled at the edges so that its weights sum to 1: twice differentiable, so that strokes bend without kinks.
    """
    def weights(size: int) -> np.ndarray:
        distance = np.abs(np.linspace(0, GRID - 1, size)[:, None] - np.arange(GRID))
        spline = np.where(distance < 1, 2 / 3 - distance ** 2 + distance ** 3 / 2, np.clip(2 - distance, 0, None) ** 3 / 6)
        return (spline / spline.sum(1, keepdims=True)).astype(np.float32)
    return weights(H) @ arrows @ weights(W).T


def resample(images: np.ndarray, M: np.ndarray, t: np.ndarray, e: np.ndarray | None = None, background: float = 0) -> np.ndarray:
    """y[n,c,p,q] = x[n,c, centre + M[n]·((p, q) − centre) − t[n] + e[n,:,p,q]], bilinear, as float32.

    images (N, C, H, W), M (N, 2, 2), t (N, 2), e (N, 2, H, W) or None.
    """
    N, C, H, W = images.shape
    p, q = np.arange(H, dtype=np.float32) - (H - 1) / 2, np.arange(W, dtype=np.float32) - (W - 1) / 2
    # a frame of background around the image: whatever falls outside is clamped into it
    framed = np.full((N, C, H + 2, W + 2), background, images.dtype)
    framed[:, :, 1:-1, 1:-1] = images
    top = (H + 1) / 2 - t[:, 0]
    left = (W + 1) / 2 - t[:, 1]
    i = (M[:, 0, 0, None] * p + top[:, None])[:, :, None] + (M[:, 0, 1, None] * q)[:, None]           # (N, H, W)
    j = (M[:, 1, 0, None] * p + left[:, None])[:, :, None] + (M[:, 1, 1, None] * q)[:, None]
    if e is not None:
        i, j = i + e[:, 0], j + e[:, 1]
    np.clip(i, 0, H + 1, out=i)
    np.clip(j, 0, W + 1, out=j)
    i0, j0 = np.minimum(i.astype(np.int32), H), np.minimum(j.astype(np.int32), W)
    di, dj = (i - i0)[:, None], (j - j0)[:, None]
    corner = (i0 * (W + 2) + j0)[:, None] + np.arange(N * C, dtype=np.int32).reshape(N, C, 1, 1) * ((H + 2) * (W + 2))
    flat = framed.reshape(-1)
    upper = flat[corner] * (1 - dj) + flat[corner + 1] * dj
    lower = flat[corner + (W + 2)] * (1 - dj) + flat[corner + (W + 3)] * dj
    return (upper + (lower - upper) * di).astype(np.float32, copy=False)
