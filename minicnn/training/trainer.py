"""The loop that trains: batches forward, backward, step; after each epoch the validation images, and a checkpoint.

Everything that decides the next step is in state(): restored, training goes on bit for bit as if it had never stopped, in the middle of an
epoch too, because the order and the distortions of the images depend on (seed, epoch, image) alone.
"""
import math
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import numpy as np

from .. import functional as F
from ..data import Loader
from ..device import move
from ..kernels.random import default_generator
from ..nn import Module
from ..optim import Optimizer, clip_grad_norm_
from ..tensor import Tensor
from .average import WeightAverage
from .evaluation import Evaluation, evaluate, rank, value
from .interrupt import Interrupt, Stopped
from .progress import Silent
from .run import RunFolder
from .state import check_state


class Trainer:
    """Trains a model and keeps the weights that do best on the validation images (at equal accuracy, those of lower loss).

    model, optimizer     the optimiser has the model's parameters; a model with auxiliary heads gives a tuple of scores in training, whose
                         losses are summed by its loss_weights
    loader, validation   Loaders of the two parts of the data
    epochs               passes over the data
    schedule             its step() is called after each step of the optimiser; None: a constant learning rate
    loss                 (outputs, labels) -> the mean loss of a batch, what is trained; validation is measured by plain cross-entropy
    average              decay of a WeightAverage, with which validation is measured and which is kept; 0: the weights themselves
    clip_norm            see optim.clip_grad_norm_; None: never
    run                  a RunFolder for the checkpoints; None: the best weights stay in memory
    progress             is told what happens; see progress.py
    """

    def __init__(self, model: Module, optimizer: Optimizer, loader: Loader, validation: Loader, *, epochs: int, schedule: Any = None,
                 loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy, average: float = 0.0, clip_norm: float | None = None,
                 run: RunFolder | None = None, progress: Any = None, device: str = "cpu"):
        self.model, self.optimizer, self.loader, self.validation, self.epochs = model, optimizer, loader, validation, epochs
        self.schedule, self.loss, self.clip_norm, self.run, self.device = schedule, loss, clip_norm, run, device
        self.progress = progress or Silent()
        self.average = WeightAverage(model, average) if average else None
        self.epoch = self.batch = 0                              # the place in the data: the next batch to be trained on
        self.sums = {"loss": 0.0, "correct": 0, "images": 0}     # over the batches of this epoch
        self.history: list[dict[str, Any]] = []                  # a record an epoch
        self.best: dict[str, Any] | None = None                  # the record of the best epoch
        self._best_weights: dict[str, np.ndarray] = {}

    def fit(self) -> list[dict[str, Any]]:
        """Train to the end, or on to it.  The history: a dict an epoch, as in metrics.jsonl.

        Stopped (a KeyboardInterrupt) after Ctrl-C, when the batch at hand is done and the state saved; FloatingPointError if the loss is no
        longer a number.
        """
        if self.run is not None and (self.epoch, self.batch) == (0, 0):
            self.run.save_last(self.state())                     # so that best weights without it are a fault, not a crash in epoch 1
        with Interrupt(self.progress.note) as interrupt:
            while self.epoch < self.epochs:
                self._train_epoch(interrupt)
                self._finish_epoch()
                if interrupt.requested and self.epoch < self.epochs:
                    raise Stopped
        return self.history

    def _train_epoch(self, interrupt: Interrupt) -> None:
        self.model.train()
        self.progress.epoch(self.epoch, self.epochs, len(self.loader))
        self._started = perf_counter()
        for images, labels in self.loader.batches(self.epoch, self.batch):
            self._step(Tensor(images, device=self.device), Tensor(labels, device=self.device))
            self.batch += 1
            n = self.sums["images"]
            self.progress.batch(self.batch, self.sums["loss"] / n, self.sums["correct"] / n)
            if interrupt.requested and self.batch < len(self.loader):
                if self.run is not None:
                    self.run.save_last(self.state())
                raise Stopped

    def _step(self, images: Tensor, labels: Tensor) -> None:
        outputs: Any = self.model(images)
        outputs, *auxiliary = outputs if isinstance(outputs, tuple) else (outputs,)
        loss: Any = self.loss(outputs, labels)
        for weight, scores in zip(getattr(self.model, "loss_weights", ())[1:], auxiliary):
            loss = loss + weight * self.loss(scores, labels)
        number = value(loss)
        if not math.isfinite(number):
            raise FloatingPointError(f"the loss became {number} in epoch {self.epoch + 1}, batch {self.batch + 1}, at learning rate "
                                     f"{self._rate():.3g}: try a tenth of it, --lr {self._rate() / 10:.1g}")
        self.optimizer.zero_grad()
        loss.backward()
        if self.clip_norm is not None:
            clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()
        if self.average is not None:
            self.average.update()
        predictions, truth = (move(t.data, self.device, "cpu") for t in (outputs, labels))
        self.sums["loss"] += number * len(truth)
        self.sums["correct"] += int((predictions.argmax(1) == truth).sum())
        self.sums["images"] += len(truth)

    def _rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def _finish_epoch(self) -> None:
        """Validate, keep the best, write the checkpoint."""
        rate = self._rate()
        if self.average is None:
            measured, weights = self._measure()
        else:
            with self.average.applied():
                measured, weights = self._measure()
        n = self.sums["images"]
        record = {"epoch": self.epoch + 1, "loss": self.sums["loss"] / n, "accuracy": self.sums["correct"] / n,
                  "validation_loss": measured.loss, "validation_accuracy": measured.accuracy, "lr": rate,
                  "seconds": round(perf_counter() - self._started, 3)}
        improved = self.best is None or rank(record) > rank(self.best)
        self.history.append(record)
        self.epoch, self.batch, self.sums = self.epoch + 1, 0, {"loss": 0.0, "correct": 0, "images": 0}
        if improved:
            self.best, self._best_weights = record, weights
        if self.run is not None:
            if improved:
                self.run.save_best(weights, record)              # before last: a crash in between repeats this epoch, and finds it again
            self.run.save_last(self.state())
            self.run.write_metrics(self.history)
        self.progress.record(record, self.epochs, improved)

    def _measure(self) -> tuple[Evaluation, dict[str, np.ndarray]]:
        """The weights at hand on the validation images, and a copy of them."""
        measured = evaluate(self.model, self.validation, device=self.device)
        return measured, {name: move(t.data, t.device, "cpu").copy() for name, t in self.model.state_dict().items()}

    def load_best(self) -> None:
        """Give the model the weights that were best in validation.  RuntimeError before the first epoch is done."""
        if self.best is None:
            raise RuntimeError("load_best: no epoch is done yet")
        self.model.load_state_dict(self._best_weights or (self.run.load_best() if self.run else {}))

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, as io.save takes it."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict() if self.schedule is not None else None,
                "average": self.average.state_dict() if self.average is not None else None,
                "generator": list(default_generator.state), "epoch": self.epoch, "batch": self.batch, "sums": self.sums,
                "history": self.history, "best": self.best}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go back to where state() was taken.  The model, the optimiser and the loaders must be made as they were then.

        ValueError, before anything is changed, for what is not a state of such a training.
        """
        check_state(state, self)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        default_generator.state = tuple(state["generator"])
        self.epoch, self.batch, self.sums = state["epoch"], state["batch"], dict(state["sums"])
        self.history, self.best = list(state["history"]), state["best"]
