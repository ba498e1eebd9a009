"""A whole training: learn, choose by the validation images, and look at the test images once, at the end."""
from typing import Any

from ..data import load
from ..device import use_backend
from .config import Config, evaluation_loader, make_model, make_trainer
from .evaluation import Evaluation, evaluate
from .plots import draw_confusion, draw_curves
from .progress import Silent, compiling_told
from .run import RunFolder


def train(config: Config, run: RunFolder | None = None, progress: Any = None) -> Evaluation:
    """Train by a configuration, and measure the weights that validation chose on the test images.

    run: the folder for everything that is to be kept; one that has a checkpoint is gone on with.  The Evaluation on the test images.
    """
    progress = progress or Silent()
    training_part, test_part = load(config.data)
    with use_backend(config.backend), compiling_told(progress.note, config.backend):
        trainer = make_trainer(config, training_part, run, progress)
        state = run.load_last() if run is not None else None
        if state is not None:
            trainer.load_state(state)
            place = f"epoch {trainer.epoch + 1}, batch {trainer.batch + 1}" if trainer.epoch < trainer.epochs else "the end"
            progress.note(f"going on at {place} of {trainer.epochs} epochs")
        trainer.fit()
        trainer.load_best()
        measured = evaluate(trainer.model, evaluation_loader(test_part, config.recipe), device=config.device)
    if run is not None:
        assert trainer.best is not None
        draw_curves(trainer.history, run.path / "curves.png", f"{config.model}, seed {config.seed}")
        draw_confusion(measured.confusion, test_part.classes, run.path / "confusion.png",
                       f"{config.model} on {measured.images:,} test images: {measured.accuracy:.1%}")
        run.write_result({"test_accuracy": measured.accuracy, "test_loss": measured.loss, "test_images": measured.images,
                          "epoch": trainer.best["epoch"], "validation_accuracy": trainer.best["validation_accuracy"],
                          "confusion": measured.confusion.tolist()})
    return measured


def load_run(run: RunFolder):
    """(configuration, model in evaluation mode with the run's best weights, training part, test part)"""
    config = Config.from_dict(run.config)
    training_part, test_part = load(config.data)
    model = make_model(config, training_part)
    model.load_state_dict(run.load_best())
    return config, model.eval(), training_part, test_part
