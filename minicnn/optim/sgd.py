"""Stochastic gradient descent."""
from .optimizer import Optimizer


class SGD(Optimizer):
    """θ ← θ − lr·m,   m ← momentum·m + (1 − dampening)·(g + weight_decay·θ),  at the first step m = g + weight_decay·θ

    nesterov: θ ← θ − lr·(g + momentum·m).  maximize: the other way, up.  Formulas and sources: kernels/optimizer.
    Raises ValueError for numbers out of range, and for nesterov without momentum or with dampening.
    """
    kernel = "sgd"

    def __init__(self, params, lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0, weight_decay: float = 0.0,
                 nesterov: bool = False, *, maximize: bool = False):
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov,
                                      maximize=maximize))

    def check(self, group):
        super().check(group)
        self.at_least_zero(group, "momentum")
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError(f"SGD: nesterov needs a momentum above 0 and no dampening, got momentum={group['momentum']!r}, "
                             f"dampening={group['dampening']!r}")

    def arguments(self, p, state, group):
        first = "momentum_buffer" not in state
        buffer = self.array(state, "momentum_buffer", p) if group["momentum"] else None
        return (buffer,), dict(lr=group["lr"], momentum=group["momentum"], dampening=0.0 if first else group["dampening"],
                               weight_decay=group["weight_decay"], nesterov=group["nesterov"], maximize=group["maximize"])
