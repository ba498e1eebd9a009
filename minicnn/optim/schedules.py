"""Schedules of the learning rate.  e counts calls of step(); each rate is a function of e and of the first rate alone.

    schedule = optim.StepLR(optimizer, step_size=30)
    for epoch in range(90): …; schedule.step()

Names, signatures and values are PyTorch's, which computes most rates from the one before; here a rate does not depend on how it was
reached, so that a schedule can go on anywhere (load_state_dict) and rounding does not add up. Two schedules that are stepped side by
side therefore do not multiply, as PyTorch's do: the last one holds. One after the other is SequentialLR.
"""
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .optimizer import Optimizer


class LRScheduler:
    """A subclass says get_lr(): the rate of each group at self.last_epoch.

    base_lrs: the rates of the groups at the start, which the groups keep as "initial_lr".  last_epoch: e; −1 to begin.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name}: expected an optimizer, got {type(optimizer).__name__}")
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"{name}: to go on from last_epoch={last_epoch}, group {i} of the optimizer needs its 'initial_lr'; "
                               f"load the optimizer's state_dict first")
        self.optimizer = optimizer
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self.step()

    def get_lr(self) -> list[float]:
        """The rate of each group now: one factor for all, unless a subclass says otherwise."""
        factor = self.factor(self.last_epoch)
        return [base * factor for base in self.base_lrs]

    def factor(self, e: int) -> float:
        """What the first rate is multiplied with after e steps."""
        raise NotImplementedError

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next e, or to a given one, and write its rates into the optimizer."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self.write(self.get_lr())

    def write(self, rates: Sequence[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates):
            group["lr"] = rate

    def get_last_lr(self) -> list[float]:
        """The rates of the groups, as last written."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Numbers and lists: everything but the optimizer, whose own state_dict holds the rates, and functions."""
        return {k: v for k, v in vars(self).items() if k != "optimizer" and not callable(v)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state_dict of such a schedule.  ValueError if it is of another kind."""
        check_same_keys(self, state_dict)
        vars(self).update(state_dict)


def check_same_keys(schedule: LRScheduler, state_dict: dict[str, Any]) -> None:
    own = schedule.state_dict()
    if set(own) != set(state_dict):
        raise ValueError(f"{type(schedule).__name__}: its state has {', '.join(sorted(own))}; this one has "
                         f"{', '.join(sorted(map(str, state_dict)))}, so it belongs to another schedule")


def check_count(schedule: Any, name: str, value: Any, least: int = 1) -> int:
    """A whole number of steps, as int.  ValueError for anything else."""
    if not isinstance(value, (int, float, np.integer)) or isinstance(value, bool) or value % 1 or value < least:
        raise ValueError(f"{type(schedule).__name__}: {name} should be a whole number of at least {least}, got {value!r}")
    return int(value)


class LambdaLR(LRScheduler):
    """lr(e) = lr(0) · lr_lambda(e): a function of your own, or one for each group."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]], last_epoch: int = -1):
        groups = len(optimizer.param_groups)
        functions = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(functions) != groups:
            raise ValueError(f"LambdaLR: the optimizer has {groups} groups, got {len(functions)} functions")
        self.lr_lambdas = functions
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas)]

    def state_dict(self):
        return {k: v for k, v in super().state_dict().items() if k != "lr_lambdas"}


class StepLR(LRScheduler):
    """lr(e) = lr(0) · gamma^⌊e / step_size⌋"""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        self.step_size, self.gamma = check_count(self, "step_size", step_size), gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, e):
        return self.gamma ** (e // self.step_size)


class MultiStepLR(LRScheduler):
    """lr(e) = lr(0) · gamma^(number of milestones ≤ e)"""

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1, last_epoch: int = -1):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, e):
        return self.gamma ** bisect_right(self.milestones, e)


class ExponentialLR(LRScheduler):
    """lr(e) = lr(0) · gamma^e"""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, e):
        return self.gamma ** e


class CosineAnnealingLR(LRScheduler):
    """lr(e) = eta_min + (lr(0) − eta_min) · (1 + cos(π·e / T_max)) / 2: half a wave down in T_max steps, and up again if one goes on

    Loshchilov, Hutter, arXiv:1608.03983, without the restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max, self.eta_min = check_count(self, "T_max", T_max), eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        height = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """lr(e) = lr(0) · (1 − min(e, total_iters) / total_iters)^power"""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        self.total_iters, self.power = check_count(self, "total_iters", total_iters), power
        super().__init__(optimizer, last_epoch)

    def factor(self, e):
        return (1 - min(e, self.total_iters) / self.total_iters) ** self.power


class LinearLR(LRScheduler):
    """lr(e) = lr(0) · (start_factor + (end_factor − start_factor) · min(e, total_iters) / total_iters): a warm-up, by default"""

    def __init__(self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5,
                 last_epoch: int = -1):
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: start_factor should be above 0 and at most 1, end_factor from 0 to 1, "
                             f"got {start_factor!r} and {end_factor!r}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, check_count(self, "total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def factor(self, e):
        return self.start_factor + (self.end_factor - self.start_factor) * min(e, self.total_iters) / self.total_iters


class ConstantLR(LRScheduler):
    """lr(e) = lr(0) · factor for e < total_iters, then lr(0)"""

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1):
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor should be from 0 to 1, got {factor!r}")
        self.first_factor, self.total_iters = factor, check_count(self, "total_iters", total_iters, 0)
        super().__init__(optimizer, last_epoch)

    def factor(self, e):
        return self.first_factor if e < self.total_iters else 1.0


class SequentialLR(LRScheduler):
    """One schedule after the other: schedules[i] begins, at its own step 0, when e reaches milestones[i − 1]."""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1):
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ValueError(f"SequentialLR: {len(schedulers)} schedules need {max(len(schedulers) - 1, 0)} milestones between them, "
                             f"got {len(milestones)}")
        if any(s.optimizer is not optimizer for s in schedulers):
            raise ValueError("SequentialLR: all schedules should have the optimizer that it gets itself; at least one has another")
        if list(milestones) != sorted(set(milestones)):
            raise ValueError(f"SequentialLR: milestones should rise, got {list(milestones)}")
        self.optimizer, self.schedulers, self.milestones = optimizer, list(schedulers), list(milestones)
        self.base_lrs, self.last_epoch = list(schedulers[0].base_lrs), last_epoch + 1
        if last_epoch == -1:
            self.schedulers[0].step(0)                       # building the others has written their first rates: those of the first again

    def step(self, epoch: int | None = None) -> None:
        """Go on by one step.  ValueError for an epoch: which of the schedules had how many steps could not be told."""
        if epoch is not None:
            raise ValueError("SequentialLR: step() takes no epoch")
        self.last_epoch += 1
        current = bisect_right(self.milestones, self.last_epoch)
        starts = current > 0 and self.milestones[current - 1] == self.last_epoch
        self.schedulers[current].step(0 if starts else None)

    def state_dict(self):
        return {**super().state_dict(), "schedulers": [s.state_dict() for s in self.schedulers]}

    def load_state_dict(self, state_dict):
        check_same_keys(self, state_dict)
        for schedule, state in zip(self.schedulers, state_dict["schedulers"], strict=True):
            schedule.load_state_dict(state)
        vars(self).update({k: v for k, v in state_dict.items() if k != "schedulers"})
