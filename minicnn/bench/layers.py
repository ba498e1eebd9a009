"""Single operations on the shapes of shapes.py: each direction in each algorithm, beside PyTorch if asked for."""
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from time import sleep
from typing import Any

from . import networks, shapes
from .networks import Settings
from .operations import known_algorithms
from .process import Watch
from .turns import PAUSE, Worker

LEAST = 0.02                             # seconds of a turn, which is one call at least
SLOW = 20                                # an algorithm so many times slower than the default has one round


@dataclass
class Row:
    """One direction of a layer in one algorithm; None: the default.  same: the algorithms that give the default's bits.

    error: of float32 against the reference in float64, max|a − b| / max|b|.  theirs: PyTorch's seconds, and peaks: the machine's multiply-
    adds a second, twice, in the same rounds.
    disturbed: see process.Watch.  refused: why the algorithm does not take the shape."""
    op: str
    shape: str
    direction: str
    algorithm: str | None
    flops: int = 0
    bytes: int = 0
    error: float | None = None
    seconds: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    disturbed: dict[str, float] = field(default_factory=dict)
    refused: str = ""

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def their_median(self) -> float | None:
        return median(self.theirs) if self.theirs else None

    @property
    def ratio(self) -> float | None:
        return median(a / b for a, b in zip(self.seconds, self.theirs)) if self.theirs else None

    @property
    def share(self) -> float:
        """What is reached of the peak of multiply-adds."""
        return median(self.flops / seconds / peak for seconds, peak in zip(self.seconds, self.peaks))

    def of_roofline(self, bandwidth: float, theirs: bool = False) -> float:
        """The time that the layer takes at least, over the time that it took, here or in PyTorch."""
        return median(max(self.flops / peak, self.bytes / bandwidth) / seconds
                      for seconds, peak in zip(self.theirs if theirs else self.seconds, self.peaks))

    @property
    def label(self) -> str:
        return self.algorithm or (f"default: {self.same[0]}" if len(self.same) == 1 else "default")


def check(ops: Sequence[str], settings: Settings, algorithms: list[str] | None) -> None:
    """ValueError or ImportError for something to compare with that is not there."""
    if settings.against not in (None, "torch"):
        raise ValueError(f"--against {settings.against}: an operation is measured in all its algorithms already, and against torch")
    networks.check(settings)
    known = {name for op in ops for name in known_algorithms(op)}
    unknown = [name for name in algorithms or () if name not in known]
    if unknown:
        there = ", ".join(sorted(known)) or "one algorithm each"
        raise ValueError(f"--algorithm {unknown[0]}: {', '.join(dict.fromkeys(ops))} has {there}")


def chosen(ops: Sequence[str], word: str | None) -> list[tuple[str, str]]:
    """(operation, subject) …, of those with a word in their name.  ValueError where there is none."""
    found = [(op, name) for op in ops for name in shapes.of(op) if word is None or word.lower() in name.lower()]
    if not found:
        there = ", ".join(name for op in ops for name in shapes.of(op))
        raise ValueError(f"--shape {word}: no shape of {', '.join(ops)} has this in its name; there are {there}")
    return found


def compare(subjects: Sequence[tuple[str, str]], settings: Settings, algorithms: list[str] | None = None,
            say: Callable[[str], None] = lambda text: None, environments: dict[str, Any] | None = None) -> Iterator[list[Row]]:
    """The rows of each subject.  algorithms: None: all that the operation has; the default is always measured.

    environments: takes what each engine tells of itself.
    """
    check([op for op, _ in subjects], settings, algorithms)
    common = {"threads": settings.threads} if settings.threads else {}
    with ExitStack() as stack:
        ours = stack.enter_context(Worker(networks.OURS, "minicnn"))
        theirs = [stack.enter_context(Worker(networks.TORCH, "torch"))] if settings.against == "torch" else []
        for op, name in subjects:
            say(f"{op}, {name}")
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="minicnn-bench-"))
            reply = ours.ask("operation", op=op, name=name, folder=folder, algorithms=algorithms, settings=common)
            for worker in theirs:
                worker.ask("operation", op=op, name=name, folder=folder, settings=common, shapes=reply.get("shapes"))
            rows = rows_of(op, name, reply)
            with Watch([worker.process.pid for worker in (ours, *theirs)]) as watch:
                take_turns(ours, theirs, [row for row in rows if not row.refused], settings.rounds)
            for row in rows:
                row.disturbed = {"others": watch.others, "stolen": watch.stolen}
            if environments is not None:
                environments.update({worker.label: worker.ask("describe") for worker in (ours, *theirs)})
            yield rows


def rows_of(op: str, name: str, reply: dict[str, Any]) -> list[Row]:
    """The rows that a process prepared, one direction after another; an algorithm that refused has one row."""
    rows = []
    for found in reply["algorithms"]:
        if "refused" in found:
            rows.append(Row(op, name, "", found["algorithm"], refused=found["refused"]))
        for direction, facts in found.get("directions", {}).items():
            same = [reply["default"]] if reply["default"] and found["algorithm"] is None else facts.get("same", [])
            rows.append(Row(op, name, direction, found["algorithm"], facts["flops"], facts["bytes"], facts["error"], same=same))
    order = list(dict.fromkeys(row.direction for row in rows))
    return sorted(rows, key=lambda row: order.index(row.direction) if not row.refused else len(order))


def take_turns(ours: Worker, theirs: list[Worker], rows: list[Row], rounds: int) -> None:
    """In each round every direction in every algorithm, then PyTorch's.  The first round is not counted."""
    slow: set[int] = set()
    for number in range(-1, rounds):
        sleep(PAUSE)
        peak = ours.ask("peak")
        for direction in dict.fromkeys(row.direction for row in rows):
            there = [(i, row) for i, row in enumerate(rows) if row.direction == direction and not (i in slow and row.seconds)]
            there = [*there[number % len(there):], *there[:number % len(there)]]         # another one begins
            times = {i: ours.ask("run_operation", algorithm=row.algorithm, direction=direction, least=LEAST)["seconds"] for i, row in there}
            other = []
            for worker in theirs:
                sleep(PAUSE)
                other.append(worker.ask("run_operation", direction=direction, least=LEAST)["seconds"])
                sleep(PAUSE)
            if number < 0:
                slow.update(i for i in times if times[i] > SLOW * min(times.values()))
                continue
            for i, row in there:
                row.seconds.append(times[i])
                row.peaks.append(peak)
                row.theirs += other
