"""The GPU itself: what it is called, when it has finished, how long it took, what it can do at best; emulated, the CPU in its place."""
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from .. import memory as host
from .memory import empty
from .product import matmul
from .where import emulated

SIDE, NUMBERS = 8192, 1 << 28            # of the matrices for the peak; of the arrays for the bandwidth: 1 GiB each, more than any cache
SMALL_SIDE, SMALL_NUMBERS = 256, 1 << 20           # emulated


def synchronize() -> None:
    """Wait until all that was launched has run."""
    if not emulated():
        import cupy                               # pyright: ignore[reportMissingImports]
        cupy.cuda.runtime.deviceSynchronize()


def mark() -> Any:
    """A moment on the device: an event behind all that was launched; emulated, the time."""
    if emulated():
        return perf_counter()
    import cupy                                   # pyright: ignore[reportMissingImports]
    event = cupy.cuda.Event()
    event.record(cupy.cuda.get_current_stream())
    return event


def between(start: Any, end: Any) -> float:
    """Seconds from one mark to another, which the device must have passed."""
    if emulated():
        return end - start
    import cupy                                   # pyright: ignore[reportMissingImports]
    return cupy.cuda.get_elapsed_time(start, end) / 1000


def held() -> int:
    """Bytes of the device that the pool of arrays holds: it grows with what is needed at once, and keeps what is freed.  Emulated: the
    most that arrays had."""
    if emulated():
        return host.statistics()["peak"]
    import cupy                                   # pyright: ignore[reportMissingImports]
    return cupy.get_default_memory_pool().total_bytes()


def release() -> None:
    """Give what the pool keeps for later back to the device."""
    if emulated():
        host.release()
        host.reset_peak()
        return
    import cupy                                   # pyright: ignore[reportMissingImports]
    synchronize()
    cupy.get_default_memory_pool().free_all_blocks()


def describe() -> dict[str, Any]:
    """name, multiprocessors, compute_capability; versions: cuda_driver (the newest CUDA that the driver knows), cuda (that CuPy was built
    for), nvrtc, cupy; bytes: free, total.  Emulated: a name alone."""
    if emulated():
        return {"name": "no GPU: CUDA emulated on the CPU", "emulated": True}
    import cupy                                   # pyright: ignore[reportMissingImports]
    runtime = cupy.cuda.runtime
    found = runtime.getDeviceProperties(runtime.getDevice())
    free, total = runtime.memGetInfo()
    versions = {"cuda_driver": runtime.driverGetVersion(), "cuda": runtime.runtimeGetVersion()}
    return {"name": found["name"].decode(), "emulated": False, "multiprocessors": found["multiProcessorCount"],
            "compute_capability": f"{found['major']}.{found['minor']}", "cupy": cupy.__version__,
            "nvrtc": ".".join(map(str, cupy.cuda.nvrtc.getVersion())), "free": free, "total": total,
            **{name: f"{number // 1000}.{number % 1000 // 10}" for name, number in versions.items()}}


def product_peak(seconds: float = 0.5) -> float:
    """Floating-point operations a second of the product of two large float32 matrices; in TF32 where that is allowed."""
    side = SMALL_SIDE if emulated() else SIDE
    a, b, out = (empty((side, side), np.float32) for _ in range(3))
    for each in (a, b):
        each[...] = 1e-3                           # numbers that do not grow; 0 would spare the chip power, and so raise its clock
    return rate(2 * side ** 3, lambda: matmul(a, b, out), seconds)


def bandwidth(seconds: float = 0.5) -> float:
    """Bytes a second, read and written, of the copy of a large array."""
    a, b = (empty((SMALL_NUMBERS if emulated() else NUMBERS,), np.float32) for _ in range(2))
    a[...] = 1

    def copy():
        b[...] = a
    return rate(2 * a.nbytes, copy, seconds)


def rate(work: float, do: Callable[[], Any], seconds: float) -> float:
    """Work a second, of so many calls in a row as take about `seconds`, after two that are not counted."""
    do()
    once = timed(do, 1)
    count = max(1, round(seconds / once))
    return count * work / timed(do, count)


def timed(do: Callable[[], Any], count: int) -> float:
    """Seconds of `count` calls, the device waited for before and after."""
    synchronize()
    start = perf_counter()
    for _ in range(count):
        do()
    synchronize()
    return perf_counter() - start
