"""Labels and probabilities, each with weights, smoothing and every reduction; ignored labels; scores far apart; no rows; no batch."""
import numpy as np

from ..case import Case, Dice
from ..nll_loss.cases import first_kept, scores


def inputs(soft=False, ignored=0.0, ignore_index=-100, scale=1.0):
    def draw(rng, case):
        x, target, weight = case.shapes
        if soft:
            t = rng.random(target) + 0.05
            t = t / t.sum(min(1, t.ndim - 1), keepdims=True)
        else:
            t = rng.integers(0, x[min(1, len(x) - 1)], target)
            t = np.where(rng.random(target) < ignored, ignore_index, t)
        return [scale * rng.standard_normal(x), t, None if weight is None else rng.random(weight) + 0.1]
    return draw


def options(reduction, label_smoothing=0.0, ignore_index=-100):
    return dict(ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing)


CASES = [
    Case("mean",                    ((6, 4), (6,), None),                    options("mean"),          inputs()),
    Case("sum",                     ((3, 5), (3,), None),                    options("sum"),           inputs()),
    Case("none, planes",            ((2, 3, 4, 5), (2, 4, 5), None),         options("none"),          inputs()),
    Case("weighted mean, planes",   ((2, 3, 2, 5), (2, 2, 5), (3,)),         options("mean"),          inputs()),
    Case("smoothed",                ((5, 4), (5,), None),                    options("mean", 0.1),     inputs()),
    Case("smoothed, weighted, some ignored", ((9, 4), (9,), (4,)),           options("mean", 0.3, 1),  inputs(ignored=0.4, ignore_index=1)),
    Case("none, smoothed, some ignored", ((2, 3, 5), (2, 5), (3,)),          options("none", 0.2),     inputs(ignored=0.4)),
    Case("smoothed away",           ((3, 4), (3,), None),                    options("sum", 1.0),      inputs()),
    Case("probabilities",           ((5, 4), (5, 4), None),                  options("mean"),          inputs(soft=True)),
    Case("probabilities, weighted, smoothed, planes", ((2, 3, 2, 3), (2, 3, 2, 3), (3,)), options("mean", 0.2), inputs(soft=True)),
    Case("probabilities, none",     ((2, 3, 4), (2, 3, 4), (3,)),            options("none", 0.1),     inputs(soft=True)),
    Case("probabilities, no batch", ((5,), (5,), None),                      options("sum"),           inputs(soft=True)),
    Case("no batch",                ((5,), (), None),                        options("mean"),          inputs()),
    Case("far apart",               ((4, 5), (4,), None),                    options("sum"),           inputs(scale=100.0)),
    Case("one class",               ((3, 1), (3,), None),                    options("mean"),          inputs()),
    Case("no rows",                 ((0, 3), (0,), None),                    options("sum"),           inputs()),
    Case("two strips",              ((2, 3, 300), (2, 300), None),           options("mean"),          inputs()),
    Case("a warp's row",            ((3, 70), (3,), (70,)),                  options("mean", 0.1),     inputs(ignored=0.3)),
    Case("a block's row",           ((2, 300), (2, 300), None),              options("none"),          inputs(soft=True)),
]


def draw(dice: Dice, op: str) -> Case:
    """Labels, of which some may be ignored, or probabilities; weights or none; smoothing or none."""
    x, labels = scores(dice)
    classes, soft = x[min(1, len(x) - 1)], dice.pick(False, False, True)
    ignored, ignore_index = dice.pick(0.0, 0.4), dice.pick(-100, 255, classes - 1 if classes > 1 else -1)
    return Case("drawn", (x, x if soft else labels, dice.pick(None, (classes,))),
                options(dice.pick("mean", "sum", "none"), dice.pick(0.0, 0.1, 0.3, 1.0), ignore_index),
                inputs(soft=True) if soft else first_kept(inputs(ignored=ignored, ignore_index=ignore_index), ignore_index))
