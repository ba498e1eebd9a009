"""A whole network in one gradient check: all parameters and the input move together along random directions.

    L(θ, x) = Σ u · f(θ, x)                     ∇L · d  ≈  (L(θ + h·d) − L(θ − h·d)) / 2h

A forward and a backward, and then two to six forwards for each direction, however many parameters the network has: so the largest can be
checked in full size. An error anywhere shows if it is not small against the sum: for the last digit of every parameter there is gradcheck.

The error is measured against √(Σ_θ (∇_θL · d_θ)²), the size that the sum of the parameters' contributions has unless they cancel. How far
each parameter moves decides what can hide in that sum:

    in proportion to its own size,      d = rms(θ) · normal         a step of h is the same relative change in every layer
    in inverse proportion to its gradient,  d = c / ‖∇_θL‖ · normal     every parameter adds about as much: a branch that counts for
                                                                    a millionth of the loss is checked as well as the others

The directions take turns. c is the median of rms(θ)·‖∇_θL‖, or more where rounding would hide that; no parameter moves more than FAR
times as far as in the first way.

A direction that fails is halved: the half of the tensors that disagrees more, its half, … and then within the tensor, down to an element.

ReLUs and max pools keep their sides while the network is moved, see kinks.py: of millions of them some are always near a kink.
"""
import time
from typing import Any

import numpy as np

from ..kernels.random import default_generator
from ..modes import enable_grad, no_grad
from ..nn import Module
from ..tensor import Tensor
from .kinks import Sides
from .quotient import EPSILON
from .report import Report, Row
from .subject import device_of, float64

# Relative steps. What is not linear falls with step², rounding rises as about 1e-16 / step; the first is large in very deep networks, the
# second in shallow ones with large scores: for these the largest comes last. Where the two sides agree at one step the check has passed,
# since a wrong gradient is wrong at every step.
STEPS = (1e-7, 1e-8, 1e-9, 1e-6)
TINY = 1e-300
FAR = 1e3                                      # 1e-4 of itself is as far as a parameter goes: more would leave where L is nearly linear

Moves = dict[str, np.ndarray]                  # how far each tensor moves; one that is not named stays


def check_directions(model: Module, x: Any, *, tolerance: float = 1e-5, seed: int = 0, directions: int = 2, name: str = "") -> Report:
    """Check the gradient of a network with respect to its input and all parameters at once, in float64.

    model: as it is, in training or in evaluation mode; it is converted to float64, and has its values back afterwards, in float64.
    x: one image batch, an array or a Tensor, or a list of inputs.
    Returns a Report with a row a direction; a direction without any gradient, a NaN or a graph that is cut fails.
    """
    if directions < 1:
        raise ValueError(f"check_directions: directions should be at least 1, got {directions}: nothing would be checked")
    begin = time.perf_counter()
    check = _Network(model, x, np.random.default_rng(seed), tolerance)
    report = Report(tolerance, name=name)
    try:
        check.differentiate(report)
        for number in range(directions):
            moves = check.draw(even=number % 2 == 1)
            row = check.along(moves, f"direction {number + 1} of all {len(check.leaves)} tensors")
            if not report.passed(row) and not np.isnan(row.analytic):
                row = check.search(moves, row)
            report.rows.append(row)
    finally:
        check.restore()
    report.seconds = time.perf_counter() - begin
    return report


class _Network:
    """A model in float64 with its loss L, its gradients, and the place it is put back to."""

    def __init__(self, model: Module, x: Any, rng: np.random.Generator, tolerance: float):
        model.to("float64")
        inputs = x if isinstance(x, (list, tuple)) else [x]
        self.device = device_of(model, list(inputs))
        values = [float64(a.numpy() if isinstance(a, Tensor) else a) for a in inputs]
        self.inputs = [Tensor(a, a.dtype.kind == "f", device=self.device) if isinstance(a, np.ndarray) else a for a in values]
        moved = {i: t for i, t in enumerate(self.inputs) if isinstance(t, Tensor) and t.requires_grad}
        places = {"input" if len(inputs) == 1 else f"input {i}": t for i, t in moved.items()}
        self.model, self.rng, self.tolerance = model, rng, tolerance
        self.leaves = {**places, **{n: p for n, p in model.named_parameters() if p.requires_grad}}
        self.buffers = {n: buffer.numpy().copy() for n, buffer in model.named_buffers()}
        self.start = {n: leaf.numpy().copy() for n, leaf in self.leaves.items()}
        self.random, self.upstream, self.gradients = default_generator.state, list[np.ndarray](), Moves()
        self.step = STEPS[0]

    def scores(self) -> list[Tensor]:
        default_generator.state = self.random                             # the same dropout masks every time
        result = self.model(*self.inputs)
        outputs = list(result) if isinstance(result, tuple) else [result]
        self.upstream.extend(self.rng.standard_normal(y.shape) for y in outputs[len(self.upstream):])
        return outputs

    def differentiate(self, report: Report) -> None:
        """The gradients of L, and the sides that ReLUs and pools are on."""
        with enable_grad():
            with Sides() as self.sides:
                outputs = self.scores()
            terms = [(y * Tensor(u, device=self.device)).sum() for y, u in zip(outputs, self.upstream)]
            total: Any = sum(terms[1:], terms[0])
            self.magnitude = sum(float(np.abs(y.numpy() * u).sum()) for y, u in zip(outputs, self.upstream))
            total.backward()
        report.problems += [f"{name} gets no gradient" for name, leaf in self.leaves.items() if leaf.grad is None]
        self.gradients = {name: leaf.grad.numpy() for name, leaf in self.leaves.items() if leaf.grad is not None}
        for leaf in self.leaves.values():
            leaf.grad = None
        if not any(np.any(g) for g in self.gradients.values()):
            report.problems.append("every gradient is 0: there is nothing to hold against differences")

    def draw(self, even: bool) -> Moves:
        """A random direction; even: one along which every tensor adds about as much to the sum, see the head of this file."""
        sizes = {name: float(np.sqrt(np.mean(a * a))) or 1.0 for name, a in self.start.items()}
        adds = {name: sizes[name] * float(np.linalg.norm(self.gradients.get(name, np.zeros(1)))) for name in sizes}
        seen = 10 * EPSILON * self.magnitude / (STEPS[0] * self.tolerance * np.sqrt(len(adds)))           # beyond rounding, of each
        typical = max(float(np.median([a for a in adds.values() if a > 0] or [1.0])), seen)
        times = {name: min(FAR, typical / max(a, TINY)) if even else 1.0 for name, a in adds.items()}
        return {name: times[name] * sizes[name] * self.rng.standard_normal(a.shape) for name, a in self.start.items()}

    def loss(self, moves: Moves, step: float) -> float:
        with no_grad():
            for name, d in moves.items():
                self.leaves[name].write(self.start[name] + step * d)
            with self.sides.held():
                found = sum(float((u * y.numpy()).sum()) for y, u in zip(self.scores(), self.upstream))
            for name in moves:
                self.leaves[name].write(self.start[name])
        return found

    def along(self, moves: Moves, name: str, steps: tuple[float, ...] = STEPS) -> Row:
        """The row of one direction: the two sides at the step where they are closest, which is kept in self.step."""
        parts = [float((self.gradients[n] * d).sum()) for n, d in moves.items() if n in self.gradients]
        analytic, size = sum(parts), float(np.sqrt(np.sum(np.square(parts))))
        row = Row(name, (sum(d.size for d in moves.values()),), 0, float("inf"))
        for step in steps:
            numeric = (self.loss(moves, step) - self.loss(moves, -step)) / (2 * step)
            error = abs(numeric - analytic) / size if size > 0 else float("nan")
            if not error >= row.error:
                row, self.step = Row(row.name, row.shape, row.checked, error, f"at step {step:g}", numeric, analytic), step
            row.checked += 1
            if not error > self.tolerance:                                # or NaN, which no other step makes good
                break
        return row

    def search(self, moves: Moves, row: Row) -> Row:
        """The row with the place of a wrong element: by halves, first of the tensors, then of the one that is wrong."""
        names, step = list(moves), self.step                              # one step for all: of a large network each run counts
        while len(names) > 1:
            halves = names[:len(names) // 2], names[len(names) // 2:]
            names = halves[self.worse([{n: moves[n] for n in half} for half in halves], step)]
        name, places = names[0], np.arange(moves[names[0]].size)
        while len(places) > 1:
            halves = np.array_split(places, 2)
            places = halves[self.worse([{name: self.part(moves[name], half)} for half in halves], step)]
        place = tuple(int(j) for j in np.unravel_index(places[0], moves[name].shape))
        alone = self.along({name: self.part(moves[name], places)}, name)
        row.index, d = f"{name} at {place}", float(moves[name][place]) or 1.0
        row.numeric, row.analytic = alone.numeric / d, alone.analytic / d
        return row

    @staticmethod
    def part(d: np.ndarray, places: np.ndarray) -> np.ndarray:
        kept = np.zeros(d.size)
        kept[places] = d.reshape(-1)[places]
        return kept.reshape(d.shape)

    def worse(self, halves: list[Moves], step: float) -> int:
        """Which of two directions disagrees more, in absolute terms; one that is NaN does most."""
        apart = []
        for moves in halves:
            row = self.along(moves, "", (step,))
            apart.append(abs(row.numeric - row.analytic) if np.isfinite(row.error) else 0.0 if row.analytic == 0 == row.numeric else np.inf)
        return int(apart[1] > apart[0])

    def restore(self) -> None:
        with no_grad():
            for name, leaf in self.leaves.items():
                leaf.write(self.start[name])
            for name, buffer in self.model.named_buffers():
                buffer.write(self.buffers[name])
        default_generator.state = self.random
