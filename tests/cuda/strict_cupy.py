"""A stand-in for CuPy where there is no GPU: arrays as strict as CuPy's, kernels run by the emulator.

    with strict_cupy(): …        `import cupy` finds the stand-in, and the engine takes device "cuda" for a GPU

What works on NumPy arrays can fail on CuPy's: they never turn into NumPy arrays by themselves, refuse to compute with them, have no
flags.writeable, and give arrays without dimensions where NumPy gives numbers. So the stand-in's array is no NumPy array. It has the
attributes that CuPy's documentation lists, takes NumPy's functions where CuPy has one of that name and signature (the real package is
asked if it is installed; it can be imported without a GPU), and raises TypeError where an array of the host comes along.
"""
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.machinery import ModuleSpec
from functools import reduce
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from minicnn.kernels.cuda import loader
from minicnn.kernels.cuda.emulator import RawModule as EmulatedModule
from minicnn.kernels.cuda import where

REAL = __import__("cupy") if importlib.util.find_spec("cupy") else None
ATTRIBUTES = frozenset("shape strides dtype size ndim itemsize nbytes T".split())
METHODS = frozenset("""all any argmax argmin argsort astype clip copy cumprod cumsum diagonal dot fill flatten max mean min nonzero
    prod ravel repeat reshape round sort squeeze std sum swapaxes take trace transpose var view""".split())
SCALARS = (bool, int, float, complex, np.generic)


def on_device(value: Any) -> Any:
    return ndarray(value) if isinstance(value, (np.ndarray, np.generic)) else value


def on_host(value: Any) -> Any:
    """The arrays in an argument as NumPy arrays.  TypeError for one that is a NumPy array already."""
    if isinstance(value, ndarray):
        return value.host
    if isinstance(value, (list, tuple)):
        return type(value)(map(on_host, value))
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>: an array of the host where one of the device was expected")
    return value


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of the device.  host: its elements, which nobody but this file may look at."""

    __hash__ = None                                                     # type: ignore[assignment]

    def __init__(self, host: Any, base: "ndarray | None" = None):
        self.host, self.base = np.asarray(host), base

    def seen(self, host: Any) -> "ndarray":
        """A result: a view has the array that it is a view of as its base."""
        result = ndarray(host)
        if result.host.size and np.may_share_memory(result.host, self.host):
            result.base = self if self.base is None else self.base
        return result

    def __getattr__(self, name: str) -> Any:
        if name in ATTRIBUTES:
            found = getattr(self.host, name)
            return self.seen(found) if name == "T" else found
        if name in METHODS:
            method = getattr(self.host, name)

            def call(*args, **options):
                result = method(*map(on_host, args), **{k: on_host(v) for k, v in options.items()})
                if "out" in options and options["out"] is not None:
                    return options["out"]
                return tuple(map(self.seen, result)) if isinstance(result, tuple) else self.seen(result) if result is not None else None
            return call
        raise AttributeError(f"cupy.ndarray has no attribute {name!r}")

    @property
    def flags(self):
        return SimpleNamespace(c_contiguous=self.host.flags.c_contiguous, f_contiguous=self.host.flags.f_contiguous,
                               owndata=self.base is None)

    @property
    def data(self):
        return SimpleNamespace(ptr=self.host.ctypes.data)

    @property
    def __cuda_array_interface__(self):
        return {"shape": self.host.shape, "typestr": self.host.dtype.str, "data": (self.host.ctypes.data, False), "version": 3}

    def get(self) -> np.ndarray:
        return np.array(self.host, order="C")

    def set(self, array: np.ndarray, stream: Any = None) -> None:
        if type(array) is not np.ndarray or array.dtype != self.dtype or array.shape != self.shape or not self.flags.c_contiguous:
            raise TypeError("set takes a NumPy array of the same shape and dtype")
        self.host[...] = array

    def item(self) -> Any:
        return self.host.item()

    def tolist(self) -> Any:
        return self.host.tolist()

    def __array__(self, *args, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly.")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if method != "__call__" or REAL is not None and not hasattr(REAL, ufunc.__name__):
            return NotImplemented
        out = options.pop("out", None)
        unknown = set(options) - {"dtype", "casting"}
        if unknown or out is not None and len(out) != 1:
            raise TypeError(f"Wrong arguments {unknown or out}")
        if ufunc.__name__ in ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal"):      # as CuPy does
            inputs = tuple(x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs)
        if not all(isinstance(x, (ndarray, np.ndarray, *SCALARS)) for x in (*inputs, *(out or ()))):
            return NotImplemented
        result = ufunc(*map(on_host, inputs), **options, **({"out": on_host(out)} if out else {}))
        return out[0] if out else on_device(result)

    def __array_function__(self, function, types, args, options):
        if any(kind not in (ndarray, np.ndarray) for kind in types):
            return NotImplemented
        if REAL is not None:
            try:
                real = reduce(getattr, [*function.__module__.split(".")[1:], function.__name__], REAL)
            except AttributeError:
                return NotImplemented
            if real is function:
                return NotImplemented
            if inspect.isfunction(real):
                inspect.signature(real).bind(*args, **options)                  # TypeError for an option that CuPy has not
        result = function(*map(on_host, args), **{k: on_host(v) for k, v in options.items()})
        if options.get("out") is not None:
            return options["out"]
        first = next((x for x in (*args, *options.values()) if isinstance(x, ndarray)), None)
        seen = first.seen if first is not None else on_device
        return [seen(r) for r in result] if isinstance(result, list) else seen(result) if isinstance(result, (np.ndarray, np.generic)) \
            else result

    @staticmethod
    def index(key: Any) -> Any:
        """As NumPy takes it.  CuPy takes NumPy arrays as indices too."""
        return tuple(k.host if isinstance(k, ndarray) else k for k in key) if isinstance(key, tuple) \
            else key.host if isinstance(key, ndarray) else key

    def __getitem__(self, key: Any) -> "ndarray":
        return self.seen(self.host[self.index(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(value, (ndarray, *SCALARS)):
            raise TypeError(f"Unsupported type {type(value)}")
        self.host[self.index(key)] = on_host(value)

    def __len__(self) -> int:
        return len(self.host)

    def __iter__(self) -> Iterator["ndarray"]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.host)

    def __int__(self) -> int:
        return int(self.host)

    def __float__(self) -> float:
        return float(self.host)

    def __index__(self) -> int:
        return self.host.__index__()

    def __deepcopy__(self, memo: dict) -> "ndarray":
        return self.copy()

    def __repr__(self) -> str:
        return repr(self.host)


class RawModule:
    """The emulator's, for arrays of the device; a pointer that is no array is a 0, as np.uint64."""
    mode = "fast"

    def __init__(self, *, code: str, options: tuple[str, ...] = (), name_expressions: tuple[str, ...] = ()):
        self.emulated = EmulatedModule(code=code, options=options, name_expressions=name_expressions, mode=RawModule.mode)

    def get_function(self, name: str) -> Any:
        kernel = self.emulated.get_function(name)

        def launch(grid, block, args, *, shared_mem: int = 0):
            given = []
            for value, letters in zip(args, kernel.types, strict=True):
                if not isinstance(value, (ndarray, np.generic)):
                    raise TypeError(f"{name}: {type(value)} is passed as it is")
                null = letters.startswith("*") and isinstance(value, np.uint64) and value == 0
                given.append(None if null else on_host(value))
            kernel(grid, block, tuple(given), shared_mem=shared_mem)
        return launch


def matrices(pointer: int, rows: int, columns: int, apart: int, stride: int, count: int, dtype) -> np.ndarray:
    """A stack of matrices that lie column by column at an address, as cuBLAS sees them."""
    import ctypes
    size = (max(count, 1) - 1) * stride + (columns - 1) * apart + rows
    flat = np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(np.ctypeslib.as_ctypes_type(dtype))), (size,))
    item = flat.itemsize
    return np.lib.stride_tricks.as_strided(flat, (count, rows, columns), (stride * item, item, apart * item))


def gemm(dtype) -> Any:
    def strided_batched(handle, transa, transb, m, n, k, alpha, A, lda, strideA, B, ldb, strideB, beta, C, ldc, strideC, count):
        a = matrices(A, *((k, m) if transa else (m, k)), lda, strideA, count, dtype)
        b = matrices(B, *((n, k) if transb else (k, n)), ldb, strideB, count, dtype)
        assert lda >= a.shape[1] and ldb >= b.shape[1] and ldc >= m, "cuBLAS refuses columns that overlap"
        c = matrices(C, m, n, ldc, strideC, count, dtype)
        c[...] = (a.swapaxes(1, 2) if transa else a) @ (b.swapaxes(1, 2) if transb else b)
    return strided_batched


class Stream(nullcontext):
    """Everything has run when the call returns."""

    def __init__(self, non_blocking: bool = False):
        super().__init__()

    def record(self) -> None:
        pass

    def wait_event(self, event: None) -> None:
        pass

    def synchronize(self) -> None:
        pass


def as_strided(x: ndarray, shape: tuple | None = None, strides: tuple | None = None) -> ndarray:
    return x.seen(np.lib.stride_tricks.as_strided(x.host, shape, strides))


def modules() -> dict[str, ModuleType]:
    """What `import` finds, by name."""
    found = {name: ModuleType(name) for name in ("cupy", "cupy.lib", "cupy.lib.stride_tricks", "cupyx", "cupy_backends",
                                                 "cupy_backends.cuda", "cupy_backends.cuda.libs")}
    cupy: Any = found["cupy"]
    math = [0]
    cublas = SimpleNamespace(sgemmStridedBatched=gemm(np.float32), dgemmStridedBatched=gemm(np.float64), CUBLAS_DEFAULT_MATH=0,
                             getMathMode=lambda handle: math[0], setMathMode=lambda handle, mode: math.__setitem__(0, mode))
    found["cupy_backends.cuda.libs"].cublas = cublas                    # type: ignore[attr-defined]
    names = dict(
        ndarray=ndarray, RawModule=RawModule,
        empty=lambda shape, dtype=float: ndarray(np.empty(shape, dtype)),
        asarray=lambda a, dtype=None, order=None: a if isinstance(a, ndarray) else ndarray(np.array(a, dtype, order=order)),
        asnumpy=lambda a: a.get() if isinstance(a, ndarray) else np.asarray(a),
        cuda=SimpleNamespace(is_available=lambda: True, Device=lambda: SimpleNamespace(compute_capability="90"),
                             device=SimpleNamespace(get_cublas_handle=lambda: 1), get_current_stream=Stream, Stream=Stream))
    for name, value in names.items():
        setattr(cupy, name, value)
    found["cupyx"].empty_pinned = np.empty                              # type: ignore[attr-defined]
    found["cupy.lib.stride_tricks"].as_strided = as_strided             # type: ignore[attr-defined]
    for name, module in found.items():
        module.__spec__ = ModuleSpec(name, None)                        # importlib.util.find_spec asks for it
    return found


@contextmanager
def strict_cupy(mode: str = "fast") -> Iterator[None]:
    """Inside, device "cuda" is a GPU to the engine.  mode: of the emulator, which runs the kernels."""
    stood_in = modules()
    before = {name: sys.modules.get(name) for name in stood_in}

    def forget():
        for cached in (where._gpu, loader.module, loader.kernel_of):
            cached.cache_clear()

    sys.modules.update(stood_in)
    where._chosen.append("gpu")
    RawModule.mode = mode
    forget()
    try:
        yield
    finally:
        where._chosen.pop()
        forget()
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
