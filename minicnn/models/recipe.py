"""How a network is trained, as data: what the paper says, or what we found to work, beside the architecture that it belongs to.

    models.info("lenet5").recipe                        a Recipe, read by the trainer and by `minicnn train`
    dataclasses.replace(recipe, lr=0.01, epochs=3)      the same with changes; a Recipe itself never changes
"""
from dataclasses import dataclass, field, fields
from math import isfinite
from types import MappingProxyType
from typing import Any, Mapping

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad")
SCHEDULES = ("constant", "step", "multi_step", "exponential", "cosine", "polynomial", "one_cycle")
AUGMENTATIONS = ("shift", "rotate", "scale", "shear", "elastic", "flip", "crop", "colour", "lighting")

# of the pixels of a data set, for Recipe(…, **IMAGENET)
IMAGENET: dict[str, Any] = dict(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
IMAGENET_MEAN_ONLY: dict[str, Any] = dict(mean=IMAGENET["mean"], std=(1 / 255, 1 / 255, 1 / 255))     # pixels of 0 … 255 less their mean
CIFAR: dict[str, Any] = dict(mean=(0.4914, 0.4822, 0.4465), std=(0.247, 0.2435, 0.2616))
CUT_224_OF_256 = (224 / 256) ** 2                            # crop: stands for a cut of fixed size, whose share of the area this is


@dataclass(frozen=True)
class Recipe:
    """Everything but the architecture and the data that decides how a training goes.

    optimizer         one of OPTIMIZERS; momentum, nesterov and betas are read by those that have them; optimizer_options are its further
                      keywords (alpha, eps)
    lr                learning rate, the largest of the schedule
    schedule          one of SCHEDULES, over the whole training; schedule_options are its keywords
    warmup_epochs     epochs in which the rate first rises linearly from nearly 0
    batch_size        images a step
    epochs            passes over the training set
    label_smoothing   in [0, 1): this share of a label's probability is spread over all classes
    average           in [0, 1): decay of a running average of the weights, with which one predicts; 0: none
    clip_norm         gradients are scaled down to this norm if theirs is larger; None: never
    augment           random distortions of a training image, each drawn anew from [−value, +value] every time the image is shown:
                      shift (pixels), rotate (degrees), scale (1 ± value), shear (value: pixels a pixel), elastic (pixels, as rubber
                      bends), flip (True: left to right); of photographs also crop (the least share of the area that is cut out and
                      enlarged), colour (brightness, contrast and saturation × 1 ± value), lighting (along the principal colours)
    image_size        the side to which images are padded, with background, before they are normalised
    mean, std         of a pixel in [0, 1], one a channel: the network sees (pixel − mean) / std
    source            where the numbers come from
    """
    optimizer: str = "sgd"
    lr: float = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    batch_size: int = 64
    epochs: int = 10
    schedule: str = "constant"
    schedule_options: Mapping[str, Any] = field(default_factory=dict)
    warmup_epochs: float = 0.0
    label_smoothing: float = 0.0
    average: float = 0.0
    clip_norm: float | None = None
    augment: Mapping[str, float] = field(default_factory=dict)
    image_size: int | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    source: str = ""
    optimizer_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        def check(good: bool, name: str, expected: str):
            if not good:
                raise ValueError(f"Recipe: {name} should be {expected}, got {getattr(self, name)!r}")

        def number(value: Any) -> bool:
            return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)

        check(self.optimizer in OPTIMIZERS, "optimizer", f"one of {', '.join(OPTIMIZERS)}")
        check(self.schedule in SCHEDULES, "schedule", f"one of {', '.join(SCHEDULES)}")
        check(number(self.lr) and self.lr > 0, "lr", "a number above 0")
        for name in ("momentum", "label_smoothing", "average"):
            value = getattr(self, name)
            check(number(value) and 0 <= value < 1, name, "in [0, 1)")
        for name in ("weight_decay", "warmup_epochs"):
            value = getattr(self, name)
            check(number(value) and value >= 0, name, "0 or more")
        for name in ("batch_size", "epochs"):
            value = getattr(self, name)
            check(isinstance(value, int) and not isinstance(value, bool) and value > 0, name, "a whole number above 0")
        check(self.clip_norm is None or number(self.clip_norm) and self.clip_norm > 0, "clip_norm", "None or a number above 0")
        check(isinstance(self.augment, Mapping) and not set(self.augment) - set(AUGMENTATIONS)
              and all(isinstance(value, (int, float)) and isfinite(value) for value in self.augment.values()),
              "augment", f"a dict of numbers with keys among {', '.join(AUGMENTATIONS)}")
        for name in ("schedule_options", "optimizer_options"):
            check(isinstance(getattr(self, name), Mapping), name, "a dict")
        check(isinstance(self.nesterov, bool), "nesterov", "True or False")
        check(self.image_size is None or isinstance(self.image_size, int) and self.image_size > 0, "image_size", "None or a whole number")
        for name in ("mean", "std", "betas"):
            value = getattr(self, name)
            check(isinstance(value, tuple) and len(value) > 0 and all(map(number, value)), name, "a tuple of numbers")
        check(len(self.betas) == 2, "betas", "two numbers")
        check(len(self.mean) == len(self.std) and min(self.std) > 0, "std", f"above 0, one for each of the {len(self.mean)} means")
        for name in ("augment", "schedule_options", "optimizer_options"):                   # a recipe never changes; JSON has no tuples
            values = {key: tuple(value) if isinstance(value, list) else value for key, value in getattr(self, name).items()}
            object.__setattr__(self, name, MappingProxyType(values))

    def as_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold, as in a run's config.json."""
        def plain(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {key: plain(inner) for key, inner in value.items()}
            return list(value) if isinstance(value, tuple) else value
        return {f.name: plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """The reverse of as_dict.  ValueError if a name is not one of a recipe's."""
        if not isinstance(values, Mapping):
            raise ValueError(f"Recipe: expected a dict of {', '.join(f.name for f in fields(cls))}, got {values!r:.40}")
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"Recipe: unknown {', '.join(sorted(unknown))}; a recipe has {', '.join(f.name for f in fields(cls))}")
        plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        return cls(**plain)
