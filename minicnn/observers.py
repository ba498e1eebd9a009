"""Who may watch an engine run: one list of observers, told of every forward and backward of an Op.

    with observe(lambda event: print(event.moment, event.op, event.path, event.where)): …

Anomaly detection, tracing, profiling and the memory report use nothing else. With an empty list an Op pays one `if`.

Unobserved, some layers compute the ReLU behind them in the same pass (nn/fused.py). While an observer is there each layer runs alone, as
the model is written, to the same bits; one that measures what happens without it asks for that: observe(observer, as_run=True).
"""
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

_package = Path(__file__).parent
HERE = tuple({str(p) + os.sep for p in (_package, _package.resolve(), _package.resolve().parent / "kernels")})
module_path: list[str] = []              # names of the modules being called, outermost first; nn.Module keeps it


@dataclass
class Event:
    """One moment of one Op.

    moment   "before forward", "forward", "before backward", "backward"
    inputs   forward: the input Tensors (None for an absent one); backward: the gradients of the outputs
    outputs  forward: the output arrays; backward: the gradients of the inputs, None where not needed; empty before
    path     the module that called it, e.g. "features.0"; where: (file, line) of the user's code; seconds: how long it took
    """
    moment: str
    op: Any
    inputs: Any = ()
    outputs: Any = ()
    path: str = ""
    where: tuple[str, int] = ("", 0)
    started: float = field(default_factory=perf_counter)
    seconds: float = 0.0


observers: list[Callable[[Event], None]] = []
of_layers: list[Callable[[Event], None]] = []          # those that want each layer to run alone


@contextmanager
def observe(observer: Callable[[Event], None], as_run: bool = False) -> Iterator[None]:
    """Inside the with block, observer(event) is called at every moment of every Op.  as_run: of those Ops that run without it, too."""
    lists = [observers] if as_run else [observers, of_layers]
    for each in lists:
        each.append(observer)
    try:
        yield
    finally:
        for each in lists:
            each.remove(observer)


def users_line() -> tuple[str, int]:
    """File and line of the innermost caller that is not this package."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("", 0)


class tell:
    """Called by Op.apply and by backpropagate, only where there are observers."""

    @staticmethod
    def start(op, grads=None) -> Event:
        if grads is None:
            op.path, op.where = ".".join(module_path), users_line()
        event = Event("before forward" if grads is None else "before backward", op, grads or (), (), *_place(op))
        for observer in list(observers):
            observer(event)
        event.started = perf_counter()
        return event

    @staticmethod
    def forward(event: Event, op, tensors, outputs):
        _finish(Event("forward", op, tensors, outputs, *_place(op), started=event.started))

    @staticmethod
    def backward(event: Event, op, grads, gradients):
        _finish(Event("backward", op, grads, gradients, *_place(op), started=event.started))


def _place(op) -> tuple:
    return getattr(op, "path", ""), getattr(op, "where", ("", 0))


def _finish(event: Event):
    event.seconds = perf_counter() - event.started
    for observer in list(observers):
        observer(event)
