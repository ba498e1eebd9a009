"""What a measurement was made on: processor, system, versions, threads, BLAS.  Each engine describes its own process."""
import importlib.metadata
import os
import platform
from typing import Any


def processor() -> str:
    """The name of the processor, as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def system() -> dict[str, Any]:
    """What both engines share."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"processor": processor(), "cores": cores, "system": platform.platform(), "python": platform.python_version(),
            "versions": {name: version(name) for name in ("numpy", "numba", "scipy", "torch")}}


def blas() -> list[dict[str, Any]]:
    """The BLAS libraries that are loaded: of OpenBLAS also the kind of processor that it has chosen its kernels for."""
    from threadpoolctl import threadpool_info
    wanted = ("internal_api", "version", "architecture", "num_threads", "threading_layer")
    return [{"library": os.path.basename(found["filepath"]), **{key: found[key] for key in wanted if key in found}}
            for found in threadpool_info() if found["user_api"] == "blas"]


def numba() -> dict[str, Any]:
    """How Numba compiles and runs here: the processor it compiles for, its layer of threads, the width of the vector tiles."""
    if version("numba") is None:
        return {}
    import llvmlite.binding
    from numba.np.ufunc import threading_layer

    from ..kernels import simd
    try:
        layer = threading_layer()
    except ValueError:                                                   # no parallel loop has run yet
        layer = None
    return {"threading_layer": layer, "compiled_for": llvmlite.binding.get_host_cpu_name(), "vectors": simd.REGISTERS.name}
