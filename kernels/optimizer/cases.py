"""Every form of every optimiser, in the middle of a run (states that are not 0), a number alone, nothing, more than one block."""
import numpy as np

from ..case import Case

SGD = dict(lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False)
ADAM = dict(lr=0.01, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.0, amsgrad=False, maximize=False, t=3)
RMSPROP = dict(lr=0.01, alpha=0.9, eps=1e-3, weight_decay=0.0, momentum=0.0, centered=False, eps_inside=False, maximize=False)
ADAGRAD = dict(lr=0.1, lr_decay=0.0, weight_decay=0.0, eps=1e-10, maximize=False, t=1)


def run_on(rng, case):
    """Parameter, gradient, and the states: averages of gradients of any sign, of squares positive and no smaller than average²."""
    arrays = []
    for i, shape in enumerate(case.shapes):
        squares = case.op == "adagrad" and i == 2 or case.op in ("adam", "adamw") and i in (3, 4) or case.op == "rmsprop" and i == 2
        arrays.append(None if shape is None else 1 + rng.random(shape) if squares else rng.uniform(-1, 1, shape))
    return arrays


def below_zero(rng, case):
    """v − a² < 0, as rounding makes it, but exaggerated: counts as 0, not as NaN."""
    shape = case.shapes[0]
    return [np.full(shape, 0.1), np.full(shape, 0.1), np.full(shape, 0.5), np.full(shape, 1.0), None]


def case(op, name, options, shape=(3, 5), absent=(), inputs=run_on):
    states = {"sgd": 1, "adam": 3, "adamw": 3, "rmsprop": 3, "adagrad": 1}[op]
    base = {"sgd": SGD, "adam": ADAM, "adamw": ADAM, "rmsprop": RMSPROP, "adagrad": ADAGRAD}[op]
    shapes = (shape, shape, *(None if i in absent else shape for i in range(states)))
    return Case(name, shapes, base | options, inputs, op=op)


CASES = [
    case("sgd", "plain",              dict(), absent=(0,)),
    case("sgd", "decay, maximize",    dict(weight_decay=0.1, maximize=True), absent=(0,)),
    case("sgd", "momentum",           dict(momentum=0.9, dampening=0.5, weight_decay=0.1)),
    case("sgd", "nesterov",           dict(momentum=0.9, nesterov=True, weight_decay=0.1, maximize=True)),
    case("sgd", "two blocks",         dict(momentum=0.9), (1, 4099)),
    case("sgd", "nothing",            dict(momentum=0.9), (0, 3)),
    *(case(op, *rest) for op in ("adam", "adamw") for rest in (
        ("plain",                     dict(), (3, 5), (2,)),
        ("first step, decay",         dict(t=1, weight_decay=0.1), (3, 5), (2,)),
        ("amsgrad, decay, maximize",  dict(amsgrad=True, weight_decay=0.1, maximize=True)),
        ("a number",                  dict(eps=0.5), (), (2,)),
        ("two blocks",                dict(weight_decay=0.1), (1, 4099), (2,)),
    )),
    case("rmsprop", "plain",          dict(), absent=(1, 2)),
    case("rmsprop", "eps inside",     dict(eps_inside=True, weight_decay=0.1), absent=(1, 2)),
    case("rmsprop", "momentum",       dict(momentum=0.9, maximize=True), absent=(1,)),
    case("rmsprop", "centered, momentum, eps inside", dict(centered=True, momentum=0.9, eps_inside=True, weight_decay=0.1)),
    case("rmsprop", "centered",       dict(centered=True), (1, 4099), (2,)),
    case("rmsprop", "centered, below zero", dict(centered=True, eps=1.0), (2, 2), (2,), below_zero),
    case("adagrad", "plain",          dict()),
    case("adagrad", "decays, maximize", dict(lr_decay=0.1, weight_decay=0.1, t=5, maximize=True)),
    case("adagrad", "eps",            dict(eps=0.5, t=2)),
    case("adagrad", "two blocks",     dict(), (1, 4099)),
]
