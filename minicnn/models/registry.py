"""The list of architectures.  A file in this folder registers what it builds:

    @model("lenet5_textbook", params=61_706, input_shape=(1, 32, 32), aliases=("lenet5",), …)
    def lenet5_textbook(num_classes=10, in_channels=1): …

or, for a family, the rows of its table:

    for depth, (blocks, params, …) in TABLE.items():
        model(f"resnet{depth}", params=params, …)(partial(resnet, blocks=blocks))

A function that has the name of its file is the general builder of the family, and found as such: models.vgg(arch=…).
"""
import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..nn import Module
from .features import Features
from .recipe import Recipe


@dataclass(frozen=True)
class Published:
    """A result that a paper reports: errors in percent, and how they were measured, without which they cannot be compared.

    data       "ImageNet" (ILSVRC 2012, validation), "CIFAR-10", "MNIST" …
    protocol   "1 crop 224", "10 crops", "7 models, 144 crops" …
    verified   whether somebody read it in the paper; what is recalled from memory is shown as such
    """
    top1_error: float | None
    top5_error: float | None = None
    data: str = "ImageNet"
    protocol: str = "1 crop"
    verified: bool = False


@dataclass(frozen=True)
class ModelInfo:
    """What is known of an architecture without building it.

    build         the function that builds it; its keywords are the model's options
    params        trainable parameters with the default options, exactly; macs: multiply-adds of convolutions and linear layers, one image
    input_shape   (C, H, W) of the image that the two hold for
    stages        "stem" and each stage of the body -> the shape of its output for one such image: what features=True gives
    year, paper   when and where it was published; published: the results that are reported there
    recipe        how it is trained
    keys          "torchvision.resnet50" -> rules that turn names of weights there into names here, see keys.py
    """
    name: str
    build: Callable[..., Module]
    params: int
    macs: int
    input_shape: tuple[int, int, int]
    year: int
    paper: str
    recipe: Recipe
    aliases: tuple[str, ...] = ()
    stages: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)

    @property
    def function(self) -> Callable[..., Module]:
        """The function that builds it, without the arguments that make it this member of its family."""
        return self.build.func if isinstance(self.build, partial) else self.build

    @property
    def family(self) -> str:
        """The name of the file that it stands in."""
        return self.function.__module__.rpartition(".")[2]

    def __repr__(self) -> str:
        return f"ModelInfo({self.name!r}: {self.params:,} parameters, {self.macs:,} multiply-adds; models.create({self.name!r}) builds it)"

    @property
    def summary(self) -> str:
        """The first line of what the builder says of itself."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]


_models: dict[str, ModelInfo] = {}
_aliases: dict[str, str] = {}


def model(name: str, *, params: int, macs: int, input_shape: tuple[int, int, int] = (3, 224, 224), year: int = 0, paper: str = "",
          recipe: Recipe | None = None, aliases: tuple[str, ...] = (), stages: Mapping[str, tuple[int, ...]] | None = None,
          published: Published | tuple[Published, ...] = (), keys: Mapping[str, Any] | None = None) -> Callable:
    """Register the function below under a name, with its published numbers; see ModelInfo.  ValueError for a name that is taken."""
    def register(build: Callable[..., Module]) -> Callable[..., Module]:
        for new in (name, *aliases):
            taken = _models.get(_aliases.get(new, new))
            if taken is not None:
                raise ValueError(f"model: the name {new!r} is taken by {taken.function.__module__}.{taken.function.__qualname__}; "
                                 f"choose another")
        results = (published,) if isinstance(published, Published) else tuple(published)
        _models[name] = ModelInfo(name, build, params, macs, input_shape, year, paper, recipe or Recipe(), tuple(aliases),
                                  dict(stages or {}), results, dict(keys or {}))
        _aliases.update({alias: name for alias in aliases})
        return build
    return register


def scan() -> None:
    """Import every file of this folder, and put the general builders of families in the place of their files: models.vgg(…)."""
    package = sys.modules[__name__.rpartition(".")[0]]
    for found in pkgutil.iter_modules([str(Path(__file__).parent)]):
        try:
            file = importlib.import_module(f"{package.__name__}.{found.name}")
        except Exception as error:
            raise ImportError(f"minicnn/models/{found.name}.py cannot be imported: {type(error).__name__}: {error}") from error
        if callable(vars(file).get(found.name)):
            setattr(package, found.name, vars(file)[found.name])


def names(aliases: bool = False) -> list[str]:
    """The names of all architectures; with aliases=True also their other names."""
    return sorted([*_models, *(_aliases if aliases else ())])


def _nearest(word: str, known: list[str]) -> str:
    word = word.lower()
    near = [name for name in known if word and name.startswith(word)] or difflib.get_close_matches(word, known, 1, 0.6)
    near = near or [name for name in known if word and word in name]
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"


def info(name: str) -> ModelInfo:
    """What is known of a model.  ValueError, with the nearest name, if there is none."""
    found = _models.get(_aliases.get(name, name)) if isinstance(name, str) else None
    if found is None:
        advice = _nearest(str(name), names(aliases=True))
        if not advice.startswith("did you mean"):
            advice = f"there are {', '.join(sorted({m.family for m in _models.values()}))} …; minicnn models lists them all"
        raise ValueError(f"there is no model {name!r}; {advice}")
    return found


def create(name: str, num_classes: int | None = None, in_channels: int | None = None, pretrained: bool = False,
           features: bool | str | Sequence[str] = False, **options: Any) -> Any:
    """Build a model.

    num_classes, in_channels: as in the paper by default.  options: the builder's other keywords, shown by help(models.info(name).build).
    features: True for a network without its head that returns {stage: its output} of all stages, or the names of those that are wanted;
    models.info(name).stages has their names and shapes.
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
    network: Any = found.build(**options)
    network.name = found.name
    if features is False:
        return network
    return Features(network, None if features is True else (features,) if isinstance(features, str) else tuple(features))
