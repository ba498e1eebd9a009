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
from .recognise import Likeness, recognise
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

    def same(self, other: "Answer", written: bool = True) -> bool:
        """Equal in all parts; in what is left in the inputs too, where that counts."""
        parts = [part for part in {**self.parts, **other.parts} if written or not part.startswith("what is left in input")]
        return all(self.agrees(other, part) for part in parts)

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


def against_the_operation(subject: Subject, point: Point, like: Likeness, report: Report) -> None:
    """Output, gradients and what is written, beside those of the operation that the function should be: problems for the report."""
    theirs, right = both(subject, like, np.random.default_rng(1).standard_normal(point.shapes[0]))
    name = like.operation.name
    if "an exception" in right.parts and "an exception" not in theirs.parts and "the output" not in right.parts:
        raise ValueError(f"gradcheck: {name} does not take these inputs and options ({right.parts['an exception']}); pass its "
                         f"options ({', '.join(like.operation.options)}) as options=dict(…), and its inputs in its order")
    for part in theirs.wrong(right):
        a, b = theirs.parts.get(part), right.parts[part]
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape == b.shape:
            place = tuple(int(j) for j in np.unravel_index(int(np.argmax(np.nan_to_num(np.abs(a - b), nan=np.inf))), a.shape))
            text = f"{a[place]:.6g} at {place} where {name} has {b[place]:.6g}"
        else:
            text = " here, and there ".join(f"of shape {v.shape}" if isinstance(v, np.ndarray) else v or "nothing" for v in (a, b))
        report.problems.append(f"not like {name}: {part}: {text}")


def both(subject: Subject, like: Likeness, g: np.ndarray | None) -> tuple[Answer, Answer]:
    """The user's answer and the operation's. What is written counts only where the function takes all that the operation does."""
    operation, arrays = like.operation, like.arrays(subject.values)
    theirs = answer_of(subject, subject.values, subject.options, g, operation.written)
    right = answer(operation.forward, operation.backward, arrays, like.options, g, operation.written)
    if not (like.whole and isinstance(subject, Pair)):     # who only resembles a batch norm need not write running values
        for found in (theirs, right):
            found.parts = {part: value for part, value in found.parts.items() if not part.startswith("what is left in input")}
    return theirs, right


def diagnose(subject: Subject, point: Point | None, report: Report, like: Likeness | None) -> list[Hypothesis]:
    """Hypotheses on a check that failed, the likeliest first; none where nothing fits."""
    found: list[Hypothesis] = []
    try:
        outputs = subject.outputs()
    except Complaint:
        outputs = []                                       # the forward itself does not run, and the report says so
    if like is None and len(outputs) == 1:
        like = recognise(subject, outputs[0])
    if like is not None:
        found = list(by_mutants(subject, like, outputs[0].shape if outputs else None))
    if not found and point is not None:
        found = list(signatures(subject, point, report))
    return found


def by_mutants(subject: Subject, like: Likeness, shape: tuple | None) -> Iterator[Hypothesis]:
    operation, known, arrays = like.operation, mutants_of(like.operation.name), like.arrays(subject.values)
    g = None if shape is None else np.random.default_rng(1).standard_normal(shape)
    theirs, right = both(subject, like, g)
    wrong = [part for part in {**right.parts, **theirs.parts} if not theirs.agrees(right, part) and not foreign(part, right)]
    if not wrong:
        return
    answers = {m.name: answer(m.forward, m.backward, arrays, like.options, g, operation.written) for m in known}
    whole = [m for m in known if theirs.same(answers[m.name], like.whole)]
    no_numbers = not any(isinstance(theirs.parts.get(part), np.ndarray) for part in wrong)
    if like.whole and isinstance(subject, Pair) and (len(whole) > 1 or no_numbers):
        whole = told_apart(subject, operation, whole, no_numbers)
    elif no_numbers:                                       # that two raise the same exception says little
        whole = []
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


def told_apart(subject: Pair, operation: Operation, candidates: list[Mutant], confirm: bool) -> list[Mutant]:
    """Those of several mutants that go on to agree with the user's function on cases drawn at random.

    confirm: only such as agree with it somewhere in numbers that are wrong.
    """
    rng, confirmed = np.random.default_rng(2), set[str]()
    for number in range(DRAWS):
        case = operation.draw(Dice(rng))
        arrays = case.arrays(rng)
        theirs = answer_of(subject, arrays, case.options, None, operation.written, number)
        if theirs.parts.get("an exception") in ("TypeError", "NotImplementedError"):
            continue                                       # an option that the user's function does not know
        answers = [answer(m.forward, m.backward, arrays, case.options, None, operation.written, number) for m in candidates]
        agree = [m for m, a in zip(candidates, answers) if theirs.same(a)]
        if confirm and "an exception" not in theirs.parts:
            right = answer(operation.forward, operation.backward, arrays, case.options, None, operation.written, number)
            confirmed |= {m.name for m in agree if theirs.wrong(right)}
        candidates = agree or candidates
        if len(candidates) == 1 and (not confirm or confirmed):
            break
    return [m for m in candidates if not confirm or m.name in confirmed]
