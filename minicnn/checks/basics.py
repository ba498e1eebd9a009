"""The basic operations of Tensor, those that are no kernels, each with the inputs on which its gradient is checked.

Arithmetic, reductions, moves of elements, and the adjoints that second derivatives run on. A new Op without a row here fails
tests/checks/test_suite.py.
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import functional as F
from ..functional.activation import NormalDistribution
from ..functional.methods import Move
from ..functional.shapes import Scatter
from ..functional.windows import Fold
from ..kernels.case import Case
from ..modes import enable_grad
from ..tensor import Tensor, grad


@dataclass(frozen=True)
class Basic:
    """function(*tensors, **options of a case) -> a Tensor, or a tuple of them."""
    function: Callable[..., Any]
    cases: Sequence[Case]


def case(name: str, *shapes: tuple, inputs: Callable | None = None, **options: Any) -> Case:
    return Case(name, shapes, options, inputs)


def positive(rng, case):
    """Where logarithms, roots and powers are smooth."""
    return [rng.uniform(0.5, 2, shape) for shape in case.shapes]


def off_zero(rng, case):
    """A divisor, the last input, of either sign."""
    return [*(rng.standard_normal(shape) for shape in case.shapes[:-1]),
            rng.uniform(0.5, 2, case.shapes[-1]) * rng.choice([-1.0, 1.0], case.shapes[-1])]


def few_values(rng, case):
    """Ties: the checker moves to a point beside them."""
    return [rng.integers(-1, 2, shape) / 2.0 for shape in case.shapes]


def one(inputs=None) -> list[Case]:
    """For an operation of one tensor."""
    return [case(name, shape, inputs=inputs) for name, shape in
            {"odd sizes": (3, 5), "four dimensions": (2, 1, 3, 2), "a number": (), "one element": (1,), "large": (13, 17)}.items()]


def two(inputs=None) -> list[Case]:
    """For an operation of two tensors that broadcast."""
    return [case(name, *shapes, inputs=inputs) for name, shapes in
            {"one shape": ((3, 5), (3, 5)), "a row": ((4, 3), (3,)), "column and row": ((2, 1, 3), (4, 1)),
             "a number": ((), (2, 3)), "two numbers": ((), ()), "size 1 against size 1": ((1, 3), (2, 1, 1))}.items()]


def reduced(**options: Any) -> list[Case]:
    """For a reduction over any dimensions."""
    return [case("everything", (3, 5), **options), case("a dimension", (3, 4, 2), dim=1, **options),
            case("the last, kept", (2, 3), dim=-1, keepdim=True, **options), case("two dimensions", (2, 3, 4), dim=(0, -1), **options),
            case("two, kept", (2, 3, 4), dim=(2, 0), keepdim=True, **options), case("a vector", (7,), **options)]


EXTREMES = [case("everything", (3, 5)), case("everything, with ties", (3, 5), inputs=few_values), case("a number", ()),
            case("a dimension", (3, 4, 2), dim=1), case("the last, kept", (2, 3), dim=-1, keepdim=True),
            case("a dimension, with ties", (4, 5), dim=0, inputs=few_values), case("size 1", (3, 1), dim=1)]
TAKEN = {"a number": np.s_[1], "numbers": np.s_[-1, 2], "slices": np.s_[1:, ::2], "backwards": np.s_[::-1, 1],
         "… and None": np.s_[..., None, 0], "a list": [0, 2, 2], "a list of the second": np.s_[:, [1, 1, 0]],
         "two lists": ([0, 1, 0], [2, 2, 2]), "a list beside a number": np.s_[1, :, [0, 1, 0]], "an array": np.array([[2, 0], [2, 1]]),
         "a mask": np.arange(24).reshape(3, 4, 2) % 5 == 0, "a mask of rows": np.array([True, False, True])}
WINDOWS: dict[str, Any] = dict(window=(2, 3), stride=(1, 2), dilation=(2, 1))


def adjoint(g: Tensor) -> Tensor:
    """What an average pool sends back, as a function of the gradient that arrives."""
    with enable_grad():
        x = Tensor(np.zeros((2, 2, 5, 4)), requires_grad=True, device=g.device)
        return grad(F.avg_pool2d(x, (3, 2), (2, 1), (1, 0)), x, g, create_graph=True)[0]


BASICS: dict[str, Basic] = {
    # arithmetic
    "add": Basic(F.add, two()),
    "sub": Basic(F.sub, two()),
    "mul": Basic(F.mul, two()),
    "div": Basic(F.div, two(off_zero)),
    "maximum": Basic(F.maximum, [*two(), case("ties", (3, 4), (3, 4), inputs=few_values)]),
    "minimum": Basic(F.minimum, [*two(), case("ties", (3, 4), (3, 4), inputs=few_values)]),
    "pow": Basic(F.pow, two(positive)),
    "power of a number": Basic(lambda x, base: base ** x, [case("2", (3, 4), base=2), case("0.5", (5,), base=0.5)]),
    "number as exponent": Basic(lambda x, exponent: x ** exponent, [
        case("3, of either sign", (3, 4), exponent=3), case("0", (3,), exponent=0), case("−1", (2, 3), exponent=-1, inputs=off_zero),
        case("0.5", (4,), exponent=0.5, inputs=positive)]),
    "numbers beside tensors": Basic(lambda x: 2 - x / 3 + 1 / x * 0.5 - 4, one(positive)),
    "neg": Basic(F.neg, one()),
    "exp": Basic(F.exp, one()),
    "log": Basic(F.log, one(positive)),
    "sqrt": Basic(F.sqrt, one(positive)),
    "abs": Basic(F.abs, [*one(), case("zeros", (3, 5), inputs=few_values)]),
    "sin": Basic(F.sin, one()),
    "cos": Basic(F.cos, one()),
    "normal distribution": Basic(NormalDistribution.apply, one()),
    "clamp": Basic(F.clamp, [case("both", (5, 7), min=-0.5, max=0.7), case("below", (5, 7), min=0.1), case("above", (13,), max=0.1),
                             case("at the bounds", (4, 5), min=-0.5, max=0.5, inputs=few_values)]),
    "clamp by tensors": Basic(lambda x, low: F.clamp(x, min=low), two()),
    "where": Basic(lambda a, b, condition: F.where(condition, a, b), [
        case("one shape", (2, 3), (2, 3), condition=np.array([[True, False, True], [False, False, True]])),
        case("all three broadcast", (3,), (2, 1), condition=np.array([[[True]], [[False]]]))]),
    "where, beside a number": Basic(lambda x: F.where(x > 0.2, x * x, 0.04), [case("odd sizes", (5, 7))]),
    # reductions
    "sum": Basic(F.sum, [*reduced(), case("a number", ())]),
    "mean": Basic(F.mean, [*reduced(), case("a number", ())]),
    "var": Basic(F.var, [*reduced(), *reduced(unbiased=False)]),
    "std": Basic(F.std, [*reduced(), *reduced(unbiased=False)]),
    "max": Basic(F.max, EXTREMES),
    "min": Basic(F.min, EXTREMES),
    # shapes
    "reshape": Basic(lambda x, shape: F.reshape(x, shape), [
        case("to a row", (3, 4), shape=(12,)), case("with a −1", (2, 6), shape=(3, -1, 2)), case("a number to a plane", (), shape=(1, 1))]),
    "reshape after transpose": Basic(lambda x: x.T.reshape(2, -1), [case("copies", (3, 4))]),
    "flatten": Basic(F.flatten, [case("everything", (2, 3, 2)), case("from 1", (2, 3, 2, 1), start_dim=1),
                                 case("0 to 1", (2, 3, 2), end_dim=1)]),
    "squeeze": Basic(F.squeeze, [case("everything", (1, 3, 1)), case("one", (1, 3, 1), dim=-1)]),
    "unsqueeze": Basic(F.unsqueeze, [case("front", (3, 2), dim=0), case("end", (3, 2), dim=-1)]),
    "permute": Basic(lambda x, dims: F.permute(x, dims), [case("a cycle", (2, 3, 4), dims=(2, 0, 1)),
                                                          case("negative", (2, 3, 4, 1), dims=(0, -1, 1, -2))]),
    "transpose": Basic(F.transpose, [case("a plane", (3, 4), dim0=0, dim1=1), case("outer", (2, 3, 4), dim0=-1, dim1=0)]),
    "expand": Basic(lambda x, to: F.expand(x, to), [case("a column", (3, 1), to=(3, 4)), case("new axes", (2,), to=(3, 4, -1)),
                                                    case("a number", (), to=(2, 3))]),
    "getitem": Basic(lambda x, index: x[index], [case(name, (3, 4, 2), index=index) for name, index in TAKEN.items()]),
    "cat": Basic(lambda *parts, dim=0: F.cat(parts, dim), [case("rows", (2, 3), (1, 3), (4, 3)), case("the last", (2, 3), (2, 1), dim=-1),
                                                           case("alone", (2, 2))]),
    "stack": Basic(lambda *parts, dim=0: F.stack(parts, dim), [case("front", (2, 3), (2, 3)), case("end", (4,), (4,), (4,), dim=-1)]),
    "split": Basic(F.split, [case("with a rest", (7, 2), split_size=3), case("sizes", (2, 6), split_size=[1, 3, 2], dim=1)]),
    "chunk": Basic(F.chunk, [case("with a rest", (2, 7), chunks=3, dim=1)]),
    "a tensor used twice": Basic(lambda x: F.cat([x * x.T, x[::-1], x + x], 1), [case("square", (3, 3))]),
    "windows": Basic(F.windows, [case("overlapping", (2, 2, 5, 6), **WINDOWS), case("gaps", (1, 2, 7, 5), window=(2, 1), stride=(3, 2))]),
    "zero_pad": Basic(F.zero_pad, [case("uneven", (2, 1, 3, 2), padding=((0, 2), (1, 3)))]),
    # the same values, and the adjoints of second derivatives
    "clone": Basic(lambda x: x.clone(), one()),
    "to a device": Basic(lambda x: Move.apply(x, target="cpu"), [case("the same", (2, 3))]),
    "checkpoint": Basic(F.checkpoint(lambda a, b: (a * b).exp() + a), two()),
    "scatter": Basic(Scatter.apply, [case("slices", (2, 2), index=np.s_[1:, ::2], shape=(3, 4)),
                                     case("a place twice", (3, 4), index=(np.array([2, 0, 2]),), shape=(3, 4)),
                                     case("two lists", (3,), index=(np.array([0, 1, 0]), np.array([2, 2, 2])), shape=(2, 3))]),
    "fold": Basic(Fold.apply, [case("overlapping", (2, 2, 3, 2, 2, 3), shape=(2, 2, 5, 6), **WINDOWS)]),
    "adjoint": Basic(adjoint, [case("of an average pool", (2, 2, 3, 3))]),
}
