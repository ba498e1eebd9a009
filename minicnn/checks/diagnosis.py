"""What may be wrong with a gradient that is: known mistakes tried one after the other, then patterns in the numbers.

A mutant (mutants/) is an operation with one planted mistake. If a function is that operation, by the user's word (like="conv2d") or because
it gives the same outputs, and its gradients are not the operation's but equal those of one mutant to the last digits, then that mistake is
very likely the user's. Where several mutants give the same numbers here, cases drawn at random tell them apart.

What no mutant explains is looked at as numbers alone: signatures.py. Every hypothesis says what it rests on; without one, nothing is said.
"""
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
import numpy as np

from ..kernels.case import Dice
from .manners import Point, alike
from .mutants import Mutant, Operation, mutants_of
from .recognise import recognise
from .report import Hypothesis, Report
from .signatures import signatures
from .subject import Complaint, Pair, Subject

DRAWS = 40                    # cases on which mutants that agree here are told apart


@dataclass
class Answer:
    """What a function made of some inputs: {"the output": array, "the gradient of input 0": array, …}, or what it raised, as a text."""
    parts: dict[str, np.ndarray | str]

    def wrong(self, right: "Answer") -> list[str]:
        """The parts that differ from those of a right answer."""
        return [part for part in right.parts if not self.agrees(right, part)]

    def agrees(self, other: "Answer", part: str) -> bool:
        mine, others = self.parts.get(part, "missing"), other.parts.get(part, "missing")
        if isinstance(mine, str) or isinstance(others, str):
            return isinstance(mine, str) and isinstance(others, str) and mine == others
        return alike(mine, others)


def answer(forward: Callable, backward: Callable, arrays: list, options: dict, g: np.ndarray | None, written: tuple = (),
           seed: int = 0) -> Answer:
    """g: the upstream gradient; None: one is drawn in the shape of the output."""
    def fresh():
        return [a.copy() if isinstance(a, np.ndarray) else a for a in arrays]

    parts: dict[str, np.ndarray | str] = {}
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            given = fresh()
            output = np.asarray(forward(*given, **options), np.float64)
            parts["the output"] = output.copy()
            for i, (before, after) in enumerate(zip(arrays, given)):
                if isinstance(before, np.ndarray) and (i in written or after.tobytes() != before.tobytes()):
                    parts[f"what is left in input {i}"] = after.astype(np.float64)
            g = np.random.default_rng(seed).standard_normal(output.shape) if g is None else g
            after = g.copy()
            found = backward(after, *fresh(), **options)
            if after.tobytes() != g.tobytes():
                parts["what is left in grad_output"] = after
            for i, gradient in enumerate(found if isinstance(found, (tuple, list)) else [found]):
                if gradient is not None:
                    parts[f"the gradient of input {i}"] = np.asarray(gradient, np.float64)
    except Exception as error:                             # noqa: BLE001  a mistake may well be one that raises
        parts["an exception"] = type(error).__name__
    return Answer(parts)


def answer_of(subject: Subject, arrays: list, options: dict, g: np.ndarray | None, written: tuple, seed: int = 0) -> Answer:
    """The user's own."""
    if isinstance(subject, Pair):
        subject.begin()
        return answer(subject.forward, subject.backward, arrays, options, g, written, seed)
    try:
        outputs = subject.outputs()
        parts: dict[str, np.ndarray | str] = {"the output": outputs[0]}
        u = [np.zeros(y.shape) if i or g is None else g for i, y in enumerate(outputs)]
        for name, gradient in subject.gradients(u).items():
            if name.startswith("input ") and gradient is not None:
                parts[f"the gradient of {name}"] = gradient
        return Answer(parts)
    except Complaint as complaint:
        return Answer({"an exception": type(complaint.__cause__).__name__})


def against_the_operation(subject: Subject, point: Point, operation: Operation, options: dict, report: Report) -> None:
    """Output, gradients and what is written, beside those of the operation that the function should be: problems for the report."""
    g = np.random.default_rng(1).standard_normal(point.shapes[0])
    theirs = answer_of(subject, subject.values, options, g, operation.written)
    right = answer(operation.forward, operation.backward, padded(subject.values, operation), options, g, operation.written)
    if not isinstance(subject, Pair):                      # what a function of Tensors writes to is not seen here
        right.parts = {part: value for part, value in right.parts.items() if not part.startswith("what is left")}
    if "an exception" in right.parts and "an exception" not in theirs.parts and "the output" not in right.parts:
        raise ValueError(f"gradcheck: {operation.name} does not take these inputs and options ({right.parts['an exception']}); pass its "
                         "options as options=dict(…), and its inputs in its order")
    for part in theirs.wrong(right):
        a, b = theirs.parts.get(part), right.parts[part]
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape == b.shape:
            place = tuple(int(j) for j in np.unravel_index(int(np.argmax(np.nan_to_num(np.abs(a - b), nan=np.inf))), a.shape))
            text = f"{a[place]:.6g} at {place} where {operation.name} has {b[place]:.6g}"
        else:
            text = ", where ".join(("it has shape " + str(v.shape) if isinstance(v, np.ndarray) else v or "it is missing") for v in (a, b))
        report.problems.append(f"not like {operation.name}: {part}: {text}")


def padded(values: list, operation: Operation) -> list:
    """Inputs that an operation may do without, such as a bias, are None."""
    return [*values, *[None] * (operation.arity - len(values))]


def diagnose(subject: Subject, point: Point | None, report: Report, operation: Operation | None, options: dict) -> list[Hypothesis]:
    """Hypotheses on a check that failed, the likeliest first; none where nothing fits."""
    bound = operation is None                              # the user's options are inside his function: other ones cannot be tried
    found: list[Hypothesis] = []
    try:
        outputs = subject.outputs()
    except Complaint:
        outputs = []                                       # the forward itself does not run, and the report says so
    if operation is None and len(outputs) == 1:
        operation, options = recognise(subject, outputs[0]) or (None, options)
    if operation is not None:
        found = list(by_mutants(subject, operation, options, bound, outputs[0].shape if outputs else None))
    if not found and point is not None:
        found = list(signatures(subject, point, report))
    return found


def by_mutants(subject: Subject, operation: Operation, options: dict, bound: bool, shape: tuple | None) -> Iterator[Hypothesis]:
    known = mutants_of(operation.name)
    arrays = padded(subject.values, operation)
    g = None if shape is None else np.random.default_rng(1).standard_normal(shape)
    theirs = answer_of(subject, subject.values, subject.options if bound else options, g, operation.written)
    right = answer(operation.forward, operation.backward, arrays, options, g, operation.written)
    if bound:                                              # who only resembles a batch norm need not write running values
        for found in (theirs, right):
            found.parts = {part: value for part, value in found.parts.items() if not part.startswith("what is left")}
    wrong = [part for part in {**right.parts, **theirs.parts} if not theirs.agrees(right, part) and not foreign(part, right)]
    if not wrong:
        return
    answers = {m.name: answer(m.forward, m.backward, arrays, options, g, operation.written) for m in known}
    whole = [m for m in known if not theirs.wrong(answers[m.name]) and not answers[m.name].wrong(theirs)]
    if not bound and isinstance(subject, Pair) and (len(whole) > 1 or wrong == ["an exception"]):
        whole = told_apart(subject, operation, whole)
    for m in whole:
        yield hypothesis(m, wrong, answers[m.name])
    if whole:
        return
    for part in wrong:                                     # several mistakes at once: each in its own gradient
        for m in known:
            if theirs.agrees(answers[m.name], part) and isinstance(theirs.parts.get(part), np.ndarray):
                yield hypothesis(m, [part], answers[m.name])


def foreign(part: str, right: Answer) -> bool:
    """A part that only the user's answer has, though nothing was raised: such as a gradient of an input that has none."""
    return part.startswith("the gradient") and part not in right.parts


def hypothesis(m: Mutant, parts: list[str], answer: Answer) -> Hypothesis:
    numbers = sum(np.size(answer.parts[part]) for part in parts if isinstance(answer.parts.get(part), np.ndarray))
    same = f"the {numbers} numbers of {' and '.join(parts)}" if numbers else f"an exception ({answer.parts.get('an exception')})"
    return Hypothesis(f"{m.operation.name}: {m.name}", m.hint,
                      f"{same} are those of a {m.operation.name} with this mistake, and not of a right one")


def told_apart(subject: Pair, operation: Operation, candidates: list[Mutant]) -> list[Mutant]:
    """Those of several mutants that go on to agree with the user's function on cases drawn at random."""
    rng = np.random.default_rng(2)
    for number in range(DRAWS):
        case = operation.draw(Dice(rng))
        arrays = case.arrays(rng)
        theirs = answer_of(subject, arrays, case.options, None, operation.written, number)
        if theirs.parts.get("an exception") in ("TypeError", "NotImplementedError"):
            continue                                       # an option that the user's function does not know
        answers = [answer(m.forward, m.backward, arrays, case.options, None, operation.written, number) for m in candidates]
        candidates = [m for m, a in zip(candidates, answers) if not theirs.wrong(a) and not a.wrong(theirs)] or candidates
        if len(candidates) == 1:
            break
    return candidates
