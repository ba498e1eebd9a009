"""Rows and planes of labels, weights, labels that are ignored (also all of them), no rows, a single row without a batch."""
import numpy as np

from ..case import Case


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
