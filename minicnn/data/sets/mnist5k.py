"""mnist5k: 5,000 digits of MNIST, which come with minicnn.  Where they are from and under which licence: data/files/README."""
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ..archive import load_archive
from ..dataset import Dataset
from . import data_set

FILE = Path(__file__).parent.parent / "files" / "mnist5k.npz"


@lru_cache(maxsize=1)
def _parts() -> tuple[Dataset, Dataset]:
    training, test = (replace(part, mirror=False) for part in load_archive(FILE))
    parts = training, test
    for part in parts:
        part.images.flags.writeable = part.labels.flags.writeable = False          # every caller gets the same arrays
    return parts


@data_set("mnist5k")
def mnist5k(train: bool = True) -> Dataset:
    """4,000 training digits, or 1,000 test digits: images uint8 (N, 1, 28, 28), the same number of each of the ten classes."""
    return _parts()[0 if train else 1]
