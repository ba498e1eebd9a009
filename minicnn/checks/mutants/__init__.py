"""Known-wrong forwards and backwards: each a small variant of a right one, with the mistake that people make.

They prove the checker (every one must be found), feed the diagnosis, and later the classroom.
"""
import difflib

from ... import kernels
# importing a family registers its mutants
from . import (  # noqa: F401
    activation,
    avg_pooling,
    batch_norm,
    composite,
    conv,
    conv_transpose,
    dropout,
    fused,
    linear,
    losses,
    normalization,
    pooling,
)
from .mutant import DIFFERENCES, MUTANTS, REFERENCE, Mutant
from .operation import Operation, from_kernel

__all__ = ["DIFFERENCES", "MUTANTS", "Mutant", "Operation", "REFERENCE", "mutants_of", "operation", "operations"]


def operations() -> list[str]:
    """The operations that a function can be compared with: those of kernels/ that have a gradient, and those that have mutants."""
    kernel = [op for op in kernels.names() if hasattr(kernels.module(op, "cases"), "draw")]
    return sorted({*kernel, *(m.operation.name for m in MUTANTS)})


def operation(name: str) -> Operation:
    """The right operation of this name.  ValueError, with the nearest name, if there is none."""
    if name not in operations():
        near = difflib.get_close_matches(str(name), operations(), 1)
        raise ValueError(f"no operation {name!r} to compare with" + (f"; did you mean {near[0]!r}?" if near else
                                                                     f". There are: {', '.join(operations())}"))
    return from_kernel(name) if name in kernels.names() else next(m.operation for m in MUTANTS if m.operation.name == name)


def mutants_of(name: str) -> list[Mutant]:
    """The mutants of one operation; none for one without."""
    return [m for m in MUTANTS if m.operation.name == name]
