"""Patterns in a wrong gradient that point to a mistake whatever the function is: all read off the function's own Jacobian.

J[j, i] = ∂y[j] / ∂x[i] is measured by differences; the right gradient for an upstream gradient u is u·J. What backward returned is held
against what it would be with a mistake:

    0                    nothing is computed                      c · u·J          a factor: −1, the batch size N, 1/N, 2 …
    1·J                  the upstream gradient is ignored         u ∘ diag J       what one output owes to other inputs is left out
    (u·J) transposed …   axes exchanged, flipped                  (u∘mask)·J       only a part of the outputs is counted
    r[c] · u·J           a factor for each channel (γ missing)    u·J + constant   a term along some axes is missing (the path of a mean)

A pattern counts only where it fits for two random upstream gradients, at every element.
"""
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .leaf import size
from .manners import Point
from .quotient import STEP
from .report import Hypothesis, Report
from .subject import Complaint, Subject

FIT = 1e-5                    # relative: what the measured Jacobian may be off
SMALL, MANY = 400_000, 2_000  # numbers of a Jacobian that is measured, and elements of its input
EVIDENCE = 4                  # numbers that are not 0, for a pattern in their places
CHANCE = 0.01                 # that wrong elements lie together by chance
PART = 0.02                   # a mean path is not told from noise below this share of the gradient


@dataclass
class Wrong:
    """A wrong gradient: x, its Jacobian (outputs, *x.shape), upstream gradients U and what backward made of them, (K, *x.shape)."""
    name: str
    x: np.ndarray
    jacobian: np.ndarray
    U: np.ndarray
    shape: tuple[int, ...]                                  # of the (first) output
    analytic: np.ndarray
    others: dict[str, np.ndarray]                           # the other inputs: γ may be among them

    @property
    def numeric(self) -> np.ndarray:
        return self.of(self.U)

    def of(self, U: np.ndarray) -> np.ndarray:
        """U·J, (K, *x.shape)."""
        return np.tensordot(U, self.jacobian, 1)

    def fits(self, predicted: np.ndarray, evidence: int = EVIDENCE) -> bool:
        """Whether what backward returned is this, this is not simply the right gradient, and there are enough numbers to say so."""
        if predicted.shape != self.analytic.shape or np.count_nonzero(np.any(self.analytic, axis=0)) < evidence:
            return False
        scale = float(np.abs(self.analytic).max(initial=0.0))
        return scale > 0 and close(predicted, self.analytic, scale) and not close(self.numeric, self.analytic, scale)


def close(a: np.ndarray, b: np.ndarray, scale: float) -> bool:
    return bool(np.all(np.abs(a - b) <= FIT * scale))       # of NaN this is false


def signatures(subject: Subject, point: Point, report: Report) -> Iterator[Hypothesis]:
    """Hypotheses for every input whose gradient is wrong; none where kinks lie, for differences say nothing there."""
    for row in report.rows:
        if report.passed(row) or row.name in point.missing or row.kinks:
            continue
        wrong = measured(subject, point, row.name)
        if wrong is None or not np.isfinite(wrong.analytic).all():
            continue
        for pattern in PATTERNS:
            found = pattern(wrong)
            if found:
                yield found
                break


def measured(subject: Subject, point: Point, name: str) -> Wrong | None:
    """The Jacobian by central differences; None where it would be too large, or where two steps do not agree on it."""
    x = subject.leaves[name]
    if x.size * point.y.size > SMALL or not 1 < x.size <= MANY:
        return None
    jacobian, coarse = np.empty((point.y.size, *x.shape)), np.empty((point.y.size, *x.shape))
    try:
        for place in np.ndindex(x.shape):
            path, step = subject.along(name, place), STEP * size(x)
            jacobian[(slice(None), *place)] = (path(step) - path(-step)) / (2 * step)
            coarse[(slice(None), *place)] = (path(8 * step) - path(-8 * step)) / (16 * step)
    except Complaint:
        return None
    if not close(jacobian, coarse, float(np.abs(jacobian).max())):
        return None
    others = {other: a for other, a in subject.leaves.items() if other != name}
    shape = point.shapes[0] if len(point.shapes) == 1 else (point.y.size,)
    return Wrong(name, x, jacobian, point.U[:2], shape, point.analytic[name][:2], others)


def nothing(w: Wrong) -> Hypothesis | None:
    if not np.any(w.analytic):
        return Hypothesis("zeros", f"The gradient of {w.name} is never computed: it is 0 everywhere.",
                          f"all {w.analytic[0].size} numbers are 0, and differences say up to {np.abs(w.numeric).max():.3g}")
    return None


def factor(w: Wrong) -> Hypothesis | None:
    numeric = w.numeric
    c = float((numeric * w.analytic).sum() / max((numeric * numeric).sum(), 1e-300))
    if not c or not w.fits(c * numeric, 2):
        return None
    sizes = {"the batch size N": (w.shape or (1,))[0], "the first axis of the input": (w.x.shape or (1,))[0],
             "the number of outputs": math.prod(w.shape), "the number of outputs of one image": math.prod(w.shape[1:]),
             "the size of a plane of the output": math.prod(w.shape[2:]), "the size of a plane of the input": math.prod(w.x.shape[2:]),
             "the number of channels": w.x.shape[1] if w.x.ndim > 1 else 1, "the size of the input": w.x.size}
    named = [(n, f"{what}, {n}") for what, n in sizes.items() if n > 1]
    for value, name in [(2, "two"), *named]:
        if abs(c / value - 1) < FIT:
            return told(w, c, f"too large by the factor {name}: is a sum taken where there should be a mean, or a factor applied twice?")
        if abs(c * value - 1) < FIT:
            return told(w, c, f"too small by the factor {name}: is it divided by it where it should not be, or a factor left out?")
    return told(w, c, "wrong in sign." if abs(c + 1) < FIT else f"too large by a constant factor of {c:.6g}." if abs(c) > 1 else
                f"too small by a constant factor of {c:.6g}.")


def told(w: Wrong, c: float, text: str) -> Hypothesis:
    return Hypothesis("factor", f"The gradient of {w.name} is {text}",
                      f"backward / differences = {c:.6g} at all {w.x.size} elements, for two upstream gradients")


def upstream_ignored(w: Wrong) -> Hypothesis | None:
    ones = w.of(np.ones((len(w.U), w.U.shape[1])))
    c = float((ones * w.analytic).sum() / max((ones * ones).sum(), 1e-300))
    if c and w.fits(c * ones):
        return Hypothesis("upstream ignored", f"The gradient of {w.name} does not depend on grad_output: multiply by it (the chain rule).",
                          "it equals what differences give for an upstream gradient of ones, whatever the upstream gradient is")
    return None


def own_term(w: Wrong) -> Hypothesis | None:
    if w.x.shape != w.shape:
        return None
    diagonal = w.jacobian.reshape(w.x.size, w.x.size).diagonal().reshape(w.x.shape)
    if w.fits(diagonal * w.U.reshape(-1, *w.shape)):
        return Hypothesis("own term only", f"The gradient of {w.name} counts only what each element does to the output in its own place; "
                          "what it does to the other outputs is missing.", "it equals grad_output times the diagonal of the Jacobian")
    return None


def moved(w: Wrong) -> Hypothesis | None:
    right, rank = w.numeric, w.x.ndim
    if rank > 5 or w.x.size < 3:
        return None
    for count in range(1, rank + 1):
        for axes in itertools.combinations(range(rank), count):
            if w.fits(np.flip(right, tuple(a + 1 for a in axes))):
                return Hypothesis("flipped", f"The gradient of {w.name} is flipped along {axes_text(axes)}.",
                                  "it equals the one of the differences, flipped")
    for order in itertools.permutations(range(rank)):
        turned = right.transpose(0, *(a + 1 for a in order))
        if order != tuple(range(rank)):
            if w.fits(turned):
                return Hypothesis("transposed", f"The gradient of {w.name} has its axes exchanged: it is transposed to {order}.",
                                  "it equals the one of the differences, transposed")
            back = right.reshape(len(right), *(w.x.shape[a] for a in order)).transpose(0, *(int(i) + 1 for i in np.argsort(order)))
            if w.fits(turned.reshape(right.shape)) or w.fits(back):
                return Hypothesis("reshaped", f"The gradient of {w.name} has the right numbers in the wrong places: a reshape stands where "
                                  f"a transpose {order} is needed, or the other way round.",
                                  "it equals the one of the differences, transposed and reshaped to the shape it should have")
    for axis in range(rank):
        for by in (1, -1):
            if w.x.shape[axis] > 2 and w.fits(np.roll(right, by, axis + 1)):
                return Hypothesis("shifted", f"The gradient of {w.name} is shifted by one along axis {axis}: is an index off by one?",
                                  "it equals the one of the differences, rolled by one")
    return None


def part_of_the_outputs(w: Wrong) -> Hypothesis | None:
    for axis, length in enumerate(w.shape):
        for place, which in ((0, "first"), (-1, "last")) if length > 1 else ():
            mask = np.zeros(w.shape)
            mask[(slice(None),) * axis + (place,)] = 1
            if w.fits(w.of(w.U * mask.reshape(-1))):
                return Hypothesis("part of the outputs", f"The gradient of {w.name} counts only the {which} of {length} along axis {axis} "
                                  "of the output: is a sum over this axis missing, or does a loop return or overwrite too early?",
                                  f"it equals what differences give where grad_output is 0 in the others along axis {axis}")
            if length > 2 and w.fits(w.of(w.U * (1 - mask).reshape(-1))):
                return Hypothesis("part of the outputs", f"The gradient of {w.name} leaves out the {which} of {length} along axis {axis} "
                                  "of the output: does a loop end, or begin, one too early?",
                                  f"it equals what differences give where grad_output is 0 in the {which} along axis {axis}")
    return None


def factor_along_an_axis(w: Wrong) -> Hypothesis | None:
    numeric = w.numeric
    for axis, length in enumerate(w.x.shape):
        if length < 2 or w.x.size == length and len(w.U) < 2:
            continue
        rest = tuple(a for a in range(numeric.ndim) if a != axis + 1)
        ratio = (numeric * w.analytic).sum(rest) / np.maximum((numeric * numeric).sum(rest), 1e-300)
        spread = ratio.reshape((1,) + tuple(length if a == axis else 1 for a in range(w.x.ndim)))
        if w.x.size == length or not np.all(ratio) or not w.fits(spread * numeric):
            continue
        for name, other in w.others.items():
            flat = other.reshape(-1)
            if flat.size == length and np.all(flat):
                for r, words in ((1 / flat, "is missing"), (flat, "comes once too often"), (1 / flat ** 2, "divides")):
                    if np.allclose(ratio, r, rtol=1e-4):
                        return Hypothesis("factor along an axis", f"In the gradient of {w.name} the factor {name} {words}.",
                                          f"backward / differences is one number for each place along axis {axis}, and fits {name}")
        first = ", ".join(f"{r:.4g}" for r in ratio[:4]) + (" …" if length > 4 else "")
        return Hypothesis("factor along an axis", f"The gradient of {w.name} is off by a factor for each place along axis {axis}.",
                          f"backward / differences is {first} along axis {axis}")
    return None


def missing_mean(w: Wrong) -> Hypothesis | None:
    difference, scale = w.analytic - w.numeric, float(np.abs(w.analytic).max())
    if float(np.abs(difference).max()) < PART * scale:
        return None
    rank = w.x.ndim
    for count in range(rank, 0, -1):
        for axes in itertools.combinations(range(rank), count):
            if math.prod(w.x.shape[a] for a in axes) < 3:
                continue
            mean = difference.mean(tuple(a + 1 for a in axes), keepdims=True)
            if close(np.broadcast_to(mean, difference.shape), difference, scale):
                return Hypothesis("constant term", f"A term is missing in the gradient of {w.name}, or too many, that is the same "
                                  f"for all elements along {axes_text(axes)}: such as the path through a mean over them.",
                                  "backward minus differences is constant along " + axes_text(axes))
    return None


def some_are_zero(w: Wrong) -> Hypothesis | None:
    numeric, scale = w.numeric, float(np.abs(w.numeric).max())
    zero = np.all(w.analytic == 0, axis=0) & np.any(np.abs(numeric) > FIT * scale, axis=0)
    if zero.any() and not zero.all() and close(numeric[:, ~zero], w.analytic[:, ~zero], scale):
        return Hypothesis("some are zero", f"{np.count_nonzero(zero)} of {w.x.size} elements of the gradient of {w.name} get "
                          f"nothing{where(zero)}; the others agree.", "backward has 0 there, and differences do not")
    return None


def some_are_wrong(w: Wrong) -> Hypothesis | None:
    scale = float(np.abs(w.numeric).max())
    bad = np.any(np.abs(w.numeric - w.analytic) > FIT * scale, axis=0)
    if 0 < np.count_nonzero(bad) <= w.x.size / 2 and (np.count_nonzero(bad) == 1 or where(bad)):
        place = tuple(int(j) for j in np.argwhere(bad)[0])
        return Hypothesis("some are wrong", f"{np.count_nonzero(bad)} of {w.x.size} elements of the gradient of {w.name} are wrong"
                          f"{where(bad) or f': the one at {place}'}; the others agree.", "backward and differences agree elsewhere")
    return None


def where(mask: np.ndarray) -> str:
    """The one place along one axis, or the border of the plane, to which a mask is confined beyond chance; "" if there is none."""
    count = np.count_nonzero(mask)
    for axis, length in enumerate(mask.shape):
        places = np.unique(np.argwhere(mask)[:, axis])
        if length > 1 and len(places) == 1 and length ** (1.0 - count) < CHANCE:
            return f", all of them at {int(places[0])} along axis {axis}"
    if mask.ndim >= 2 and min(mask.shape[-2:]) > 2 and not mask[..., 1:-1, 1:-1].any():
        inner = (mask.shape[-1] - 2) * (mask.shape[-2] - 2) / (mask.shape[-1] * mask.shape[-2])
        if (1 - inner) ** count > CHANCE:
            return ""
        return ", all of them at the border of the plane"
    return ""


def axes_text(axes: tuple) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"


PATTERNS = (nothing, factor, upstream_ignored, own_term, moved, part_of_the_outputs, factor_along_an_axis, missing_mean, some_are_zero,
            some_are_wrong)
