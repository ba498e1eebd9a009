"""Distributions: bounds, variance and independence of when they are drawn."""
from math import erf, exp, pi, sqrt

import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, nn
from minicnn.nn import init

SHAPE = (64, 32, 3, 3)                            # fan_in 288, fan_out 576
FAN_IN, FAN_OUT = 288, 576

#          function                       standard deviation                   bound, None for a normal one
CASES = {
    "uniform":          (lambda p: init.uniform_(p, -2, 3),        5 / sqrt(12),                        None),
    "normal":           (lambda p: init.normal_(p, 1, 0.5),        0.5,                                 None),
    "xavier_uniform":   (init.xavier_uniform_,                     sqrt(2 / (FAN_IN + FAN_OUT)),        sqrt(6 / (FAN_IN + FAN_OUT))),
    "xavier_normal":    (init.xavier_normal_,                      sqrt(2 / (FAN_IN + FAN_OUT)),        None),
    "kaiming_uniform":  (lambda p: init.kaiming_uniform_(p, nonlinearity="relu"), sqrt(2 / FAN_IN),     sqrt(6 / FAN_IN)),
    "kaiming_normal":   (lambda p: init.kaiming_normal_(p, mode="fan_out", nonlinearity="relu"), sqrt(2 / FAN_OUT), None),
    "lecun_uniform":    (init.lecun_uniform_,                      sqrt(1 / FAN_IN),                    sqrt(3 / FAN_IN)),
    "lecun_normal":     (init.lecun_normal_,                       sqrt(1 / FAN_IN),                    None),
    "pytorch's":        (init.torch_default_,                      sqrt(1 / FAN_IN / 3),                sqrt(1 / FAN_IN)),
}


@pytest.mark.parametrize("name", CASES)
def test_spread(name):
    fill, std, bound = CASES[name]
    mc.manual_seed(0)
    values = fill(nn.Parameter.lazy(SHAPE, dtype="float64")).data
    # of 18,432 numbers, the standard deviation is known to 1 / sqrt(2 n) = 0.5 %: four of those
    assert abs(values.std() / std - 1) < 0.02
    if bound is not None:
        assert bound * 0.999 < np.abs(values).max() <= bound


@pytest.mark.parametrize("name", CASES)
def test_drawn_or_not_tensor_or_parameter_the_same_values(name):
    fill = CASES[name][0]
    results = []
    for p in (nn.Parameter.lazy(SHAPE), nn.Parameter(np.ones(SHAPE, np.float32)), Tensor(np.ones(SHAPE, np.float32))):
        mc.manual_seed(3)
        results.append(fill(p).data)
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])


def test_truncated_normal():
    mc.manual_seed(1)
    values = init.trunc_normal_(nn.Parameter.lazy((100_000,), dtype="float64"), mean=1, std=2, a=0, b=4).data
    assert values.min() >= 0 and values.max() <= 4
    a, b = -0.5, 1.5                                                 # the moments of a standard normal cut at a and b
    share = (erf(b / sqrt(2)) - erf(a / sqrt(2))) / 2
    low, high = (exp(-z * z / 2) / sqrt(2 * pi) / share for z in (a, b))
    mean, var = low - high, 1 + a * low - b * high - (low - high) ** 2
    assert abs(values.mean() - (1 + 2 * mean)) < 0.02 and abs(values.var() - 4 * var) < 0.02


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (4, 3, 2, 2), (5, 5)])
def test_orthogonal(shape):
    w = init.orthogonal_(nn.Parameter.lazy(shape, dtype="float64"), gain=2).data.reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    assert np.abs(product - 4 * np.eye(len(product))).max() < 1e-12


def test_gains():
    assert init.calculate_gain("relu") == sqrt(2) and init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("leaky_relu", 0.2) == sqrt(2 / 1.04)
    with pytest.raises(ValueError, match="unknown nonlinearity 'swish'"):
        init.calculate_gain("swish")


@pytest.mark.parametrize("call, text", [
    (lambda: init.xavier_uniform_(nn.Parameter.lazy((5,))), "at least 2 dimensions"),
    (lambda: init.kaiming_normal_(nn.Parameter.lazy((5, 5)), mode="fan"), "'fan_in' or 'fan_out'"),
    (lambda: init.normal_(nn.Parameter.lazy((5,)), std=-1), "std should be 0 or more"),
    (lambda: init.trunc_normal_(nn.Parameter.lazy((5,)), a=1, b=0), "a < b"),
])
def test_what_has_no_meaning_is_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()
