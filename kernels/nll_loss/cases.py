"""Rows and planes of labels, weights, labels that are ignored (also all of them), no rows, a single row without a batch."""
from math import prod

import numpy as np

from ..case import Case, Dice


def labelled(ignored=0.0, ignore_index=-100):
    def inputs(rng, case):
        x, target, weight = case.shapes
        labels = rng.integers(0, x[min(1, len(x) - 1)], target)
        labels = np.where(rng.random(target) < ignored, ignore_index, labels)
        return [rng.standard_normal(x), labels, None if weight is None else rng.random(weight) + 0.1]
    return inputs


def options(reduction, ignore_index=-100):
    return dict(ignore_index=ignore_index, reduction=reduction)


CASES = [
    Case("mean",             ((6, 4), (6,), None),               options("mean"),     labelled()),
    Case("sum",              ((3, 5), (3,), None),               options("sum"),      labelled()),
    Case("none",             ((3, 5), (3,), None),               options("none"),     labelled()),
    Case("weighted planes",  ((2, 3, 4, 5), (2, 4, 5), (3,)),    options("mean"),     labelled()),
    Case("weighted, none",   ((2, 3, 5), (2, 5), (3,)),          options("none"),     labelled()),
    Case("some ignored",     ((8, 4), (8,), (4,)),               options("mean", 2),  labelled(0.4, 2)),
    Case("ignored 255",      ((2, 4, 3, 3), (2, 3, 3), None),    options("sum", 255), labelled(0.5, 255)),
    Case("all but few ignored", ((5, 3), (5,), None),            options("none"),     labelled(0.9)),
    Case("one class",        ((4, 1), (4,), None),               options("mean"),     labelled()),
    Case("no batch",         ((5,), (), None),                   options("mean"),     labelled()),
    Case("no rows",          ((0, 3), (0,), None),               options("sum"),      labelled()),
    Case("no rows, none",    ((0, 3), (0,), None),               options("none"),     labelled()),
]


def scores(dice: Dice) -> tuple[tuple, tuple]:
    """The shape of an input, (N, C, …) or (C,), and of its labels.

    3 rows or more, or a longer one: where there are few numbers, all gradients p − q may be nearly 0, and that is rounding alone.
    """
    C, plane = dice.pick(3, 4, 5, 2, 1), dice.integers(dice.integer(0, 2), 1, 3)
    N = dice.integer(-(-3 // prod(plane)), 5)
    return dice.pick(((N, C, *plane), (N, *plane)), ((N, C, *plane), (N, *plane)), ((C + 5,), ()))


def no_positive(inputs):
    """Logarithms of probabilities, as they are: numbers of both signs could add up to nearly 0, and that is rounding alone."""
    def negated(rng, case):
        x, *rest = inputs(rng, case)
        return [-np.abs(x), *rest]
    return negated


def first_kept(inputs, ignore_index):
    """A mean over nothing is NaN: the first label is a class, and not ignored (so with one class, ignore_index must be no class)."""
    def kept(rng, case):
        x, labels, weight = inputs(rng, case)
        labels.flat[:1] = (ignore_index + 1) % case.shapes[0][min(1, len(case.shapes[0]) - 1)]
        return [x, labels, weight]
    return kept


def draw(dice: Dice, op: str) -> Case:
    """Weights or none; nothing ignored, or labels that are no class, or one of the classes."""
    x, target = scores(dice)
    classes = x[min(1, len(x) - 1)]
    ignored, ignore_index = dice.pick(0.0, 0.4), dice.pick(-100, 255, classes - 1 if classes > 1 else -1)
    return Case("drawn", (x, target, dice.pick(None, (classes,))), options(dice.pick("mean", "sum", "none"), ignore_index),
                first_kept(no_positive(labelled(ignored, ignore_index)), ignore_index))
