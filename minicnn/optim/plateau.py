"""ReduceLROnPlateau: less learning rate when there is no more progress."""
import math
from collections.abc import Sequence
from typing import Any

from .optimizer import Optimizer
from .schedules import LRScheduler


class ReduceLROnPlateau(LRScheduler):
    """lr ← max(lr · factor, min_lr) after more than `patience` epochs in a row without a better metric.

    mode           "min": lower is better; "max": higher is
    threshold      what counts as better than the best so far: by this share of it (threshold_mode "rel"), or by this much ("abs")
    cooldown       epochs after a reduction that are not counted
    min_lr         a number, or one for each group;  eps: a change smaller than this is not made
    step(metric)   after each epoch.  ValueError for numbers out of range.
    """

    def __init__(self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10, threshold: float = 1e-4,
                 threshold_mode: str = "rel", cooldown: int = 0, min_lr: float | Sequence[float] = 0.0, eps: float = 1e-8):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"ReduceLROnPlateau: expected an optimizer, got {type(optimizer).__name__}")
        if not 0 <= factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor should be from 0 to below 1, got {factor!r}")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode should be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode should be 'rel' or 'abs', got {threshold_mode!r}")
        groups = len(optimizer.param_groups)
        self.min_lrs = [float(min_lr)] * groups if isinstance(min_lr, (int, float)) else [float(v) for v in min_lr]
        if len(self.min_lrs) != groups:
            raise ValueError(f"ReduceLROnPlateau: min_lr should be a number or one for each of the {groups} groups, "
                             f"got {len(self.min_lrs)}")
        self.optimizer, self.mode, self.factor_of_reduction, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown, self.eps = threshold, threshold_mode, cooldown, eps
        self.best: float | None = None                   # of the metrics so far; None before the first
        self.last_epoch = self.num_bad_epochs = self.cooldown_counter = 0

    def is_better(self, metric: float, best: float | None) -> bool:
        if best is None:
            return metric < math.inf if self.mode == "min" else metric > -math.inf
        margin = self.threshold * best if self.threshold_mode == "rel" else self.threshold
        return metric < best - margin if self.mode == "min" else metric > best + margin

    def step(self, metrics: Any = None, epoch: int | None = None) -> None:
        """Tell it the metric of an epoch: a number, or a Tensor with one element."""
        if metrics is None:
            raise TypeError("ReduceLROnPlateau: step() needs the metric that it watches, e.g. schedule.step(validation_loss)")
        metric, self.last_epoch = float(metrics), self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(metric, self.best):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def _reduce(self) -> None:
        for group, least in zip(self.optimizer.param_groups, self.min_lrs):
            rate = max(group["lr"] * self.factor_of_reduction, least)
            if group["lr"] - rate > self.eps:
                group["lr"] = rate
