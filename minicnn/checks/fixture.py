"""What the pytest fixture `gradcheck` of minicnn/pytest_plugin.py gives to a test.  Loaded by the first test that asks for it.

The check is gradcheck's, in float64. A test of dtype "float32" is then run once more in float32, where a backward may do what no
difference quotient can see, for float32 has too few digits: overflow, cancel, or quietly go on in float64. Its gradients are compared with
those of float64, at the same numbers and with the same upstream gradient:

    |g32 − g64|  ≤  2e-6 · max|g64|  +  8 · max|g64(x·(1 ± ε)) − g64(x)|              ε = 1.2e-7, the rounding of float32

2e-6 is what minicnn asks of its own kernels. The second term is what the function makes of the rounding of its inputs and parameters
alone, and large where a small change of x changes the gradient much: no backward in float32 could do better.
"""
import copy
import inspect
import os
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ..device import get_backend, use_backend
from ..kernels.random import default_generator, manual_seed
from ..modes import enable_grad
from ..nn import Module
from ..tensor import Op, Tensor, grad
from .gradcheck import gradcheck
from .report import Report
from .subject import Complaint, called

SIGNATURE = inspect.signature(gradcheck)
EPSILON = float(np.finfo(np.float32).eps)
SINGLE = 2e-6                 # of a backward in float32
ROUNDED = 8                   # times the effect of one rounding: there are several on the way
NONE = 1e-9                   # a gradient so much smaller than the largest is zero (a bias before a batch norm), and measured against that


class Checker:
    """The fixture: called like minicnn.gradcheck, fails the test where the gradients are wrong.

    test      its name, as in the report and on the pictures
    seed      of all random numbers, made of that name
    backend, dtype, shape, case      of this run; shape and case are None where the marker has none
    """

    def __init__(self, test: str, seed: int, pictures: str | None = None, tolerance: float | None = None, *, backend: str | None = None,
                 dtype: str = "float64", shape: Any = None, case: Any = None):
        self.test, self.seed, self.pictures, self.tolerance = test, seed, pictures, tolerance
        self.backend, self.dtype, self.shape, self.case = backend or get_backend(), dtype, shape, case
        self.rng = np.random.default_rng(seed)

    def __repr__(self) -> str:
        return f"<gradcheck of {self.test}>"

    def randn(self, *shape: Any) -> Any:
        """Normal numbers in the test's dtype: an array for randn(2, 3) or randn((2, 3)), a list or dict of arrays for one of shapes."""
        if len(shape) == 1 and isinstance(shape[0], dict):
            return {name: self.randn(s) for name, s in shape[0].items()}
        if len(shape) == 1 and isinstance(shape[0], list):
            return [self.randn(s) for s in shape[0]]
        if len(shape) == 1 and isinstance(shape[0], tuple):
            shape = shape[0]
        return np.asarray(self.rng.standard_normal(shape)).astype(self.dtype)

    def __call__(self, *given: Any, **keywords: Any) -> Report:
        """The Report of a check that passed; AssertionError with all of it otherwise.  TypeError if fn or inputs are missing."""
        __tracebackhide__ = True
        try:
            call = SIGNATURE.bind(*given, **keywords).arguments
        except TypeError as error:
            raise TypeError(f"the fixture gradcheck: {error}. Call gradcheck(fn, inputs), where fn is a function of Tensors, an Op or a "
                            "layer, or gradcheck(forward, inputs, backward=backward) with NumPy functions. It takes the keywords "
                            f"{', '.join(list(SIGNATURE.parameters)[2:])}") from None
        fn, inputs, keywords = call.pop("fn"), call.pop("inputs"), {"seed": self.seed, "name": self.test, **call}
        if self.tolerance is not None:
            keywords.setdefault("tolerance", self.tolerance)
        try:
            report = gradcheck(fn, inputs, **keywords)
        except (TypeError, ValueError) as error:
            if str(error).startswith("gradcheck:"):        # said to the user: nothing to check, an input that is NaN
                raise error.with_traceback(None) from None
            raise
        if report and self.dtype == "float32":
            compare_single(report, fn, inputs, self.seed, keywords.get("backward"), keywords.get("options"), keywords.get("constants", ()))
        if not report:
            raise AssertionError("\n".join([str(report), *self.picture(report)]))
        return report

    def picture(self, report: Report) -> list[str]:
        """Save the picture of a failed check; what to say of it.  Its file has the test's name, and a number where that is taken."""
        if not self.pictures or not report.rows:
            return []
        name = re.sub(r"[^\w.,=+-]+", "-", self.test.rpartition("/")[2])[:150].strip("-")
        try:
            folder, path = Path(self.pictures), None
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(1, 1000):
                path = folder / f"{name}{'' if number == 1 else f'-{number}'}.png"
                try:
                    os.close(os.open(path, os.O_CREAT | os.O_EXCL))                # it is ours, whoever else is looking for a name
                    break
                except FileExistsError:
                    continue
            else:
                return [f"  no picture: {folder} has a thousand of this test"]
            report.save_picture(path, overwrite=True)
        except OSError as error:
            return [f"  no picture: {error}"]
        return [f"  picture: {path}"]


@contextmanager
def checking(test: str, seed: int, pictures: str | None, tolerance: float | None, **axes: Any) -> Iterator[Checker]:
    """A Checker, and around it the backend that it names and random numbers that start from its seed."""
    with ExitStack() as around:
        if axes.get("backend") is not None:
            try:
                around.enter_context(use_backend(axes["backend"]))
            except (ValueError, ImportError) as error:     # unknown, or not installed
                pytest.fail(f"{test}: {error}", pytrace=False)
        around.callback(setattr, default_generator, "state", default_generator.state)
        manual_seed(seed)
        yield Checker(test, seed, pictures, tolerance, **axes)


def compare_single(report: Report, fn: Any, inputs: Any, seed: int, backward: Any = None, options: dict | None = None,
                   constants: Collection[int] = ()) -> None:
    """Into the report: what the gradients in float32 are, against those in float64.  See the head of this file."""
    values = [inputs] if isinstance(inputs, (Tensor, np.ndarray, np.generic, float, int)) else list(inputs)
    values = [x.data if isinstance(x, Tensor) else np.asarray(x) if isinstance(x, (float, np.generic)) else x for x in values]
    point = {i: v.astype(np.float32) for i, v in enumerate(values) if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
    if isinstance(fn, Module):
        point |= {name: p.data.astype(np.float32) for name, p in fn.named_parameters()}
    run = _Run(fn, backward, options or {}, values, constants)
    try:
        single = run.gradients(point, np.float32, seed)
        double = run.gradients(point, np.float64, seed)
        rng = np.random.default_rng(seed)
        moved = [run.gradients({name: x * (1 + EPSILON * rng.choice((-1.0, 1.0), x.shape)) for name, x in point.items()}, np.float64, seed)
                 for _ in range(3)]
    except Complaint as complaint:
        report.problems.append(f"in float32: {complaint}")
        return
    largest, worst = max((_size(g) for g in double.values()), default=0.0), 0.0
    for name, g in double.items():
        scale = _size(g) if _size(g) > NONE * largest else largest
        allowed = SINGLE * scale + ROUNDED * max(_size(m[name] - g) for m in moved)
        error = float(np.max(np.abs(single[name] - g), initial=0.0))
        worst = max(worst, error / (scale or 1.0))
        if not error <= allowed:                           # of NaN this is true
            at = tuple(int(j) for j in np.unravel_index(int(np.argmax(np.abs(single[name] - g))), g.shape))
            report.problems.append(f"in float32: the gradient of {label(name)} is off by "
                                   f"{error / (scale or 1.0):.1e} of its size, rounding explains {allowed / (scale or 1.0):.1e}; "
                                   f"at {at} it is {single[name][at]:.6g}, in float64 {g[at]:.6g}")
    report.notes.append(f"in float32 the gradients are off by {worst:.1e} of their size")


def label(name: Any) -> str:
    return f"input {name}" if isinstance(name, int) else name


def _size(x: np.ndarray) -> float:
    return float(np.max(np.abs(x), initial=0.0))


class _Run:
    """What is checked, to be run in either dtype: gradients(point, dtype, seed) -> {input's place or parameter's name: gradient}."""

    def __init__(self, fn: Any, backward: Any, options: dict, values: list, constants: Collection[int]):
        self.fn, self.backward, self.options, self.values, self.constants = fn, backward, options, values, constants
        self.random = default_generator.state, np.random.get_state()

    def gradients(self, point: dict, dtype: Any, seed: int) -> dict[Any, np.ndarray]:
        given = [point[i].astype(dtype) if i in point else copy.copy(v) for i, v in enumerate(self.values)]
        default_generator.state, legacy = self.random      # the same masks of dropout every time
        np.random.set_state(legacy)
        found = self.of_arrays(given, dtype, seed) if self.backward else self.of_tensors(given, point, dtype, seed)
        for name, g in found.items():
            if g.dtype != dtype:
                raise Complaint(f"the gradient of {label(name)} is {g.dtype}; keep the dtype of the input")
        return {name: g.astype(np.float64) for name, g in found.items()}

    def of_arrays(self, given: list, dtype: Any, seed: int) -> dict[Any, np.ndarray]:
        y = called("forward", self.fn, *map(copy.copy, given), **self.options)
        found = called("backward", self.backward, upstream([y], dtype, seed)[0], *given, **self.options)
        found = found if isinstance(found, (tuple, list)) else [found]
        return {i: np.asarray(g) for i, g in enumerate(found) if g is not None and i not in self.constants}

    def of_tensors(self, given: list, point: dict, dtype: Any, seed: int) -> dict[Any, np.ndarray]:
        fn = self.fn.apply if isinstance(self.fn, type) and issubclass(self.fn, Op) else self.fn
        tensors = [Tensor(v, requires_grad=i in point and i not in self.constants) if isinstance(v, np.ndarray) else v
                   for i, v in enumerate(given)]
        sources = {i: t for i, t in enumerate(tensors) if i in point and i not in self.constants}
        if isinstance(fn, Module):
            fn = copy.deepcopy(fn).to(dtype)
            for name, p in fn.named_parameters():
                p.data[...] = point[name]
            sources |= {name: p for name, p in fn.named_parameters() if p.requires_grad}
        with enable_grad():
            y = called("the function", fn, *tensors, **self.options)
            outputs = [t for t in (y if isinstance(y, (tuple, list)) else [y]) if t.dtype.kind == "f" and t.requires_grad]
            upstreams = [Tensor(u) for u in upstream([t.data for t in outputs], dtype, seed)]
            found = called("backward", grad, outputs, list(sources.values()), upstreams)
        return {name: g.data for (name, _), g in zip(sources.items(), found) if g is not None}


def upstream(outputs: list, dtype: Any, seed: int) -> list[np.ndarray]:
    """The same random numbers for each output, in both dtypes.  Complaint about an output of another dtype."""
    rng = np.random.default_rng(seed)
    for y in outputs:
        if np.asarray(y).dtype != dtype:
            raise Complaint(f"the output is {np.asarray(y).dtype}; keep the dtype of the input")
    return [rng.standard_normal(np.shape(y)).astype(np.float32).astype(dtype) for y in outputs]
