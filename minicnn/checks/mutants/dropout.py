"""Mutants of dropout: what is kept, what it is scaled by, and which mask backward uses."""
import numpy as np

from ...kernels.random import Key, uniform
from .mutant import wrong_backward, wrong_forward
from .operation import from_kernel

DROPOUT = from_kernel("dropout")


def mask(x, p, key, channels, inverted=True):
    return uniform(key, (*x.shape[:2], *[1] * (x.ndim - 2)) if channels else x.shape, dtype=np.float64) >= p


def keeps_scaled(arrays, options):
    """Something is kept, and scaled."""
    return options["inverted"] and 0.01 < options["p"] < 1 and mask(*arrays, **options).any()


def other_stream(key):
    return Key(key.seed, key.stream ^ 1)


def drops_others(arrays, options, **wrong):
    """Whether with these wrong options other values are dropped."""
    return (mask(*arrays, **options) != mask(*arrays, **{**options, **wrong})).any()


@wrong_forward(DROPOUT, "output not scaled",
               "What is kept seems to stay as it is. Scale it by 1/(1 − p) in training, so that evaluation needs nothing.",
               shows=keeps_scaled)
def unscaled(x, *, p, key, channels, inverted):
    return x * mask(x, p, key, channels)


@wrong_forward(DROPOUT, "scaled by 1/p",
               "What is kept seems to be scaled by 1/p. p is the probability to drop: scale by 1/(1 − p).",
               shows=lambda a, o: keeps_scaled(a, o) and o["p"] != 0.5)
def scaled_by_p(x, *, p, key, channels, inverted):
    return x * mask(x, p, key, channels) / (p if inverted and p > 0 else 1)


@wrong_forward(DROPOUT, "kept with probability p",
               "You seem to keep where u < p. p is the probability to drop: keep where u >= p.", shows=lambda a, o: o["p"] < 1)
def keeps_with_p(x, *, p, key, channels, inverted):
    return x * ~mask(x, p, key, channels) / (1 - p if inverted and p < 1 else 1)


@wrong_forward(DROPOUT, "values dropped where channels should be",
               "With channels=True you seem to drop single values. Draw one number for each plane (N, C), and drop planes whole.",
               shows=lambda a, o: o["channels"] and drops_others(a, o, channels=False))
def values_dropped(x, *, p, key, channels, inverted):
    return DROPOUT.forward(x, p=p, key=key, channels=False, inverted=inverted)


@wrong_backward(DROPOUT, "another mask in backward",
                "backward seems to draw a new mask. The gradient passes where the value passed: keep the mask of forward.",
                shows=lambda a, o: drops_others(a, o, key=other_stream(o["key"])))
def redrawn(grad_output, x, *, p, key, channels, inverted):
    return DROPOUT.backward(grad_output, x, p=p, key=other_stream(key), channels=channels, inverted=inverted)


@wrong_backward(DROPOUT, "gradient not scaled", "The gradient seems to lack the factor 1/(1 − p) that forward applied.", shows=keeps_scaled)
def gradient_unscaled(grad_output, x, *, p, key, channels, inverted):
    return (grad_output * mask(x, p, key, channels),)


@wrong_backward(DROPOUT, "no mask in backward",
                "Values that were dropped seem to get a gradient. They were multiplied with 0, and so is their gradient.",
                shows=lambda a, o: not mask(*a, **o).all())
def no_mask(grad_output, x, *, p, key, channels, inverted):
    return (grad_output / (1 - p if inverted and p < 1 else 1),)
