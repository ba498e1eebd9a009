"""What the processes of both engines have in common: load a job, do steps, tell time and memory."""
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from . import process
from .turns import serve

CHECKED = 3                              # steps whose losses are compared before anything is timed
SCORES = 4096                            # numbers of the first scores that are compared, at most
PLAN, WEIGHTS, BATCH = "plan.safetensors", "weights.safetensors", "batch.safetensors"        # the files of a job, in its folder


class Program(ABC):
    """A network and a batch.  run(): a training step, or a forward in evaluation, to be timed; loss() and scores() then tell of it."""

    @abstractmethod
    def run(self) -> None: ...

    @abstractmethod
    def hold(self) -> None:
        """From here on steps compute all that they did, with a learning rate of 0: hundreds of them lead nowhere, to no NaN either."""

    @abstractmethod
    def loss(self) -> float: ...

    @abstractmethod
    def scores(self) -> list[float]: ...


class Engine(ABC):
    """The requests that a process answers."""

    def __init__(self):
        self.program: Any = None
        self.baseline: int | None = None
        self.device, self.device_bytes = "cpu", None

    @abstractmethod
    def build(self, folder: Path, training: bool, settings: dict[str, Any]) -> Program:
        """The network of a job, ready to run."""

    @abstractmethod
    def forget(self) -> None:
        """Return what the engine keeps of memory that nobody uses."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Versions, threads, libraries: how this engine computes here."""

    @abstractmethod
    def arrays_peak(self) -> int | None:
        """The most bytes in arrays since the job was loaded, where the engine counts them."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until a GPU has done all that it was given."""

    @abstractmethod
    def held(self) -> int | None:
        """The most bytes of a GPU that the engine has held for arrays since `forget`; None where that cannot be told."""

    def load(self, folder: str, training: bool, settings: dict[str, Any]) -> dict[str, Any]:
        """Build the network, do the steps that are compared.  Memory is counted from what the process holds once kernels are compiled,
        threads started and caches of the libraries filled: after a first step, with the network thrown away again."""
        self.program, self.device = None, settings.get("device", "cpu")
        self.program = self.build(Path(folder), training, settings)
        self.program.run()
        self.program = None
        self.forget()
        process.give_back()
        self.baseline = process.resident()
        process.reset_peak()
        self.program = self.build(Path(folder), training, settings)
        losses, scores = [], []
        for number in range(CHECKED if training else 1):
            self.program.run()
            losses.append(self.program.loss())
            if number == 0:
                scores = self.program.scores()[:SCORES]
        self.program.hold()
        self.device_bytes = self.held()
        return {"losses": losses, "scores": scores}

    def steps(self, count: int) -> dict[str, Any]:
        """Seconds of each of `count` steps, and the last loss.  On a GPU, which works off what steps send it while the next ones are
        sent, the mean of all of them, from an idle GPU to an idle GPU."""
        if self.device == "cpu":
            return {"seconds": [timed(self.program.run) for _ in range(count)], "loss": self.program.loss()}
        self.synchronize()
        start = perf_counter()
        for _ in range(count):
            self.program.run()
        self.synchronize()
        return {"seconds": [(perf_counter() - start) / count], "loss": self.program.loss()}

    def memory(self) -> dict[str, int | None]:
        """Bytes: the baseline, the peak since, and the peak of arrays; of a GPU what the engine took of it for the first steps."""
        if self.device != "cpu":
            return {"baseline": 0, "peak": self.device_bytes, "arrays": None}
        return {"baseline": self.baseline, "peak": process.peak(), "arrays": self.arrays_peak()}

    def handlers(self) -> dict[str, Callable[..., Any]]:
        return {"load": self.load, "steps": self.steps, "memory": self.memory, "describe": self.describe}

    def serve(self) -> None:
        serve(self.handlers())


def timed(run: Callable[[], Any]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start
