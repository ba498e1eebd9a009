"""Mutants of normalisation, activations, losses, dropout and composites: each is wrong where it says that it shows."""
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from minicnn.checks.mutants import activation, batch_norm, composite, dropout, fused, losses, normalization
from minicnn.checks.mutants.mutant import MUTANTS
from minicnn.kernels.case import Dice

CASES = 120
FILES = [file.__name__ for file in (activation, batch_norm, composite, dropout, fused, losses, normalization)]
OURS = [m for m in MUTANTS if {m.forward.__module__, m.backward.__module__} & set(FILES)]


@cache
def drawn(operation):
    """Cases: (arrays, options, gradient for the output, what the operation makes of them)."""
    rng = np.random.default_rng(0)
    cases = []
    for _ in range(CASES):
        case = operation.draw(Dice(rng))
        arrays = case.arrays(rng)
        g = rng.standard_normal(np.shape(operation.forward(*copies(arrays), **case.options)))
        cases.append((arrays, case.options, g, results(operation, arrays, case.options, g)))
    return cases


def copies(arrays):
    return [a if a is None else a.copy() for a in arrays]


def results(pair, arrays, options, g):
    """Everything that a forward and a backward do: the output, the gradients, and what they leave in their arguments."""
    x, y, upstream = copies(arrays), copies(arrays), g.copy()
    output, gradients = attempt(lambda: [pair.forward(*x, **options)]), attempt(lambda: pair.backward(upstream, *y, **options))
    return [output, gradients, [*x, *y, upstream]]


def attempt(call):
    """The results, or the name of the error."""
    try:
        with np.errstate(all="ignore"):
            return [None if a is None else np.array(a) for a in call()]
    except (ValueError, IndexError, TypeError) as error:
        return type(error).__name__


def differ(found, expected):
    """Another error, number, shape, a NaN, or more than 1e-4 of the largest."""
    return any(isinstance(a, str) or len(a) != len(b) or any(map(apart, a, b)) for a, b in zip(found, expected))


def apart(a, b):
    if a is None or b is None or a.shape != b.shape:
        return a is not b
    return a.size > 0 and not np.abs(a - b).max() <= 1e-4 * np.abs(b).max()


@pytest.mark.parametrize("mutant", OURS, ids=str)
def test_differs_where_it_shows(mutant):
    shown = [case for case in drawn(mutant.operation) if mutant.shows(*case[:2])]
    assert len(shown) >= 5
    for arrays, options, g, expected in shown[:20]:
        assert differ(results(mutant, arrays, options, g), expected), ([np.shape(a) for a in arrays], options)


@pytest.mark.parametrize("operation", {m.operation: None for m in OURS}, ids=lambda operation: operation.name)
def test_no_two_are_the_same_mistake(operation):
    outcomes = {m.name: [results(m, *case[:3]) for case in drawn(operation)[:40]] for m in OURS if m.operation == operation}
    for one, other in combinations(outcomes, 2):
        assert any(map(unlike, outcomes[one], outcomes[other])), (one, other)


def unlike(a, b):
    """As differ, but two errors of one kind are alike."""
    return any((x != y) if isinstance(x, str) or isinstance(y, str) else any(map(apart, x, y)) for x, y in zip(a, b))
