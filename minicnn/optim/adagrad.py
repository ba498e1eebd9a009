"""Adagrad."""
from .optimizer import Optimizer


class Adagrad(Optimizer):
    """θ ← θ − lr/(1 + (t − 1)·lr_decay) · g / (√s + eps),   s ← s + g², from initial_accumulator_value;  t counts steps from 1

    maximize: the other way, up.  Formulas: kernels/optimizer.  Duchi et al. 2011.  Raises ValueError for numbers out of range.
    """
    kernel = "adagrad"

    def __init__(self, params, lr: float = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0, initial_accumulator_value: float = 0.0,
                 eps: float = 1e-10, *, maximize: bool = False):
        super().__init__(params, dict(lr=lr, lr_decay=lr_decay, weight_decay=weight_decay,
                                      initial_accumulator_value=initial_accumulator_value, eps=eps, maximize=maximize))

    def check(self, group):
        super().check(group)
        self.at_least_zero(group, "lr_decay", "initial_accumulator_value", "eps")

    def arguments(self, p, state, group):
        state["step"] = state.get("step", 0) + 1
        return (self.array(state, "sum", p, group["initial_accumulator_value"]),), dict(
            lr=group["lr"], lr_decay=group["lr_decay"], weight_decay=group["weight_decay"], eps=group["eps"], maximize=group["maximize"],
            t=state["step"])
