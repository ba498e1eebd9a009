"""One input or parameter at one point: its step, its coordinates and directions, and the worst that they show."""
from typing import Any

import numpy as np

from .manners import Point
from .quotient import EPSILON, STEP, WIDE, Slope, best_step, central, complex_step, curve, gap, settle
from .report import Row
from .subject import Subject

ENOUGH = 8                    # elements of an array found wrong beyond doubt: the others are not asked as carefully
TINY = 1e-300
ZERO = 1e-10                  # a gradient is 0 where a step of the size of x would move an output of size 1 by less
BLUR = 1e-2                   # the largest part of a gradient that rounding may hide
PRECISION = 1e-8              # what is asked of a directional derivative, relative to its terms


class Leaf:
    """The probes of one input or parameter at one point."""

    def __init__(self, subject: Subject, point: Point, row: Row, tolerance: float, rng: np.random.Generator):
        self.subject, self.point, self.row, self.tolerance = subject, point, row, tolerance
        self.x, self.name, self.analytic = subject.leaves[row.name], row.name, point.analytic[row.name]     # analytic: (K, *x.shape)
        self.size = size(self.x)
        # Rounding leaves about ε·Σ|u·y| / h in a quotient: a gradient that is smaller than this over the tolerance, such as that of a bias
        # before a batch norm, which is zero, cannot be told from it and is measured against this size instead of its own.
        # Where backward says 0, an output that happens to be nearly 0 is taken for a sum like the others, rounded as they are.
        U, y = np.abs(point.U), np.abs(point.y)
        self.nothing = np.abs(self.analytic).reshape(len(U), -1).max(axis=1, initial=0.0) * self.size <= ZERO * U.max(axis=1, initial=0.0)
        self.rounding = 10 * EPSILON * np.where(self.nothing, U @ np.maximum(y, y.mean() if y.size else 0.0), U @ y)
        self.direction = rng.standard_normal(self.x.shape) * self.size if self.x.size else np.zeros(self.x.shape)

    def measure(self, probes: list) -> list:
        """Enter the worst of the probes into the row; return those that lie on a kink."""
        if not self.x.size or not self.point.y.size:
            return []
        step, by_complex = self.choose_step()
        places = [p for p in probes if isinstance(p, tuple)]
        expected = np.array([self.analytic[(slice(None), *p)] for p in places]).reshape(len(places), len(self.analytic))
        pairs = [self.quick(p, step, by_complex) for p in places]
        quick, gaps = (np.array([pair[i] for pair in pairs]).reshape(expected.shape) for i in range(2))
        flat = np.where(np.isnan(self.analytic), 0.0, np.abs(self.analytic)).reshape(len(self.analytic), -1)
        self.scale = np.maximum(flat.max(axis=1), (0 if by_complex else self.rounding) / step / self.tolerance)
        self.resolve(flat.max(axis=1), np.abs(quick).max(axis=0, initial=0.0), step, by_complex)
        values, kinked, numeric, wrong = quick.copy(), [], np.full(self.x.shape, np.nan), 0
        for i, p in enumerate(places):
            error = self.rounding[0] / step
            agrees = np.all(np.abs(quick[i] - expected[i]) <= self.tolerance * self.scale)
            if wrong < ENOUGH and not (agrees and np.all(gaps[i] <= WIDE * self.tolerance * self.scale)):
                slope = settle(self.subject.along(self.name, p), self.point.y, self.point.U, step, expected[i], self.tolerance * self.scale)
                if slope.kink:
                    kinked.append(p)
                    continue
                values[i], error = slope.values, float(np.max(slope.error))
                wrong += not np.all(np.abs(values[i] - expected[i]) <= self.tolerance * self.scale)
            numeric[p] = values[i, 0]
            self.enter(p, values[i], expected[i], self.scale, error)
        edge = [p for p, found, claimed in zip(places, values, expected) if np.isfinite(claimed).all() and not np.isfinite(found).all()]
        if edge:
            self.subject.complain(f"{self.name}: a step of {step:.0e} beside its value at {edge[0]}, {self.x[edge[0]]:g}, the output is no "
                                  "number: the inputs lie at the edge of where the function is defined; check it at others")
        for d in probes:
            if not isinstance(d, tuple) and self.along(d, step):
                kinked.append(d)
        if len(places) == self.x.size:
            self.row.numeric_values, self.row.analytic_values = numeric, self.analytic[0]
        return kinked

    def resolve(self, analytic: np.ndarray, numeric: np.ndarray, step: float, by_complex: bool) -> None:
        """Complain where rounding hides the gradient: a check that cannot fail has found nothing."""
        blur, y = self.rounding / step, float(np.abs(self.point.y).max())
        zero = self.nothing & (numeric <= blur)                                              # as far as one can see
        if not by_complex and np.any((blur > BLUR * np.maximum(analytic, numeric)) & ~zero):
            self.subject.complain(f"{self.name}: the gradient, {float(analytic.max()):.0e}, is lost in the rounding of the outputs, which "
                                  f"are up to {y:.0e}: differences resolve {float(blur.max()):.0e}. Scale or shift the function")

    def map(self) -> None:
        """Measure every element, as well as one step does, for a picture of the error."""
        step, values = STEP * self.size, np.empty(self.x.shape)
        for place in np.ndindex(self.x.shape):
            values[place] = central(self.subject.along(self.name, place), step, self.point.U[:1])[0][0]
        self.row.numeric_values, self.row.analytic_values = values, self.analytic[0]

    def choose_step(self) -> tuple[float, bool]:
        """The step that this array's V-curve advises, and whether a complex step agrees with it."""
        path = self.subject.along(self.name, self.direction)
        steps, D = curve(path, self.point.U, 1.0)
        step = float(np.clip(best_step(steps, D), STEP / 10, 1e-3))
        claimed = self.claimed(self.direction)
        scale = max(float(np.max(np.abs(claimed))), EPSILON)
        self.row.curve = steps, np.abs(D - claimed).max(axis=1) / scale
        exact, near = complex_step(path, self.point.U), D[int(np.argmin(np.abs(steps - step)))]
        by_complex = exact is not None and bool(np.all(np.abs(exact - near) <= 1e-7 * np.abs(near).max() + self.rounding / step))
        if by_complex:
            self.row.method = "complex step"
        return step * self.size, by_complex

    def quick(self, place: tuple, step: float, by_complex: bool) -> tuple[np.ndarray, np.ndarray]:
        """The slope along a coordinate by one step, and the gap between its two sides (0 by a complex step, which has none)."""
        path = self.subject.along(self.name, place)
        exact = complex_step(path, self.point.U) if by_complex else None
        if exact is not None:
            return exact, 0 * exact
        D, ahead, behind = central(path, step, self.point.U)
        return D, gap(ahead, self.point.y, behind, step, self.point.U)

    def claimed(self, d: np.ndarray) -> np.ndarray:
        """∇L · d as backward has it, for every upstream gradient."""
        return (self.analytic * d).reshape(len(self.analytic), -1).sum(axis=1)

    def along(self, d: np.ndarray, step: float) -> bool:
        """One direction: true if it lies on a kink; if it is wrong, the wrong element is looked for, by halves."""
        if np.isnan(self.analytic).any():
            k, *place = (int(j) for j in np.argwhere(np.isnan(self.analytic))[0])
            self.enter(tuple(place), self.analytic[(slice(None), *place)] * 0, self.analytic[(slice(None), *place)], self.scale, 0.0)
            return False
        allowed = self.allowed(d, step)
        slope = self.slope(d, step, allowed)
        if slope.kink:
            return True
        claimed = self.claimed(d)
        if not np.all(np.abs(slope.values - claimed) <= allowed):
            place = self.search(d, step)
            expected = self.analytic[(slice(None), *place)]
            alone = settle(self.subject.along(self.name, place), self.point.y, self.point.U, step, expected, self.tolerance * self.scale)
            self.row.checked += 1
            if np.any(np.abs(alone.values - expected) > self.tolerance * self.scale):
                self.enter(place, alone.values, expected, self.scale, float(np.max(alone.error)))
                return False
        self.enter("along a random direction", slope.values, claimed, allowed / self.tolerance, float(np.max(slope.error)))
        return False

    def allowed(self, d: np.ndarray, step: float) -> np.ndarray:
        """What may lie between the two: a wrong element must show, as far as the digits of the whole sum go."""
        terms = np.sqrt(np.square(self.analytic * d).reshape(len(self.analytic), -1).sum(axis=1))
        return self.tolerance * self.scale * self.size + PRECISION * terms + self.rounding / step * self.size

    def slope(self, d: np.ndarray, step: float, allowed: np.ndarray) -> Slope:
        return settle(self.subject.along(self.name, d), self.point.y, self.point.U, step / self.size, self.claimed(d), allowed)

    def search(self, d: np.ndarray, step: float) -> tuple[int, ...]:
        """An element whose gradient is wrong, of a direction that is: the half that disagrees more, its half, …"""
        places = np.flatnonzero(d)
        while len(places) > 1:
            apart = []
            for half in np.array_split(places, 2):
                part = np.zeros(d.size)
                part[half] = d.reshape(-1)[half]
                part = part.reshape(d.shape)
                D = central(self.subject.along(self.name, part), step / self.size, self.point.U)[0]
                apart.append(float(np.max(np.abs(D - self.claimed(part)))))
            places = np.array_split(places, 2)[int(not apart[0] >= apart[1])]
        return tuple(int(j) for j in np.unravel_index(places[0], d.shape))

    def enter(self, place: Any, numeric: np.ndarray, analytic: np.ndarray, scale: np.ndarray, resolution: float) -> None:
        """Into the row, if it is worse than what stands there; a NaN is worse than anything."""
        # (where backward is much too small, relative to the numeric value: about 1. TINY: 0/0, nothing to be wrong, is 0)
        errors = np.abs(numeric - analytic) / np.maximum(np.maximum(scale, np.abs(numeric)), TINY)
        k = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
        if not (errors[k] <= self.row.error or np.isnan(self.row.error)):
            self.row.error, self.row.index = float(errors[k]), place
            self.row.numeric, self.row.analytic = float(numeric[k]), float(analytic[k])
            self.row.resolution = float(resolution / max(float(scale[k]), EPSILON))


def size(x: np.ndarray) -> float:
    """How large the numbers of an array typically are; 1 where they are all 0."""
    largest = float(np.abs(x).max(initial=0.0))
    return largest * float(np.sqrt(np.mean(np.square(x / largest)))) if largest > 0 else 1.0
