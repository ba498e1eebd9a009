"""A whole training: learn, choose by the validation images, and look at the test images once, at the end."""
from contextlib import nullcontext
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np

from ..data import Dataset, load
from ..device import cuda_available, use_backend
from .config import Config, evaluation_loader, make_model, make_trainer, usable_device
from .evaluation import Evaluation, evaluate
from .plots import draw_confusion, draw_curves
from .progress import Silent, compiling_told
from .run import RunFolder
from .trainer import Trainer


def train(config: Config, run: RunFolder | None = None, progress: Any = None) -> Evaluation:
    """Train by a configuration, and measure the weights that validation chose on the test images.

    run: the folder for everything that is to be kept; one that has a checkpoint is gone on with.  The Evaluation on the test images.
    """
    with run.locked() if run is not None else nullcontext():
        return _train(config, run, progress or Silent())


def _train(config: Config, run: RunFolder | None, progress: Any) -> Evaluation:
    training_part, test_part = load(config.data)
    if run is not None:
        check_same_data(run, config, training_part, test_part)
    with use_backend(config.backend), compiling_told(progress.note, config.backend):
        trainer = make_trainer(config, training_part, run, progress)
        state = run.load_last() if run is not None else None
        if run is not None and state is not None:
            go_on(run, trainer, state)
            place = f"epoch {trainer.epoch + 1}, batch {trainer.batch + 1}" if trainer.epoch < trainer.epochs else "the end"
            progress.note(f"going on at {place} of {trainer.epochs} epochs")
        trainer.fit()
        trainer.load_best()
        measured = evaluate(trainer.model, evaluation_loader(test_part, config.recipe, config.device), device=config.device)
    if run is not None:
        assert trainer.best is not None
        draw_curves(trainer.history, run.path / "curves.png", f"{config.model}, seed {config.seed}")
        draw_confusion(measured.confusion, test_part.classes, run.path / "confusion.png",
                       f"{config.model} on {measured.images:,} test images: {measured.accuracy:.1%}")
        run.write_result({"test_accuracy": measured.accuracy, "test_loss": measured.loss, "test_images": measured.images,
                          "epoch": trainer.best["epoch"], "validation_accuracy": trainer.best["validation_accuracy"],
                          "confusion": measured.confusion.tolist()})
    return measured


def go_on(run: RunFolder, trainer: Trainer, state: dict[str, Any]) -> None:
    """Bring a new trainer to the state of the run's last checkpoint.  ValueError, with the file's name, if it is of another one."""
    try:
        trainer.load_state(state)
    except ValueError as error:
        raise ValueError(f"{run.path / 'last.safetensors'} cannot be gone on from: {error}; "
                         f"put it back from a copy, or start a new run") from error
    if trainer.best is not None:
        run.load_best()                                      # that they are gone is better told now than after all epochs


def fingerprint(*parts: Dataset) -> str:
    """sha256 of the images and labels of data sets."""
    found = sha256()
    for array in (array for part in parts for array in (part.images, part.labels)):
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def check_same_data(run: RunFolder, config: Config, *parts: Dataset) -> None:
    """Note in config.json which images a new run is about.  ValueError if a run is about others than its data set holds now."""
    values, now = run.config, fingerprint(*parts)
    if "data_sha256" not in values:
        run.write_config({**values, "data_sha256": now})
    elif values["data_sha256"] != now:
        raise ValueError(f"{config.data} has other images or labels than when {run.path} was trained (sha256 {now[:8]}…, then "
                         f"{str(values['data_sha256'])[:8]}…); put the old data back, or start a new run, or measure on what is there "
                         f"now: minicnn evaluate {run.path} --data {config.data}")


def load_config(run: RunFolder) -> Config:
    """The configuration of a run.  ValueError, with the file's name, if it is not whole."""
    values = run.config
    try:
        return Config.from_dict(values)
    except ValueError as error:
        raise ValueError(f"{run.path / 'config.json'}: {error}") from error


def load_run(run: RunFolder, same_data: bool = True, device: str | None = None):
    """(configuration, model in evaluation mode with the run's best weights, training part, test part)

    same_data: ValueError if the data set has other images now than when the run was trained.
    device: another than the run's. A run of a GPU is loaded to the CPU where there is none: weights are those of any device.
    """
    config = load_config(run)
    device = device or ("cpu" if config.device == "cuda" and not cuda_available() else config.device)
    config = replace(config, device=usable_device(device))
    training_part, test_part = load(config.data)
    if same_data and "data_sha256" in run.config:
        check_same_data(run, config, training_part, test_part)
    model = make_model(config, training_part)
    weights = run.load_best()
    try:
        model.load_state_dict(weights)
    except ValueError as error:
        raise ValueError(f"{run.path / 'best.safetensors'}: {error}") from error
    return config, model.eval(), training_part, test_part
