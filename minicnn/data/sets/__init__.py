"""The data sets that minicnn knows by name: one file each in this folder, found without being listed anywhere."""
import difflib
import importlib
import pkgutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from ..archive import load_archive
from ..dataset import Dataset

_known: dict[str, Callable[..., Dataset]] = {}


def data_set(name: str):
    """A decorator: function(train: bool) -> Dataset is the data set of that name.  ValueError for a name taken."""
    def register(function: Callable[..., Dataset]):
        if name in _known:
            raise ValueError(f"two data sets are called {name!r}: {_known[name].__module__} and {function.__module__}")
        _known[name] = function
        return function
    return register


@lru_cache(maxsize=1)
def _scan() -> None:
    for file in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{file.name}")


def names() -> list[str]:
    """The data sets known by name."""
    _scan()
    return sorted(_known)


def load(name: str) -> tuple[Dataset, Dataset]:
    """(training part, test part) of a data set: one known by name, or the path of an .npz archive.

    ValueError, with the nearest name, for an unknown one; FileNotFoundError for a path that does not exist.
    """
    _scan()
    name = str(name)
    if name in _known:
        return _known[name](train=True), _known[name](train=False)
    if name.endswith(".npz") or Path(name).name != name or Path(name).exists():
        return load_archive(name)
    near = difflib.get_close_matches(name, _known, 1)
    advice = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"unknown data set {name!r}; {advice}there are: {', '.join(names())}, or the path of your own .npz archive with "
                     f"train_images, train_labels, test_images, test_labels")
