"""A user's function in the place of an operation: checked on the operation's own cases, called with as much of them as it takes."""
import inspect
from collections.abc import Callable, Collection, Iterator
from typing import Any

from ..kernels.case import Case
from ..tensor import Op
from .gradcheck import gradcheck
from .report import Report
from .suite import allowed, cases, description

PAIRS = {"stride", "padding", "dilation", "kernel_size", "output_padding"}


def check_function(fn: Any, backward: Callable | None, like: str, tolerance: float = 1e-6, seed: int = 0, *, drawn: int = 0,
                   name: str = "") -> Iterator[tuple[str, Report]]:
    """(case, report) for a user's function on the cases of the operation that it should be, and on `drawn` random ones.

    fn, backward: as for gradcheck; options are passed as keywords. Options that fn does not have stay as they are in the operation's
    first case, which is its plainest; one whose default is a number (stride=1) is passed as one; inputs that it does not have stay away;
    cases for which it raises NotImplementedError are left out.  ValueError if it cannot be called that way.
    """
    signature = inspect.signature(fn.forward if isinstance(fn, type) and issubclass(fn, Op) else fn)
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    free = any(p.kind is p.VAR_KEYWORD for p in parameters)
    takes = {p.name for p in parameters}
    plain, _ = next(cases(like, seed, 1))
    even = {p.name for p in parameters if isinstance(p.default, int) and not isinstance(p.default, bool)} & PAIRS
    held = {} if free else {option: value for option, value in plain.options.items() if option not in takes}
    places = len(plain.shapes) if any(p.kind is p.VAR_POSITIONAL for p in parameters) else \
        sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name not in plain.options for p in parameters)

    def fits(case: Case) -> bool:
        return (all(case.options[option] == value for option, value in held.items()) and not any(case.shapes[places:])
                and all(isinstance(one_number(case.options[option]), int) for option in even))

    found = False
    for case, arrays in cases(like, seed, drawn, fits):
        if not found:
            callable_with(fn, signature, arrays[:places], {o: value for o, value in case.options.items() if o not in held}, like)
        forward, back = as_the_operation(fn, backward, places, len(arrays), held, even)
        report = gradcheck(forward, arrays, backward=back, options=case.options, like=like, tolerance=allowed(case, tolerance), seed=seed,
                           name=f"{name}, {case.name}" if name else case.name)
        if not any("raised NotImplementedError" in problem for problem in report.problems):
            found = True
            report.notes.append(description(case, arrays))
            yield case.name, report
    if not found:
        raise ValueError(f"{fn.__name__}{signature} cannot be called as {like} is: no case has so few inputs, or such options")


def one_number(value: Any) -> Any:
    """(2, 2) -> 2, ((1, 1), (1, 1)) -> 1; what has several numbers stays as it is."""
    while isinstance(value, tuple) and len(set(value)) == 1:
        value = value[0]
    return value


def as_the_operation(fn: Any, backward: Callable | None, places: int, count: int, held: Collection[str],
                     even: Collection[str] = ()) -> tuple[Any, Callable | None]:
    """A function of the first `places` inputs as one of all `count` of them, the others being None; and of all options, those that are
    held not being passed on, and those in even as one number for both axes."""
    def passed(options: dict) -> dict:
        return {o: one_number(value) if o in even else value for o, value in options.items() if o not in held}

    if places >= count and not held and not even:
        return fn, backward
    apply = fn.apply if isinstance(fn, type) else fn

    def forward(*arrays: Any, **options: Any) -> Any:
        return apply(*arrays[:places], **passed(options))

    def back(grad_output: Any, *arrays: Any, **options: Any) -> Any:
        assert backward is not None
        found = backward(grad_output, *arrays[:places], **passed(options))
        return None if found is None else (*(found if isinstance(found, (tuple, list)) else (found,)), *[None] * (count - places))
    return forward, None if backward is None else back


def callable_with(fn: Any, signature: inspect.Signature, arrays: list, options: dict, like: str) -> None:
    """ValueError unless a function can be called as the operation is."""
    first = (None,) if isinstance(fn, type) else ()                      # forward(self, …)
    try:
        signature.bind(*first, *arrays, **options)
    except TypeError as error:
        words = ", ".join(["an array" if len(arrays) == 1 else f"{len(arrays)} arrays", *(f"{name}=…" for name in options)])
        raise ValueError(f"{fn.__name__}{signature} cannot be called as {like} is, with {words}: {error}") from None
