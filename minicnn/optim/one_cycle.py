"""OneCycleLR: the learning rate up, then far down, in one cycle; the momentum the other way."""
import math
from collections.abc import Sequence
from typing import Any

from .optimizer import Optimizer
from .schedules import LRScheduler, check_count


class OneCycleLR(LRScheduler):
    """From max_lr/div_factor up to max_lr in pct_start of all steps, then down to max_lr/(div_factor·final_div_factor).

    Between two rates a and b, at a fraction t of the way:  "cos": b + (a − b)·(1 + cos πt)/2,  "linear": a + (b − a)·t.
    three_phase: down to the first rate again in as many steps as up, then down to the last.  total_steps, or epochs · steps_per_epoch:
    step() is called after each batch.  cycle_momentum: momentum (of Adam: β₁) from max_momentum to base_momentum and back.
    max_lr, base_momentum and max_momentum: a number, or one for each group.
    ValueError for numbers out of range, and when it is stepped more often than it has steps.
    Smith, Topin, "Super-Convergence", arXiv:1708.07120.
    """

    def __init__(self, optimizer: Optimizer, max_lr: float | Sequence[float], total_steps: int | None = None, epochs: int | None = None,
                 steps_per_epoch: int | None = None, pct_start: float = 0.3, anneal_strategy: str = "cos", cycle_momentum: bool = True,
                 base_momentum: float | Sequence[float] = 0.85, max_momentum: float | Sequence[float] = 0.95, div_factor: float = 25.0,
                 final_div_factor: float = 1e4, three_phase: bool = False, last_epoch: int = -1):
        if total_steps is None and (epochs is None or steps_per_epoch is None):
            raise ValueError("OneCycleLR: it needs total_steps, or epochs and steps_per_epoch, to know how long the cycle is")
        if total_steps is not None:
            self.total_steps = check_count(self, "total_steps", total_steps)
        else:
            self.total_steps = check_count(self, "epochs", epochs) * check_count(self, "steps_per_epoch", steps_per_epoch)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start should be from 0 to 1, got {pct_start!r}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy should be 'cos' or 'linear', got {anneal_strategy!r}")
        self.anneal_strategy, self.cycle_momentum = anneal_strategy, cycle_momentum
        top, last = self._each(optimizer, "max_lr", max_lr), self.total_steps - 1
        first = [rate / div_factor for rate in top]
        final = [rate / final_div_factor for rate in first]
        low, high = self._each(optimizer, "base_momentum", base_momentum), self._each(optimizer, "max_momentum", max_momentum)
        if cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
            raise ValueError(f"OneCycleLR: {type(optimizer).__name__} has no momentum to cycle; pass cycle_momentum=False")

        # a phase: its last step, and where rate and momentum of each group come from and go to in it
        rise = pct_start * self.total_steps - 1
        self.phases = [[rise, first, top, high, low]]
        if three_phase:
            self.phases += [[2 * rise, top, first, low, high], [last, first, final, high, high]]
        else:
            self.phases += [[last, top, final, low, high]]
        if last_epoch == -1:
            for group, rate in zip(optimizer.param_groups, first):
                group["initial_lr"] = rate
        super().__init__(optimizer, last_epoch)

    @staticmethod
    def _each(optimizer: Optimizer, name: str, value: Any) -> list[float]:
        groups = len(optimizer.param_groups)
        values = [float(value)] * groups if isinstance(value, (int, float)) else [float(v) for v in value]
        if len(values) != groups:
            raise ValueError(f"OneCycleLR: {name} should be a number or one for each of the {groups} groups, got {len(values)}")
        return values

    def get_lr(self):
        e, start = self.last_epoch, 0.0
        if e > self.total_steps:
            raise ValueError(f"OneCycleLR: step {e} of a cycle of {self.total_steps}; pass the total_steps that the training has")
        number = 0
        while e > self.phases[number][0] and number < len(self.phases) - 1:
            start, number = self.phases[number][0], number + 1
        end, rate_from, rate_to, momentum_from, momentum_to = self.phases[number]
        t = (e - start) / (end - start) if end != start else 1.0
        if self.cycle_momentum:
            for group, a, b in zip(self.optimizer.param_groups, momentum_from, momentum_to):
                if "betas" in group:
                    group["betas"] = (self._between(a, b, t), *group["betas"][1:])
                else:
                    group["momentum"] = self._between(a, b, t)
        return [self._between(a, b, t) for a, b in zip(rate_from, rate_to)]

    def _between(self, a: float, b: float, t: float) -> float:
        return b + (a - b) * (1 + math.cos(math.pi * t)) / 2 if self.anneal_strategy == "cos" else a + (b - a) * t
