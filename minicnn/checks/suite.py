"""gradcheck over what is installed: the operations of kernels/, on their own cases and on drawn ones, the basic operations of Tensor, and
the layers of nn/.  networks.py has the architectures of models/, in_place_of.py a user's function in the place of an operation."""
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from .. import functional, kernels  # noqa: F401  (functional: importing it defines the Ops)
from ..device import checked_device, use_backend
from ..functional.kernel_op import KernelOp
from ..kernels.case import Case, Dice
from ..kernels.random import manual_seed
from ..modes import enable_grad
from ..tensor import Op, Tensor, grad
from .basics import BASICS
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


def description(case: Case, arrays: list) -> str:
    """What a case consists of, so that it can be made again."""
    shapes = ", ".join("None" if a is None else f"{a.shape}" + ("" if a.dtype.kind == "f" else f" of {a.dtype}") for a in arrays)
    return f"inputs {shapes}" + "".join(f"; {name}={value!r}" for name, value in case.options.items())


def check_operation(op: str, backend: str = "numba", tolerance: float = 1e-6, seed: int = 0, *, drawn: int = 0,
                    second: bool = False) -> Iterator[tuple[str, Report]]:
    """(case, report) for each case of an operation of kernels/, and for `drawn` random ones.  ValueError for an unknown one.

    At kinks, where differences say nothing, the case itself says what is right.  second: the gradients of its gradients instead, without
    the cases at kinks or of numbers far apart: there a first derivative jumps, or has lost the digits that differences of it need.
    """
    kernels.folder(op)
    if op not in operations():
        raise ValueError(f"{op!r} has no gradient to check: it is not a function of tensors")
    cls, known = operations()[op], operation(op)
    constants = {*known.constants, *known.written}
    for case, arrays in cases(op, seed, drawn, lambda case: case.smooth or not second):
        common: dict[str, Any] = dict(tolerance=allowed(case, tolerance), seed=seed, name=f"{op} on {backend}, {case.name}")
        with on_backend(backend) as device:
            if second:
                report = gradgradcheck(*of_its_variables(cls, arrays, constants, case.options, device), **common, device=device)
            else:
                report = gradcheck(cls, arrays, options=case.options, constants=constants, **common, device=device)
                report.problems += beside_the_convention(cls, case, arrays, seed, device)
        report.notes.append(description(case, arrays))
        yield case.name, report


@contextmanager
def on_backend(name: str) -> Iterator[str]:
    """Inside, operations run on a backend.  Gives the device that it is for: "cupy" is all of "cuda"."""
    if name == "cupy":
        yield checked_device("cuda")
    else:
        with use_backend(name):
            yield "cpu"


def allowed(case: Case, tolerance: float) -> float:
    """The tolerance of a case: wider where it has numbers so far apart, beside its kinks, that one step does not suit them all."""
    return tolerance if case.smooth else max(tolerance, FAR_APART)


def beside_the_convention(cls: type[Op], case: Case, arrays: list, seed: int, device: str = "cpu") -> list[str]:
    """At the very kinks: what backward returns, held to the gradients that the case has.  A sentence for each input that differs."""
    if case.gradients is None:
        return []
    with enable_grad():
        leaves = [Tensor(a.copy(), requires_grad=True, device=device) for a in arrays]
        result = cls.apply(*leaves, **case.options)
        y = result[0] if isinstance(result, tuple) else result
        g = np.random.default_rng(seed).standard_normal(y.shape)
        found = grad(y, leaves, Tensor(g, device=device))
    wrong = []
    for i, (mine, right) in enumerate(zip(found, case.gradients(case, arrays, g))):
        off = np.abs((0 if mine is None else mine.numpy()) - right)
        if not off.max() <= EXACT * max(np.abs(right).max(), np.abs(g).max()):
            place = tuple(int(j) for j in np.unravel_index(int(np.argmax(np.nan_to_num(off, nan=np.inf))), off.shape))
            value = "missing" if mine is None else f"{mine.numpy()[place]:.6g}"
            wrong.append(f"input {i}: at {place}, where its value is {arrays[i][place]:g}, the gradient is {value} and should be "
                         f"{right[place]:.6g}, by the convention for kinks")
    return wrong


def of_its_variables(cls: type[Op], arrays: list, constants: set[int], options: dict, device: str = "cpu") -> tuple[Callable, list]:
    """An Op as a function of those inputs alone that have a gradient, and these inputs."""
    places = [i for i, a in enumerate(arrays) if a is not None and a.dtype.kind == "f" and i not in constants]

    def function(*tensors: Tensor) -> Any:
        given = dict(zip(places, tensors))
        rest = [None if a is None else Tensor(a.copy(), device=device) for a in arrays]
        return cls.apply(*(given.get(i, other) for i, other in enumerate(rest)), **options)
    return function, [arrays[i] for i in places]


def check_basic(name: str, device: str = "cpu", tolerance: float = 1e-6, seed: int = 0, *,
                second: bool = False) -> Iterator[tuple[str, Report]]:
    """(case, report) for each case of a basic operation of Tensor, see basics.py.  ValueError for an unknown one."""
    if name not in BASICS:
        raise ValueError(f"no basic operation {name!r}; there are {', '.join(BASICS)}")
    for case in BASICS[name].cases:
        arrays = case.arrays(np.random.default_rng(seed))
        check: Callable[..., Report] = gradgradcheck if second else gradcheck
        report = check(BASICS[name].function, arrays, options=case.options, tolerance=tolerance, seed=seed, name=f"{name}, {case.name}",
                       device=device)
        report.notes.append(description(case, arrays))
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
        with on_backend(backend) as device:
            layer = in_general_position(make(), rng).train(mode == "training")
            check: Callable[..., Report] = gradgradcheck if second else gradcheck
            report = check(layer, [rng.standard_normal(shape), *more(rng)], tolerance=tolerance, seed=seed,
                           name=f"{name} on {backend}, in {mode}", device=device)
        yield mode, report
