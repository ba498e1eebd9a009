"""What `minicnn gradcheck` is asked to check, as a list of tasks.  Every mistake in the command line shows here, before anything runs."""
import argparse
import difflib
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .. import kernels, models
from ..checks import gradcheck, gradgradcheck
from ..checks.basics import BASICS
from ..checks.in_place_of import check_function
from ..checks.layers import LAYERS
from ..checks.mutants import operation
from ..checks.networks import check_model
from ..checks.report import Report
from ..checks.suite import check_basic, check_layer, check_operation, on_backend, operations
from ..device import checked_device, CPU_BACKENDS, get_backend, use_backend
from ..nn import Module
from ..tensor import Op
from ._users_file import functions, names_a_file

DRAWN = 4
Reports = Iterator[tuple[str, Report]]


@dataclass
class Task:
    """A line of the table.  run() -> (case, report) …;  size: how many there are, about;  user: a function of the user's."""
    name: str
    backend: str
    size: int
    run: Callable[[], Reports]
    user: bool = False


def tasks(args: argparse.Namespace) -> list[Task]:
    """ValueError, ImportError or OSError for a mistake of the user's."""
    words = args.names or [*operations(), *BASICS, *LAYERS]
    mine = any(map(names_a_file, words))
    for option in ("like", "shape"):
        if getattr(args, option) and not mine:
            raise ValueError(f"--{option} is for functions of your own: minicnn gradcheck my_layers.py:f --{option} …")
    if args.like and args.shape:
        raise ValueError("--like brings inputs of its own; leave out --shape")
    if args.like:
        operation(args.like)
    for backend in args.backend or ():
        with use_backend(backend):                                       # ImportError where it is not installed
            pass
    if args.device == "cuda" and (args.backend or mine):
        raise ValueError(f"--device cuda is for what is installed, {'with one backend' if args.backend else 'not for a file of yours'}; "
                         f"leave it out")
    try:
        checked_device(args.device)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    return [task for word in words for task in (of_a_file(word, args) if names_a_file(word) else installed(word, args))]


def installed(word: str, args: argparse.Namespace) -> Iterator[Task]:
    """An operation of kernels/, a family of them, a basic operation, a layer, or a model."""
    common = dict(seed=args.seed, **({} if args.tolerance is None else {"tolerance": args.tolerance}))
    known = operations()
    drawn = DRAWN if args.drawn is None else args.drawn
    family = [op for op in known if kernels.folder(op) == word]
    if word in known or family:
        for op in [word] if word in known else family:
            for backend in backends(args):
                check = partial(check_operation, op, backend, drawn=drawn, second=args.second, **common)
                yield Task(op, backend, cases_of(op) + drawn, check)
    elif word in BASICS:
        yield Task(word, "cupy" if args.device == "cuda" else "", len(BASICS[word].cases),
                   partial(check_basic, word, args.device, second=args.second, **common))
    elif word in LAYERS:
        for backend in backends(args):
            yield Task(word, backend, 2, partial(check_layer, word, backend, second=args.second, **common))
    elif word in models.names(aliases=True):
        if args.second:
            raise ValueError(f"--second is for functions, not for a whole network such as {word}")
        for backend in backends(args, [get_backend()]):
            yield Task(word, backend, 1, partial(of_a_model, word, backend, args.full, common))
    else:
        everything = [*known, *BASICS, *LAYERS, *(kernels.folder(op) for op in known), *models.names(aliases=True)]
        near = difflib.get_close_matches(word, everything, 1)
        advice = f"; did you mean {near[0]!r}?" if near else "; minicnn models lists the models, and a file of yours ends in .py"
        raise ValueError(f"there is neither an operation nor a model {word!r}{advice}")


def cases_of(op: str) -> int:
    """How many an operation has of its own."""
    return sum(case.op in (None, op) for case in kernels.module(op, "cases").CASES) if op in kernels.names() else 0


def backends(args: argparse.Namespace, otherwise: list[str] | None = None) -> list[str]:
    """Those asked for; else all that are installed for the device."""
    if args.device == "cuda":
        return ["cupy"]
    if args.backend:
        return list(dict.fromkeys(args.backend))
    return otherwise or [b for b in reversed(CPU_BACKENDS) if importlib.util.find_spec(kernels.NEEDS.get(b, "numpy")) is not None]


def of_a_model(name: str, backend: str, full: bool, common: dict) -> Reports:
    with on_backend(backend) as device:
        report = check_model(name, smallest=not full, device=device, **common)
    yield report.name.partition(", ")[2], report


def of_a_file(word: str, args: argparse.Namespace) -> Iterator[Task]:
    """A pair of NumPy functions; or a function of Tensors, an Op, a layer."""
    found = functions(word)
    if len(found) > 2:
        raise ValueError(f"{word}: give a forward and its backward, or one function of Tensors; got {len(found)} names")
    (name, fn), backward = found[0], found[1][1] if len(found) == 2 else None
    if backward is None and isinstance(fn, type) and not issubclass(fn, Op):
        fn = made(word, fn)
    if isinstance(fn, type) and not issubclass(fn, Op):
        raise ValueError(f"{word}: {name} is a class; a forward and a backward should be functions")
    if args.second and backward is not None:
        raise ValueError(f"--second needs one function of Tensors, and {word} is a pair of NumPy functions")
    common = dict(seed=args.seed, **({} if args.tolerance is None else {"tolerance": args.tolerance}))
    if args.like and (isinstance(fn, Module) or args.second):
        raise ValueError(f"{word}: --like is for the first derivatives of a function or an Op; give the shape of the input, --shape 2x3x8")
    if not (args.like or args.shape):
        raise ValueError(f"{word}: give the shape of each input, --shape 3x4, or the operation that the function should be, --like conv2d")
    if args.shape:
        takes(fn, name, args.shape)
    drawn = args.drawn if args.drawn is not None else DRAWN if args.like else 0
    for backend in ["numpy"] if backward is not None else backends(args, [get_backend()]):
        if args.like:
            size, reports = cases_of(args.like) + drawn, partial(check_function, fn, backward, args.like, drawn=drawn, name=name, **common)
        else:
            size, reports = 1 + drawn, partial(of_shapes, fn, backward, args.shape, 1 + drawn, name, args.second, common)
        yield Task(name, backend, size, partial(on, backend, reports), True)


def made(word: str, cls: type) -> Any:
    """A layer of a class."""
    if not issubclass(cls, Module):
        raise ValueError(f"{word}: {cls.__name__} is a class, but neither an Op nor an nn.Module")
    try:
        return cls()
    except Exception as error:
        raise ValueError(f"{word}: {cls.__name__}() raised {type(error).__name__}: {error}; make one in the file, "
                         f"layer = {cls.__name__}(…), and name that") from error


def on(backend: str, reports: Callable[[], Reports]) -> Reports:
    """The same, on a backend; "numpy" is none."""
    with use_backend(get_backend() if backend == "numpy" else backend):
        yield from reports()


def takes(fn: Any, name: str, shapes: list[tuple[int, ...]]) -> None:
    """ValueError unless a function takes as many inputs as there are shapes."""
    if not isinstance(fn, (Module, type)):
        signature = inspect.signature(fn)
        try:
            signature.bind(*shapes)
        except TypeError as error:
            raise ValueError(f"{name}{signature} cannot be called with {len(shapes)} inputs, one for each --shape: {error}") from None


def of_shapes(fn: Any, backward: Callable | None, shapes: list[tuple[int, ...]], count: int, name: str, second: bool,
              common: dict) -> Reports:
    """A user's function on standard normal inputs."""
    for number in range(count):
        rng = np.random.default_rng([common["seed"], number])
        inputs, case = [rng.standard_normal(shape) for shape in shapes], "random inputs" + (f" {number + 1}" if count > 1 else "")
        check: Callable[..., Report] = gradgradcheck if second else gradcheck
        given = {} if backward is None else {"backward": backward}
        report = check(fn, inputs, name=f"{name}, {case}", **given, **common)
        report.notes.append(f"inputs {', '.join(map(str, shapes))}")
        yield case, report
