"""Whole networks on a GPU: a training step or a forward of minicnn on device "cuda", beside PyTorch's on the same GPU.

What is compared, the first losses and scores, the rounds and the ratios are those of networks.py; what differs is said here.

batches     large enough to fill the chip
TF32        the products of float32 on tensor cores, allowed in both engines, then in neither: one measurement each
PyTorch     eager, in NCHW and in NHWC (channels_last), each in a process of its own, with cudnn.benchmark
a turn      all its steps from an idle GPU to an idle GPU, over their number: what runs while Python sends more is not waited for
memory      what the engine took of the GPU for its arrays by the end of the first steps, in its pool: also what the pool keeps
peak        a process of its own measures it, so that its matrices are in nobody's memory

Emulated (MINICNN_CUDA=emulated) minicnn's kernels and PyTorch both run on the CPU: for tests of all this; the times mean nothing.
"""
import importlib.util
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..device import without_cuda
from ..kernels import cuda
from ..kernels.cuda import chip
from .networks import agree, Different, FLOAT32, needed, OURS, Result, Settings, steps_in_a_turn, take_turns, Timing, Tolerance, TORCH
from .process import free_memory, Watch
from .turns import Worker

DEFAULTS = {"lenet5": 4096, "alexnet": 512, "vgg16": 64, "googlenet": 256, "resnet18": 256, "resnet50": 128, "resnet20": 1024,
            "densenet121": 64, "mobilenet_v1": 256}
SMALL, LARGE = 512, 64                   # batches of other networks: for images of at most 64 pixels a side, and larger ones
LAYOUTS: dict[str, dict[str, Any]] = {"torch NCHW": {}, "torch NHWC": {"channels_last": True}}
CONTEXT = 1e9                            # bytes of the GPU that a process takes beside its arrays: CUDA, cuBLAS, cuDNN's workspace
METER = 3 * 4 * chip.SIDE ** 2            # bytes of the matrices of the process that measures the peak
BITS = 10                                # of the mantissa of TF32 that are stored


def tolerance(tf32: bool, products: int) -> Tolerance:
    """What may differ between two engines whose steps have so many convolutions and linear layers.

    TF32 stores 10 bits of the mantissa of each factor, so that rounding changes it by at most u = 2⁻¹¹ of itself. A product of two such
    factors is off by about √2·u, and so, relatively, is a sum of many whose errors are independent, since their squares add up as those of
    the sum's terms do. L layers behind one another: √(2L)·u. Two engines that round independently: √2 of that,  e = 2u·√L.

    The loss, a mean over images and classes, may differ by e. Of thousands of scores the worst is four times as far off as is usual: 4e.
    The later losses e again, which is less than a step changes the loss by (ours.FALL); finer differences of gradients are found where
    TF32 is off. On the CPU with factors rounded so, nine networks of the zoo stay below these bounds, by a factor of 2 to 50.
    """
    if not tf32:
        return FLOAT32
    e = 2 * 2.0 ** -(BITS + 1) * math.sqrt(max(1, products))
    return Tolerance(e, 4 * e, e)


def check(settings: Settings) -> None:
    """ValueError or ImportError for what is not there: a GPU, PyTorch."""
    if settings.against not in (None, "torch"):
        raise ValueError(f"--against {settings.against}: on a GPU expected torch, or none: then minicnn is measured alone")
    available()
    if settings.against and importlib.util.find_spec("torch") is None:
        raise ImportError("--against torch needs PyTorch for CUDA, which is not installed: https://pytorch.org/get-started/locally")


def available() -> None:
    """ValueError where device "cuda" does not work, with the reason."""
    if not cuda.available():
        raise ValueError(f"--device cuda: {without_cuda()}. MINICNN_CUDA=emulated runs the kernels on the CPU, to be tested, not timed")


def compare(jobs: Sequence[tuple[str, int]], settings: Settings, say: Callable[[str], None] = lambda text: None) -> Iterator[Result]:
    """For each (model, batch) a Result with TF32 and one without, as settings.tf32 says.  say(text): what goes on."""
    check(settings)
    for name, batch in jobs:
        with tempfile.TemporaryDirectory(prefix="minicnn-bench-") as folder, ExitStack() as stack:
            done = 0
            try:
                for result in measured(name, batch, Path(folder), settings, stack, lambda text, name=name: say(f"{name}: {text}")):
                    yield result
                    done += 1
            except (MemoryError, ChildProcessError, NotImplementedError, FloatingPointError) as error:
                for tf32 in settings.tf32[done:]:              # a process that failed on a GPU does not recover
                    yield Result(name, batch, skipped=str(error), tf32=tf32)


def measured(name: str, batch: int, folder: Path, settings: Settings, stack: ExitStack, say: Callable[[str], None]) -> Iterator[Result]:
    """The processes of a network, their job, and a Result for each of settings.tf32."""
    layouts = LAYOUTS if settings.against else {}
    ours, meter = (stack.enter_context(Worker(OURS, label)) for label in ("minicnn", "the meter of the peak"))
    others = [stack.enter_context(Worker(TORCH, label)) for label in layouts]
    processes = 1 + len(others)
    need = processes * (needed(name, batch, settings.training) + CONTEXT) + CONTEXT + METER
    free = free_bytes(ours)
    if free is not None and need > free:
        for tf32 in settings.tf32:
            yield Result(name, batch, skipped=f"needs about {need / 1e9:.1f} GB in {processes} processes, {free / 1e9:.1f} GB are free; "
                         f"a smaller batch, such as {name}:{max(1, int(batch * free / need / 2))}, may fit", tf32=tf32)
        return
    say("recording what it computes (the first time kernels are compiled)")
    job = ours.ask("prepare", folder=str(folder), model=name, batch=batch, training=settings.training, device="cuda")
    common = {"threads": settings.threads} if settings.threads else {}
    for tf32 in settings.tf32:
        result, word = Result(name, batch, job["flops"], tf32=tf32), "with TF32" if tf32 else "without TF32"
        engines: list[tuple[Worker, Timing]] = []
        loaded: list[dict[str, Any]] = []
        theirs = {"device": "cpu" if cuda.emulated() else "cuda", "cudnn_benchmark": True, "tf32": tf32}
        chosen = [{"device": "cuda", "tf32": tf32}, *({**theirs, **layout} for layout in layouts.values())]
        try:
            for worker, settings_of in zip((ours, *others), chosen):
                say(f"first steps of {worker.label}, {word}")
                loaded.append(worker.ask("load", folder=str(folder), training=settings.training, settings={**common, **settings_of}))
                agree(name, loaded[0], loaded[-1], worker.label, tolerance(tf32, job["products"]))
                engines.append((worker, Timing(worker.label, losses=loaded[-1]["losses"])))
        except Different as error:
            yield Result(name, batch, skipped=f"{word}: {error}", different=True, tf32=tf32)
            continue
        count = steps_in_a_turn(engines)
        with Watch([worker.process.pid for worker, _ in engines]) as watch:
            result.peaks = take_turns(engines, settings.rounds, count, lambda text, word=word: say(f"{text}, {word}"),
                                      lambda tf32=tf32: meter.ask("peak", device="cuda", tf32=tf32))
        result.disturbed = {"others": watch.others, "stolen": watch.stolen}
        for worker, timing in engines:
            timing.memory, timing.environment = worker.ask("memory"), worker.ask("describe")
        result.timings = [timing for _, timing in engines]
        yield result


def free_bytes(worker: Worker) -> float | None:
    """Bytes that are free on the GPU; emulated, on the host."""
    return free_memory() if cuda.emulated() else worker.ask("gpu")["free"]


def settings_of_tf32(word: str) -> tuple[bool, ...]:
    """"both" -> (True, False)"""
    return {"on": (True,), "off": (False,), "both": (True, False)}[word]
