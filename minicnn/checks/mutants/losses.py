"""Mutants of softmax and of the losses: what a row's sum adds to the gradient, what a mean divides by, what is not in the loss."""
from dataclasses import replace

import numpy as np

from ...kernels.case import Case
from ...kernels.cross_entropy.reference import row_statistics, wanted
from ...kernels.nll_loss import as_columns
from .mutant import wrong_backward, wrong_forward
from .operation import from_kernel

SOFTMAX, LOG_SOFTMAX, CROSS, MSE, NLL = map(from_kernel, ("softmax", "log_softmax", "cross_entropy", "mse_loss", "nll_loss"))


# softmax and its logarithm.

def large_scores(dice):
    """Scores whose exponential is ∞."""
    return Case("large scores", ((dice.integer(1, 4), dice.integer(2, 5)),), dict(dim=1),
                lambda rng, case: [1e4 + rng.standard_normal(case.shapes[0])])


def scores_far_apart(dice):
    """Scores so far apart that some probabilities come out as 0."""
    return Case("scores far apart", ((dice.integer(1, 4), dice.integer(4, 7)),), dict(dim=1),
                lambda rng, case: [1e3 * rng.standard_normal(case.shapes[0])])


def classes(arrays, options):
    return arrays[0].shape[options["dim"]] > 1


def classes_and_rows(arrays, options):
    return 1 < arrays[0].shape[options["dim"]] < arrays[0].size


@wrong_forward(SOFTMAX, "along the wrong dimension",
               "The probabilities seem to add up to 1 along another dimension than dim.",
               shows=lambda a, o: a[0].ndim > 1 and max(a[0].shape[o["dim"]], a[0].shape[(o["dim"] + 1) % a[0].ndim]) > 1)
def wrong_dimension(x, *, dim):
    return SOFTMAX.forward(x, dim=(dim + 1) % x.ndim)


@wrong_forward(replace(SOFTMAX, draw=large_scores), "overflow of large scores",
               "Large scores come out as NaN: e^1000 is ∞, and ∞/∞ is NaN. Subtract the largest score of the row first; the probabilities "
               "stay the same.", shows=lambda a, o: a[0].max() > 710)
def overflow(x, *, dim):
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(x)
        return e / e.sum(dim, keepdims=True)


@wrong_backward(SOFTMAX, "gradient of zeros",
                "The gradient is 0, as it would be for a loss that sums all probabilities. That sum is always 1; but each probability "
                "weighs differently in your loss: y·(g − Σ g·y).", shows=classes)
def zeros(grad_output, x, *, dim):
    return (np.zeros_like(x),)


@wrong_backward(SOFTMAX, "diagonal of the Jacobian alone",
                "The gradient seems to be y·(1 − y)·g, as for a sigmoid. Every score also moves the other probabilities of its row: y·(g "
                "− Σ g·y).", shows=classes)
def diagonal(grad_output, x, *, dim):
    y = SOFTMAX.forward(x, dim=dim)
    return (y * (1 - y) * grad_output,)


@wrong_backward(SOFTMAX, "sum over all rows",
                "The sum in y·(g − Σ g·y) seems to run over the whole array. It runs over each row: sum(dim, keepdims=True).",
                shows=classes_and_rows)
def sum_of_everything(grad_output, x, *, dim):
    y = SOFTMAX.forward(x, dim=dim)
    return (y * (grad_output - (grad_output * y).sum()),)


@wrong_forward(replace(LOG_SOFTMAX, draw=scores_far_apart), "logarithm of softmax",
               "Unlikely classes come out as −∞: their probability was rounded to 0 before the logarithm. Take x − max − ln Σ e^(x − "
               "max).", shows=lambda a, o: np.ptp(a[0], o["dim"]).max() > 750)
def logarithm_of_zero(x, *, dim):
    with np.errstate(divide="ignore"):
        return np.log(SOFTMAX.forward(x, dim=dim))


@wrong_backward(LOG_SOFTMAX, "path through the sum dropped",
                "The gradient seems to be g alone. Every score also stands in ln Σ e^x: subtract e^y · Σ g.",
                shows=lambda a, o: a[0].size > 0)
def no_sum(grad_output, x, *, dim):
    return (grad_output,)


@wrong_backward(LOG_SOFTMAX, "sum of the gradients missing",
                "The gradient seems to be g − e^y, right only for a g that sums up to 1. Every row subtracts e^y · Σ g.",
                shows=lambda a, o: a[0].size > 0)
def sum_taken_as_1(grad_output, x, *, dim):
    return (grad_output - SOFTMAX.forward(x, dim=dim),)


# Cross entropy: dx = (p·Σq − q)·g.

def labels(target):
    return target.dtype.kind != "f"


def kept(arrays, options):
    """How many rows are not ignored."""
    x, target, *_ = arrays
    return np.sum(target != options["ignore_index"]) if labels(target) else target.size // x.shape[min(1, x.ndim - 1)]


def divisor(arrays, options):
    """What the mean divides by."""
    x, target, weight = arrays
    return wanted(target, weight, as_columns(x.shape), x.dtype, options["ignore_index"], 0)[1]


def not_one(arrays, options):
    return options["reduction"] == "mean" and abs(divisor(arrays, options) - 1) > 0.01


def several(arrays, options):
    """More than one class: else the probability is 1 and the gradient 0."""
    return arrays[0].shape[min(1, arrays[0].ndim - 1)] > 1 and kept(arrays, options) > 0


def some_ignored(arrays, options):
    return labels(arrays[1]) and 0 < kept(arrays, options) < arrays[1].size


def weights_count(arrays, options):
    """Weights far from 1; for a mean over labels, which are divided by their weights, far from each other."""
    x, target, weight = arrays
    if weight is None:
        return False
    if not labels(target):
        return np.abs(weight - 1).max() > 0.1
    used = weight[target[target != options["ignore_index"]]]
    return np.ptp(used) > 0.1 if options["reduction"] == "mean" else np.abs(used - 1).max() > 0.1


def parts(grad_output, x, target, weight, ignore_index, reduction, label_smoothing):
    """p, q and g of the formula, ready for a product: (N, C, P) and (N, 1, P)."""
    columns = x.reshape(as_columns(x.shape))
    largest, logarithm = row_statistics(columns)
    q, total = wanted(target, weight, columns.shape, x.dtype, ignore_index, label_smoothing)
    g = grad_output.reshape(largest.shape) if reduction == "none" else grad_output / (total if reduction == "mean" else 1)
    return np.exp(columns - largest - logarithm), q, g


def with_dx(dx, grad_output, *arrays, **options):
    """This dx, the other gradients as they should be."""
    return dx.reshape(arrays[0].shape), *CROSS.backward(grad_output, *arrays, **options)[1:]


@wrong_backward(CROSS, "mean not divided",
                "The gradient seems to be that of the sum. With reduction='mean' divide it by N, as forward does.",
                shows=lambda a, o: several(a, o) and not_one(a, o))
def not_divided(grad_output, *arrays, **options):
    return CROSS.backward(grad_output, *arrays, **{**options, "reduction": "none" if options["reduction"] == "none" else "sum"})


@wrong_forward(CROSS, "divided by all rows",
               "The mean seems to divide by the number of all rows. It divides by the sum of their weights, which leaves out ignored "
               "rows: N where nothing is ignored or weighted.",
               shows=lambda a, o: not_one(a, o) and labels(a[1]) and abs(divisor(a, o) / a[1].size - 1) > 0.01)
def divided_by_all(x, target, weight, **options):
    if options["reduction"] != "mean":
        return CROSS.forward(x, target, weight, **options)
    rows = x.size // x.shape[min(1, x.ndim - 1)]
    return CROSS.forward(x, target, weight, **{**options, "reduction": "sum"}) / rows


@wrong_backward(CROSS, "sign", "The gradient seems to have the wrong sign: probability minus target, p − q.", shows=several)
def turned_round(grad_output, *arrays, **options):
    p, q, g = parts(grad_output, *arrays, **options)
    return with_dx((q - p * q.sum(1, keepdims=True)) * g, grad_output, *arrays, **options)


@wrong_backward(CROSS, "target not subtracted",
                "The gradient seems to be the probabilities alone. Subtract the target, 1 for the right class: p − q.",
                shows=lambda a, o: kept(a, o) > 0)
def not_subtracted(grad_output, *arrays, **options):
    p, q, g = parts(grad_output, *arrays, **options)
    return with_dx(p * q.sum(1, keepdims=True) * g, grad_output, *arrays, **options)


@wrong_backward(CROSS, "label smoothing forgotten",
                "backward seems to subtract the target as it came. Forward smoothed it: (1 − ε)·target + ε/C.",
                shows=lambda a, o: several(a, o) and o["label_smoothing"] > 0.01)
def not_smoothed(grad_output, *arrays, **options):
    return CROSS.backward(grad_output, *arrays, **{**options, "label_smoothing": 0.0})


@wrong_backward(CROSS, "ignored rows get a gradient",
                "Rows with ignore_index as their label seem to get a gradient. They are not in the loss: 0.", shows=some_ignored)
def ignored_counted(grad_output, *arrays, **options):
    p, q, g = parts(grad_output, *arrays, **options)
    mass = np.where(q.sum(1, keepdims=True) == 0, 1, q.sum(1, keepdims=True))
    return with_dx((p * mass - q) * g, grad_output, *arrays, **options)


@wrong_backward(CROSS, "upstream gradient ignored",
                "backward seems to take grad_output as 1. Multiply with it: the loss may be scaled, or one of several.", shows=several)
def upstream_ignored(grad_output, *arrays, **options):
    return CROSS.backward(np.ones_like(grad_output), *arrays, **options)


@wrong_backward(CROSS, "class weights forgotten",
                "backward seems to leave out weight. Every class stands in the loss with its weight, and so in the gradient.",
                shows=lambda a, o: several(a, o) and weights_count(a, o))
def not_weighted(grad_output, x, target, weight, **options):
    return CROSS.backward(grad_output, x, target, None, **options)


# Mean squared error, and negative log-likelihood.

@wrong_backward(MSE, "factor 2 missing", "The gradient seems half as large as it should be: the derivative of (x − t)² is 2·(x − t).")
def no_factor_2(grad_output, x, target, *, reduction):
    return tuple(half / 2 for half in MSE.backward(grad_output, x, target, reduction=reduction))


@wrong_backward(MSE, "mean not divided",
                "The gradient seems to be that of the sum. With reduction='mean' divide it by the number of elements.",
                shows=lambda a, o: o["reduction"] == "mean" and a[0].size > 1)
def mse_not_divided(grad_output, x, target, *, reduction):
    dx = 2 * (x - target) * grad_output
    return dx, -dx


@wrong_backward(MSE, "sign", "The gradient seems to have the wrong sign: x − target, not target − x.")
def mse_turned_round(grad_output, x, target, *, reduction):
    dx, dt = MSE.backward(grad_output, x, target, reduction=reduction)
    return dt, dx


@wrong_backward(MSE, "target's gradient with the sign of x's",
                "The gradient of target seems to equal that of x. Target is subtracted: it gets the negative.")
def same_sign(grad_output, x, target, *, reduction):
    dx, _ = MSE.backward(grad_output, x, target, reduction=reduction)
    return dx, dx


@wrong_backward(NLL, "sign",
                "The gradient seems to have the wrong sign: the loss is the negative of x[target].", shows=lambda a, o: kept(a, o) > 0)
def nll_turned_round(grad_output, x, target, weight, **options):
    return -NLL.backward(grad_output, x, target, weight, **options)[0], None, None


@wrong_backward(NLL, "mean not divided",
                "The gradient seems to be that of the sum. With reduction='mean' divide it as forward divides the loss.",
                shows=lambda a, o: kept(a, o) > 0 and not_one(a, o))
def nll_not_divided(grad_output, *arrays, ignore_index, reduction):
    return NLL.backward(grad_output, *arrays, ignore_index=ignore_index, reduction="none" if reduction == "none" else "sum")


@wrong_backward(NLL, "gradient for every class",
                "Every class of a row seems to get the gradient. Only x[target] stands in the loss: all others get 0.", shows=several)
def every_class(grad_output, x, *rest, **options):
    dx, _, _ = NLL.backward(grad_output, x, *rest, **options)
    return np.zeros_like(x) + dx.sum(min(1, x.ndim - 1), keepdims=True), None, None
