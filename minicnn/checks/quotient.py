"""Derivatives from differences, with an estimate of their error, and kinks told from mistakes.

Along a path x + t·d the outputs are y(t), and for an upstream gradient u

    D(h)  =  u · (y(h) − y(−h)) / 2h              u · dy/dt, but for a truncation error ~ h² and a rounding error ~ ε·Σ|u·y| / h

Their sum, drawn over h, is a V whose lowest point lies near h = ∛ε ≈ 6e-6 for functions that change over lengths of about 1. With two
steps the first term of the truncation error cancels (Richardson): it is a·h² and a·h²/64, so D(h/8) + (D(h/8) − D(h)) / 63 is without it,
and what the two differ by bounds the rest.

Complex step.  Where a function can be computed on complex numbers and is analytic,  Im y(x + i·t·d) / t  is the derivative without any
difference, exact to the last digits even for t = 1e-30. A function that is not (|x|, a comparison of real parts) gives something else, so
its result counts only where it agrees with D.

Kinks.  Where y has a kink the quotients of the two sides differ, and go on to differ as h shrinks; for a smooth y their gap falls with h:

    gap(h)  =  |u| · |y(h) − 2·y(0) + y(−h)| / h
"""
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

EPSILON = float(np.finfo(np.float64).eps)
STEP = 6e-6                                                   # ∛ε
LADDER = (1.0, 1 / 8, 1 / 64, 1 / 512)                        # steps tried where the first does not agree, in units of it
CURVE = tuple(10.0 ** -k for k in range(1, 11))               # steps of the V-curve
IMAGINARY = 1e-30
JUMP = 1e3                                                    # times what rounding may leave: that is no jump
WIDE = 1e3                                                    # times what is allowed: a gap that is looked into

Path = Callable[[complex], np.ndarray]                        # t -> all outputs at x + t·d, in one row


@dataclass
class Slope:
    """u · dy/dt for every upstream gradient: values (K,), what they may be off, (K,), and whether the point lies on a kink."""
    values: np.ndarray
    error: np.ndarray
    kink: bool = False


def central(path: Path, h: float, U: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """D(h) for every row of U (K, outputs), and the two ends y(h), y(−h)."""
    ahead, behind = path(h), path(-h)
    return U @ (ahead - behind) / (2 * h), ahead, behind


def gap(ahead: np.ndarray, y: np.ndarray, behind: np.ndarray, h: float, U: np.ndarray) -> np.ndarray:
    """gap(h) for every row of U."""
    return np.abs(U) @ np.abs(ahead - 2 * y + behind) / h


def noise(y: np.ndarray, U: np.ndarray, h: float) -> np.ndarray:
    """What rounding may leave of a gap: of its four values each may be off by a few ε, for the last digits of a sum add up; 16 in all."""
    return 16 * EPSILON * (np.abs(U) @ np.abs(y)) / h


def on_a_kink(path: Path, y: np.ndarray, U: np.ndarray, h: float, wide: np.ndarray, allowed: np.ndarray) -> bool:
    """Whether a gap seen at h is that of a kink: at a kink the mean of the two sides may agree with backward by symmetry (|x| at 0).

    Curvature's gap is an eighth at an eighth of the step, a kink's is what it was.
    """
    if np.all(wide <= WIDE * allowed + noise(y, U, h)):
        return False
    narrow = gap(path(h / 8), y, path(-h / 8), h / 8, U)
    return bool(np.any((narrow > wide / 2) & (narrow > WIDE * allowed + noise(y, U, h / 8))))


def settle(path: Path, y: np.ndarray, U: np.ndarray, step: float, expected: np.ndarray, allowed: np.ndarray) -> Slope:
    """The slope where D(step) does not agree with what is expected within what is allowed: a V-curve in small.

    Smaller steps step out of the reach of a kink beside the point; one of them that agrees settles it, for a wrong gradient agrees with
    none. If none does, the best estimate stands, and the gap between the two sides tells whether the point is on a kink.
    """
    steps, found, gaps = [step * factor for factor in LADDER], [], []
    for h in steps:
        D, ahead, behind = central(path, h, U)
        found.append(D)
        gaps.append(gap(ahead, y, behind, h, U))
        if np.all(np.abs(D - expected) <= allowed):
            return Slope(D, np.abs(D - found[max(0, len(found) - 2)]), on_a_kink(path, y, U, h, gaps[-1], allowed))
    refined = [fine + (fine - coarse) / 63 for coarse, fine in zip(found, found[1:])]
    apart = [np.abs(fine - coarse) for coarse, fine in zip(found, found[1:])]
    for D, difference in zip(refined, apart):
        if np.all(np.abs(D - expected) <= allowed):
            return Slope(D, difference)
    best = np.argmin(np.stack(apart), axis=0)
    values, error = (np.take_along_axis(np.stack(rows), best[None], 0)[0] for rows in (refined, apart))
    # The gap that stays: at the smallest step, beyond rounding and beyond what curvature leaves of the gap at the largest, which falls as
    # the step does; four times as much, for where higher derivatives add to it.
    stays = gaps[-1] - noise(y, U, steps[-1]) - gaps[0] * LADDER[-1] * 4
    kinked = bool(np.any((stays > allowed) & (np.abs(values - expected) > allowed)))
    return Slope(values, error, kinked or jumps(steps, np.abs(np.stack(found)), noise(y, U, steps[-1])))


def jumps(steps: list[float], D: np.ndarray, noise: np.ndarray) -> bool:
    """Whether y jumps at the point: D·2h, its rise from the one side to the other, stays what it is as h shrinks, and is no rounding.

    Where y(0) lies halfway, as sign(x) does at 0, there is no gap between the two sides that would show it.
    """
    rise = D * np.array(steps)[:, None]
    return bool(np.any((rise.min(axis=0) > 0.9 * rise.max(axis=0)) & (D[-1] > JUMP * noise)))


def complex_step(path: Path, U: np.ndarray) -> np.ndarray | None:
    """U · dy/dt by a step along the imaginary axis; None if the function cannot be computed on complex numbers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")                    # ComplexWarning: the imaginary part was thrown away
            y = path(1j * IMAGINARY)
    except Exception:                                         # noqa: BLE001  whatever code not written for complex numbers does
        return None
    return U @ (np.imag(y) / IMAGINARY) if np.iscomplexobj(y) and np.isfinite(y).all() else None


def curve(path: Path, U: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """(steps (S,), D (S, K)) over ten powers of ten: the data of the V-curve."""
    steps = np.array(CURVE) * size
    return steps, np.stack([central(path, float(h), U)[0] for h in steps])


def best_step(steps: np.ndarray, D: np.ndarray) -> float:
    """The step of the V-curve's lowest point, as neighbouring quotients show it: where D changes least from one step to the next."""
    change = np.abs(np.diff(D, axis=0)).max(axis=1)
    change = np.where(np.isfinite(change), change, np.inf)
    change = np.maximum(change, np.roll(change, 1))           # two neighbours that happen to agree do not make a valley
    change[0] = np.inf
    return float(steps[int(np.argmin(change))])
