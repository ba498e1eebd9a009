"""A training as data, and the objects made from it: what a run folder's config.json holds is enough to make them again."""
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

from .. import __version__, models, optim
from .. import functional as F
from ..data import Colour, Compose, Crop, Dataset, Distort, Fit, Flip, Lighting, Loader, Normalise, load, split
from ..device import checked_device, get_backend
from ..kernels.random import manual_seed
from ..models.recipe import Recipe
from ..nn import Module
from .trainer import Trainer

SPLIT_SEED = 0                 # the validation images are the same in every run, whatever its seed, so that runs can be compared
HELD_OUT = 0.1                 # their share of the training part
STEPS = 50                     # of an epoch, at least


@dataclass(frozen=True)
class Config:
    """model: a name that models.create knows; data: a name or an .npz path; backend, device: what it runs on; seed: of the weights, the
    order and the distortions of images, and dropout.  num_classes, in_channels, image_size come from the data."""
    model: str
    recipe: Recipe
    data: str = "mnist5k"
    seed: int = 0
    device: str = "cpu"
    backend: str = field(default_factory=get_backend)
    options: Mapping[str, Any] = field(default_factory=dict)         # of models.create

    def as_dict(self) -> dict[str, Any]:
        return {**{k: v for k, v in vars(self).items() if k != "recipe"}, "options": dict(self.options),
                "recipe": self.recipe.as_dict(), "split_seed": SPLIT_SEED, "held_out": HELD_OUT, "minicnn": __version__}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Config":
        """The reverse of as_dict.  ValueError for one that lacks something or has something unknown."""
        names = ("model", "data", "seed", "device", "backend", "options")
        missing = [name for name in (*names, "recipe") if name not in values]
        if missing:
            raise ValueError(f"the configuration has no {', '.join(missing)}")
        options = values["options"]
        if not isinstance(options, Mapping) or {"name", "num_classes", "in_channels", "pretrained"} & set(options):
            raise ValueError(f"options should be a dict of the model's own options, without num_classes and in_channels, which come from "
                             f"the data; got {options!r}")
        if not isinstance(values["data"], str):
            raise ValueError(f"data should be a name or the path of an archive, got {values['data']!r}")
        known_device(values["device"])
        for name, own in (("split_seed", SPLIT_SEED), ("held_out", HELD_OUT)):
            if values.get(name, own) != own:
                raise ValueError(f"this run held out other images than this version of minicnn would ({name} {values[name]}, here {own}); "
                                 f"go on with version {values.get('minicnn', 'that made it')}")
        return cls(recipe=Recipe.from_dict(values["recipe"]), **{name: values[name] for name in names})


def configure(model: str, *, data: str = "mnist5k", seed: int = 0, device: str = "cpu", **changes: Any) -> Config:
    """The configuration of a training by the model's own recipe, with changes to it: configure("lenet5", epochs=3, lr=0.01).

    With another schedule come that schedule's own options, see make_schedule, and with another optimiser that one's own, unless
    schedule_options or optimizer_options are given too. What changes does not name is fitted to the data, see fitted.
    ValueError for an unknown model (the nearest is named), device or data set, or a change that a recipe does not know or allow.
    """
    recipe = models.info(model).recipe
    if changes.get("schedule", recipe.schedule) != recipe.schedule:
        changes = {"schedule_options": {}, **changes}
    if changes.get("optimizer", recipe.optimizer) != recipe.optimizer:
        changes = {"optimizer_options": {}, **changes}
    recipe = replace(recipe, **changes)
    path = Path(data)
    data = str(path.resolve()) if path.suffix == ".npz" else data
    device = usable_device(device)
    recipe = fitted(recipe, model, load(data)[0], changes)
    return Config(model, recipe, data, seed, device)


def fitted(recipe: Recipe, model: str, dataset: Dataset, given: Collection[str] = ()) -> Recipe:
    """A recipe for the images at hand, which may be smaller than those of the paper, fewer, grey, or not to be mirrored.

    Size     Images are brought to the recipe's size where a margin does it, or where the network takes no other. Otherwise a network made
             for photographs would look at small images under a magnifying glass: they get the smallest size, in steps of 32, that goes
             through it.
    Colours  Means and standard deviations of three colours are averaged for grey images.
    Batch    An epoch has at least STEPS steps: of a larger batch there would be too few for anything to be learnt. The rate falls with it.
    Mirror   Digits are not flipped.
    given: fields of the recipe that the user chose himself; they stay.
    """
    channels, *sides = dataset.images.shape[1:]
    changes: dict[str, Any] = {}
    if len(recipe.mean) not in (1, channels):
        changes |= {name: (sum(values) / len(values),) for name, values in (("mean", recipe.mean), ("std", recipe.std))}
    if not dataset.mirror and "augment" not in given:
        changes["augment"] = {name: value for name, value in recipe.augment.items() if name != "flip"}
    batch = max(8, len(dataset) // STEPS)
    if recipe.batch_size > batch and "batch_size" not in given:
        changes["batch_size"] = batch
        if "lr" not in given:                                  # Goyal et al., 2017, section 2.1: the rate in proportion to the batch
            changes["lr"] = recipe.lr * batch / recipe.batch_size
    size = recipe.image_size
    if "image_size" not in given and size is not None and min(sides) < 0.8 * size and max(sides) <= size:
        network = models.create(model, in_channels=channels)
        if network.any_size:
            fits = (side for side in range(32, size, 32) if side >= max(sides) and network.takes((2, channels, side, side)))
            changes["image_size"] = next(fits, size)
    return replace(recipe, **changes)


def known_device(device: Any) -> str:
    """The device itself, if one can train on it somewhere.  ValueError otherwise."""
    if device not in ("cpu", "cuda", "meta"):
        raise ValueError(f"unknown device {device!r}: there are 'cpu' and 'cuda'")
    if device == "meta":
        raise ValueError("device 'meta' has shapes but no values, so nothing can be trained on it; use device 'cpu'")
    return device


def usable_device(device: Any) -> str:
    """The device itself, if one can train on it here.  ValueError otherwise."""
    known_device(device)
    try:
        return checked_device(device)
    except RuntimeError as error:
        raise ValueError(str(error)) from error


def transforms(recipe: Recipe, training: bool) -> Compose:
    """Bring to the network's size; in training, distort; normalise."""
    steps: list[Any] = [] if recipe.image_size is None else [Fit(recipe.image_size)]
    if training:
        own = {"flip": lambda value: Flip(), "crop": Crop, "colour": Colour, "lighting": Lighting}
        jitter = {name: float(value) for name, value in recipe.augment.items() if name not in own}
        steps += [Distort(**jitter)] if jitter else []
        steps += [make(float(recipe.augment[name])) for name, make in own.items() if recipe.augment.get(name)]
    return Compose((*steps, Normalise(recipe.mean, recipe.std)))


def evaluation_loader(dataset: Dataset, recipe: Recipe, device: str = "cpu") -> Loader:
    """The images in their own order, as the network sees them, without distortions."""
    return Loader(dataset, 200, transform=transforms(recipe, training=False), device=device)


def make_model(config: Config, dataset: Dataset) -> Module:
    """The network, with as many outputs as there are classes and as many input channels as the images have."""
    model = models.create(config.model, num_classes=len(dataset.classes), in_channels=dataset.images.shape[1], **config.options)
    return model.to(config.device)


def make_optimizer(recipe: Recipe, model: Module) -> optim.Optimizer:
    """The recipe's optimiser, with those of its numbers that this optimiser has."""
    own = {"sgd": (optim.SGD, {"momentum": recipe.momentum, "nesterov": recipe.nesterov}),
           "rmsprop": (optim.RMSprop, {"momentum": recipe.momentum}),
           "adagrad": (optim.Adagrad, {}),
           "adam": (optim.Adam, {"betas": recipe.betas}),
           "adamw": (optim.AdamW, {"betas": recipe.betas})}
    make, options = own[recipe.optimizer]
    options = {"weight_decay": recipe.weight_decay, **options, **recipe.optimizer_options}
    try:
        return make(model.parameters(), recipe.lr, **options)
    except TypeError as error:
        raise ValueError(f"the optimizer {recipe.optimizer!r} cannot have the optimizer_options {dict(recipe.optimizer_options)}: "
                         f"{error}") from error


def make_schedule(recipe: Recipe, optimizer: optim.Optimizer, steps_per_epoch: int) -> Any:
    """The recipe's schedule, stepped once a batch.  Its options that are numbers of epochs are turned into steps here.

    Without options:  step: ×0.1 after each third of the training;  multi_step: ×0.1 at 1/2 and at 3/4 of it;  exponential: down to 1 %
    of the first rate;  polynomial: in a straight line to 0.  A warm-up comes before, and these are shares of what is left.
    ValueError for an option that the schedule does not have.
    """
    total, warmup = recipe.epochs * steps_per_epoch, round(recipe.warmup_epochs * steps_per_epoch)
    options, rest = dict(recipe.schedule_options), max(1, recipe.epochs * steps_per_epoch - warmup)
    left = rest / steps_per_epoch                                    # epochs after the warm-up

    def steps(epochs: float) -> int:
        return round(epochs * steps_per_epoch)

    makers = {
        "constant": lambda: optim.LambdaLR(optimizer, _constant),
        "step": lambda: optim.StepLR(optimizer, steps(options.pop("step_size", ceil(rest / 3) / steps_per_epoch)), **options),
        "multi_step": lambda: optim.MultiStepLR(
            optimizer, [steps(m) for m in options.pop("milestones", (left / 2, left * 3 / 4))], **options),
        "exponential": lambda: optim.ExponentialLR(optimizer, options.pop("gamma", 0.01 ** (1 / left)) ** (1 / steps_per_epoch), **options),
        "cosine": lambda: optim.CosineAnnealingLR(optimizer, rest, **options),
        "polynomial": lambda: optim.PolynomialLR(optimizer, rest, **options),
        "one_cycle": lambda: optim.OneCycleLR(optimizer, recipe.lr, total_steps=total, **options),
    }
    try:
        if not warmup or recipe.schedule == "one_cycle":             # which begins with a warm-up of its own
            return makers[recipe.schedule]()
        rise = optim.LinearLR(optimizer, 1 / (warmup + 1), total_iters=warmup)
        return optim.SequentialLR(optimizer, [rise, makers[recipe.schedule]()], [warmup])
    except TypeError as error:
        raise ValueError(f"the schedule {recipe.schedule!r} cannot have the schedule_options {dict(recipe.schedule_options)}: "
                         f"{error}") from error


def _constant(step: int) -> float:
    return 1.0


def make_trainer(config: Config, training_part: Dataset, run=None, progress=None) -> Trainer:
    """Everything of a training at its start, from a configuration and the training part of the data.  Sets the seed of minicnn."""
    recipe, device = config.recipe, usable_device(config.device)
    held_out = round(HELD_OUT * len(training_part))
    if held_out < 1:
        raise ValueError(f"{config.data}: {len(training_part)} training images are too few: a tenth of them is held out for validation")
    train, validation = split(training_part, held_out, SPLIT_SEED)
    manual_seed(config.seed)
    model = make_model(config, training_part)
    loader = Loader(train, recipe.batch_size, shuffle=True, seed=config.seed, transform=transforms(recipe, training=True), device=device)
    optimizer = make_optimizer(recipe, model)
    return Trainer(model, optimizer, loader, evaluation_loader(validation, recipe, device), epochs=recipe.epochs,
                   schedule=make_schedule(recipe, optimizer, len(loader)),
                   loss=partial(F.cross_entropy, label_smoothing=recipe.label_smoothing), average=recipe.average,
                   clip_norm=recipe.clip_norm, run=run, progress=progress, device=device)
