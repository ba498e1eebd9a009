"""Whole networks: a training step (forward, backward, SGD with momentum) or a forward in evaluation, beside another engine.

What is compared is the same computation: one network of the zoo with one set of weights on one batch, dropout off on both sides, in
PyTorch by a replay of the plan that minicnn's forward leaves (plan.py, replay.py). The losses of the first steps, and the first scores,
must agree, or the comparison is refused. Then the engines take turns, a round after the other; only one computes at a time, and the
machine's moods meet all of them alike. A turn is as many steps as make up a fifth of a second; of a turn the median counts, of all
rounds the median, and a ratio is the median of the ratios within the rounds.
"""
import importlib.util
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import sleep
from typing import Any, NamedTuple

from .. import kernels, models
from ..models.budget import given_out
from .process import Watch, free_memory
from .tuning import MODULE as TORCH
from .tuning import allocators, tuned
from .turns import PAUSE, Worker

OURS = "minicnn.bench.ours"
DEFAULTS = {"lenet5": 64, "alexnet": 8, "vgg16": 2, "googlenet": 4, "resnet18": 4, "resnet50": 2, "resnet20": 128, "densenet121": 2,
            "mobilenet_v1": 4}
SMALL, LARGE = 32, 2                     # batches of other networks: for images of at most 64 pixels a side, and larger ones
TURN, MOST = 0.2, 50                     # seconds, and steps, of a turn
CHANGE = 0.1                             # by how much of it the change of the loss in a step may differ
Pair = tuple[int, int]


class Tolerance(NamedTuple):
    """What may differ, relatively: first losses; first scores, of the largest; losses of later steps, beyond CHANGE."""
    loss: float
    scores: float
    noise: float


FLOAT32 = Tolerance(1e-4, 1e-3, 1e-5)


class Different(ValueError):
    """Two engines do not compute the same."""


@dataclass
class Settings:
    """against: "torch", "reference", an algorithm of conv2d, or None.  tune: find PyTorch's best settings too.

    training: a training step; else a forward in evaluation.  threads: of each engine; None: as it comes.
    device: "cuda": see on_gpu.py; tf32: there, whether tensor cores may round to TF32, one measurement each.
    """
    against: str | None = None
    training: bool = True
    rounds: int = 7
    tune: bool = True
    threads: int | None = None
    device: str = "cpu"
    tf32: tuple[bool, ...] = ()


@dataclass
class Timing:
    """One engine.  seconds: of a step, for each round; memory: see Engine.memory; idle: its share of the time that others computed."""
    label: str
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    memory: dict[str, int | None] = field(default_factory=dict)
    idle: float = 0.0
    settings: str = ""
    tried: list[dict[str, Any]] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def used(self) -> int | None:
        """Bytes at the peak of a step above the baseline."""
        peak, baseline = self.memory.get("peak"), self.memory.get("baseline")
        return None if peak is None or baseline is None else max(0, peak - baseline)


@dataclass
class Result:
    """One network.  timings: minicnn's first; flops: of the products of a step; peaks: the machine's multiply-adds a second, twice, in
    each round.  disturbed: see process.Watch.  skipped: why nothing was measured; different: because the engines do not compute the same.
    tf32: on a GPU, whether it was allowed.
    """
    model: str
    batch: int
    flops: int = 0
    timings: list[Timing] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    disturbed: dict[str, float] = field(default_factory=dict)
    skipped: str = ""
    different: bool = False
    tf32: bool | None = None

    def ratio(self, other: int) -> float:
        """minicnn's time over that of timings[other]."""
        return median(a / b for a, b in zip(self.timings[0].seconds, self.timings[other].seconds))

    def share(self, which: int = 0) -> float:
        """What timings[which] reaches of the peak of multiply-adds that was measured in the same round."""
        return median(self.flops / seconds / peak for seconds, peak in zip(self.timings[which].seconds, self.peaks))


def parsed(word: str, batch: int | None = None, defaults: Mapping[str, int] = DEFAULTS, others: Pair = (SMALL, LARGE)) -> tuple[str, int]:
    """"resnet18:4" -> ("resnet18", 4), with the default batch where none is given.  ValueError for an unknown model or a batch below 1.

    others: the batch of networks without a default, for small images and for large ones."""
    name, colon, number = word.partition(":")
    found = models.info(name)
    if colon and not (number.isdecimal() and int(number) > 0):
        raise ValueError(f"{word}: after the colon comes the batch size, such as {name}:4")
    if colon or batch:
        return name, int(number) if colon else int(batch or 0)
    usual = next((size for known, size in defaults.items() if models.info(known).name == found.name), None)
    return name, usual or others[max(found.input_shape[1:]) > 64]


def check(settings: Settings) -> None:
    """ValueError or ImportError for something to compare with that is not there."""
    against, known = settings.against, kernels.algorithms("conv2d")
    if against == "torch":
        if importlib.util.find_spec("torch") is None:
            raise ImportError("--against torch needs PyTorch, which is not installed: "
                              "python -m pip install torch --index-url https://download.pytorch.org/whl/cpu")
    elif against not in (None, "reference", *known):
        raise ValueError(f"--against {against}: expected torch, reference, or an algorithm of conv2d: {', '.join(known)}")


def needed(name: str, batch: int, training: bool) -> float:
    """Bytes that a step needs, about: what each operation gives out and the gradient of it, and for each weight four numbers."""
    found = models.info(name)
    outputs = given_out(models.create(name).train(training), (batch, *found.input_shape))
    return (1.5 * outputs + 16 * found.params) if training else (0.5 * outputs + 4 * found.params)


def compare(jobs: Sequence[tuple[str, int]], settings: Settings, say: Callable[[str], None] = lambda text: None) -> Iterator[Result]:
    """A Result for each (model, batch).  say(text): what goes on."""
    check(settings)
    for name, batch in jobs:
        processes = 1 + (settings.against is not None) + (len(allocators()) if settings.against == "torch" and settings.tune else 0)
        need, free = processes * needed(name, batch, settings.training), free_memory()
        if free is not None and need > free:
            yield Result(name, batch, skipped=f"needs about {need / 1e9:.1f} GB in {processes} processes, {free / 1e9:.1f} GB are free")
            continue
        with tempfile.TemporaryDirectory(prefix="minicnn-bench-") as folder, ExitStack() as stack:
            yield measured(name, batch, Path(folder), settings, stack, lambda text, name=name: say(f"{name}: {text}"))


def measured(name: str, batch: int, folder: Path, settings: Settings, stack: ExitStack, say: Callable[[str], None]) -> Result:
    """The Result of a network; Different, or the error of a process, as its `skipped`."""
    try:
        return one(name, batch, folder, settings, stack, say)
    except Different as error:
        return Result(name, batch, skipped=str(error), different=True)
    except (MemoryError, ChildProcessError, NotImplementedError, FloatingPointError) as error:
        return Result(name, batch, skipped=str(error))


def one(name: str, batch: int, folder: Path, settings: Settings, stack: ExitStack, say: Callable[[str], None]) -> Result:
    """Each engine's job loaded and compared with minicnn's; then the turns."""
    common = {"threads": settings.threads} if settings.threads else {}

    def load(worker: Worker, chosen: dict) -> dict[str, Any]:
        return worker.ask("load", folder=str(folder), training=settings.training, settings=chosen)

    ours = stack.enter_context(Worker(OURS, "minicnn"))
    other = None                                                         # started here, it is ready when it is wanted
    if settings.against is not None:
        label = settings.against
        other = stack.enter_context(Worker(TORCH if label == "torch" else OURS, label))
    say("recording what it computes (the first time kernels are compiled, about a minute)")
    job = ours.ask("prepare", folder=str(folder), model=name, batch=batch, training=settings.training)
    ours.ask("peak")                                                     # its kernel is loaded before memory is counted
    result = Result(name, batch, job["flops"])
    engines: list[tuple[Worker, Timing]] = []
    loaded: list[dict[str, Any]] = []

    def add(worker: Worker, timing: Timing, chosen: dict) -> None:
        say(f"first steps of {timing.label}")
        loaded.append(load(worker, chosen))
        agree(name, loaded[0], loaded[-1], timing.label)
        timing.losses = loaded[-1]["losses"]
        engines.append((worker, timing))

    add(ours, Timing("minicnn"), common)
    if other is not None:
        chosen = {"torch": {}, "reference": {"backend": "reference"}}.get(other.label, {"algorithms": {"conv2d": other.label}})
        add(other, Timing(other.label, settings="as it comes" if other.label == "torch" else ""), {**common, **chosen})
    count = steps_in_a_turn(engines)
    if settings.against == "torch" and settings.tune:
        def load_alike(worker: Worker, chosen: dict) -> None:
            found = load(worker, chosen)
            agree(name, loaded[0], found, worker.label)
        worker, candidate, tried = tuned(load_alike, settings.training, common, count, say)
        stack.enter_context(worker)
        add(worker, Timing("torch tuned", settings=candidate.name, tried=tried), candidate.settings)
    with Watch([worker.process.pid for worker, _ in engines]) as watch:
        result.peaks = take_turns(engines, settings.rounds, count, say, lambda: ours.ask("peak"))
    result.disturbed = {"others": watch.others, "stolen": watch.stolen}
    for worker, timing in engines:
        timing.memory, timing.environment = worker.ask("memory"), worker.ask("describe")
    result.timings = [timing for _, timing in engines]
    return result


def steps_in_a_turn(engines: Sequence[tuple[Worker, Timing]]) -> int:
    """As many as take the slower engine about TURN seconds.  The warming up is in it."""
    slowest = max(min(worker.ask("steps", count=2)["seconds"]) for worker, _ in engines)
    return max(1, min(MOST, int(TURN / slowest)))


def take_turns(engines: Sequence[tuple[Worker, Timing]], rounds: int, count: int, say: Callable[[str], None],
               peak: Callable[[], float]) -> list[float]:
    """Rounds in which each engine has a turn; in each another one begins.  The round before the first is not counted.

    Returns the machine's peak of each round: how fast it is changes within minutes.
    """
    peaks = []
    for number in range(-1, rounds):
        say("warming up" if number < 0 else f"round {number + 1} of {rounds}")
        if number == 0:
            for worker, _ in engines:
                worker.idle = worker.asleep = 0.0
        sleep(PAUSE)
        peaks.append(peak())
        first = number % len(engines)
        for worker, timing in (*engines[first:], *engines[:first]):
            sleep(PAUSE)
            reply = worker.ask("steps", count=count)
            if not math.isfinite(reply["loss"]):
                raise FloatingPointError(f"the loss of {timing.label} became {reply['loss']}")
            if number >= 0:
                timing.seconds.append(median(reply["seconds"]))
    for worker, timing in engines:
        timing.idle = worker.idle / worker.asleep if worker.asleep else 0.0
    return peaks[1:]


def agree(name: str, ours: dict[str, Any], theirs: dict[str, Any], label: str, tolerance: Tolerance = FLOAT32) -> None:
    """Different unless the first scores, the first loss, and what the steps then make of it are the same but for rounding.

    A step changes the loss by a hundredth (ours.step_size), and rounding by much less; but a batch norm over two images can make of it a
    twentieth of the change.
    """
    (a, *ours_later), (b, *theirs_later) = ours["losses"], theirs["losses"]
    told = f"{name}: minicnn and {label} do not compute the same"
    if not abs(a - b) <= tolerance.loss * abs(b):
        raise Different(f"{told}: the first loss is {a:.7g} and {b:.7g}. Nothing is measured")
    for number, (later, other) in enumerate(zip(ours_later, theirs_later), 2):
        if not abs((later - a) - (other - b)) <= CHANGE * abs(other - b) + tolerance.noise * abs(b):
            raise Different(f"{told}: the loss goes from {a:.7g} to {later:.7g} and to {other:.7g} in step {number}. Nothing is measured")
    largest = max(map(abs, theirs["scores"]))
    off = max(abs(x - y) for x, y in zip(ours["scores"], theirs["scores"])) if len(ours["scores"]) == len(theirs["scores"]) else math.inf
    if not off <= tolerance.scores * largest:
        raise Different(f"{told}: the first scores differ by up to {off:.3g}, the largest is {largest:.3g}. Nothing is measured")


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan
