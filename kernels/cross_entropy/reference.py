"""Cross entropy in NumPy, to be read."""
import math

import numpy as np

from ..nll_loss import as_columns, check_labels
from . import output_shape


def spec(x, target, weight=None, *, ignore_index, reduction, label_smoothing):
    """The formula, one row of scores at a time."""
    soft, C = target.dtype.kind == "f", x.shape[min(1, x.ndim - 1)]
    w = [1.0] * C if weight is None else [float(v) for v in weight]
    rows = x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()
    losses, divisor = np.zeros(rows), 0.0
    for i in np.ndindex(rows):
        row = [float(x[i[:1] + (c,) + i[1:]]) for c in range(C)]
        logarithm = max(row) + math.log(math.fsum(math.exp(v - max(row)) for v in row))
        if soft:
            t = [float(target[i[:1] + (c,) + i[1:]]) for c in range(C)]
            divisor += 1
        elif int(target[i]) == ignore_index:
            continue
        else:
            t = [float(c == target[i]) for c in range(C)]
            divisor += w[int(target[i])]
        losses[i] = -math.fsum(w[c] * ((1 - label_smoothing) * t[c] + label_smoothing / C) * (row[c] - logarithm)
                               for c in range(C) if soft or label_smoothing or t[c])
    if reduction == "none":
        return losses
    summed = math.fsum(float(v) for v in losses.flat)
    return np.array(summed if reduction == "sum" else summed / divisor if divisor else np.nan)


def wanted(target, weight, shape, dtype, ignore_index, label_smoothing):
    """q (N, C, P) of the formula, and what the mean divides by."""
    N, C, P = shape
    w = np.ones((C, 1), dtype) if weight is None else weight.reshape(C, 1)
    if target.dtype.kind == "f":
        return w * ((1 - label_smoothing) * target.reshape(shape) + label_smoothing / C), N * P
    labels = target.reshape(N, 1, P)
    kept = labels != ignore_index
    hit = np.arange(C).reshape(C, 1) == labels                                    # [c = target]
    q = kept * w * ((1 - label_smoothing) * hit + label_smoothing / C)
    return q.astype(dtype, copy=False), (kept * hit * w).sum(dtype=np.float64)


def row_statistics(columns):
    """m and ln Σ e^(x − m) of each row of scores, (N, 1, P): with them log p = x − m − logarithm."""
    largest = columns.max(1, keepdims=True, initial=-np.inf)
    return largest, np.log(np.exp(columns - largest).sum(1, keepdims=True))


@np.errstate(invalid="ignore")                                      # ∞ − ∞ and 0 / 0 are NaN, and meant
def forward(x, target, weight=None, *, ignore_index, reduction, label_smoothing):
    options = dict(ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing)
    shape = output_shape(x.shape, target.shape, None if weight is None else weight.shape, **options)
    columns = x.reshape(as_columns(x.shape))
    if target.dtype.kind != "f":
        check_labels("cross_entropy", target, columns.shape[1], ignore_index)
    largest, logarithm = row_statistics(columns)
    q, divisor = wanted(target, weight, columns.shape, x.dtype, ignore_index, label_smoothing)
    terms = q * (columns - largest - logarithm)
    if target.dtype.kind != "f":
        terms[q == 0] = 0                                           # a class of probability 0 that is not the right one: not 0 · −∞ = NaN
    losses = -terms.sum(1)
    if reduction == "none":
        loss = losses.reshape(shape)
    else:
        loss = losses.sum(dtype=np.float64) / (1 if reduction == "sum" else np.float64(divisor))
    return np.asarray(loss, x.dtype), (x, target, weight, largest, logarithm, divisor, options)


@np.errstate(invalid="ignore")
def backward(grad_output, saved, needs=(True, False, False)):
    x, target, weight, largest, logarithm, divisor, options = saved
    columns = x.reshape(as_columns(x.shape))
    if options["reduction"] == "none":
        g = np.asarray(grad_output).reshape(largest.shape)
    else:
        g = grad_output / (divisor if options["reduction"] == "mean" and divisor else 1)
    log_p = columns - largest - logarithm
    dx = dt = None
    if needs[0]:
        q, _ = wanted(target, weight, columns.shape, x.dtype, options["ignore_index"], options["label_smoothing"])
        dx = ((np.exp(log_p) * q.sum(1, keepdims=True) - q) * g).astype(x.dtype, copy=False).reshape(x.shape)
    if needs[1]:
        w = 1 if weight is None else weight.reshape(-1, 1)
        dt = (-(1 - options["label_smoothing"]) * w * log_p * g).astype(x.dtype, copy=False).reshape(x.shape)
    return dx, dt, None
