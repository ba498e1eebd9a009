"""Every position of the dimension, one class, no rows, scores so far apart that a naive exponential overflows."""
import numpy as np

from ..case import Case, Dice
from . import MEMBERS


def far_apart(rng, case):
    return [rng.standard_normal(case.shapes[0]) * 1e3]


def alike(rng, case):
    return [1e4 + rng.standard_normal(case.shapes[0])]            # the differences count, not the size


def row_gradients(case, arrays, grad_output):
    """Through the whole matrix ∂y[c]/∂x[j] of each row: a step fit for finite differences does not exist at these sizes."""
    gradient = np.empty_like(arrays[0])
    for n, (x, g) in enumerate(zip(arrays[0], grad_output)):
        y = np.array([1 / sum(np.exp(min(b - a, 700)) for b in x) for a in x])
        for j in range(len(x)):
            for_softmax = [y[c] * ((c == j) - y[j]) for c in range(len(x))]
            for_logarithm = [(c == j) - y[j] for c in range(len(x))]
            gradient[n, j] = np.dot(g, for_softmax if case.op == "softmax" else for_logarithm)
    return [gradient]


CASES = [case for op in MEMBERS for case in (
    Case("classes last",    ((5, 7),),         dict(dim=-1), op=op),
    Case("planes",          ((2, 5, 3, 4),),   dict(dim=1),  op=op),
    Case("first dimension", ((6, 3),),         dict(dim=0),  op=op),
    Case("one class",       ((4, 1, 3),),      dict(dim=1),  op=op),
    Case("no rows",         ((0, 5),),         dict(dim=1),  op=op),
    Case("one row",         ((3,),),           dict(dim=0),  op=op),
    Case("two strips",      ((1, 3, 300),),    dict(dim=1),  op=op),
    Case("a warp's row",    ((3, 70),),        dict(dim=1),  op=op),
    Case("a block's row",   ((2, 300),),       dict(dim=1),  op=op),
    Case("far apart",       ((3, 6),),         dict(dim=1), far_apart, smooth=False, gradients=row_gradients, op=op),
    Case("large, alike",    ((3, 6),),         dict(dim=1), alike,     smooth=False, gradients=row_gradients, op=op),
)]


def draw(dice: Dice, op: str) -> Case:
    shape = (*dice.integers(dice.integer(0, 3), 1, 3), dice.integer(3, 6))
    return Case("drawn", (shape,), dict(dim=dice.integer(-len(shape), len(shape) - 1)), op=op)
