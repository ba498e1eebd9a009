"""Losses: what a prediction is worth.  reduction: "mean" over the batch, "sum", or "none" (one number a sample)."""
from typing import Any

from .. import functional as F
from ..tensor import Tensor
from .module import Module


class NLLLoss(Module):
    """loss[n] = −weight[t] · input[n,t],  t = target[n]; input: log-probabilities (N, C, …), target: class numbers (N, …)

    The mean divides by the sum of the weights; targets of ignore_index count nowhere.
    """
    weight: Tensor | None

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"):
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index, self.reduction = ignore_index, reduction

    def forward(self, input: Any, target: Any) -> Any:
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class CrossEntropyLoss(Module):
    """loss[n] = −Σ_c target[n,c] · log softmax(input[n])[c]; input: logits (N, C, …), target: class numbers (N, …) or probabilities

    label_smoothing: this share of each target is spread evenly over all classes.
    """
    weight: Tensor | None

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0):
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index, self.reduction, self.label_smoothing = ignore_index, reduction, label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        return F.cross_entropy(input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing)


class MSELoss(Module):
    """loss = mean (input − target)²"""

    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, input: Any, target: Any) -> Any:
        return F.mse_loss(input, target, self.reduction)
