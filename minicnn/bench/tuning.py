"""PyTorch as fast as it goes without changing the network: which settings are tried, and which is best for a network at hand.

    allocator    as it comes · glibc's malloc told to keep what is freed, which saves the faults of fresh pages · the same in huge pages ·
                 PyTorch's own switch for huge pages · jemalloc or tcmalloc, where they are installed
    layout       NCHW · channels last
    optimiser    fused · foreach

First the allocators, each in a process of its own, then the layouts and optimisers with the best of them. Candidates take turns as the
engines do in the benchmark itself, and are compared within each round, since the machine's speed changes from one to the next. Nothing
is compiled (torch.compile): what is compared with is PyTorch's eager execution.
"""
import ctypes.util
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from glob import glob
from statistics import median
from typing import Any

from .turns import Worker

MODULE = "minicnn.bench.torch_worker"
ROUNDS = 5
KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(1 << 26)}


@dataclass(frozen=True)
class Candidate:
    """environment: variables of the process; settings: see torch_worker."""
    allocator: str
    environment: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        layout = "channels last" if self.settings.get("channels_last") else "NCHW"
        optimizer = self.settings.get("optimizer")
        return ", ".join(filter(None, (self.allocator, layout, optimizer and f"{optimizer} SGD")))


def allocators() -> dict[str, dict[str, str]]:
    """name -> environment of the allocators that this system has."""
    found: dict[str, dict[str, str]] = {"malloc": {}}
    with suppress(AttributeError, ValueError, OSError):
        if sys.platform == "linux" and str(os.confstr("CS_GNU_LIBC_VERSION")).startswith("glibc"):
            found["malloc that keeps"] = KEEP
            found["malloc that keeps, huge pages"] = {**KEEP, "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
            found["huge pages by PyTorch"] = {"THP_MEM_ALLOC_ENABLE": "1"}
    for name in ("jemalloc", "tcmalloc", "tcmalloc_minimal", "mimalloc"):
        path = library(name)
        if path:
            found[name] = {"LD_PRELOAD": " ".join(filter(None, (path, os.environ.get("LD_PRELOAD"))))}
    return found


def library(name: str) -> str | None:
    """The path of a shared library, where the linker knows one."""
    found = ctypes.util.find_library(name) if sys.platform == "linux" else None
    if not found:
        return None
    places = [path for folder in ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib") for path in
              (f"{folder}/{found}", *glob(f"{folder}/*-linux-gnu/{found}"))]
    return next((path for path in places if os.path.exists(path)), None)


def tuned(load: Callable[[Worker, dict], Any], training: bool, settings: dict[str, Any], count: int,
          say: Callable[[str], None]) -> tuple[Worker, Candidate, list[dict[str, Any]]]:
    """The worker of the fastest settings, with its job loaded; its candidate; what was tried: name, median seconds, and the time relative
    to the fastest of those that it was compared with.

    load(worker, settings): give a worker the job.  settings: those that hold for all.  count: steps in a turn.
    """
    tried: list[dict[str, Any]] = []
    optimizer = {"optimizer": "fused"} if training else {}
    first = [Candidate(name, environment, {**settings, **optimizer}) for name, environment in allocators().items()]
    worker, best = fastest([(None, candidate) for candidate in first], load, count, tried, say)
    try:
        layouts, optimizers = ({}, {"channels_last": True}), ("fused", "foreach") if training else (None,)
        others = [Candidate(best.allocator, best.environment, {**settings, **layout, **({"optimizer": o} if o else {})})
                  for layout in layouts for o in optimizers]
        second = [(worker, best), *((None, candidate) for candidate in others if candidate.settings != best.settings)]
        return (*fastest(second, load, count, tried, say), tried)
    except BaseException:
        worker.close(kill=True)
        raise


def fastest(candidates: Sequence[tuple[Worker | None, Candidate]], load: Callable[[Worker, dict], Any], count: int,
            tried: list[dict[str, Any]], say: Callable[[str], None]) -> tuple[Worker, Candidate]:
    """Of candidates, some of which have a worker already, the fastest; the workers of the others are closed."""
    workers: list[Worker] = []
    try:
        for worker, candidate in candidates:                             # all of them, so that they start up together
            workers.append(worker or Worker(MODULE, f"torch ({candidate.name})", candidate.environment))
        for new, (worker, candidate) in zip(workers, candidates):
            if worker is None:
                say(f"tuning PyTorch: {candidate.name}")
                load(new, candidate.settings)
        seconds = [[median(worker.ask("steps", count=count)["seconds"]) for worker in workers] for _ in range(ROUNDS)]
    except BaseException:
        for worker in workers:
            worker.close(kill=True)
        raise
    shares = [median(column) for column in zip(*([s / sum(turns) for s in turns] for turns in seconds))]       # of a round
    winner = shares.index(min(shares))
    names = [candidate.name for _, candidate in candidates]
    tried[:] = [entry for entry in tried if entry["settings"] not in names]
    tried += [{"settings": name, "median": median(column), "relative": share / shares[winner]}
              for name, column, share in zip(names, zip(*seconds), shares)]
    for number, worker in enumerate(workers):
        if number != winner:
            worker.close(kill=True)
    return workers[winner], candidates[winner][1]
