"""A mutant: an operation with one planted mistake, the kind that people make."""
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .operation import Operation

# What finds it. The differences of its own outputs do where forward and backward contradict each other; where both are wrong alike, or
# the mistake is one of convention (ties), only a comparison with the right operation does: gradcheck(…, like=operation).
DIFFERENCES, REFERENCE = "differences", "reference"


@dataclass(frozen=True)
class Mutant:
    """operation with a wrong forward, a wrong backward, or both; the other half is right.

    hint      what is wrong and how to mend it, as a hypothesis: "windows that overlap overwrite each other: add with += …"
    shows     shows(arrays, options) -> whether the mistake makes a difference on these inputs: stride < window …
    found_by  DIFFERENCES or REFERENCE
    """
    operation: Operation
    name: str
    hint: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    shows: Callable[..., bool]
    found_by: str = DIFFERENCES

    def __str__(self) -> str:
        return f"{self.operation.name}: {self.name}"


MUTANTS: list[Mutant] = []


def always(arrays, options) -> bool:
    return True


def add(operation: Operation, name: str, hint: str, forward: Callable | None, backward: Callable | None, shows: Callable,
        found_by: str) -> None:
    if forward is None and backward is None:
        raise ValueError(f"mutant {name!r} of {operation.name}: give a wrong forward, a wrong backward, or both")
    if any(m.operation.name == operation.name and m.name == name for m in MUTANTS):
        raise ValueError(f"two mutants of {operation.name} are called {name!r}")
    MUTANTS.append(Mutant(operation, name, hint, forward or operation.forward, backward or operation.backward, shows, found_by))


def wrong_forward(operation: Operation, name: str, hint: str, shows: Callable = always, found_by: str = DIFFERENCES) -> Callable:
    """Decorates the forward of a mutant whose backward is right."""
    def register(function):
        add(operation, name, hint, function, None, shows, found_by)
        return function
    return register


def wrong_backward(operation: Operation, name: str, hint: str, shows: Callable = always, found_by: str = DIFFERENCES) -> Callable:
    """Decorates the backward of a mutant whose forward is right."""
    def register(function):
        add(operation, name, hint, None, function, shows, found_by)
        return function
    return register
