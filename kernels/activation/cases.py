"""Random numbers in several shapes, more than one block of cpu.py, and, for every activation, its kinks and numbers far outside."""
import math

import numpy as np

from ..case import Case, Dice
from . import A, MEMBERS, S

OPTIONS = {                                                       # a name for each set of options
    "leaky_relu": {"slope 0.01": dict(negative_slope=0.01), "slope −0.5": dict(negative_slope=-0.5)},
    "elu": {"alpha 1": dict(alpha=1.0), "alpha 0.3": dict(alpha=0.3)},
    "gelu": {"erf": dict(approximate="none"), "tanh": dict(approximate="tanh")},
}
EDGES = (-1e4, -750.0, -100.0, -6.0, -3.0, -1.0, -1e-3, 0.0, 1e-3, 1.0, 3.0, 6.0, 100.0, 750.0, 1e4)
ROOT = math.sqrt(2 / math.pi)


def sigma(x):
    return (1 + math.tanh(x / 2)) / 2


def gelu_slope(x, approximate):
    if approximate == "none":
        return (1 + math.erf(x / math.sqrt(2))) / 2 + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    t = math.tanh(ROOT * (x + 0.044715 * x ** 3))
    return (1 + t) / 2 + x / 2 * (1 - t * t) * ROOT * (1 + 3 * 0.044715 * x * x)


SLOPES = {                                                        # dy/dx at every number, the kinks by convention
    "relu": lambda x: float(x > 0),
    "relu6": lambda x: float(0 < x < 6),
    "leaky_relu": lambda x, negative_slope: 1.0 if x > 0 else negative_slope,
    "elu": lambda x, alpha: 1.0 if x > 0 else alpha * math.exp(x),
    "sigmoid": lambda x: 1 / (2 + 2 * math.cosh(min(abs(x), 700.0))),
    "tanh": lambda x: 1 / math.cosh(min(abs(x), 350.0)) ** 2,
    "scaled_tanh": lambda x: A * S / math.cosh(min(abs(S * x), 350.0)) ** 2,
    "silu": lambda x: sigma(x) * (1 + x * sigma(-x)),
    "gelu": gelu_slope,
    "hardsigmoid": lambda x: 1 / 6 if -3 < x < 3 else 0.0,
    "hardswish": lambda x: 0.0 if x <= -3 else x / 3 + 0.5 if x < 3 else 1.0,
}


def edges(rng, case):
    return [np.array(EDGES).reshape(case.shapes[0])]


def edge_gradients(case, arrays, grad_output):
    slope = SLOPES[case.op or ""]
    return [np.array([slope(v, **case.options) for v in arrays[0].flat]).reshape(grad_output.shape) * grad_output]


CASES = [case for op in MEMBERS for name, options in OPTIONS.get(op, {"": {}}).items() for case in (
    Case(f"odd sizes {name}".strip(), ((3, 2, 5, 7),), options, op=op),
    Case(f"no images {name}".strip(), ((0, 3, 4, 4),), options, op=op),
    Case(f"two blocks {name}".strip(), ((1, 4099),), options, op=op),
    Case(f"kinks and extremes {name}".strip(), ((3, 5),), options, edges, smooth=False, gradients=edge_gradients, op=op),
)]


def wide(rng, case):
    """Far enough out for kinks at 3 and 6."""
    return [3 * rng.standard_normal(case.shapes[0])]


def draw(dice: Dice, op: str) -> Case:
    """At least 6 numbers: a single one may well be where the function is flat, or its slope goes through 0, and that is rounding alone."""
    options = {"leaky_relu": dict(negative_slope=dice.pick(0.01, 0.3, -0.5)), "elu": dict(alpha=dice.pick(1.0, 0.3, 2.0)),
               "gelu": dict(approximate=dice.pick("none", "tanh"))}
    x = (*dice.integers(dice.integer(0, 3), 1, 3), dice.integer(6, 9))
    return Case("drawn", (x,), options.get(op, {}), wide if op in ("relu6", "hardsigmoid", "hardswish") else None, op=op)
