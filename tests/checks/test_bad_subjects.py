"""gradcheck on what people bring along: each ends as a report that says what is wrong, or as one clear exception; nothing wrong passes."""
import json
import random
import warnings

import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, nn
from minicnn.checks import gradcheck
from minicnn.tensor import Op


def X(*shape):
    return np.random.default_rng(0).standard_normal(shape or (3, 4))


START = X()
FIFTH = np.arange(12).reshape(3, 4) == 5


def twice(x):
    return 2 * x


def right(g, x):
    return 2 * g


def failed(fn, inputs, text, **options):
    """The report, which must have failed, be printable and savable, and hold the text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = gradcheck(fn, inputs, **options)
        assert not report and text in str(report), report
    json.dumps(report.as_dict())
    return report


def late(calls):
    """2x, for so many calls; after that it raises."""
    left = iter(range(calls))

    def forward(x):
        if next(left, None) is None:
            raise OSError("the disk is gone")
        return 2 * x
    return forward


def endless(x):
    return endless(x)


def fails_where(condition):
    return lambda x: x * (2 // int(not condition(x)))


def counting():
    calls = iter(range(10**9))
    return lambda x: x * next(calls)


def one_in_place(x):
    y = 2 * x
    x[0, 0] = 7
    return y


FORWARDS = {
    "raises": (fails_where(lambda x: True), "zero (test_bad_subjects.py, line"),
    "raises when moved": (fails_where(lambda x: not np.array_equal(x, START)), "forward raised ZeroDivisionError"),
    "raises on one side": (fails_where(lambda x: x[0, 0] > START[0, 0]), "forward raised ZeroDivisionError"),
    "raises at the thirtieth call": (late(30), "forward raised OSError: the disk is gone"),
    "calls itself": (endless, "forward raised RecursionError"),
    "no return": (lambda x: None, "forward returned nothing (None): is a return missing?"),
    "list": (lambda x: (2 * x).tolist(), "forward returned a list, not an array"),
    "integer": (lambda x: 3, "int, not an array"),
    "number for an array": (lambda x: 3.0, "backward's gradient has shape (), the input (3, 4)"),
    "text": (lambda x: "a", "forward returned a str"),
    "dict": (lambda x: {"y": x}, "forward returned a dict"),
    "generator": (lambda x: (row for row in x), "forward returned a generator"),
    "tuple": (lambda x: (2 * x,), "forward returned a tuple"),
    "Tensor": (lambda x: Tensor(2 * x), "forward returned a Tensor, not an array"),
    "float16": (lambda x: (2 * x).astype(np.float16), "forward returned float16 for inputs of float64"),
    "float32": (lambda x: (2 * x).astype(np.float32), "forward returned float32 for inputs of float64"),
    "long double": (lambda x: (2 * x).astype(np.longdouble), "for inputs of float64") if np.dtype(np.longdouble).itemsize > 8 else None,
    "objects": (lambda x: (2 * x).astype(object), "forward returned object"),
    "complex": (lambda x: 2 * x + 0j, "forward returned complex128"),
    "truth values": (lambda x: x > 0, "forward returned bool"),
    "whole numbers": (lambda x: x.argmax(axis=1), "forward returned int64"),
    "NaN": (lambda x: x * np.nan, "the output is nan at (0, 0) (12 of 12 numbers are not finite)"),
    "one infinity": (lambda x: np.where(FIFTH, np.inf, 2 * x), "the output is inf at (1, 1) (1 of 12 numbers"),
    "NaN when moved": (lambda x: np.where(x == START, 2 * x, np.nan), "nan"),
    "module random": (lambda x: x * random.random(), "two calls with the same inputs returned different numbers"),
    "own generator": (lambda x: x + np.random.default_rng().standard_normal(x.shape), "two calls with the same inputs"),
    "counter": (counting(), "two calls with the same inputs returned different numbers"),
    "changes its input": (one_in_place, "forward changes its input 0 in place"),
    "missing argument": (lambda a, b: a * b, "forward raised TypeError"),
}


@pytest.mark.parametrize("row", [r for r in FORWARDS.values() if r], ids=[k for k, r in FORWARDS.items() if r])
def test_bad_forward(row):
    failed(row[0], [X()], row[1], backward=right)


def adds_up():
    total = np.zeros((3, 4))

    def backward(g, x):
        total[...] += 2 * g
        return total
    return backward


def doubles(g, x):
    g *= 2
    return g


def clears(g, x):
    x *= 0
    return 2 * g


def raises_later():
    left = iter(range(2))

    def backward(g, x):
        next(left)
        return 2 * g
    return backward


BACKWARDS = {
    "raises": (lambda g, x: 1 / 0, "backward, given a grad_output of shape (3, 4), raised ZeroDivisionError"),
    "raises at the third call": (raises_later(), "raised StopIteration"),
    "no return": (lambda g, x: None, "backward returned nothing (None): is a return missing?"),
    "None for the only input": (lambda g, x: (None,), "input 0 gets no gradient"),
    "two for one": (lambda g, x: (2 * g, 2 * g), "backward returned 2 gradients for 1 inputs"),
    "none for one": (lambda g, x: (), "backward returned 0 gradients for 1 inputs"),
    "nested lists": (lambda g, x: (2 * g).tolist(), "backward returned 3 gradients for 1 inputs"),
    "dict": (lambda g, x: {"x": 2 * g}, "no array of numbers"),
    "generator": (lambda g, x: (2 * g for _ in range(1)), "no array of numbers"),
    "text": (lambda g, x: "abc", "no array of numbers"),
    "objects": (lambda g, x: (2 * g).astype(object), "no array of numbers but object"),
    "complex": (lambda g, x: 2 * g + 1j, "no array of numbers but complex128"),
    "integer": (lambda g, x: 3, "backward's gradient has shape (), the input (3, 4)"),
    "transposed": (lambda g, x: 2 * g.T, "backward's gradient has shape (4, 3), the input (3, 4)"),
    "one axis more": (lambda g, x: 2 * g[None], "backward's gradient has shape (1, 3, 4)"),
    "float32": (lambda g, x: (2 * g).astype(np.float32), "backward's gradient is float32, the input float64"),
    "NaN": (lambda g, x: g * np.nan, "backward's gradient is nan at (0, 0)"),
    "one NaN": (lambda g, x: np.where(FIFTH, np.nan, 2 * g), "backward's gradient is nan at (1, 1)"),
    "one infinity": (lambda g, x: np.where(FIFTH, np.inf, 2 * g), "backward's gradient is inf at (1, 1)"),
    "its input": (lambda g, x: x, "it ignores grad_output"),
    "adds to the last": (adds_up(), "does it add to what it returned the last time?"),
    "changes grad_output": (doubles, "backward changes its grad_output in place"),
    "changes its input": (clears, "backward changes its input 0 in place"),
    "random": (lambda g, x: g * random.random(), "backward called twice with the same arguments"),
    "not linear": (lambda g, x: 2 * np.maximum(g, 0), "gradients do not add up"),
}


@pytest.mark.parametrize("row", BACKWARDS.values(), ids=BACKWARDS.keys())
def test_bad_backward(row):
    failed(twice, [X()], row[1], backward=row[0])


class Twice(Op):
    def forward(self, x):
        return 2 * x

    def backward(self, g, needs):
        return (2 * g,)


def written(x):
    x.data[...] *= 2
    return x * 1


def cut(x):
    with mc.no_grad():
        return x * 2


LEAST = float(X().min()) - 1e-8


def keeps(self, x):
    self.x = x
    return 2 * x


def spoils(self, g, needs):
    self.x *= 2
    return 2 * g,


TENSORS = {
    "no return": (lambda x: None, "the function returned nothing (None) where a Tensor was expected"),
    "array": (lambda x: x.data * 2, "for NumPy functions pass backward= too"),
    "number": (lambda x: 3.0, "the function returned a float"),
    "dict": (lambda x: {"y": x}, "the function returned a dict"),
    "a number beside": (lambda x: (x * 2, 5), "int where a Tensor was expected"),
    "float32": (lambda x: x.to("float32") * 2, "the function returned float32"),
    "whole numbers": (lambda x: Tensor(np.arange(3)), "no floating-point tensor"),
    "nothing in a tuple": (lambda x: (), "no floating-point tensor"),
    "raises": (lambda x: 1 / 0, "the function raised ZeroDivisionError: division by zero (test_bad_subjects.py, line"),
    "under no_grad": (cut, "gets no gradient"),
    "writes to its input": (written, "the function changes its input 0 in place"),
    "random": (lambda x: x * random.random(), "two calls with the same inputs returned different numbers"),
    "a class for a layer": (nn.ReLU, "the function returned a ReLU"),
    "Op: gradient missing": (type("None_", (Twice,), {"backward": lambda self, g, needs: (None,)}), "input 0 gets no gradient"),
    "Op: gradient transposed": (type("Turned", (Twice,), {"backward": lambda self, g, needs: (2 * g.T,)}), "has shape (4, 3)"),
    "Op: backward spoils x": (type("Spoils", (Twice,), {"forward": keeps, "backward": spoils}), "backward changes input 0 in place"),
    "edge of the domain": (lambda x: (x - LEAST).log(), "the inputs lie at the edge of where the function is defined"),
    "Op: backward raises": (type("Raises", (Twice,), {"backward": lambda self, g, needs: 1 / 0}), "backward raised ZeroDivisionError"),
}


@pytest.mark.parametrize("row", TENSORS.values(), ids=TENSORS.keys())
def test_bad_functions_of_tensors(row):
    failed(row[0], [X()], row[1])


REFUSED = {
    "whole numbers": ([np.arange(3)], {}), "truth value": (True, {}), "text": ("abc", {}), "None": ([None], {}), "dict": ({"a": X()}, {}),
    "NaN": ([np.array([1, np.nan])], {}), "complex": ([X() + 1j], {}), "objects": ([np.array([1.0, None], object)], {}),
    "no inputs": ([], {}), "all constant": ([X()], {"constants": (0,)}), "unknown operation": ([X()], {"like": "conv2"}),
    "seed": ([X()], {"seed": -1}), "backward": ([X()], {"backward": 5}),
}


@pytest.mark.parametrize("inputs, options", REFUSED.values(), ids=REFUSED.keys())
def test_refused(inputs, options):
    with pytest.raises((ValueError, TypeError)):
        gradcheck(twice, inputs, **{"backward": right} | options)


def test_a_layer_that_holds_its_weights_is_not_likened():
    with pytest.raises(ValueError, match="the weights among the inputs"):
        gradcheck(nn.Linear(3, 2), X(5, 3), like="linear")


INPUTS = {"read-only": X(), "Fortran order": np.asfortranarray(X()), "every second": X(6, 8)[::2, ::2], "no axes": np.array(1.5),
          "broadcast": np.broadcast_to(X(4), (3, 4)), "number": 1.5, "float16": X().astype(np.float16), "big-endian": X().astype(">f8"),
          "tiny": X() * 1e-200, "denormal": X() * 1e-310, "large": X() * 1e100}
INPUTS["read-only"].flags.writeable = False


@pytest.mark.parametrize("x", INPUTS.values(), ids=INPUTS.keys())
def test_inputs_of_all_kinds(x):
    assert gradcheck(twice, [x], backward=right)
    assert not gradcheck(twice, [x], backward=lambda g, x: 2.1 * g)


ONES, ZEROS = np.ones((3, 4)), np.zeros((3, 4))
FINE = {
    "its input": (lambda x: x, lambda g, x: g, X()), "a view": (lambda x: x[::-1], lambda g, x: g[::-1], X()),
    "constant": (lambda x: np.ones(3), lambda g, x: 0 * x, X()), "sign": (np.sign, lambda g, x: 0 * g, X()),
    "ReLU at 0": (lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0), ZEROS),
    "floor at its jumps": (np.floor, lambda g, x: 0 * g, np.arange(4.0)),
    "ties": (lambda x: x.max(axis=1), lambda g, x: g[:, None] * (np.arange(4) == x.argmax(axis=1)[:, None]), ONES),
    "sin(1000x)": (lambda x: np.sin(1e3 * x), lambda g, x: 1e3 * g * np.cos(1e3 * x), X()),
    "x²⁰": (lambda x: x**20, lambda g, x: 20 * g * x**19, X()),
    "e⁵⁰ˣ": (lambda x: np.exp(50 * x), lambda g, x: 50 * g * np.exp(50 * x), X()),
    "outputs of 1e12 and 1": (lambda x: x * x * [1e12, 1, 1, 1], lambda g, x: 2 * g * x * [1e12, 1, 1, 1], X()),
}


@pytest.mark.parametrize("forward, backward, x", FINE.values(), ids=FINE.keys())
def test_right_though_unusual(forward, backward, x):
    report = gradcheck(forward, [x], backward=backward)
    assert report, report


WRONG = {
    "straight through": (np.round, lambda g, x: g, X()), "constant": (lambda x: np.ones(3), lambda g, x: x * g.sum(), X()),
    "sin(1000x), a thousandth": (lambda x: np.sin(1e3 * x), lambda g, x: 1001 * g * np.cos(1e3 * x), X()),
    "the small of 1e12 and 1": (lambda x: x * x * [1e12, 1, 1, 1], lambda g, x: 2 * g * x * [1e12, 1, 1, 1.1], X()),
    "ties": (lambda x: x.max(axis=1), lambda g, x: g[:, None] * (np.arange(4) == 0), ONES),
    "ReLU at 0": (lambda x: np.maximum(x, 0), lambda g, x: 2 * g * (x > 0), ZEROS),
}


@pytest.mark.parametrize("forward, backward, x", WRONG.values(), ids=WRONG.keys())
def test_wrong_and_unusual(forward, backward, x):
    assert not gradcheck(forward, [x], backward=backward)


@pytest.mark.parametrize("size, relative", [(50_000, 1e-2), (10_000, 1e-4)])
def test_one_wrong_element_of_many_is_found_and_located(size, relative):
    def backward(g, x):
        grad = 2 * g
        grad[size // 3] *= 1 + relative
        return grad
    assert failed(twice, [X(size)], "BAD", backward=backward).rows[0].index == (size // 3,)


def test_an_interrupt_goes_through():
    def interrupted(x):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        gradcheck(interrupted, [X()], backward=right)


def test_the_user_s_warnings_may_be_errors():
    def warns(x):
        warnings.warn("old", stacklevel=2)
        return 2 * x
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "forward raised UserWarning: old" in str(gradcheck(warns, [X()], backward=right))
