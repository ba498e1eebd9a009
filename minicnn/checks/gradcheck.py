"""gradcheck: the gradient that backward computes, against the one that the function itself shows.

    L(x) = Σ u · f(x)        u random: with u = 1 the gradient of a softmax or a batch norm is zero, and any nonsense would pass
    ∂L/∂x[i]  ≈  (L(x + h·e_i) − L(x − h·e_i)) / 2h

in float64, where the error of this quotient is smallest near h = ∛ε ≈ 6e-6: the truncation error falls as h², the rounding error grows
as 1/h. Small inputs are checked in every coordinate; large ones in random coordinates, where one wrong element shows, and along random
directions, where many slightly wrong ones do:  (L(x + h·d) − L(x − h·d)) / 2h ≈ ∇L · d.
"""
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..kernels.random import default_generator
from ..modes import enable_grad, no_grad
from ..nn import Module
from ..tensor import Tensor, grad

STEPS = (6e-6, 6e-7, 6e-8)         # a kink inside the first step may lie outside the next; a wrong gradient is wrong at every step


@dataclass
class Row:
    """What was found for one input or parameter.  error: the largest |numeric − analytic|, relative to the largest gradient."""
    name: str
    shape: tuple[int, ...]
    checked: int
    error: float
    index: tuple[int, ...] | str = ()
    numeric: float = 0.0
    analytic: float = 0.0


@dataclass
class Report:
    """The outcome of a gradient check: true where it passed; str() explains."""
    tolerance: float
    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def error(self) -> float:
        """The largest error of all inputs; NaN if any is NaN."""
        return float(np.max([row.error for row in self.rows])) if self.rows else 0.0

    def __bool__(self) -> bool:
        return not self.problems and bool(self.rows) and all(row.error <= self.tolerance for row in self.rows)

    def __str__(self) -> str:
        head = f"gradcheck {'passed' if self else 'FAILED'}: largest error {self.error:.1e}, tolerance {self.tolerance:.0e}"
        lines = [head, *(f"  {problem}" for problem in self.problems)]
        for row in self.rows:
            verdict = "ok " if row.error <= self.tolerance else "BAD"
            lines.append(f"  {verdict} {row.name} {row.shape}: {row.error:.1e} over {row.checked} checks")
            if verdict == "BAD":
                where_ = row.index if isinstance(row.index, str) else f"at {row.index}"
                lines.append(f"      {where_}: finite differences say {row.numeric:.9g}, backward says {row.analytic:.9g}")
        return "\n".join(lines)


def gradcheck(fn: Any, inputs: Any, *, backward: Callable | None = None, tolerance: float = 1e-6, seed: int = 0,
              directions: int = 3, coordinates: int = 64) -> Report:
    """Check the gradients of a function of Tensors, a Module (its parameters too), or a pair of NumPy functions.

    fn(*inputs) -> a Tensor (or a tuple, of which all floating outputs count).  inputs: a Tensor, an array, or a list; floating-point
    ones are taken in float64 and checked, others are passed on.  backward: given with a plain NumPy fn(*arrays) -> array, as
    backward(grad_output, *arrays) -> a gradient for each array.
    directions, coordinates: how many random ones an input with more than `coordinates` elements is checked in.
    Returns a Report.  ValueError if there is nothing to check.

    >>> print(mc.gradcheck(lambda x: (x * x).sum(), mc.randn(3, 4)))
    """
    inputs = [inputs] if isinstance(inputs, (Tensor, np.ndarray)) else list(inputs)
    values = [x.data if isinstance(x, Tensor) else np.asarray(x) for x in inputs]
    values = [v.astype(np.float64) if v.dtype.kind == "f" else v for v in values]
    rng, state = np.random.default_rng(seed), default_generator.state
    try:
        if backward is not None:
            check = _PairCheck(fn, backward, values, rng)
        else:
            check = _TensorCheck(fn, values, rng, state)
        return _compare(check, rng, tolerance, directions, coordinates)
    finally:
        default_generator.state = state


class _TensorCheck:
    """A function of Tensors, its loss L as a function of arrays, and its analytic gradients."""

    def __init__(self, fn, values, rng, state):
        self.fn, self.state = fn, state
        self.tensors = [Tensor(v, requires_grad=v.dtype.kind == "f") for v in values]
        self.leaves = {f"input {i}": t for i, t in enumerate(self.tensors) if t.requires_grad}
        if isinstance(fn, Module):
            self.fn = copy.deepcopy(fn).to("float64")                     # the user's module stays as it is
            self.leaves |= {name: p for name, p in self.fn.named_parameters() if p.requires_grad}
        self.problems: list[str] = []
        if not self.leaves:
            raise ValueError("gradcheck: nothing to check: no input is floating-point and no parameter asks for a gradient")
        with enable_grad():
            outputs = self.run()
            self.upstream = [rng.standard_normal(y.shape) for y in outputs]
            if not any(y.requires_grad for y in outputs):
                self.problems.append("no output depends on an input: the graph is cut, by .data, .numpy() or no_grad()?")
                self.analytic = {name: np.zeros(t.shape) for name, t in self.leaves.items()}
                return
            pairs = [(y, Tensor(u)) for y, u in zip(outputs, self.upstream) if y.requires_grad]
            found = grad([y for y, _ in pairs], list(self.leaves.values()), [u for _, u in pairs])
        self.analytic = {name: np.zeros(t.shape) if g is None else g.numpy() for (name, t), g in zip(self.leaves.items(), found)}

    def run(self) -> list[Tensor]:
        default_generator.state = self.state                              # the same dropout masks every time
        result = self.fn(*self.tensors)
        return [y for y in (result if isinstance(result, (tuple, list)) else (result,)) if y.dtype.kind == "f"]

    def array(self, name) -> np.ndarray:
        return self.leaves[name].data

    def loss(self) -> float:
        with no_grad():
            return sum(float((u * y.numpy()).sum()) for u, y in zip(self.upstream, self.run()))

    def magnitude(self) -> float:
        with no_grad():
            return sum(float(np.abs(u * y.numpy()).sum()) for u, y in zip(self.upstream, self.run()))


class _PairCheck:
    """A forward and a backward of plain NumPy functions."""

    def __init__(self, forward, backward, values, rng):
        self.forward, self.values = forward, values
        self.arrays = {f"input {i}": v for i, v in enumerate(values) if v.dtype.kind == "f"}
        self.problems: list[str] = []
        if not self.arrays:
            raise ValueError("gradcheck: nothing to check: no input is a floating-point array")
        self.upstream = rng.standard_normal(np.shape(forward(*values)))
        gradients = backward(self.upstream, *values)
        gradients = gradients if isinstance(gradients, (tuple, list)) else (gradients,)
        if len(gradients) != len(values):
            self.problems.append(f"backward returned {len(gradients)} gradients for {len(values)} inputs")
        self.analytic = {f"input {i}": np.asarray(g) for i, (g, v) in enumerate(zip(gradients, values))
                         if v.dtype.kind == "f" and g is not None}
        for name, g in list(self.analytic.items()):
            if g.shape != self.arrays[name].shape:
                self.problems.append(f"{name}: backward's gradient has shape {g.shape}, the input {self.arrays[name].shape}")
                del self.analytic[name]

    def array(self, name) -> np.ndarray:
        return self.arrays[name]

    def loss(self) -> float:
        return float((self.upstream * self.forward(*self.values)).sum())

    def magnitude(self) -> float:
        return float(np.abs(self.upstream * self.forward(*self.values)).sum())


def _compare(check, rng, tolerance: float, directions: int, coordinates: int) -> Report:
    report = Report(tolerance, problems=check.problems)
    # Rounding of L leaves about ε·Σ|u·f| / h in a quotient. A gradient that is smaller than this over the tolerance, such as that of a
    # bias before a batch norm, which is zero, cannot be told from it: it is measured against this size instead of its own.
    floor = 10 * np.finfo(np.float64).eps * check.magnitude() / STEPS[0] / tolerance
    for name, analytic in check.analytic.items():
        x = check.array(name)
        probes = _probes(x, rng, directions, coordinates)
        scale, worst = max(float(np.max(np.abs(analytic), initial=0.0)), floor), Row(name, x.shape, len(probes), 0.0)
        numerics = [_numeric(check, x, probe, analytic, scale, tolerance) for probe in probes]
        scale = max([scale, *(abs(n) for n, _, probe in numerics if not isinstance(probe, np.ndarray))], default=0.0)
        for numeric, expected, probe in numerics:
            error = _error(numeric, expected, probe, scale)
            if not error <= worst.error and not np.isnan(worst.error):    # a NaN is worse than anything
                place = "along a random direction" if isinstance(probe, np.ndarray) else probe
                worst = Row(name, x.shape, len(probes), error, place, numeric, expected)
        report.rows.append(worst)
    return report


def _probes(x, rng, directions, coordinates) -> Sequence:
    """Coordinates as index tuples, directions as arrays."""
    if x.size <= coordinates:
        return list(np.ndindex(x.shape))
    chosen = rng.choice(x.size, coordinates, replace=False)
    places = [tuple(int(j) for j in np.unravel_index(i, x.shape)) for i in chosen]
    return [*places, *(rng.standard_normal(x.shape) for _ in range(directions))]


def _error(numeric, expected, probe, scale) -> float:
    # along a direction the terms of ∇L · d add up like a random walk: their size is √n times that of one
    size = scale * (np.sqrt(probe.size) if isinstance(probe, np.ndarray) else 1.0)
    difference = abs(numeric - expected)
    return float(difference / size) if size > 0 else float(difference)


def _numeric(check, x, probe, analytic, scale, tolerance):
    """(numeric, analytic, probe) at the step where they are closest; smaller steps are tried only where the first disagrees."""
    before = x.copy()
    expected = float((analytic * probe).sum()) if isinstance(probe, np.ndarray) else float(analytic[probe])
    best = (float("nan"), expected, probe)
    for step in STEPS:
        h = step * (1.0 if isinstance(probe, np.ndarray) else max(1.0, abs(before[probe])))
        losses = []
        for sign in (1, -1):
            if isinstance(probe, np.ndarray):
                x += sign * h * probe
            else:
                x[probe] += sign * h
            losses.append(check.loss())
            x[...] = before
        numeric = (losses[0] - losses[1]) / (2 * h)
        if not abs(numeric - expected) >= abs(best[0] - expected):
            best = (numeric, expected, probe)
        size = scale if isinstance(probe, np.ndarray) else max(scale, abs(numeric))
        if _error(best[0], expected, probe, size) <= tolerance:
            break
    return best
