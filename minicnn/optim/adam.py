"""Adam and AdamW."""
from collections.abc import Sequence

from .optimizer import Optimizer


class Adam(Optimizer):
    """θ ← θ − lr · m̂ / (√v̂ + eps),   m ← β₁·m + (1 − β₁)·g,   v ← β₂·v + (1 − β₂)·g²,   m̂ and v̂ corrected for their start at 0

    weight_decay adds weight_decay·θ to g.  amsgrad: v̂ never falls.  maximize: the other way, up.  Formulas: kernels/optimizer.
    Kingma, Ba 2014, algorithm 1.  Raises ValueError for numbers out of range.
    """
    kernel = "adam"

    def __init__(self, params, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0,
                 amsgrad: bool = False, *, maximize: bool = False):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize))

    def check(self, group):
        super().check(group)
        self.at_least_zero(group, "eps")
        if not isinstance(group["betas"], Sequence) or len(group["betas"]) != 2:
            raise ValueError(f"{type(self).__name__}: betas should be two numbers, as (0.9, 0.999), got {group['betas']!r}")
        group["betas"] = tuple(group["betas"])
        self.decays(group, "betas", group["betas"])

    def arguments(self, p, state, group):
        state["step"] = state.get("step", 0) + 1
        largest = self.array(state, "max_exp_avg_sq", p) if group["amsgrad"] else None
        return (self.array(state, "exp_avg", p), self.array(state, "exp_avg_sq", p), largest), dict(
            lr=group["lr"], beta1=group["betas"][0], beta2=group["betas"][1], eps=group["eps"], weight_decay=group["weight_decay"],
            amsgrad=group["amsgrad"], maximize=group["maximize"], t=state["step"])


class AdamW(Adam):
    """Adam, with θ ← θ − lr·weight_decay·θ before the step in the place of weight_decay·θ in the gradient.

    Loshchilov, Hutter 2017, algorithm 2.
    """
    kernel = "adamw"

    def __init__(self, params, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2,
                 amsgrad: bool = False, *, maximize: bool = False):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
