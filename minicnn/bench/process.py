"""What a process takes of the machine: memory, and the environment that its libraries read."""
import ctypes
import gc
import os
import sys
from pathlib import Path
from time import perf_counter

from ..kernels import threads

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# Variables that the libraries of either engine read: shown beside every result.
TELLING = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "NUMBA_", "MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD", "THP_", "ONEDNN_", "DNNL_",
           "TORCH_", "ATEN_", "MINICNN_", "CUDA_", "CUPY_", "NVIDIA_", "CUBLAS_", "CUDNN_")


def _status(field: str) -> int | None:
    """Bytes, from what Linux tells of this process; None elsewhere."""
    try:
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field + ":"))
    except (OSError, StopIteration):
        return None
    return 1024 * int(line.split()[1])


def resident() -> int | None:
    """Bytes of memory that this process holds at the moment."""
    return _status("VmRSS")


def reset_peak() -> None:
    """Begin to measure the peak anew."""
    try:
        CLEAR.write_text("5")
    except OSError:
        pass


def peak() -> int | None:
    """The most bytes that this process has held since reset_peak."""
    return _status("VmHWM")


def give_back() -> None:
    """Unreachable objects collected, and what malloc keeps for later returned to the system."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


class Watch:
    """How much of the machine others take meanwhile: with Watch([pids]) as watch: …;  watch.others, watch.stolen

    others    processor time of all programs but these processes and this one, as a share of one core, on Linux
    stolen    what the host of a virtual machine gave to other machines, likewise
    """

    def __init__(self, pids: list[int]):
        self.pids, self.others, self.stolen = [*pids, os.getpid()], 0.0, 0.0

    def __enter__(self) -> "Watch":
        self.start = perf_counter(), *self._times()
        return self

    def __exit__(self, *exception) -> None:
        start, busy, stolen, own = self.start
        now_busy, now_stolen, now_own = self._times()
        seconds = max(perf_counter() - start, 1e-9)
        self.others = max(0.0, (now_busy - busy) - (now_own - own)) / seconds
        self.stolen = (now_stolen - stolen) / seconds

    def _times(self) -> tuple[float, float, float]:
        """Seconds since the system started: all programs, stolen, our own processes; zeros where that is not told."""
        try:
            tick = os.sysconf("SC_CLK_TCK")
            user, nice, system, _, _, interrupts, soft, stolen, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
            stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids]
        except (OSError, ValueError, AttributeError):
            return 0.0, 0.0, 0.0
        own = sum(int(stat[11]) + int(stat[12]) for stat in stats)
        return (user + nice + system + interrupts + soft) / tick, stolen / tick, own / tick


def free_memory() -> float | None:
    """Bytes that are free for programs, on Linux; None where that cannot be told."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None


def users_environment() -> dict[str, str]:
    """The environment as it was before minicnn was imported."""
    return {name: value for name, value in os.environ.items() if name not in threads.OURS}


def telling_environment() -> dict[str, str]:
    """What of the environment says how libraries compute, in this process."""
    found = {name: value for name, value in sorted(os.environ.items()) if name.startswith(TELLING)}
    found.pop("KMP_DUPLICATE_LIB_OK", None)                              # threadpoolctl's own, which allows and says nothing
    return found
