"""Losses: how far predictions are from their targets."""
import operator
import warnings
from typing import Any

import numpy as np

from ..tensor import Tensor, tensor_of
from .activation import log_softmax
from .arithmetic import mul
from .comparisons import equal, not_equal
from .kernel_op import KernelOp
from .shapes import expand


class NLLLoss(KernelOp):
    """The Op of kernels/nll_loss: formula and derivation stand there."""
    kernel = "nll_loss"
    reads_outputs = False

    def keep_inputs(self, arrays):
        """Linear in the input, which is not kept; the kernel keeps the labels."""

    def backward_graph(self, g):
        slopes = tensor_of(self.backward(np.ones_like(g.data), needs=(True, False, False))[0], self.device)         # constant
        return mul(slopes, g.unsqueeze(min(1, len(g.shape))) if g.shape else g), None, None


class CrossEntropy(KernelOp):
    """The Op of kernels/cross_entropy: formula and derivation stand there."""
    kernel = "cross_entropy"
    reads_outputs = False

    def definition(self, x, target, weight, *, ignore_index, reduction, label_smoothing):
        dim = min(1, len(x.shape) - 1)
        C = x.shape[dim]
        per_class = tuple(C if i == dim else 1 for i in range(len(x.shape)))
        w: Any = 1.0 if weight is None else weight.reshape(per_class)
        if target.dtype.kind == "f":
            wanted, divisor = w * ((1 - label_smoothing) * target + label_smoothing / C), x.data.size // C
        else:
            labels = target.unsqueeze(dim)
            kept = not_equal(labels, ignore_index).to(x.dtype)
            hit = equal(labels, Tensor(np.arange(C).reshape(per_class), device=self.device)).to(x.dtype) * kept
            wanted, divisor = w * ((1 - label_smoothing) * hit + label_smoothing / C) * kept, (w * hit).sum()
        losses = -(wanted * log_softmax(x, dim)).sum(dim)
        return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.sum() / divisor


class MSELoss(KernelOp):
    """The Op of kernels/mse_loss: formula and derivation stand there."""
    kernel = "mse_loss"
    reads_outputs = False

    def definition(self, x, target, *, reduction):
        squares = (x - target) * (x - target)
        return squares if reduction == "none" else squares.sum() if reduction == "sum" else squares.mean()


def _labels(op: str, input: Tensor, target: Any, probabilities: bool) -> Tensor:
    """The target as labels in int64, or, where they are allowed, as probabilities.  TypeError or ValueError for anything else."""
    target = target if isinstance(target, Tensor) else Tensor(target, device=input.device)
    also = f"; class probabilities should have the shape of the input, {input.shape}" if probabilities else ""
    if probabilities and target.dtype.kind == "f" and target.shape == input.shape:
        return target
    if target.dtype.kind not in "iu":
        raise TypeError(f"{op}: a target of class labels should hold whole numbers, got {target.dtype} of shape {target.shape}; "
                        f"convert them with target.long(), or array.astype('int64'){also}")
    if probabilities and target.shape == input.shape and target.shape:
        raise ValueError(f"{op}: the target has the shape of the input, {input.shape}, but holds whole numbers ({target.dtype}). "
                         f"Class probabilities should be floating-point: target.to('{input.dtype}'); labels are one number a row, "
                         f"without the class dimension")
    if target.dtype == np.uint64 and target.data.size and int(target.data.max()) > np.iinfo(np.int64).max:
        raise ValueError(f"{op}: label {target.data.max()} is out of range 0 … {input.shape[1 if len(input.shape) > 1 else 0] - 1}")
    return target.to(np.int64)


def _constant(op: str, weight: Tensor | None) -> Tensor | None:
    if weight is not None and weight.requires_grad:
        raise ValueError(f"{op}: class weights are constants and have no gradient; pass weight.detach()")
    return weight


def nll_loss(input: Tensor, target: Any, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> Tensor:
    """loss[n,…] = −weight[t] · input[n,t,…],  t = target[n,…];  0 where t = ignore_index

    input: log-probabilities (N, C, …) or (C,).  target: whole numbers (N, …) or (), 0 … C−1 or ignore_index.  weight: (C,) or None: 1.
    reduction: "none": the shape of target; "sum"; "mean": Σ loss / Σ weight[target], NaN where everything is ignored.
    Raises ValueError for a label out of range (the first, with its place) and shapes that do not belong together, TypeError for
    labels that are no whole numbers.
    """
    target = _labels("nll_loss", input, target, probabilities=False)
    return NLLLoss.apply(input, target, _constant("nll_loss", weight), ignore_index=operator.index(ignore_index), reduction=reduction)


def cross_entropy(input: Tensor, target: Any, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean",
                  label_smoothing: float = 0.0) -> Tensor:
    """loss[n,…] = −Σ_c weight[c] · ((1 − ε)·[c = target[n,…]] + ε/C) · log_softmax(input)[n,c,…],   ε = label_smoothing

    input: scores (N, C, …) or (C,).  target: labels, as for nll_loss; or probabilities, of the input's shape and type, which stand in
    the formula in the place of [c = target].  weight: (C,) or None: 1.
    reduction: "none": (N, …); "sum"; "mean": labels: Σ loss / Σ weight[target]; probabilities: Σ loss / number of rows.
    Raises ValueError for a label out of range (the first, with its place), shapes that do not belong together or a label_smoothing
    outside 0 … 1, TypeError for labels that are no whole numbers.
    """
    target = _labels("cross_entropy", input, target, probabilities=True)
    return CrossEntropy.apply(input, target, _constant("cross_entropy", weight),
                              ignore_index=operator.index(ignore_index), reduction=reduction,
                              label_smoothing=float(label_smoothing))


def mse_loss(input: Tensor, target: Any, reduction: str = "mean") -> Tensor:
    """loss[i] = (input[i] − target[i])²;  "mean": Σ loss / count;  "sum": Σ loss;  "none": loss

    input, target: one shape, or shapes that broadcast, with a warning: it is rarely what was meant.
    """
    target = target if isinstance(target, Tensor) else Tensor(target, dtype=input.dtype, device=input.device)
    if input.shape != target.shape:
        warnings.warn(f"mse_loss: input {input.shape} and target {target.shape} differ in shape and are broadcast; "
                      f"reshape one of them if that was not meant", stacklevel=2)
        shape = np.broadcast_shapes(input.shape, target.shape)
        input, target = expand(input, shape), expand(target, shape)
    return MSELoss.apply(input, target, reduction=reduction)
