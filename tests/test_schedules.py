"""Schedules: sixty epochs against torch.optim.lr_scheduler, the formulas without it, going on from a state, and what is refused."""
import copy
import json
import math
from typing import Any

import numpy as np
import pytest

import minicnn as mc
from minicnn import optim

EPOCHS = 60
BAD_METRICS = [1.0, 0.9, 0.9, 0.95, 0.8] + [0.8 + 0.01 * (i % 7) for i in range(20)] + [0.5] + [0.50001] * 34

SCHEDULES = [
    ("StepLR", dict(step_size=7)),
    ("StepLR", dict(step_size=13, gamma=0.5)),
    ("MultiStepLR", dict(milestones=[5, 20, 20, 41])),
    ("MultiStepLR", dict(milestones=[30, 10], gamma=0.3)),
    ("ExponentialLR", dict(gamma=0.93)),
    ("CosineAnnealingLR", dict(T_max=60)),
    ("CosineAnnealingLR", dict(T_max=13, eta_min=0.01)),
    ("PolynomialLR", dict()),
    ("PolynomialLR", dict(total_iters=40, power=2.5)),
    ("LinearLR", dict()),
    ("LinearLR", dict(start_factor=0.01, end_factor=0.5, total_iters=20)),
    ("ConstantLR", dict(factor=0.2, total_iters=11)),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=60)),
    ("OneCycleLR", dict(max_lr=[0.5, 0.2], epochs=10, steps_per_epoch=6, anneal_strategy="linear", pct_start=0.4)),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=60, three_phase=True, div_factor=10.0, final_div_factor=100.0)),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=60, base_momentum=[0.7, 0.8], max_momentum=0.9, three_phase=True,
                        anneal_strategy="linear")),
    ("OneCycleLR", dict(max_lr=0.5, total_steps=60, cycle_momentum=False)),
]
IDS = [f"{name}-{','.join(f'{k}={v}' for k, v in options.items()) or 'defaults'}" for name, options in SCHEDULES]


def ours(name="SGD", **options):
    a, b = (mc.Tensor(np.ones(2, np.float32), requires_grad=True) for _ in range(2))
    options = dict(lr=0.1, **({"momentum": 0.9} if name == "SGD" else {})) | options
    return getattr(optim, name)([{"params": [a]}, {"params": [b], "lr": 0.03}], **options)


def theirs(torch, name="SGD"):
    a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
    options = {"momentum": 0.9} if name == "SGD" else {}
    return getattr(torch.optim, name)([{"params": [a]}, {"params": [b], "lr": 0.03}], lr=0.1, **options)


def settings(optimizer):
    """What a schedule writes: rates, and momentum or β₁."""
    return [v for g in optimizer.param_groups for v in (g["lr"], g["betas"][0] if "betas" in g else g["momentum"])]


def follow(optimizer, schedule, epochs=EPOCHS, metrics=None):
    found = [settings(optimizer)]
    for e in range(epochs):
        optimizer.step()
        schedule.step(*(() if metrics is None else (metrics[e],)))
        found.append(settings(optimizer))
    return np.array(found)


def same(a, b):
    assert a.shape == b.shape
    assert np.abs(a - b).max() <= 1e-13 * np.abs(b).max()


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("name, options", SCHEDULES, ids=IDS)
def test_sixty_epochs(name, options, optimizer):
    torch = pytest.importorskip("torch")
    mine, oracle = ours(optimizer), theirs(torch, optimizer)
    same(follow(mine, getattr(optim, name)(mine, **options)), follow(oracle, getattr(torch.optim.lr_scheduler, name)(oracle, **options)))


@pytest.mark.parametrize("options", [
    dict(patience=2), dict(patience=0, factor=0.5, cooldown=3), dict(mode="max", patience=3, factor=0.3), dict(threshold=0.05, patience=1),
    dict(threshold=0.02, threshold_mode="abs", patience=1), dict(mode="max", threshold_mode="abs", threshold=0.1, patience=2),
    dict(patience=0, min_lr=[0.02, 0.001], factor=0.5), dict(patience=0, eps=0.01, factor=0.5), dict(),
], ids=str)
@pytest.mark.parametrize("metrics", [BAD_METRICS, [-m for m in BAD_METRICS], [math.nan, math.inf] + BAD_METRICS[:58]],
                         ids=["positive", "negative", "NaN first"])
def test_reduce_on_plateau(options, metrics):
    torch = pytest.importorskip("torch")
    mine, oracle = ours(), theirs(torch)
    same(follow(mine, optim.ReduceLROnPlateau(mine, **options), metrics=metrics),
         follow(oracle, torch.optim.lr_scheduler.ReduceLROnPlateau(oracle, **options), metrics=metrics))


def test_lambda():
    torch = pytest.importorskip("torch")
    functions = [lambda e: 1 / (1 + e), lambda e: 0.9 ** e]
    mine, oracle = ours(), theirs(torch)
    same(follow(mine, optim.LambdaLR(mine, functions)), follow(oracle, torch.optim.lr_scheduler.LambdaLR(oracle, functions)))


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("parts, milestones", [
    ((("LinearLR", dict(start_factor=0.1, total_iters=5)), ("CosineAnnealingLR", dict(T_max=55))), [5]),
    ((("ConstantLR", dict(factor=0.5, total_iters=50)), ("ExponentialLR", dict(gamma=0.9)), ("StepLR", dict(step_size=3))), [10, 30]),
    ((("LinearLR", dict(total_iters=8)), ("PolynomialLR", dict(total_iters=52, power=0.9))), [8]),
    ((("LinearLR", dict(total_iters=8)), ("MultiStepLR", dict(milestones=[3, 9]))), [8]),
], ids=["warm-up, cosine", "three", "warm-up, polynomial", "warm-up, steps"])
def test_one_after_the_other(parts, milestones):
    torch = pytest.importorskip("torch")
    mine, oracle = ours(), theirs(torch)
    there = torch.optim.lr_scheduler
    a = optim.SequentialLR(mine, [getattr(optim, n)(mine, **o) for n, o in parts], milestones)
    b = there.SequentialLR(oracle, [getattr(there, n)(oracle, **o) for n, o in parts], milestones)
    same(follow(mine, a), follow(oracle, b))


def test_formulas():
    """By hand, for whoever has no PyTorch."""
    def rates(name, **options):
        optimizer = ours()
        return follow(optimizer, getattr(optim, name)(optimizer, **options), 10)[:, 0]
    e = np.arange(11)
    same(rates("StepLR", step_size=4), 0.1 * 0.1 ** (e // 4))
    same(rates("CosineAnnealingLR", T_max=10), 0.05 * (1 + np.cos(np.pi * e / 10)))
    same(rates("PolynomialLR", total_iters=5, power=2), 0.1 * (1 - np.minimum(e, 5) / 5) ** 2)
    same(rates("LinearLR", start_factor=0.5, total_iters=4), 0.1 * (0.5 + 0.5 * np.minimum(e, 4) / 4))


def test_one_cycle_begins_low_peaks_and_ends_lower():
    optimizer = ours()
    found = follow(optimizer, optim.OneCycleLR(optimizer, 0.5, total_steps=60), 59)
    assert np.isclose(found[0, 0], 0.5 / 25) and np.isclose(found[17, 0], 0.5) and np.isclose(found[-1, 0], 0.5 / 25 / 1e4)
    assert np.isclose(found[0, 1], 0.95) and np.isclose(found[17, 1], 0.85)


def make(kind, optimizer):
    if kind == "SequentialLR":
        return optim.SequentialLR(optimizer, [optim.LinearLR(optimizer, 0.1, total_iters=5), optim.CosineAnnealingLR(optimizer, 20)], [5])
    if kind == "LambdaLR":
        return optim.LambdaLR(optimizer, lambda e: 1 / (1 + e))
    if kind == "ReduceLROnPlateau":
        return optim.ReduceLROnPlateau(optimizer, patience=1)
    return getattr(optim, kind)(optimizer, **dict(SCHEDULES)[kind])


@pytest.mark.parametrize("kind", [*dict(SCHEDULES), "SequentialLR", "LambdaLR", "ReduceLROnPlateau"])
@pytest.mark.parametrize("at", [3, 12])
def test_a_state_goes_on(kind, at):
    """Through JSON, into a new optimiser and a new schedule: the same rates, to the last bit."""
    metrics = BAD_METRICS[:24] if kind == "ReduceLROnPlateau" else None
    whole = ours()
    expected = follow(whole, make(kind, whole), 24, metrics)
    first = ours()
    schedule = make(kind, first)
    follow(first, schedule, at, metrics)
    state = json.loads(json.dumps({"optimizer": first.state_dict(), "schedule": schedule.state_dict()}))

    second = ours()
    schedule = make(kind, second)
    second.load_state_dict(copy.deepcopy(state["optimizer"]))
    schedule.load_state_dict(state["schedule"])
    assert np.array_equal(follow(second, schedule, 24 - at, metrics and metrics[at:]), expected[at:])
    assert schedule.get_last_lr() == [g["lr"] for g in second.param_groups]


WORD: Any = "a"
NOT_A_NUMBER: Any = math.nan


@pytest.mark.parametrize("make, exception, text", [
    (lambda: optim.StepLR(ours(), 0), ValueError, "StepLR: step_size should be a whole number of at least 1, got 0"),
    (lambda: optim.StepLR(ours(), WORD), ValueError, "step_size should be a whole number"),
    (lambda: optim.CosineAnnealingLR(ours(), NOT_A_NUMBER), ValueError, "T_max should be a whole number"),
    (lambda: optim.StepLR(NOT_A_NUMBER, 3), TypeError, "StepLR: expected an optimizer, got float"),
    (lambda: optim.StepLR(ours(), 3, last_epoch=4), KeyError, "group 0 of the optimizer needs its 'initial_lr'"),
    (lambda: optim.LinearLR(ours(), 0.0), ValueError, "start_factor should be above 0"),
    (lambda: optim.LambdaLR(ours(), [abs]), ValueError, "the optimizer has 2 groups, got 1 functions"),
    (lambda: optim.OneCycleLR(ours(), 0.1), ValueError, "needs total_steps, or epochs and steps_per_epoch"),
    (lambda: optim.OneCycleLR(ours(), [0.1], total_steps=5), ValueError,
     "max_lr should be a number or one for each of the 2 groups, got 1"),
    (lambda: optim.OneCycleLR(ours(), 0.1, total_steps=5, anneal_strategy="exp"), ValueError, "should be 'cos' or 'linear', got 'exp'"),
    (lambda: optim.OneCycleLR(ours("Adagrad"), 0.1, total_steps=5), ValueError,
     "Adagrad has no momentum to cycle; pass cycle_momentum=False"),
    (lambda: optim.SequentialLR(ours(), [], []), ValueError, "0 schedules need 0 milestones"),
    (lambda: optim.SequentialLR(ours(), [optim.StepLR(ours(), 3)], []), ValueError, "at least one has another"),
    (lambda: optim.ReduceLROnPlateau(ours(), factor=1.0), ValueError, "factor should be from 0 to below 1, got 1.0"),
    (lambda: optim.ReduceLROnPlateau(ours(), mode="low"), ValueError, "mode should be 'min' or 'max', got 'low'"),
    (lambda: optim.ReduceLROnPlateau(ours()).step(), TypeError, "needs the metric that it watches"),
    (lambda: optim.StepLR(ours(), 3).load_state_dict({"gamma": 1}), ValueError, "it belongs to another schedule"),
])
def test_errors(make, exception, text):
    with pytest.raises(exception, match=text):
        make()


def test_one_cycle_ends():
    optimizer = ours()
    schedule = optim.OneCycleLR(optimizer, 0.1, total_steps=3)
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match="step 4 of a cycle of 3"):
        schedule.step()
