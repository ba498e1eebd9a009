"""Negative log-likelihood: how unlikely the right classes were.

    loss[n,…] = −w[t] · x[n, t, …],  t = target[n,…],  w = 1 without weights;  0 where t = ignore_index

    reduction "none"   loss                              the shape of target
              "sum"    Σ loss                            a number
              "mean"   Σ loss / Σ w[target]              a number: the weighted mean over what is not ignored; NaN where that is nothing

Backward: only the right class stands in the loss:  dx[n, t, …] = −w[t] · g[n,…], with g divided by Σ w[target] for the mean.

    forward(x, target, weight, *, ignore_index, reduction) -> loss, saved
    backward(grad_output, saved, needs) -> (grad_x, None, None)          weights are constants, as in PyTorch

x (N, C, …) or (C,): log-probabilities.  target (N, …) or (): whole numbers, 0 … C−1 or ignore_index.  weight (C,) or None.
output_shape looks at shapes; check_labels, which both forms for the CPU call, looks at the labels. On a GPU nobody does: the host would
have to wait. There a label that is no class makes the loss NaN.
"""
from collections.abc import Sequence

import numpy as np

REDUCTIONS = ("none", "mean", "sum")
CONSTANTS = (2,)                          # no gradient for the class weights


def output_shape(x, target, weight=None, *, ignore_index=-100, reduction="mean"):
    """(N, C, …), (N, …), (C,) -> (N, …), or () for a mean or sum.  Raises ValueError for shapes that do not belong together."""
    check_classes("nll_loss", x, weight, reduction)
    check_target("nll_loss", x, target)
    return tuple(target) if reduction == "none" else ()


def check_classes(op: str, x: Sequence[int], weight: Sequence[int] | None, reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"{op}: reduction should be 'none', 'mean' or 'sum', got {reduction!r}")
    if not x:
        raise ValueError(f"{op}: expected an input (N, C, …) or (C,), got a single number; the second dimension holds the classes")
    classes = x[min(1, len(x) - 1)]
    if weight is not None and tuple(weight) != (classes,):
        raise ValueError(f"{op}: weight should have one number a class, shape ({classes},), got {tuple(weight)}. Input shape {tuple(x)}")


def check_target(op: str, x: Sequence[int], target: Sequence[int]) -> None:
    expected = tuple(x[:1]) + tuple(x[2:]) if len(x) > 1 else ()
    if tuple(target) != expected:
        raise ValueError(f"{op}: a target of class labels for an input of shape {tuple(x)} should have shape {expected}, "
                         f"one label where the input has {x[min(1, len(x) - 1)]} scores; got {tuple(target)}")


def check_labels(op: str, target: np.ndarray, classes: int, ignore_index: int) -> None:
    """ValueError for a label that is neither a class nor ignore_index: the first, with its place."""
    bad = ((target < 0) | (target >= classes)) & (target != ignore_index)
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0]) if target.ndim else ()
        where = f"at position {place[0] if len(place) == 1 else place} of the target" if place else "as target"
        raise ValueError(f"{op}: label {int(target[place])} {where} is out of range: with {classes} classes, labels run from 0 to "
                         f"{classes - 1} (and {ignore_index} is ignored). Labels that count from 1 need 1 subtracted; a missing class "
                         f"needs a wider last layer")


def as_columns(shape: Sequence[int]) -> tuple[int, int, int]:
    """The shape of the input as (N, C, P): P positions in every image, one row of scores each."""
    if len(shape) == 1:
        return 1, shape[0], 1
    positions = 1
    for n in shape[2:]:
        positions *= n
    return shape[0], shape[1], positions
