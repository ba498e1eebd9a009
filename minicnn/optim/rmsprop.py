"""RMSprop."""
from .optimizer import Optimizer


class RMSprop(Optimizer):
    """θ ← θ − lr · g / (√v + eps),   v ← α·v + (1 − α)·g²

    eps_inside=True: g / √(v + eps), TensorFlow's form, in which the recipes of MobileNet and EfficientNet are written (an addition).
    centered: v − (average of g)² in the place of v.  momentum: a running sum of the steps is taken.  maximize: the other way, up.
    Formulas and sources: kernels/optimizer.  Raises ValueError for numbers out of range.
    """
    kernel = "rmsprop"

    def __init__(self, params, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0, momentum: float = 0.0,
                 centered: bool = False, *, eps_inside: bool = False, maximize: bool = False):
        super().__init__(params, dict(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered,
                                      eps_inside=eps_inside, maximize=maximize))

    def check(self, group):
        super().check(group)
        self.at_least_zero(group, "eps", "momentum", "alpha")

    def arguments(self, p, state, group):
        average = self.array(state, "grad_avg", p) if group["centered"] else None
        buffer = self.array(state, "momentum_buffer", p) if group["momentum"] else None
        return (self.array(state, "square_avg", p), average, buffer), {name: group[name] for name in self.defaults}
