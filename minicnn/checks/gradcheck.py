"""gradcheck: the gradient that backward computes, against the one that the function itself shows.

    L(x) = Σ u · f(x)        u random, several of them: with u = 1 the gradient of a softmax or a batch norm is zero, and nonsense passes
    ∂L/∂x[i]  ≈  (L(x + h·e_i) − L(x − h·e_i)) / 2h

in float64. What is done to each input and parameter:

    step          its own V-curve along a random direction says how far to step (quotient.py)
    coordinates   all of a small array, random ones of a large one: a wrong element shows with its index
    directions    L along random directions of a large array: no element escapes, and halving the direction finds the one that is wrong
    kinks         where the two sides differ (ReLU at 0, ties of a maximum) no derivative exists: the probe is made again at a point beside

Before that the function's manners are looked at (manners.py): does it repeat, does it change its inputs, do gradients add up. After a
failure diagnosis.py says what may be wrong.
"""
import copy
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..kernels.random import default_generator
from ..nn import Module
from .leaf import Leaf, size
from .manners import Point, alike, look
from .report import Report, Row
from .subject import Complaint, Subject, Tensors, called, subject_of

MOVES = 3                     # how often a point on a kink is left for one beside it
MANY = 2_000                  # elements of an array whose gradient is measured as a whole once it is found wrong
LARGE = 200_000               # a network of more values is checked along directions of all of them at once: see directional.py


def gradcheck(fn: Any, inputs: Any, *, backward: Callable | None = None, options: dict | None = None, like: str | None = None,
              constants: Collection[int] = (), tolerance: float = 1e-6, seed: int = 0, directions: int = 3, coordinates: int = 64,
              name: str = "", device: str | None = None) -> Report:
    """Check the gradients of a function of Tensors, an Op, a layer or model (its parameters too), or a pair of NumPy functions.

    fn(*inputs, **options) -> a Tensor, or a tuple of which all floating-point ones count.  inputs: a Tensor, an array, or a list;
    floating-point ones are taken in float64 and checked, others are passed on.
    backward: given with a plain NumPy fn(*arrays, **options) -> array, as backward(grad_output, *arrays, **options) -> a gradient for
    each array, in order.  constants: places of inputs that have no gradient, such as class weights.
    like: an operation of minicnn ("conv2d") that fn should be: output and gradients are compared with it too, at kinks and all, and the
    diagnosis is told where to look.  options are then that operation's; those that are not given are found by trying the usual ones.
    tolerance: of |numeric − analytic|, relative to the largest gradient of the array.  directions, coordinates: how many random ones an
    input with more than `coordinates` elements is checked in.  A model of more than 200,000 values is checked along random directions
    of all of them at once.
    device: where a function of Tensors is computed, "cpu" or "cuda"; by default where its inputs or parameters are.
    Returns a Report: true if all agreed; str() explains.  What fn raises or returns wrongly is in it.
    ValueError if there is nothing to check.

    >>> print(mc.gradcheck(lambda x: (x * x).sum(), mc.randn(3, 4)))
    """
    begin = time.perf_counter()
    if not (isinstance(tolerance, (int, float)) and 0 < tolerance < 1):
        raise ValueError(f"gradcheck: tolerance should be a number above 0 and below 1, got {tolerance!r}")
    if not (isinstance(directions, int) and directions >= 0 and isinstance(coordinates, int) and coordinates >= 1):
        raise ValueError("gradcheck: coordinates should be a whole number of at least 1, directions of at least 0, "
                         f"got {coordinates!r} and {directions!r}")
    if isinstance(fn, Module) and sum(p.data.size for p in fn.parameters()) > LARGE:
        return _large(fn, inputs, {"backward": backward, "options": options, "like": like, "constants": constants}, tolerance, seed,
                      max(directions, 1), str(name))
    report = Report(tolerance, name=str(name))
    with np.errstate(all="ignore"), _kept_random_state():
        operation = None
        if like is not None:
            from .mutants import operation as find
            operation = find(like)
            if isinstance(fn, Module) and any(True for _ in fn.parameters()):
                raise ValueError(f"gradcheck: like={like!r} compares a function of all inputs of {like}, and this {type(fn).__name__} "
                                 f"holds its weights itself; pass lambda *inputs: F.{like}(*inputs, …) and the weights among the inputs")
        subject = subject_of(fn, inputs, backward, options, constants, operation, device)
        rng = np.random.default_rng(seed)
        point = likeness = None
        try:
            if operation is not None:
                from .recognise import liken
                likeness = liken(subject, operation, options or {})
                if likeness is None:
                    subject.complain(f"not like {like}: with the usual options {like} does not give these outputs; is the forward wrong? "
                                     f"Else pass its options: options=dict({', '.join(name + '=…' for name in operation.options)})")
            point = look(subject, rng)
            check = _Check(subject, point, report, rng, directions, coordinates)
            check.run()
            check.dependence()
            if not subject.problems and report:
                check.elsewhere()
            if operation is not None and likeness is not None:
                from .diagnosis import against_the_operation
                against_the_operation(subject, point, likeness, report)
        except Complaint as complaint:
            subject.complain(str(complaint))
        report.problems += subject.problems
        if not report:
            if point is not None:
                for row in report.rows:
                    if not report.passed(row) and row.numeric_values is None and row.size <= MANY:
                        Leaf(subject, point, row, tolerance, rng).map()
            from .diagnosis import diagnose                # here, with all mutants: a check that passes need not wait for it
            report.hypotheses = diagnose(subject, point, report, likeness)
    report.seconds = time.perf_counter() - begin
    return report


def _large(model: Module, inputs: Any, given: dict[str, Any], tolerance: float, seed: int, directions: int, name: str) -> Report:
    """The check along directions of everything, on a copy of the model; what it says of a user's forward is in the report, too."""
    from .directional import check_directions
    for keyword, value in given.items():
        if value:
            raise ValueError(f"gradcheck: {keyword} is not for a network of more than {LARGE:,} values, which is checked along random "
                             "directions of all of them at once; check its layers one by one")
    try:
        with _kept_random_state():
            report = called("the network", check_directions, copy.deepcopy(model), inputs, tolerance=tolerance, seed=seed,
                            directions=directions, name=name)
    except Complaint as complaint:
        return Report(tolerance, problems=[str(complaint)], name=name)
    report.notes.append(f"more than {LARGE:,} values: checked along random directions of all of them at once, where a mistake shows if it "
                        "is not small beside the whole")
    return report


class _Check:
    """One check: rows for all leaves of a subject, at a point or, where that lies on a kink, beside it."""

    def __init__(self, subject: Subject, point: Point, report: Report, rng: np.random.Generator, directions: int, coordinates: int):
        self.subject, self.point, self.report, self.rng = subject, point, report, rng
        self.directions, self.coordinates = directions, coordinates

    def run(self) -> None:
        probes = {name: self.probes(x) for name, x in self.subject.leaves.items()}
        for name, chosen in probes.items():
            self.report.rows.append(Row(name, self.subject.leaves[name].shape, len(chosen), 0.0))
        left = self.round(self.point, probes)
        before = {name: x.copy() for name, x in self.subject.leaves.items()}
        try:
            for _ in range(MOVES):
                if not left:
                    break
                for name, x in self.subject.leaves.items():
                    x[...] = before[name] + 1e-3 * size(before[name]) * self.rng.uniform(-1, 1, x.shape)
                try:
                    point = Point(self.subject, self.rng, self.point.count)
                except Complaint:                          # the point beside is outside of where the function is defined: another one
                    continue
                left = self.round(point, left)
        finally:
            for name, x in self.subject.leaves.items():
                x[...] = before[name]
        if left:
            count = sum(len(p) for p in left.values())
            self.subject.complain(f"{count} probes lie on kinks or jumps, and so do points beside them: no derivative could be measured")
        if self.report.kinks:
            count = self.report.kinks
            self.report.notes.append(f"{count} of {sum(row.checked for row in self.report.rows)} probes lay on a kink, where no derivative "
                                     "exists; they were made at a point beside it. What backward says on the kink itself, such as who gets "
                                     "the gradient of equal maxima, is a convention: like=\"max_pool2d\" compares it")

    def dependence(self) -> None:
        """What is to be said of inputs without a gradient, and of those that do not matter."""
        for row in self.report.rows:
            if row.name in self.point.missing and not self.report.passed(row):
                self.subject.complain(f"{row.name} gets no gradient, though the output depends on it" +
                                      (": the graph is cut, by .data, .numpy() or no_grad()?" if isinstance(self.subject, Tensors) else ""))
            elif row.name in self.point.missing:
                self.report.notes.append(f"{row.name} gets no gradient, and the output does not depend on it")
        if len(self.point.missing) == len(self.subject.leaves) and not self.subject.problems:
            self.subject.complain("the output depends on no input: there is nothing to check")

    def elsewhere(self) -> None:
        """The same inputs give the same again, and at a second point the gradient is right too: nothing was kept from the first."""
        if not alike(self.subject.row(), self.point.y):
            self.subject.complain("after many calls the same inputs give different numbers: something is kept from one call to the next")
            return
        before, problems = {name: x.copy() for name, x in self.subject.leaves.items()}, list(self.subject.problems)
        second = Report(self.report.tolerance)
        try:
            for name, x in self.subject.leaves.items():
                x[...] = before[name] + 0.05 * size(before[name]) * self.rng.uniform(-1, 1, x.shape)
            point = Point(self.subject, self.rng, 1)
            for name, x in self.subject.leaves.items():
                row = Row(name, x.shape, 1, 0.0)
                direction = self.rng.standard_normal(x.shape) * size(x)
                if not Leaf(self.subject, point, row, self.report.tolerance, self.rng).measure([direction]):
                    second.rows.append(row)
        except Complaint:                                  # outside of where the function is defined
            return
        finally:
            self.subject.problems[:] = problems            # what else there is to say of that point nobody has asked for
            for name, x in self.subject.leaves.items():
                x[...] = before[name]
        bad = [row for row in second.rows if not second.passed(row)]
        if bad:
            self.subject.complain(f"{bad[0].name}: the gradient is right at these inputs and wrong at others beside them: is an element "
                                  "wrong that was not probed, or does backward use values kept from an earlier call?")

    def probes(self, x: np.ndarray) -> list:
        """Coordinates as index tuples; in a large array directions too, as arrays, one of them with positive components."""
        if x.size <= self.coordinates:
            return list(np.ndindex(x.shape))
        places = [tuple(int(j) for j in np.unravel_index(i, x.shape)) for i in self.rng.choice(x.size, self.coordinates, replace=False)]
        arrows = [self.rng.standard_normal(x.shape) * size(x) for _ in range(self.directions)]
        return [*places, *(np.abs(d) if number == 1 else d for number, d in enumerate(arrows))]

    def round(self, point: Point, probes: dict[str, list]) -> dict[str, list]:
        """Measure the probes at a point, enter what was found into the rows, and return those that lie on a kink."""
        left = {}
        for row in self.report.rows:
            if row.name in probes:
                kinked = Leaf(self.subject, point, row, self.report.tolerance, self.rng).measure(probes[row.name])
                row.kinks += len(kinked) if point is self.point else 0
                if kinked:
                    left[row.name] = kinked
        return left


@contextmanager
def _kept_random_state() -> Iterator[None]:
    state, legacy = default_generator.state, np.random.get_state()
    try:
        yield
    finally:
        default_generator.state = state
        np.random.set_state(legacy)
