"""Devices and backends: which kernels serve a tensor.

A device is where an array lives: "cpu", "cuda", or "meta" (a shape without memory). A backend is the form of the kernels that run on
it: "numba" (the default on the CPU), "reference" (NumPy, to be read and stepped through) or "cupy" (CUDA). The two decide, never the
class of an array.
"""
import importlib.util
import os
from typing import Any

import numpy as np

from . import kernels

DEVICES = ("cpu", "cuda", "meta")
CPU_BACKENDS = ("numba", "reference")
_chosen: list[str] = []                          # empty: not chosen yet
_algorithms: dict[str, str] = {}                 # operation -> the algorithm that was asked for; else the kernel chooses by shape


def _checked(backend: str, source: str) -> str:
    if backend not in CPU_BACKENDS:
        raise ValueError(f"{source}: there is no CPU backend {backend!r}; choose 'numba' (fast) or 'reference' (NumPy, to be read). "
                         f"A GPU is chosen by device: tensor.to('cuda')")
    if backend == "numba" and importlib.util.find_spec("numba") is None:
        raise ImportError(f"{source}: the backend 'numba' needs the package numba, which is not installed; "
                          f"'python -m pip install numba', or use the backend 'reference'")
    return backend


def get_backend() -> str:
    """The backend that new operations on the CPU will use."""
    if not _chosen:
        wanted = os.environ.get("MINICNN_BACKEND")
        default = "numba" if importlib.util.find_spec("numba") is not None else "reference"
        _chosen.append(_checked(wanted, "MINICNN_BACKEND") if wanted else default)
    return _chosen[-1]


class use_backend:
    """Choose the kernels of the CPU: `use_backend("reference")` from here on, or `with use_backend("reference"):` for a while."""

    def __init__(self, name: str):
        before = get_backend()
        _chosen[:] = [_checked(name, "use_backend")]
        self.before = before

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        _chosen[:] = [self.before]


class use_algorithm:
    """Choose how the kernels compute an operation: `use_algorithm("conv2d", "im2col")` from here on, or in a `with` for a while.

    name: one of kernels.algorithms(op), the rungs that the operation's cpu.py describes, or of kernels.algorithms(op, "cupy"), those of its
    gpu.py; a backend that does not have it chooses as by default.  None: chosen by the shapes again.
    An Op keeps the algorithm of its forward for its backward.
    ValueError for an unknown operation, or a name that is not among its algorithms.
    """

    def __init__(self, op: str, name: str | None):
        known = dict.fromkeys((*kernels.algorithms(op), *kernels.algorithms(op, "cupy")))
        if name is not None and name not in known:
            there = f"choose {', '.join(map(repr, known))}, or None: by the shapes" if known else "it has one form"
            raise ValueError(f"use_algorithm: {op} has no algorithm {name!r}; {there}")
        self.op, self.before = op, _algorithms.get(op)
        self._choose(name)

    def _choose(self, name: str | None) -> None:
        if name is None:
            _algorithms.pop(self.op, None)
        else:
            _algorithms[self.op] = name

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._choose(self.before)


def get_algorithm(op: str) -> str | None:
    """The algorithm that use_algorithm asked for, of an operation, of the family that it belongs to, or of what it does before a ReLU
    (conv2d_relu: conv2d); None: the kernel chooses."""
    return _algorithms.get(op) or _algorithms.get(kernels.folder(op)) or _algorithms.get(op.removesuffix("_relu"))


def kernel(op: str, device: str) -> Any:
    """The kernel of an operation for arrays on a device, on the backend and with the algorithm of the moment."""
    found = kernels.load(op, "cupy" if device == "cuda" else get_backend())
    if _algorithms:
        name = get_algorithm(op)
        if name in getattr(found, "ALGORITHMS", ()):          # which the reference and somebody's own kernel do not have
            return kernels.WithAlgorithm(found, str(name))
    return found


def checked_device(device: str) -> str:
    """The device itself.  ValueError for an unknown one, RuntimeError for a GPU that this installation cannot use."""
    if device not in DEVICES:
        raise ValueError(f"unknown device {device!r}: there are {', '.join(map(repr, DEVICES))}")
    if device == "cuda" and not cuda_available():
        raise RuntimeError(f"device 'cuda' cannot be used: {without_cuda()}. Use device 'cpu'; or, on Linux with g++, the emulator, which "
                           f"is slow and made to learn with: MINICNN_CUDA=emulated")
    return device


def without_cuda() -> str:
    """Why there is no device "cuda", and what to do."""
    if importlib.util.find_spec("cupy") is None:
        return "it needs CuPy, which is not installed: python -m pip install \"minicnn-engine[gpu]\""
    return "CuPy is installed and finds no NVIDIA GPU (nvidia-smi shows whether the driver does)"


def cuda_available() -> bool:
    """Whether device "cuda" works here: CuPy finds a GPU, or MINICNN_CUDA=emulated."""
    from .kernels import cuda
    return cuda.available()


def common_device(op: str, devices: list[str]) -> str:
    """The one device of an operation's inputs.  Meta is catching: a shape in, a shape out.  RuntimeError for a mixture."""
    found = set(devices)
    if "meta" in found:
        return "meta"
    if len(found) > 1:
        raise RuntimeError(f"{op}: the inputs are on different devices ({', '.join(devices)}); move them to one with tensor.to(device)")
    return found.pop() if found else "cpu"


def meta_array(shape: tuple, dtype) -> np.ndarray:
    """An array with a shape and no memory to speak of: one zero, seen everywhere through strides of 0."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def in_one_run(array: Any) -> bool:
    """Whether its elements lie in row-major order and may be written to; CuPy's arrays always may."""
    return array.flags.c_contiguous and getattr(array.flags, "writeable", True)


def strided_view(array: Any, shape: tuple, strides: tuple) -> Any:
    """A view of the array's memory, not to be written to; strides in bytes."""
    if isinstance(array, np.ndarray):
        return np.lib.stride_tricks.as_strided(array, shape, strides, writeable=False)
    from cupy.lib.stride_tricks import as_strided # pyright: ignore[reportMissingImports]
    return as_strided(array, shape, strides)


def values(given: Any, device: str) -> Any:
    """What may be written to an array of a device: a number as it is, else an array there.

    given: a number, nested lists, an array of the host or of a GPU, a Tensor.
    """
    from .tensor import Tensor
    if isinstance(given, (bool, int, float)):
        return given
    if isinstance(given, Tensor):
        return move(given.data, given.device, device)
    return move(given, "cuda", device) if hasattr(given, "__cuda_array_interface__") else move(np.asarray(given), "cpu", device)


def move(array: np.ndarray, source: str, target: str) -> np.ndarray:
    """The array on another device; the same array where nothing has to move."""
    if source == target:
        return array
    if target == "meta":
        return meta_array(array.shape, array.dtype)
    if source == "meta":
        raise RuntimeError("a meta tensor has a shape but no values to move")
    from .kernels import cuda
    return cuda.to_device(array) if target == "cuda" else cuda.to_host(array)
