"""One operation on one shape, in minicnn's process: every direction, each algorithm, the error of float32."""
import inspect
from collections.abc import Callable
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from .. import io, kernels, models, optim
from ..device import get_algorithm, use_algorithm, use_backend
from ..functional.kernel_op import contiguous
from ..inspect.cost import backward_cost, forward_cost
from ..kernels.random import manual_seed
from ..modes import no_grad
from ..nn import Module, Parameter
from ..observers import Event, observe
from ..tensor import Tensor
from .engine import PLAN, WEIGHTS, timed
from .plan import record
from .shapes import OPTIMIZER, WEIGHTED, Subject, find

SEED = 0
WRONG = 1e-3                             # an algorithm that is off by more does not compute a shape at all
MOMENTUM, LR = 0.9, 1e-6


class Call(Module):
    """A subject as a network: its first array is the input, the others are parameters, labels a buffer."""

    def __init__(self, subject: Subject, arrays: list[np.ndarray]):
        super().__init__()
        self.call, self.count = subject.call, len(arrays)
        for i, array in enumerate(arrays[1:], 1):
            if array.dtype.kind == "f":
                setattr(self, f"a{i}", Parameter(array))
            else:
                self.register_buffer(f"a{i}", Tensor(array))

    def forward(self, x: Tensor) -> Tensor:
        return self.call(x, *(getattr(self, f"a{i}") for i in range(1, self.count)))


def drawn(subject: Subject) -> list[np.ndarray]:
    """The arrays of a subject: the same in every process."""
    rng = np.random.default_rng(SEED)
    arrays: list[Any] = [rng.standard_normal(shape).astype(np.float32) for shape in subject.shapes if shape is not None]
    if subject.classes:
        arrays[-1] = rng.integers(0, subject.classes, arrays[-1].shape)
    return arrays


def directions(op: str) -> dict[str, Callable[[int, list[bool]], list[bool]]]:
    """Direction -> which gradients it asks for, of those that there are."""
    if op in WEIGHTED:
        return {"input gradient": lambda n, there: [i == 0 for i in range(n)],
                "weight gradient": lambda n, there: [i == 1 for i in range(n)]}
    return {"backward": lambda n, there: there}


class Prepared:
    """A subject with one algorithm (None: the one that is chosen by shape): run[direction]() computes it once."""

    def __init__(self, subject: Subject, arrays: list[np.ndarray], algorithm: str | None):
        self.subject, self.algorithm = subject, algorithm
        self.model, self.x = Call(subject, arrays), Tensor(arrays[0], requires_grad=True)
        self.costs: dict[str, tuple[int, int]] = {}
        events: list[Event] = []
        with self.chosen():
            with observe(lambda event: events.append(event) if event.moment == "forward" else None):
                self.y = self.model(self.x)
        op: Any = self.y.op
        self.costs["forward"] = forward_cost(events[-1])
        self.run: dict[str, Callable[[], Any]] = {"forward": self.forward}
        self.grad = np.random.default_rng(SEED + 1).standard_normal(self.y.shape).astype(self.y.dtype)
        there = [edge is not None for edge in op.edges]
        for name, wanted in directions(subject.op).items():
            needs = wanted(len(there), there)
            self.run[name] = lambda needs=needs: op.backward(self.grad, needs=needs)
            self.costs[name] = backward_cost(Event("backward", op, (self.grad,), self.run[name]()))

    def chosen(self) -> Any:
        return use_algorithm(self.subject.op, self.algorithm) if self.algorithm else ExitStack()

    def forward(self) -> Any:
        with self.chosen(), no_grad():
            return self.model(self.x)

    def results(self) -> dict[str, list[np.ndarray]]:
        """direction -> arrays."""
        return {name: [np.asarray(getattr(a, "data", a)) for a in (found if isinstance(found, tuple) else (found,)) if a is not None]
                for name, found in ((name, run()) for name, run in self.run.items())}


class Steps:
    """A step of SGD with momentum over all parameters of a network, with gradients of some numbers."""

    def __init__(self, network: str):
        manual_seed(SEED)
        self.parameters = list(models.create(network).parameters())
        rng = np.random.default_rng(SEED)
        for parameter in self.parameters:
            parameter.grad = Tensor(contiguous(rng.standard_normal(parameter.shape).astype(np.float32)))
        optimizer = optim.SGD(self.parameters, lr=LR, momentum=MOMENTUM)
        numbers = sum(p.numel() for p in self.parameters)
        self.costs = {"step": (4 * numbers, 5 * 4 * numbers)}        # m ← μ·m + g,  θ ← θ − η·m: three are read, two written
        self.run = {"step": optimizer.step}


class Ours:
    """The requests about operations that minicnn's process answers."""

    def __init__(self, choose: Callable[[dict], None]):
        self.choose = choose
        self.prepared: dict[str | None, Any] = {}

    def operation(self, op: str, name: str, folder: str, algorithms: list[str] | None, settings: dict[str, Any]) -> dict[str, Any]:
        """Prepare a subject in every algorithm, and write its plan for the other engine.

        The reply: for each algorithm (the default first, as null) its directions, {name: {flops, bytes, error}}, or why it cannot; and of
        the default which algorithms give the same bits: it takes one of them.
        """
        self.choose(settings)
        self.prepared.clear()
        if op == OPTIMIZER:
            self.prepared[None] = steps = Steps(name.partition(",")[0])
            shapes = [list(p.shape) for p in steps.parameters]
            return {"shapes": shapes, "default": None, "algorithms": [{"algorithm": None, "directions": {
                direction: {"flops": flops, "bytes": size, "error": None} for direction, (flops, size) in steps.costs.items()}}]}
        subject = find(op, name)
        arrays = drawn(subject)
        known = [name for name in known_algorithms(op) if algorithms is None or name in algorithms]
        exact = None if op == "dropout" else exactly(subject, arrays)
        found, bits = [], {}
        for algorithm in (None, *known):
            try:
                prepared = Prepared(subject, arrays, algorithm)
                results = prepared.results()
            except (ValueError, NotImplementedError) as error:           # a rung that is made for other shapes
                found.append({"algorithm": algorithm, "refused": str(error).partition("\n")[0]})
                continue
            errors = {} if exact is None else {d: float(np.max([*map(error_of, arrays_, exact[d])])) for d, arrays_ in results.items()}
            if algorithm is not None and not max(errors.values(), default=0.0) < WRONG:
                found.append({"algorithm": algorithm, "refused": "not for these shapes, for which it computes something else"})
                continue
            self.prepared[algorithm] = prepared
            bits[algorithm] = {direction: [sha256(a.tobytes()).digest() for a in arrays_] for direction, arrays_ in results.items()}
            found.append({"algorithm": algorithm, "directions": {
                direction: {"flops": flops, "bytes": size, "error": errors.get(direction)}
                for direction, (flops, size) in prepared.costs.items()}})
        for direction, facts in found[0].get("directions", {}).items():
            facts["same"] = [name for name in bits if name is not None and bits[name][direction] == bits[None][direction]]
        record(Call(subject, arrays), Tensor(arrays[0])).save(Path(folder) / PLAN)
        io.save({"x": arrays[0], **{f"a{i}": a for i, a in enumerate(arrays[1:], 1)}}, Path(folder) / WEIGHTS)
        return {"algorithms": found, "default": default(op)}

    def run_operation(self, algorithm: str | None, direction: str, least: float) -> dict[str, Any]:
        """Seconds of a call: the median of as many as fit into `least` seconds, of one at least."""
        return {"seconds": repeated(self.prepared[algorithm].run[direction], least)}

    def handlers(self) -> dict[str, Callable[..., Any]]:
        return {"operation": self.operation, "run_operation": self.run_operation}


def known_algorithms(op: str) -> tuple[str, ...]:
    return kernels.algorithms(op) if op in kernels.names() else ()


def default(op: str) -> str | None:
    """The algorithm that an operation's kernel takes by itself; None where there is one only, or where it depends on the shape."""
    if not known_algorithms(op):
        return None
    option = inspect.signature(kernels.load(op, "numba").forward).parameters.get("algorithm")
    return get_algorithm(op) or (option.default if option is not None and option.default is not inspect.Parameter.empty else None)


def exactly(subject: Subject, arrays: list[np.ndarray]) -> dict[str, list[np.ndarray]]:
    """The reference's results in float64."""
    with use_backend("reference"):
        wide = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]
        prepared = Prepared(subject, wide, None)
        prepared.grad = prepared.grad.astype(np.float32).astype(np.float64)
        return prepared.results()


def error_of(found: np.ndarray, exact: np.ndarray) -> float:
    """max|a − b| / max|b|"""
    return float(np.abs(found - exact).max(initial=0) / max(float(np.abs(exact).max(initial=0)), 1e-300))


def repeated(run: Callable[[], Any], least: float) -> float:
    """The median of the seconds of a call."""
    seconds, end = [timed(run)], perf_counter() + least
    while perf_counter() < end and len(seconds) < 1000:
        seconds.append(timed(run))
    return float(np.median(seconds))
