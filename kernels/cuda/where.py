"""On what the CUDA kernels run."""
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

MODES = {"": "gpu", "gpu": "gpu", "emulated": "fast", "checked": "check"}          # MINICNN_CUDA -> how kernels run
_chosen: list[str] = []
_tf32 = [os.environ.get("MINICNN_TF32", "0") == "1"]
launching: dict[str, Any] = {}                    # how the emulator launches: see emulator/module.py


def mode() -> str:
    """"gpu", or of the emulator "fast" or "check".  ValueError for another word in MINICNN_CUDA."""
    if not _chosen:
        word = os.environ.get("MINICNN_CUDA", "")
        if word not in MODES:
            raise ValueError(f"MINICNN_CUDA: expected emulated, checked or gpu, got {word!r}")
        _chosen.append(MODES[word])
    return _chosen[-1]


def emulated() -> bool:
    return mode() != "gpu"


@contextmanager
def emulation(mode: str = "fast", **how) -> Iterator[None]:
    """Inside, kernels run on the CPU: "fast" or "check".  how: options of every launch, see emulator/module.py; walk: see recording.py."""
    if mode not in ("fast", "check"):
        raise ValueError(f"emulation: expected 'fast' or 'check', got {mode!r}")
    before = dict(launching)
    _chosen.append(mode)
    launching.clear()
    launching.update(how)
    try:
        yield
    finally:
        _chosen.pop()
        launching.clear()
        launching.update(before)


def allow_tf32(yes: bool = True) -> None:
    """Whether products of float32 may run on tensor cores, which round the factors to 10 bits of mantissa (errors of about 10⁻³).
    Not, unless this or MINICNN_TF32=1 says so.  GPUs before compute capability 8.0 have no TF32: there it changes nothing."""
    _tf32[0] = bool(yes)


def tf32_allowed() -> bool:
    """Whether it is allowed, and this GPU has it."""
    return _tf32[0] and has_tf32()


def has_tf32() -> bool:
    """Whether the tensor cores multiply TF32: those of compute capability 8.0 and later do."""
    return emulated() or _capability() >= 80


@lru_cache(maxsize=1)
def _capability() -> int:
    import cupy                                   # pyright: ignore[reportMissingImports]
    return int(cupy.cuda.Device().compute_capability)


@lru_cache(maxsize=1)
def _gpu() -> bool:
    if importlib.util.find_spec("cupy") is None:
        return False
    try:
        import cupy                               # pyright: ignore[reportMissingImports]
        return bool(cupy.cuda.is_available())     # False, no exception, where there is no driver
    except ImportError:                           # a wheel for another CUDA
        return False


def available() -> bool:
    """Whether device "cuda" works here."""
    return emulated() or _gpu()
