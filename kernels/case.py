"""A test case of an operation: what kernels/*/cases.py lists, and every form of the operation is held to.

Beside its list, CASES, each cases.py has  draw(dice, op) -> Case:  a case of random shapes and options that the operation takes, small
enough for plain loops. A Dice is asked for whole numbers and choices; where its answers come from is its own business: a generator of
random numbers here, the hypothesis library in the tests.
"""
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class Dice:
    """Whole numbers and choices from a generator of random numbers."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng

    def integer(self, low: int, high: int) -> int:
        """One of low … high, both included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, *choices: Any) -> Any:
        """One of the choices."""
        return choices[self.integer(0, len(choices) - 1)]

    def integers(self, count: int, low: int, high: int) -> tuple[int, ...]:
        """count numbers of low … high."""
        return tuple(self.integer(low, high) for _ in range(count))


@dataclass(frozen=True)
class Case:
    """name: readable, shown by the tests.  shapes: one an input, None for an absent one.  options: the keywords of forward.

    inputs(rng, case) -> the arrays, float64 or integer; default: standard normal, None where the shape is None.
    smooth: False where the function has a kink at these inputs (ties, zeros): backward is then compared with the convention written
    into `gradients(case, arrays, grad_output)`, not with finite differences.
    op: for a family, the member.
    """
    name: str
    shapes: tuple
    options: dict = field(default_factory=dict)
    inputs: Callable | None = None
    smooth: bool = True
    gradients: Callable | None = None
    op: str | None = None

    def arrays(self, rng: np.random.Generator) -> list:
        if self.inputs is not None:
            return list(self.inputs(rng, self))
        return [None if shape is None else rng.standard_normal(shape) for shape in self.shapes]
