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
    """Inside, kernels run on the CPU: "fast" or "check".  how: seed and preempt of every launch, see emulator/module.py."""
    before = dict(launching)
    _chosen.append({"fast": "fast", "check": "check"}[mode])
    launching.update(how)
    try:
        yield
    finally:
        _chosen.pop()
        launching.clear()
        launching.update(before)


def allow_tf32(yes: bool = True) -> None:
    """Whether products of float32 may run on tensor cores, which round the factors to 10 bits of mantissa (errors of about 10⁻³).
    Not, unless this or MINICNN_TF32=1 says so."""
    _tf32[0] = bool(yes)


def tf32_allowed() -> bool:
    return _tf32[0]


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
