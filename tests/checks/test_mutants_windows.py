"""The mutants of convolutions, poolings and products are wrong where they say so, no two alike, and found by what they say finds them."""
from functools import cache
from itertools import islice

import numpy as np
import pytest

from minicnn.checks.mutants import avg_pooling, conv, conv_transpose, linear, pooling  # noqa: F401  (importing them registers their mutants)
from minicnn.checks.mutants.mutant import DIFFERENCES, MUTANTS
from minicnn.kernels.case import Dice

LEAST = {"conv2d": 16, "conv_transpose2d": 4, "max_pool2d": 10, "avg_pool2d": 6, "adaptive_avg_pool2d": 2, "linear": 5, "matmul": 2}
MINE = [m for m in MUTANTS if m.operation.name in LEAST]
DRAWN, TRIED, COMPARED = 250, 8, 15
RAISED = (ValueError, IndexError)


@cache
def drawn(operation, i):
    """The i-th random case: case, arrays, grad_output, what is right."""
    rng = np.random.default_rng(i)
    case = operation.draw(Dice(rng))
    arrays = case.arrays(rng)
    y = operation.forward(*arrays, **case.options)
    g = rng.standard_normal(y.shape)
    return case, arrays, g, [y, *operation.backward(g, *arrays, **case.options)]


def results(mutant, arrays, g, options):
    """Output and gradients, or None where it raises."""
    try:
        return [mutant.forward(*arrays, **options), *mutant.backward(g, *arrays, **options)]
    except RAISED:
        return None


def same(found, right) -> bool:
    """Within 1e-4 of the largest number; a NaN is not the same."""
    return found is not None and all(
        a is b is None or (a is not None and a.shape == b.shape and np.abs(a - b).max() <= 1e-4 * np.abs(b).max())
        for a, b in zip(found, right, strict=True))


def contradicts_itself(mutant, arrays, options) -> bool:
    """Whether its backward disagrees with the differences of its own forward along random directions, or one of them raises."""
    rng, h = np.random.default_rng(0), 1e-6
    try:
        u = rng.standard_normal(mutant.forward(*arrays, **options).shape)
        for i, gradient in enumerate(mutant.backward(u, *arrays, **options)):
            if arrays[i] is None:
                continue
            if gradient.shape != arrays[i].shape:
                return True
            d = rng.standard_normal(gradient.shape)
            plus, minus = (mutant.forward(*arrays[:i], arrays[i] + step * d, *arrays[i + 1:], **options) for step in (h, -h))
            numeric = float((u * (plus - minus)).sum() / (2 * h))
            if abs(numeric - (gradient * d).sum()) > 1e-5 * max(np.abs(gradient * d).sum(), abs(numeric), 1e-3):
                return True
        return False
    except RAISED:
        return True


@pytest.mark.parametrize("mutant", MINE, ids=str)
def test_wrong_where_it_shows(mutant):
    cases = (drawn(mutant.operation, i) for i in range(DRAWN))
    shown = list(islice((found for found in cases if mutant.shows(found[1], found[0].options)), TRIED))
    assert len(shown) >= 5
    contradictions = []
    for case, arrays, g, right in shown:
        given = [a for a in (*arrays, g) if a is not None]
        before = [a.tobytes() for a in given]
        found = results(mutant, arrays, g, case.options)
        assert [a.tobytes() for a in given] == before, "it writes to its inputs"
        assert not same(found, right), f"not wrong for {case}"
        if case.smooth:                                                      # differences say nothing where elements are equal
            contradictions.append(contradicts_itself(mutant, arrays, case.options))
    if not contradictions:                                                   # a mistake at ties alone: beside them there is none
        for case, arrays, _, _ in shown:
            apart = [arrays[0] + np.random.default_rng(0).uniform(-0.1, 0.1, arrays[0].shape), *arrays[1:]]
            contradictions.append(contradicts_itself(mutant, apart, case.options))
    assert len(contradictions) >= 5
    if mutant.found_by == DIFFERENCES:
        assert sum(contradictions) >= len(contradictions) - 1                # a rare direction is a blind one
    else:
        assert not any(contradictions)


@pytest.mark.parametrize("operation, least", LEAST.items(), ids=LEAST)
def test_no_two_are_alike(operation, least):
    mine = [m for m in MINE if m.operation.name == operation]
    assert len(mine) >= least
    cases = [drawn(mine[0].operation, i) for i in range(COMPARED)]             # of max pooling: those with ties
    outcomes = {m.name: [results(m, arrays, g, case.options) for case, arrays, g, _ in cases] for m in mine}
    for i, a in enumerate(mine):
        for b in mine[:i]:
            assert any((x is None) != (y is None) or (x is not None and y is not None and not same(x, y))
                       for x, y in zip(outcomes[a.name], outcomes[b.name])), f"{a.name} is {b.name}"
