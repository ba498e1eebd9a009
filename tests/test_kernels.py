"""Every operation in kernels/, in every form, on every case of its cases.py.  A new folder is found without an edit here.

Three steps lead from the formula to every kernel:

    forward of any form, float32 or float64      against spec, the formula in plain loops, in float64 on the same numbers
    backward of the reference in float64         against central differences of spec (smooth cases) or the convention written in the case
    backward of any form, float32 or float64     against that backward, on the same numbers

An operation may say in its __init__.py  WRITES  (arguments that forward changes: running statistics; spec changes them in its copies)
and  CONSTANTS  (arguments without a gradient though they are floats: class weights).  Both get None from backward.
"""
import importlib
import zlib
from collections.abc import Iterator
from functools import wraps
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from minicnn import kernels
from minicnn.kernels import memory

from .oracle.compare import check, error

BACKENDS = ("reference", "numba")
DTYPES = ("float64", "float32")
EPSILON = 2.0 ** -52
DIFFERENCE = 1e-7                # what a central difference may be off, relative to the largest gradient
COORDINATES, DIRECTIONS = 24, 2
FOLDERS = {op: kernels.folder(op) for op in kernels.names()}


class Subject:
    """A case of an operation, with what a test asks about it."""

    def __init__(self, op: str, case: Any):
        self.op, self.case, self.module = op, case, kernels.module(op)
        file = kernels.module(op, "reference")
        self.form = getattr(file, op) if hasattr(self.module, "MEMBERS") else file
        self.steps = hasattr(self.form, "step")                # optimisers: one function that writes in place, and no gradient
        self.known: dict = {}

    def __str__(self):
        folder = FOLDERS[self.op]
        return f"{folder}/{'' if self.op == folder else self.op + '.'}{self.case.name}"

    @property
    def written(self) -> tuple:
        writes = getattr(self.module, "WRITES", ())
        return tuple(writes.get(self.op, ()) if isinstance(writes, dict) else writes)

    @property
    def needs(self) -> list[bool]:
        """Which inputs have a gradient."""
        constant = {*self.written, *getattr(self.module, "CONSTANTS", ())}
        return [a is not None and a.dtype.kind == "f" and i not in constant for i, a in enumerate(inputs(self, "float64"))]

    def copies(self, dtype: str, compute: str | None = None) -> list:
        """The inputs, rounded to the dtype, and, for spec, handed over in the type that it computes in."""
        return [None if a is None else a.astype(compute if compute and a.dtype.kind == "f" else a.dtype) for a in inputs(self, dtype)]

    def spec(self, arrays: list) -> list:
        return outputs(self.form.spec(*arrays, **self.case.options))

    def upstream(self, dtype: str) -> np.ndarray:
        """A random gradient of the first output."""
        return random(f"upstream {self}").standard_normal(expected(self, "float64")[0][0].shape).astype(dtype)


def random(text: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(text.encode()))


def outputs(result) -> list:
    return list(result) if isinstance(result, tuple) else [result]


def once(function):
    """Computes function(subject, dtype) once.  The subject keeps the result: it goes when the subject goes."""
    @wraps(function)
    def kept(subject, dtype):
        key = function.__name__, dtype
        if key not in subject.known:
            subject.known[key] = function(subject, dtype)
        return subject.known[key]
    return kept


@once
def inputs(subject: Subject, dtype: str) -> list:
    """Read only: the inputs of a case, rounded to the dtype; integers as they are."""
    arrays = [None if a is None else np.asarray(a) for a in subject.case.arrays(random(str(subject)))]
    return [None if a is None else np.array(a, dtype if a.dtype.kind == "f" else a.dtype, order="C") for a in arrays]


@once
def expected(subject: Subject, dtype: str) -> tuple[list, list]:
    """Read only: the outputs of spec in float64 on the rounded inputs, and the inputs as it leaves them."""
    arrays = subject.copies(dtype, compute="float64")
    return subject.spec(arrays), arrays


@once
def reference_gradients(subject: Subject, dtype: str) -> tuple:
    """Read only: backward of the reference in float64, on the rounded inputs and the rounded upstream gradient."""
    kernel = kernels.load(subject.op, "reference")
    _, saved = kernel.forward(*subject.copies(dtype, compute="float64"), **subject.case.options)
    return kernel.backward(subject.upstream(dtype).astype(np.float64), saved, subject.needs)


def subjects() -> Iterator[Subject]:
    for folder in sorted(set(FOLDERS.values())):
        if find_spec(f"minicnn.kernels.{folder}.cases"):       # without it test_operation_is_complete fails
            for case in importlib.import_module(f"minicnn.kernels.{folder}.cases").CASES:
                yield Subject(case.op or folder, case)


SUBJECTS = list(subjects())
WITH_GRADIENT = [s for s in SUBJECTS if not s.steps]


def forms(subjects_, *axes):
    """Parameters with readable ids: conv2d/stride2-numba:flat-float32, activation/relu.ties-reference-float64."""
    combinations = [(s,) for s in subjects_]
    for axis in axes:
        combinations = [(*c, value) for c in combinations for value in (axis(c[0].op) if callable(axis) else axis)]
    return [pytest.param(*c, id="-".join(map(str, c))) for c in combinations]


def backends(op: str) -> list[str]:
    """The forms of an operation: both backends, and each algorithm of the compiled one."""
    return [*BACKENDS, *(f"numba:{name}" for name in kernels.algorithms(op))]


def load(op: str, backend: str):
    """The kernel for "reference", "numba" or "numba:flat"."""
    backend, _, algorithm = backend.partition(":")
    kernel = kernels.load(op, backend)
    return kernels.WithAlgorithm(kernel, algorithm) if algorithm else kernel


def run(subject: Subject, backend: str, dtype: str):
    """The kernel, fresh inputs from the allocator, outputs and saved."""
    kernel, arrays = load(subject.op, backend), subject.copies(dtype)
    output, saved = kernel.forward(*arrays, **subject.case.options)
    return kernel, arrays, outputs(output), saved


def inside(saved, seen: set | None = None) -> Iterator[np.ndarray]:
    """All arrays in what forward saved, each once.  TypeError for what could hide one."""
    seen = set() if seen is None else seen
    if id(saved) in seen:
        return
    seen.add(id(saved))
    if isinstance(saved, np.ndarray):
        yield saved
    elif isinstance(saved, (tuple, list)):
        for part in saved:
            yield from inside(part, seen)
    elif isinstance(saved, dict):
        yield from inside(list(saved.values()), seen)
    elif hasattr(saved, "__dict__") and not callable(saved):
        yield from inside(vars(saved), seen)
    elif not isinstance(saved, (int, float, str, bool, np.generic, np.dtype, type(None), slice)):
        raise TypeError(f"saved should hold arrays, numbers and texts, not {type(saved).__name__}")


def bits(arrays) -> list:
    return [None if a is None else (a.shape, a.dtype, a.tobytes()) for a in arrays]


@pytest.mark.parametrize("op", [pytest.param(op, id=f"{folder}/{op}") for op, folder in FOLDERS.items()])
def test_operation_is_complete(op):
    """A formula, both forms for the CPU, and at least four cases with names of their own."""
    module = kernels.module(op)
    assert module.__doc__ and "=" in module.__doc__, f"kernels/{FOLDERS[op]}/__init__.py should begin with the formula"
    names = [s.case.name for s in SUBJECTS if s.op == op]
    assert len(names) >= 4, f"kernels/{FOLDERS[op]}/cases.py has {len(names)} cases of {op}; it should have 4 or more"
    assert len(set(names)) == len(names), f"two cases of {op} share a name: {sorted(names)}"
    for backend in BACKENDS:
        kernels.load(op, backend)


@pytest.mark.parametrize("subject, backend, dtype", forms(WITH_GRADIENT, backends, DTYPES))
def test_forward(subject, backend, dtype):
    """Values, shapes and dtypes of the outputs; what forward writes; and that every output is new memory, from the allocator."""
    kernel, arrays, found, _ = run(subject, backend, dtype)
    before = inputs(subject, dtype)
    oracles, left = expected(subject, dtype)
    assert len(found) == len(oracles)
    for i, (y, oracle) in enumerate(zip(found, oracles)):
        check(f"output {i}", y, oracle, dtype if y.dtype.kind == "f" else y.dtype)

    shape = subject.module.output_shape(*(None if a is None else a.shape for a in before), **subject.case.options)
    shapes = list(shape) if shape and not isinstance(shape[0], int) else [shape]
    assert [y.shape for y in found] == shapes, "output_shape should tell the shapes of the outputs"

    for i, (a, b) in enumerate(zip(arrays, before)):
        if i in subject.written and a is not None:
            check(f"argument {i} after forward", a, left[i], dtype)
        elif a is not None:
            assert a.tobytes() == b.tobytes(), f"forward changed its input {i}"
    for i, y in enumerate(found):
        assert not any(np.shares_memory(y, a) for a in arrays if a is not None), f"output {i} shares the memory of an input"
        if backend != "reference":
            assert memory.owns(y), f"output {i} does not come from kernels.memory"


@pytest.mark.parametrize("subject", forms(WITH_GRADIENT))
def test_reference_gradients(subject):
    """The gradients that all others are held to: against central differences of spec, or the convention that the case states."""
    found, g = reference_gradients(subject, "float64"), subject.upstream("float64")
    if not subject.case.smooth:
        stated = subject.case.gradients(subject.case, subject.copies("float64"), g)
        for i, needed in enumerate(subject.needs):
            if needed:
                check(f"gradient {i}", found[i], stated[i], "float64")
        return
    arrays, rng = subject.copies("float64"), np.random.default_rng(0)
    for i, needed in enumerate(subject.needs):
        if not needed:
            continue
        assert found[i] is not None and found[i].shape == arrays[i].shape, f"gradient {i} is missing or of the wrong shape"
        differences(subject, arrays, i, found[i], g, rng)


def differences(subject: Subject, arrays: list, i: int, gradient: np.ndarray, g: np.ndarray, rng, coordinates: int = COORDINATES):
    """gradient · d  against  Σ g·(spec(x + hd) − spec(x − hd)) / 2h  for input i: d single coordinates, then random directions."""
    x, size = arrays[i], arrays[i].size
    if not size or not g.size:
        assert error(gradient, np.zeros(x.shape)) == 0.0, f"gradient {i} of an empty output should be zero"
        return
    # spec is slow on large arrays: fewer coordinates there, and the directions, in which every element has a part
    count = min(size, coordinates, 10_000 // (g.size + sum(a.size for a in arrays if a is not None)))
    steps = [np.zeros(x.shape) for _ in range(count)]
    for d, flat in zip(steps, rng.choice(size, count, replace=False)):
        d.flat[flat] = 1.0
    steps += [v / np.linalg.norm(v) for v in rng.standard_normal((DIRECTIONS, *x.shape))]
    for number, d in enumerate(steps):
        h = (EPSILON * max(1.0, float(np.abs(x).max()))) ** (1 / 3)      # rounding, ε·|x| / h, and truncation, h², are of one size
        ends = []
        for sign in (1, -1):
            moved = [None if a is None else a.copy() for a in arrays]
            moved[i] = x + sign * h * d
            ends.append(subject.spec(moved)[0])
        measured, claimed = float((g * (ends[0] - ends[1])).sum() / (2 * h)), float((gradient * d).sum())
        scale = float(np.abs(gradient).max() if number < count else np.linalg.norm(gradient))
        assert abs(measured - claimed) <= DIFFERENCE * max(scale, 1e-3), (       # NaN compares false
            f"gradient {i} along {'coordinate ' + str(tuple(map(int, np.argwhere(d)[0]))) if number < count else 'a random direction'}: "
            f"{claimed!r}, the central difference of spec is {measured!r}")


@pytest.mark.parametrize("subject, backend, dtype", forms(WITH_GRADIENT, backends, DTYPES))
def test_gradients(subject, backend, dtype):
    """Values; and that backward changes nothing, repeats to the last bit, and leaves out what nobody needs."""
    kernel, arrays, _, saved = run(subject, backend, dtype)
    largest = max((a.size for a in [*arrays, *expected(subject, dtype)[0]] if a is not None), default=0)
    for a in inside(saved):
        assert a.size <= max(largest, 16), f"saved holds an array of shape {a.shape}, larger than every input and output"
    g, needs, before = subject.upstream(dtype), subject.needs, (bits(arrays), bits(inside(saved)))
    found = kernel.backward(g.copy(), saved, needs)
    assert isinstance(found, tuple) and len(found) == len(arrays), "backward should return a tuple with one gradient an input"
    for i, (gradient, oracle) in enumerate(zip(found, reference_gradients(subject, dtype))):
        if not needs[i]:
            assert gradient is None, f"gradient {i} is not needed and should be None"
            continue
        assert gradient is not None, f"gradient {i} is needed, and missing"
        check(f"gradient {i}", gradient, oracle, dtype)
        assert not any(np.shares_memory(gradient, a) for a in inside(saved)), f"gradient {i} shares memory with saved"
        if backend != "reference":
            assert memory.owns(gradient), f"gradient {i} does not come from kernels.memory"

    assert (bits(arrays), bits(inside(saved))) == before, "backward changed an input or saved"
    upstream = g.copy()
    assert bits(kernel.backward(upstream, saved, needs)) == bits(found), "backward a second time gave other bits"
    assert upstream.tobytes() == g.tobytes(), "backward changed grad_output"
    if sum(needs) > 1:
        for i in (i for i, needed in enumerate(needs) if needed):
            alone = kernel.backward(g.copy(), saved, [j == i for j in range(len(needs))])
            assert [a is not None for a in alone] == [j == i for j in range(len(needs))], "backward computed what nobody needs"
            check(f"gradient {i} alone", alone[i], found[i], dtype)


@pytest.mark.parametrize("subject, backend, dtype", forms([s for s in SUBJECTS if s.steps], backends, DTYPES))
def test_step(subject, backend, dtype):
    """Optimisers: parameters and state after one step in place, and nothing else changed."""
    arrays, before = subject.copies(dtype), inputs(subject, dtype)
    load(subject.op, backend).step(*arrays, **subject.case.options)
    _, left = expected(subject, dtype)
    for i, (a, oracle) in enumerate(zip(arrays, left)):
        if a is None:
            continue
        if i in subject.written:
            check(f"argument {i} after the step", a, oracle, dtype)
        else:
            assert a.tobytes() == before[i].tobytes(), f"step changed its argument {i}"
