"""The list of architectures.  A file in this folder registers what it builds:

    @model("lenet5_textbook", params=61_706, input_shape=(1, 32, 32), aliases=("lenet5",), …)
    def lenet5_textbook(num_classes=10, in_channels=1): …
"""
import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..nn import Module
from .recipe import Recipe


@dataclass(frozen=True)
class ModelInfo:
    """What is known of an architecture without building it.

    build         the function that builds it; its keywords are the model's options
    params        trainable parameters with the default options, exactly; macs: multiply-adds of convolutions and linear layers, one image
    input_shape   (C, H, W) of the image that the two hold for
    stages        name of a module -> the shape of its output for one such image, without the batch
    paper         where it was published; recipe: how it is trained
    """
    name: str
    build: Callable[..., Module]
    params: int
    macs: int
    input_shape: tuple[int, int, int]
    paper: str
    recipe: Recipe
    aliases: tuple[str, ...] = ()
    stages: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The first line of what the builder says of itself."""
        return (inspect.getdoc(self.build) or "").partition("\n")[0]


_models: dict[str, ModelInfo] = {}
_aliases: dict[str, str] = {}
_scanned: list[bool] = []


def model(name: str, *, params: int, macs: int, input_shape: tuple[int, int, int], paper: str = "", recipe: Recipe | None = None,
          aliases: tuple[str, ...] = (), stages: Mapping[str, tuple[int, ...]] | None = None) -> Callable:
    """Register the function below under a name, with its published numbers; see ModelInfo.  ValueError for a name that is taken."""
    def register(build: Callable[..., Module]) -> Callable[..., Module]:
        for new in (name, *aliases):
            taken = _models.get(_aliases.get(new, new))
            if taken is not None:
                raise ValueError(f"model: the name {new!r} is taken by {taken.build.__module__}.{taken.build.__qualname__}; choose another")
        _models[name] = ModelInfo(name, build, params, macs, input_shape, paper, recipe or Recipe(), tuple(aliases), dict(stages or {}))
        _aliases.update({alias: name for alias in aliases})
        return build
    return register


def _scan() -> None:
    """Import every file of this folder, once."""
    if not _scanned:
        _scanned.append(True)
        try:
            for found in pkgutil.iter_modules([str(Path(__file__).parent)]):
                importlib.import_module(f"{__package__}.{found.name}")
        except BaseException:
            _scanned.clear()
            raise


def names(aliases: bool = False) -> list[str]:
    """The names of all architectures; with aliases=True also their other names."""
    _scan()
    return sorted([*_models, *(_aliases if aliases else ())])


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word.lower(), known, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"


def info(name: str) -> ModelInfo:
    """What is known of a model.  ValueError, with the nearest name, if there is none."""
    _scan()
    found = _models.get(_aliases.get(name, name)) if isinstance(name, str) else None
    if found is None:
        raise ValueError(f"there is no model {name!r}; {_nearest(str(name), names(aliases=True))}")
    return found


def create(name: str, num_classes: int | None = None, in_channels: int | None = None, pretrained: bool = False, **options: Any) -> Module:
    """Build a model.

    num_classes, in_channels: as in the paper by default.  options: the builder's other keywords, shown by help(models.info(name).build).
    ValueError for an unknown name or option (the nearest is named), or where no pretrained weights are to be had.
    """
    found = info(name)
    if pretrained:
        raise ValueError(f"{found.name}: there are no pretrained weights; create it with pretrained=False and train it: "
                         f"minicnn train {found.name}")
    for word, value in (("num_classes", num_classes), ("in_channels", in_channels)):
        if value is not None:
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{found.name}: {word} should be a whole number of at least 1, got {value!r}")
            options[word] = value
    known = list(inspect.signature(found.build).parameters)
    for option in options:
        if option not in known:
            raise ValueError(f"{found.name}: there is no option {option!r}; {_nearest(option, known)}")
    return found.build(**options)
