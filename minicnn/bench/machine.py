"""What a measurement was made on: processor, GPU, system, versions, threads, BLAS.  Each engine describes its own process."""
import importlib.metadata
import os
import platform
import shutil
import subprocess
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
            "versions": {name: version(name) for name in ("numpy", "numba", "scipy", "torch", "cupy-cuda13x", "cupy-cuda12x")}}


SMI = {"name": "name", "driver": "driver_version", "SM_clock": "clocks.sm", "of_at_most": "clocks.max.sm", "memory_clock": "clocks.mem",
       "power_limit": "power.limit", "temperature": "temperature.gpu"}


def nvidia_smi() -> dict[str, str]:
    """What NVIDIA's driver tells of the first GPU at this moment: name, version, clocks.  Empty without nvidia-smi, or where it fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    try:
        done = subprocess.run([program, f"--query-gpu={','.join(SMI.values())}", "--format=csv,noheader"], capture_output=True, text=True,
                              timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    values = [value.strip() for value in done.stdout.split("\n")[0].split(",")]
    return {name: value for name, value in zip(SMI, values) if value and not value.startswith("[")}         # "[N/A]"


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
