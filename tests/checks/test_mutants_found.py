"""The checker is held to what it is for: every mutant is found and named, right code passes and is never accused.

    pytest -m slow tests/checks/test_mutants_found.py             2,000 right cases instead of 234; and the mutants once more, untold
"""
import zlib

import numpy as np
import pytest

import minicnn as mc
from minicnn.checks import mutants
from minicnn.checks.mutants import DIFFERENCES, MUTANTS
from minicnn.kernels.case import Dice

FEW, MANY = 6, 54                                # right cases for each of about 39 operations


@pytest.fixture(autouse=True)
def reference_backend():
    with mc.use_backend("reference"):
        yield


def generator(*what) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(str(w).encode()) for w in what])


def shown(mutant, rng):
    """A drawn case on which the mistake makes a difference."""
    for _ in range(1000):
        case = mutant.operation.draw(Dice(rng))
        arrays = case.arrays(rng)
        if mutant.shows(arrays, case.options):
            return arrays, case.options
    raise AssertionError(f"{mutant} shows on none of 1,000 cases")


def test_the_library_is_large_and_tells_its_mutants_apart():
    assert len(MUTANTS) >= 60 and len({str(m) for m in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_mutant_is_found_and_named(mutant):
    arrays, options = shown(mutant, generator(mutant, "named"))
    report = mc.gradcheck(mutant.forward, arrays, backward=mutant.backward, options=options, like=mutant.operation.name)
    assert not report
    assert report.hypotheses and report.hypotheses[0].cause == str(mutant), report


@pytest.mark.slow
def test_untold_all_are_found_by_differences_and_nine_in_ten_named():
    """On another shape, by somebody who does not say what the function should be."""
    found, named = [m for m in MUTANTS if m.found_by == DIFFERENCES], []
    for mutant in found:
        arrays, options = shown(mutant, generator(mutant, "found"))
        operation = mutant.operation
        report = mc.gradcheck(mutant.forward, arrays, backward=mutant.backward, options=options,
                              constants=(*operation.constants, *operation.written))
        assert not report, mutant
        named += [mutant] if report.hypotheses and report.hypotheses[0].cause == str(mutant) else []
    assert len(named) >= 0.9 * len(found), f"{len(named)} of {len(found)}; not {', '.join(str(m) for m in found if m not in named)}"


def right_case(name, number):
    rng = generator(name, number)
    case = mutants.operation(name).draw(Dice(rng))
    arrays = case.arrays(rng)
    if number % 3 == 2:                          # on kinks and ties, where there are some: numbers of which many are equal or 0
        arrays = [None if a is None else np.round(2 * a) / 2 if a.dtype.kind == "f" and i == 0 else a for i, a in enumerate(arrays)]
    return arrays, case.options


def check_right_code(name, numbers):
    operation = mutants.operation(name)
    for number in numbers:
        arrays, options = right_case(name, number)
        like = name if number % 2 else None
        report = mc.gradcheck(operation.forward, arrays, backward=operation.backward, options=options, like=like, seed=number,
                              constants=(*operation.constants, *operation.written))
        if report.problems and like is None and operation.written:
            report.problems = [p for p in report.problems if "in place" not in p]       # what it should write, it writes
        assert report, f"case {number}: {options}\n{report}"
        assert not report.hypotheses


@pytest.mark.parametrize("name", mutants.operations())
def test_right_code_passes(name):
    check_right_code(name, range(FEW))


@pytest.mark.slow
@pytest.mark.parametrize("name", mutants.operations())
def test_right_code_passes_on_two_thousand_cases(name):
    assert MANY * len(mutants.operations()) >= 2_000
    check_right_code(name, range(FEW, FEW + MANY))
