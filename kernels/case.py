"""A test case of an operation: what kernels/*/cases.py lists, and every form of the operation is held to."""
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


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
