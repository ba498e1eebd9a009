"""Batches of a data set, in an order that depends on (seed, epoch) alone: an epoch can be resumed at any batch."""
from collections.abc import Iterator

import numpy as np

from ..device import checked_device
from ..kernels.random import Key, permutation
from ..tensor import Tensor
from .dataset import Dataset
from .transforms import SHUFFLE, Draws, Normalise, Transform


class Loader:
    """Batches (images, labels): Tensors float32 (B, C, H, W) and int64 (B,).

        for images, labels in Loader(dataset, 64, shuffle=True):       goes once through the data; the next time is the next epoch
        for images, labels in loader.batches(epoch=3, start=10):       the batches of epoch 3 from number 10 on, whatever came before

    dataset     a Dataset; batch_size: images a batch; the last batch has what is left, unless drop_last
    shuffle     a new order every epoch, from seed and epoch
    transform   called with uint8 images (B, C, H, W) and their Draws; by default pixels are scaled to [0, 1]
    device      where the batches are; for "cuda" a thread prepares and copies them ahead
    ValueError for an empty data set or a batch size below 1.
    """

    def __init__(self, dataset: Dataset, batch_size: int = 64, shuffle: bool = False, seed: int = 0,
                 transform: Transform | None = None, drop_last: bool = False, device: str = "cpu"):
        if not isinstance(batch_size, (int, np.integer)) or isinstance(batch_size, bool) or batch_size < 1:
            raise ValueError(f"Loader: batch_size should be a whole number of at least 1, got {batch_size!r}")
        if len(dataset) < (batch_size if drop_last else 1):
            advice = "; use drop_last=False or a smaller batch" if len(dataset) else ""
            raise ValueError(f"Loader: {len(dataset)} images make no batch of {batch_size}{advice}")
        self.dataset, self.batch_size, self.shuffle, self.seed = dataset, int(batch_size), shuffle, seed
        self.transform, self.drop_last, self.epoch = transform or Normalise(), drop_last, 0
        self.device = checked_device(device)

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self.dataset) // self.batch_size if self.drop_last else -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.epoch += 1
        return self.batches(self.epoch - 1)

    def order(self, epoch: int) -> np.ndarray:
        """The indices of the images in the order of an epoch."""
        return permutation(Key(self.seed, (SHUFFLE | epoch) << 32), len(self.dataset)) if self.shuffle else np.arange(len(self.dataset))

    def batches(self, epoch: int = 0, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch, from batch number `start` on."""
        if self.device == "cuda":
            from .prefetch import prefetched
            return prefetched(self._on_the_host(epoch, start))
        return self._on_the_host(epoch, start)

    def _on_the_host(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = self.order(epoch)
        for number in range(start, len(self)):
            indices = order[number * self.batch_size:(number + 1) * self.batch_size]
            images = self.transform(self.dataset.images[indices], Draws(self.seed, epoch, indices))
            yield Tensor(np.ascontiguousarray(images, np.float32)), Tensor(self.dataset.labels[indices])
