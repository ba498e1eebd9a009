"""Training: the loop, the run folder, and how a model is measured.

    config = training.configure("lenet5", epochs=3)                                  the model's recipe, with changes
    run = training.RunFolder.numbered("runs", "lenet5", config.as_dict())
    measured = training.train(config, run)                                           what `minicnn train lenet5 --epochs 3` does
    training.Trainer(model, optimizer, loader, validation, epochs=3).fit()           the loop alone, with parts of your own
"""
from .config import Config, configure, evaluation_loader, make_model, make_optimizer, make_schedule, make_trainer, transforms
from .evaluation import Evaluation, confusion_matrix, evaluate
from .interrupt import Stopped
from .procedure import load_config, load_run, train
from .run import RunFolder
from .trainer import Trainer

__all__ = ["Config", "Evaluation", "RunFolder", "Stopped", "Trainer", "configure", "confusion_matrix", "evaluate", "evaluation_loader",
           "load_config", "load_run", "make_model", "make_optimizer", "make_schedule", "make_trainer", "train", "transforms"]
