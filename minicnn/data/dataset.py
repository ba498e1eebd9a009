"""A data set in memory, and how a part of it is held out."""
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kernels.random import Key, permutation
from .transforms import SPLIT


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images.

    images   uint8 (N, C, H, W), 0 to 255
    labels   int64 (N,), 0 to len(classes) − 1
    classes  the name of each label
    mirror   whether a mirror image is still of its class: true of cats, not of digits
    """
    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    name: str = "data"
    mirror: bool = True

    def __post_init__(self):
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise ValueError(f"{self.name}: expected images uint8 (N, C, H, W), got {self.images.dtype} {self.images.shape}")
        if self.labels.shape != self.images.shape[:1] or self.labels.dtype.kind not in "iu":
            raise ValueError(f"{self.name}: {len(self.images):,} images need {len(self.images):,} whole-number labels, "
                             f"got {self.labels.dtype} {self.labels.shape}")
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            raise ValueError(f"{self.name}: labels run from {self.labels.min()} to {self.labels.max()}; "
                             f"with {len(self.classes)} classes they must be 0 to {len(self.classes) - 1}")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, which: Any) -> "Dataset":
        """Some of the images: dataset[:100], dataset[mask], dataset[[3, 1, 4]]; of one, dataset[7], a data set too."""
        which = np.array([which]) if isinstance(which, (int, np.integer)) else which
        return Dataset(self.images[which], self.labels[which], self.classes, self.name, self.mirror)

    @property
    def counts(self) -> np.ndarray:
        """How many images each class has."""
        return np.bincount(self.labels, minlength=len(self.classes))


def split(dataset: Dataset, held_out: int, seed: int = 0) -> tuple[Dataset, Dataset]:
    """A data set in two, (the rest, `held_out` images), at random and stratified: each class has its share of both parts.

    Shares that are not whole are rounded, the largest remainders upwards.  ValueError if a part would be empty.
    """
    N = len(dataset)
    if not 0 < held_out < N:
        raise ValueError(f"split: cannot hold out {held_out} of {N:,} images; at least one must be on either side")
    share = dataset.counts * held_out / N
    take = np.floor(share).astype(int)
    for label in np.argsort(take - share, kind="stable")[:held_out - take.sum()]:
        take[label] += 1
    shuffled = permutation(Key(seed, SPLIT << 32), N)
    held = np.concatenate([shuffled[dataset.labels[shuffled] == label][:n] for label, n in enumerate(take)])
    mask = np.zeros(N, bool)
    mask[held] = True
    return dataset[~mask], dataset[mask]
