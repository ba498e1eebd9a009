"""What a process takes of the machine: memory, and the environment that its libraries read."""
import ctypes
import gc
import os
import sys
from pathlib import Path

from ..kernels import threads

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# Variables that the libraries of either engine read: shown beside every result.
TELLING = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "NUMBA_", "MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD", "THP_", "ONEDNN_", "DNNL_",
           "TORCH_", "ATEN_", "MINICNN_")


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


def free_memory() -> float | None:
    """Bytes that are free for programs, on Linux; None where that cannot be told."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None


def users_environment() -> dict[str, str]:
    """The environment as it was before minicnn was imported."""
    environment = dict(os.environ)
    if threads.WAIT_POLICY_IS_OURS:
        environment.pop("OMP_WAIT_POLICY", None)
    return environment


def telling_environment() -> dict[str, str]:
    """What of the environment says how libraries compute, in this process."""
    found = {name: value for name, value in sorted(os.environ.items()) if name.startswith(TELLING)}
    found.pop("KMP_DUPLICATE_LIB_OK", None)                              # threadpoolctl's own, which allows and says nothing
    return found
