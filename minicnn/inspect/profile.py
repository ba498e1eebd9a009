"""mc.profile: where the time and the memory of a forward and a backward go.

    with mc.profile() as p:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
    print(p)                        # a table by operation
    print(p.table("module"))        # the same by module
    print(p.table(machine=Machine.measured()))         # and how far each is from what this machine could do: see roofline.py

Observers alone are used: what is measured is exactly what runs, each operation's own time without that of operations inside it.
"""
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..modes import record
from ..nn import Module
from ..observers import Event, observe
from ..tensor import Op, Tensor
from .cost import backward_cost, forward_cost
from .roofline import COLUMNS, Machine, columns


@dataclass
class Entry:
    """Sums over the calls of one operation, or below one module.  Seconds; bytes: of the outputs that the forward made.

    flops, traffic: floating-point operations, and bytes that have to be read and written, forward and backward: see cost.py.
    """
    name: str
    calls: int = 0
    forward_seconds: float = 0.0
    backward_seconds: float = 0.0
    bytes: int = 0
    flops: tuple[int, int] = (0, 0)
    traffic: tuple[int, int] = (0, 0)

    @property
    def seconds(self) -> float:
        return self.forward_seconds + self.backward_seconds

    def add(self, other: "Entry") -> None:
        self.calls += other.calls
        self.forward_seconds += other.forward_seconds
        self.backward_seconds += other.backward_seconds
        self.bytes += other.bytes
        self.count(other.flops, other.traffic)

    def count(self, flops: tuple[int, int], traffic: tuple[int, int]) -> None:
        self.flops = self.flops[0] + flops[0], self.flops[1] + flops[1]
        self.traffic = self.traffic[0] + traffic[0], self.traffic[1] + traffic[1]


@dataclass
class Profile:
    """What was recorded: entries by (operation, module), and their sums."""
    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    _inside: list[tuple[Op, float]] = field(default_factory=list)        # operations that are running, seconds spent in others inside them

    def __call__(self, event: Event) -> None:
        if event.moment.startswith("before"):
            self._inside.append((event.op, 0.0))
            return
        if not any(op is event.op for op, _ in self._inside):
            return                                             # it began before the profile did
        while self._inside[-1][0] is not event.op:
            self._inside.pop()                                 # one that raised, and never ended
        own = event.seconds - self._inside.pop()[1]
        if self._inside:
            outer, spent = self._inside[-1]
            self._inside[-1] = outer, spent + event.seconds
        name = event.op.kernel or type(event.op).__name__.lower()
        entry = self.entries.setdefault((name, event.path), Entry(name))
        if event.moment == "forward":
            entry.calls += 1
            entry.forward_seconds += own
            entry.bytes += 0 if event.op.view else sum(array.nbytes for array in event.outputs)
            flops, traffic = forward_cost(event)
            entry.count((flops, 0), (traffic, 0))
        else:
            entry.backward_seconds += own
            flops, traffic = backward_cost(event)
            entry.count((0, flops), (0, traffic))

    @property
    def seconds(self) -> float:
        """In all operations together; what Python does in between is not in it."""
        return sum(entry.seconds for entry in self.entries.values())

    def _members(self, which: int) -> dict[str, list[Entry]]:
        groups: dict[str, list[Entry]] = {}
        for key, entry in self.entries.items():
            groups.setdefault(key[which] or "(model)", []).append(entry)
        return groups

    def _grouped(self, which: int) -> list[Entry]:
        return sorted((_sum(name, members) for name, members in self._members(which).items()), key=lambda group: -group.seconds)

    def by_op(self) -> list[Entry]:
        """One entry an operation, the slowest first."""
        return self._grouped(0)

    def by_module(self) -> list[Entry]:
        """One entry a module path, as "stem.c1", the slowest first."""
        return self._grouped(1)

    def table(self, by: str = "op", machine: Machine | None = None) -> str:
        """by: "op" or "module".  machine: also what each costs at least, and how close it comes to what the machine could do."""
        if by not in ("op", "module"):
            raise ValueError(f"Profile.table: by should be 'op' or 'module', got {by!r}")
        which, total = ("op", "module").index(by), self.seconds or 1.0
        head = ("operation" if by == "op" else "module", "calls", "forward", "backward", "share", "output", *(COLUMNS if machine else ()))
        groups = {name: (_sum(name, members), members) for name, members in self._members(which).items()}
        groups["sum"] = _sum("sum", list(self.entries.values())), list(self.entries.values())
        body = [(g.name, str(g.calls), _ms(g.forward_seconds), _ms(g.backward_seconds), f"{100 * g.seconds / total:.1f} %",
                 f"{g.bytes / 2**20:,.2f} MiB", *(columns(g, members, machine) if machine else ()))
                for g, members in sorted(groups.values(), key=lambda pair: (pair[0].name == "sum", -pair[0].seconds))]
        widths = [max(map(len, column)) for column in zip(head, *body)]
        lines = ["  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))]) for row in (head, *body)]
        rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def __str__(self) -> str:
        return self.table()


def _sum(name: str, members: list[Entry]) -> Entry:
    total = Entry(name)
    for member in members:
        total.add(member)
    return total


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:,.3f} ms"


@contextmanager
def profile() -> Iterator[Profile]:
    """Inside the with block, every operation's time and bytes are recorded."""
    result = Profile()
    with observe(result, as_run=True):
        yield result


def profile_model(model: Module, input: Any, repeat: int = 1, backward: bool = True) -> Profile:
    """A model on an input: one call that is not recorded, in which kernels are compiled and memory is found, then `repeat` that are.

    input: a Tensor or an array.  backward: also go back, from the sum of the output; the parameters' gradients stay as they were.
    The model's running statistics change as in any call in its mode.
    """
    if repeat < 1:
        raise ValueError(f"profile_model: repeat should be at least 1, got {repeat!r}")
    x = input if isinstance(input, Tensor) else Tensor(np.asarray(input))
    before = {parameter: parameter.grad for parameter in model.parameters()}

    def once() -> None:
        model.zero_grad()                                      # as a training step does: else gradients would be added up
        output = model(x)
        if backward:
            output.sum().backward()
    try:
        with record(backward):
            once()
            with profile() as result:
                for _ in range(repeat):
                    once()
    finally:
        for parameter, grad in before.items():
            parameter.grad = grad
    return result
