"""gradcheck over the architectures of models/, in the size of their papers or in the smallest that teaches them something."""
import math
from typing import Any

import numpy as np

from .. import models
from ..kernels.random import default_generator, manual_seed
from ..observers import Event, observe
from .directional import check_directions
from .gradcheck import gradcheck
from .report import Report

SMALL = 10_000_000             # multiply-adds: up to here a network is evaluated for every single parameter
VALUES = 8                     # a channel that a batch norm should see: of two values it makes ±1, whatever they are


def smallest_image(model: Any, image: tuple[int, int, int], batch: int = 2) -> tuple[int, int, int]:
    """The smallest square images that a model takes and learns from: each batch norm sees VALUES numbers a channel, or as many as it does
    in images of the size of the paper, `image`."""
    def seen(shape: tuple[int, ...]) -> list[int]:
        counts: list[int] = []

        def note(event: Event) -> None:
            if event.moment == "forward" and event.op.kernel in ("batch_norm", "batch_norm_relu"):
                N, _, *plane = event.inputs[0].shape
                counts.append(N * math.prod(plane))
        with observe(note):
            return counts if model.takes(shape) else []

    if not getattr(model, "any_size", False):
        return image
    channels, *sides = image
    whole = seen((batch, *image))
    small, fits = 0, max(sides)
    while fits - small > 1:
        middle = (small + fits) // 2
        shape = (batch, channels, middle, middle)
        enough = model.takes(shape) and all(a >= min(VALUES, b) for a, b in zip(seen(shape), whole))
        small, fits = (small, middle) if enough else (middle, fits)
    return channels, fits, fits


def check_model(name: str, batch: int = 2, tolerance: float = 1e-5, seed: int = 0, directions: int = 3, coordinates: int = 64, *,
                smallest: bool = False, device: str = "cpu") -> Report:
    """Gradients of an architecture with respect to its input and its parameters, in training mode, at the size of its paper.

    smallest: on the smallest images that it takes and learns from instead.
    A small one parameter by parameter; one of more than SMALL multiply-adds along random directions of all parameters at once.
    """
    found, state = models.info(name), default_generator.state
    manual_seed(seed)
    try:
        model = models.create(name)
        image = smallest_image(model, found.input_shape, batch) if smallest else found.input_shape
        x = np.random.default_rng(seed).standard_normal((batch, *image))
        model.to(device)
        title = f"{name}, {batch} images of {'×'.join(map(str, image))}"
        if found.macs > SMALL:
            return check_directions(model, x, tolerance=tolerance, seed=seed, name=title)
        return gradcheck(model, x, tolerance=tolerance, seed=seed, directions=directions, coordinates=coordinates, name=title)
    finally:
        default_generator.state = state
