"""gradcheck over what is installed: the operations of kernels/, on their own cases and on drawn ones, the basic operations of Tensor,
the layers of nn/, the architectures of models/; and a user's function in the place of an operation."""
import inspect
import math
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .. import functional, kernels, models  # noqa: F401  (functional: importing it defines the Ops)
from ..device import use_backend
from ..functional.kernel_op import KernelOp
from ..kernels.case import Case, Dice
from ..kernels.random import default_generator, manual_seed
from ..modes import enable_grad
from ..observers import Event, observe
from ..tensor import Op, Tensor, grad
from .basics import BASICS
from .directional import check_directions
from .gradcheck import gradcheck
from .layers import LAYERS, in_general_position
from .mutants import operation
from .report import Report
from .second_order import gradgradcheck

FAR_APART = 1e-3               # tolerance of differences where inputs lie around kinks and far outside, from 1e-3 to 1e4
EXACT = 1e-9                   # of the gradients there that are known
TRIES = 50                     # drawn cases looked at for each that is wanted, where a function does not know all options


def operations() -> dict[str, type[Op]]:
    """Operation of kernels/ -> the Op that runs on it."""
    found, queue = {}, [KernelOp]
    while queue:
        cls = queue.pop()
        queue.extend(cls.__subclasses__())
        if cls.kernel and cls.__module__.startswith("minicnn."):         # not what somebody derives from them
            found[cls.kernel] = cls
    return dict(sorted(found.items()))


def basics() -> list[str]:
    """The basic operations of Tensor, those that are no kernels."""
    return list(BASICS)


def cases(op: str, seed: int = 0, drawn: int = 0, fits: Callable[[Case], bool] = lambda case: True) -> Iterator[tuple[Case, list]]:
    """(case, its inputs): the cases of an operation, then `drawn` random ones; of those that fit.

    Without empty inputs and outputs, and without ±∞, where there is no derivative.
    """
    if op in kernels.names():
        own = [case for case in kernels.module(op, "cases").CASES if case.op in (None, op)]
    else:
        own = []                                                         # an operation of mutants/ alone: drawn cases are all there is
    dice, draw, left = Dice(np.random.default_rng([seed, zlib.crc32(op.encode())])), operation(op).draw, drawn
    for case in filter(fits, own):
        arrays = case.arrays(np.random.default_rng(seed))
        if all(a is None or a.size and np.isfinite(a).all() for a in arrays) and gives_something(op, case):
            yield case, arrays
    for _ in range(TRIES * drawn):
        if not left:
            break
        case = draw(dice)
        if fits(case):
            left -= 1
            yield replace(case, name=f"drawn {drawn - left}"), case.arrays(np.random.default_rng([seed, left]))


def gives_something(op: str, case: Case) -> bool:
    """Whether the output of a case has elements: a crop may leave nothing."""
    shape = kernels.module(op).output_shape(*case.shapes, **case.options)
    return all(n > 0 for n in (shape[0] if shape and isinstance(shape[0], tuple) else shape))


def told(case: Case, arrays: list) -> str:
    """What a case consists of, so that it can be made again."""
    shapes = ", ".join("None" if a is None else f"{a.shape}" + ("" if a.dtype.kind == "f" else f" of {a.dtype}") for a in arrays)
    return f"inputs {shapes}" + "".join(f"; {name}={value!r}" for name, value in case.options.items())


def check_operation(op: str, backend: str = "numba", tolerance: float = 1e-6, seed: int = 0, *, drawn: int = 0,
                    second: bool = False) -> Iterator[tuple[str, Report]]:
    """(case, report) for each case of an operation of kernels/, and for `drawn` random ones.  ValueError for an unknown one.

    second: the gradients of its gradients instead.  At kinks, where differences say nothing, the case itself says what is right.
    """
    kernels.folder(op)
    if op not in operations():
        raise ValueError(f"{op!r} has no gradient to check: it is not a function of tensors")
    cls, known = operations()[op], operation(op)
    constants = {*known.constants, *known.written}
    for case, arrays in cases(op, seed, drawn):
        common: dict[str, Any] = dict(tolerance=allowed(case, tolerance), seed=seed, name=f"{op} on {backend}, {case.name}")
        with use_backend(backend):
            if second:
                report = gradgradcheck(*of_its_variables(cls, arrays, constants, case.options), **common)
            else:
                report = gradcheck(cls, arrays, options=case.options, constants=constants, **common)
                report.problems += beside_the_convention(cls, case, arrays, seed)
        report.notes.append(told(case, arrays))
        yield case.name, report


def allowed(case: Case, tolerance: float) -> float:
    """The tolerance of a case: wider where it has numbers so far apart, beside its kinks, that one step does not suit them all."""
    return tolerance if case.smooth else max(tolerance, FAR_APART)


def beside_the_convention(cls: type[Op], case: Case, arrays: list, seed: int) -> list[str]:
    """At the very kinks: what backward returns, held to the gradients that the case has.  A sentence for each input that differs."""
    if case.gradients is None:
        return []
    with enable_grad():
        leaves = [Tensor(a.copy(), requires_grad=True) for a in arrays]
        result = cls.apply(*leaves, **case.options)
        y = result[0] if isinstance(result, tuple) else result
        g = np.random.default_rng(seed).standard_normal(y.shape)
        found = grad(y, leaves, Tensor(g))
    wrong = []
    for i, (mine, right) in enumerate(zip(found, case.gradients(case, arrays, g))):
        off = np.abs((0 if mine is None else mine.numpy()) - right)
        if not off.max() <= EXACT * max(np.abs(right).max(), np.abs(g).max()):
            place = tuple(int(j) for j in np.unravel_index(int(np.argmax(np.nan_to_num(off, nan=np.inf))), off.shape))
            value = "missing" if mine is None else f"{mine.numpy()[place]:.6g}"
            wrong.append(f"input {i}: at {place}, where its value is {arrays[i][place]:g}, the gradient is {value} and should be "
                         f"{right[place]:.6g}, by the convention for kinks")
    return wrong


def of_its_variables(cls: type[Op], arrays: list, constants: set[int], options: dict) -> tuple[Callable, list]:
    """An Op as a function of those inputs alone that have a gradient, and these inputs."""
    places = [i for i, a in enumerate(arrays) if a is not None and a.dtype.kind == "f" and i not in constants]

    def function(*tensors: Tensor) -> Any:
        given = dict(zip(places, tensors))
        return cls.apply(*(given[i] if i in given else None if a is None else Tensor(a.copy()) for i, a in enumerate(arrays)), **options)
    return function, [arrays[i] for i in places]


def check_basic(name: str, tolerance: float = 1e-6, seed: int = 0, *, second: bool = False) -> Iterator[tuple[str, Report]]:
    """(case, report) for each case of a basic operation of Tensor, see basics.py.  ValueError for an unknown one."""
    if name not in BASICS:
        raise ValueError(f"no basic operation {name!r}; there are {', '.join(BASICS)}")
    for case in BASICS[name].cases:
        arrays = case.arrays(np.random.default_rng(seed))
        check: Callable[..., Report] = gradgradcheck if second else gradcheck
        report = check(BASICS[name].function, arrays, options=case.options, tolerance=tolerance, seed=seed, name=f"{name}, {case.name}")
        report.notes.append(told(case, arrays))
        yield case.name, report


def check_layer(name: str, backend: str = "numba", tolerance: float = 1e-6, seed: int = 0, *,
                second: bool = False) -> Iterator[tuple[str, Report]]:
    """(case, report) for a layer of minicnn.nn with its parameters, in training and in evaluation.  ValueError for an unknown one."""
    if name not in LAYERS:
        raise ValueError(f"no layer {name!r}; there are {', '.join(LAYERS)}")
    make, shape, more = LAYERS[name]
    for mode in ("training", "evaluation"):
        rng = np.random.default_rng(seed)
        manual_seed(seed)
        with use_backend(backend):
            layer = in_general_position(make(), rng).train(mode == "training")
            check: Callable[..., Report] = gradgradcheck if second else gradcheck
            report = check(layer, [rng.standard_normal(shape), *more(rng)], tolerance=tolerance, seed=seed,
                           name=f"{name} on {backend}, in {mode}")
        yield mode, report


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
            report.notes.append(told(case, arrays))
            yield case.name, report
    if not found:
        raise ValueError(f"{fn.__name__}{signature} cannot be called as {like} is: no case has so few inputs, or such options")


PAIRS = {"stride", "padding", "dilation", "kernel_size", "output_padding"}


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


SMALL = 10_000_000             # multiply-adds: up to here a network is evaluated for every single parameter
VALUES = 8                     # a channel that a batch norm should see: of two values it makes ±1, whatever they are


def smallest_image(model: Any, image: tuple[int, int, int], batch: int = 2) -> tuple[int, int, int]:
    """The smallest square images that a model takes and learns from: each batch norm sees VALUES numbers a channel, or as many as it does
    in images of the size of the paper, `image`."""
    def seen(shape: tuple[int, ...]) -> list[int]:
        counts: list[int] = []

        def note(event: Event) -> None:
            if event.moment == "forward" and event.op.kernel == "batch_norm":
                N, _, *plane = event.inputs[0].shape
                counts.append(N * math.prod(plane))
        with observe(note):
            return counts if model.takes(shape) else []

    if not getattr(model, "any_size", False):
        return image
    channels, *sides = image
    whole = seen((batch, *image))
    small, fits = 0, max(sides)
    while fits - small > 1:
        middle = (small + fits) // 2
        shape = (batch, channels, middle, middle)
        enough = model.takes(shape) and all(a >= min(VALUES, b) for a, b in zip(seen(shape), whole))
        small, fits = (small, middle) if enough else (middle, fits)
    return channels, fits, fits


def check_model(name: str, batch: int = 2, tolerance: float = 1e-5, seed: int = 0, directions: int = 3, coordinates: int = 64, *,
                smallest: bool = False) -> Report:
    """Gradients of an architecture with respect to its input and its parameters, in training mode, at the size of its paper.

    smallest: on the smallest images that it takes and learns from instead.
    A small one parameter by parameter; one of more than SMALL multiply-adds along random directions of all parameters at once.
    """
    found, state = models.info(name), default_generator.state
    manual_seed(seed)
    try:
        model = models.create(name)
        image = smallest_image(model, found.input_shape, batch) if smallest else found.input_shape
        x = np.random.default_rng(seed).standard_normal((batch, *image))
        title = f"{name}, {batch} images of {'×'.join(map(str, image))}"
        if found.macs > SMALL:
            return check_directions(model, x, tolerance=tolerance, seed=seed, name=title)
        return gradcheck(model, x, tolerance=tolerance, seed=seed, directions=directions, coordinates=coordinates, name=title)
    finally:
        default_generator.state = state
