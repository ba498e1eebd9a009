"""What mutants are variants of: an operation as a pair of plain NumPy functions, right beyond doubt, with cases drawn at random."""
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ... import kernels
from ...kernels.case import Case, Dice


@dataclass(frozen=True)
class Operation:
    """forward(*arrays, **options) -> array;  backward(grad_output, *arrays, **options) -> a gradient for each array, None for a constant.

    draw(dice) -> a Case it can be tried on.  written: the places of the arrays that forward writes to (running statistics); constants:
    of those without a gradient (class weights).
    """
    name: str
    forward: Callable[..., np.ndarray]
    backward: Callable[..., Any]
    draw: Callable[[Dice], Case]
    written: tuple[int, ...] = ()
    constants: tuple[int, ...] = ()
    shape: Callable[..., tuple] | None = None              # output_shape, of an operation of kernels/
    takes: int | None = None                               # how many arrays, where the signature of forward does not say so
    options: tuple[str, ...] = ()                          # the names of those that it cannot do without

    @property
    def arity(self) -> int:
        if self.takes is not None:
            return self.takes
        return sum(p.kind is not p.KEYWORD_ONLY for p in inspect.signature(self.forward).parameters.values())


@cache
def from_kernel(op: str) -> Operation:
    """An operation of kernels/ in its reference form.  Of several outputs the first counts.  ValueError for an unknown one."""
    formula, reference, cases = (kernels.module(op, file) for file in ("", "reference", "cases"))
    reference = getattr(reference, op) if hasattr(formula, "MEMBERS") else reference    # (not kernels.load: somebody may have replaced it)
    written, constants = getattr(formula, "WRITES", ()), getattr(formula, "CONSTANTS", ())

    def forward(*arrays, **options):
        output, _ = reference.forward(*arrays, **options)
        return output[0] if isinstance(output, tuple) else output

    def backward(grad_output, *arrays, **options):
        kept = [a.copy() if i in written and a is not None else a for i, a in enumerate(arrays)]
        _, saved = reference.forward(*kept, **options)
        needs = [a is not None and a.dtype.kind == "f" and i not in (*written, *constants) for i, a in enumerate(arrays)]
        return reference.backward(grad_output, saved, needs)

    parameters = inspect.signature(reference.forward).parameters.values()
    takes = sum(p.kind is not p.KEYWORD_ONLY for p in parameters)
    required = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty)
    return Operation(op, forward, backward, lambda dice: cases.draw(dice, op), tuple(written), tuple(constants),
                     formula.output_shape, takes, required)
