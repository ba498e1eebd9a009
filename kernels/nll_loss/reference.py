"""Negative log-likelihood in NumPy, to be read."""
import numpy as np

from . import as_columns, check_labels, output_shape


def spec(x, target, weight=None, *, ignore_index, reduction):
    """The formula, one label at a time."""
    losses, total = np.zeros(target.shape), 0.0
    for i in np.ndindex(target.shape):
        t = int(target[i])
        if t != ignore_index:
            w = 1.0 if weight is None else float(weight[t])
            losses[i] = -w * x[i[:1] + (t,) + i[1:]]
            total += w
    if reduction == "none":
        return losses
    summed = sum(float(v) for v in losses.flat)
    return np.array(summed if reduction == "sum" else summed / total if total else np.nan)


def forward(x, target, weight=None, *, ignore_index, reduction):
    output_shape(x.shape, target.shape, None if weight is None else weight.shape, ignore_index=ignore_index, reduction=reduction)
    N, C, P = as_columns(x.shape)
    check_labels("nll_loss", target, C, ignore_index)
    labels = target.reshape(N, 1, P)
    kept = labels != ignore_index
    index = np.where(kept, labels, 0)                                   # an ignored label may be no index
    weights = np.where(kept, 1 if weight is None else weight[index], 0).astype(x.dtype)         # w[t], 0 where ignored: (N, 1, P)
    losses = np.where(kept, -weights * np.take_along_axis(x.reshape(N, C, P), index, 1), 0)
    total = weights.sum(dtype=np.float64)
    if reduction == "none":
        loss = losses.reshape(target.shape)
    elif reduction == "sum":
        loss = losses.sum(dtype=np.float64)
    else:
        with np.errstate(invalid="ignore"):                             # nothing to average: 0 / 0
            loss = losses.sum(dtype=np.float64) / total
    return np.asarray(loss, x.dtype), (index, weights, total, x.shape, reduction)


def backward(grad_output, saved, needs=(True, False, False)):
    index, weights, total, shape, reduction = saved
    if not needs[0]:
        return None, None, None
    N, C, P = as_columns(shape)
    dx = np.zeros((N, C, P), weights.dtype)
    g = np.asarray(grad_output).reshape(N, 1, P) if reduction == "none" else grad_output / (total if reduction == "mean" and total else 1)
    np.put_along_axis(dx, index, (-weights * g).astype(dx.dtype), 1)
    return dx.reshape(shape), None, None
