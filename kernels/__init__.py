"""Kernels: arrays in, arrays out.  Nothing here knows of Tensors or gradients' graphs.

One folder is one operation, in the same two functions however it is written:

    forward(*arrays, **options)               -> (output, saved)       output: an array, or a tuple of arrays
    backward(grad_output, saved, needs)       -> tuple                 a gradient for each input, None where needs[i] is False

    kernels/conv2d/__init__.py    the formula, its source, and output_shape(): the only place where shapes are checked
    kernels/conv2d/reference.py   NumPy, to be read; and spec(), the formula in plain loops, the oracle of all forms
    kernels/conv2d/cpu.py         Numba
    kernels/conv2d/gpu.cu gpu.py  CUDA
    kernels/conv2d/cases.py       the shapes on which every form is tested

A family of small operations shares one folder: kernels/activation/ names its MEMBERS, and each of its files has one object a
member. `load` finds both.
"""
if __name__ != "minicnn.kernels":
    raise ImportError(f"import these kernels as minicnn.kernels, not as {__name__!r}: another package owns that name")

import difflib
import importlib
import importlib.util
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Iterator

FILES = {"reference": "reference", "numba": "cpu", "cupy": "gpu"}          # backend -> file in the operation's folder
NEEDS = {"numba": "numba", "cupy": "cupy"}                                 # backend -> package that it runs on
_replaced: dict[str, "Replacement"] = {}


@lru_cache(maxsize=1)
def _folders() -> dict[str, str]:
    """Operation -> its folder."""
    found = {}
    for folder in sorted(p.parent.name for p in Path(__file__).parent.glob("*/reference.py")):
        for name in getattr(importlib.import_module(f"{__name__}.{folder}"), "MEMBERS", (folder,)):
            if name in found:
                raise ImportError(f"two folders define the operation {name!r}: kernels/{found[name]} and kernels/{folder}")
            found[name] = folder
    return found


def names() -> list[str]:
    """All operations that have kernels."""
    return sorted(_folders())


def folder(op: str) -> str:
    """The folder of an operation.  ValueError, with the nearest name, if there is none."""
    try:
        return _folders()[op]
    except KeyError:
        near = difflib.get_close_matches(op, names(), 1)
        advice = f"; did you mean {near[0]!r}?" if near else f". There are: {', '.join(names())}"
        raise ValueError(f"no operation {op!r} in kernels/{advice}") from None


def module(op: str, file: str = "") -> ModuleType:
    """One file of an operation as a module: module("conv2d") its formula and output_shape, module("conv2d", "reference") …"""
    return importlib.import_module(".".join(filter(None, (__name__, folder(op), file))))


@lru_cache(maxsize=None)
def _load(op: str, backend: str) -> Any:
    if backend not in FILES:
        raise ValueError(f"unknown backend {backend!r}: there are {', '.join(FILES)}")
    package = NEEDS.get(backend)
    if backend == "cupy":
        from .cuda import emulated
        package = None if emulated() else package
    if package and importlib.util.find_spec(package) is None:
        raise ImportError(f"backend {backend!r} needs the package {package}, which is not installed; "
                          f"install it, or use the NumPy kernels: minicnn.use_backend('reference')")
    found = module(op, FILES[backend])
    found = getattr(found, op) if hasattr(module(op), "MEMBERS") else found
    if backend == "reference":
        from .threads import Pinned                                        # BLAS on one thread: the same bits everywhere
        return Pinned(found)
    return found


def load(op: str, backend: str = "reference") -> Any:
    """What has forward and backward for an operation on a backend: "reference", "numba" or "cupy"."""
    return _replaced.get(op) or _load(op, backend)


def algorithms(op: str, backend: str = "numba") -> tuple[str, ...]:
    """The names under which a compiled form of an operation, "numba" or "cupy", knows its algorithms, as its file lists them; none if
    there is one."""
    form = module(op, "gpu") if backend == "cupy" else _load(op, backend)                   # gpu.py can be read without a GPU
    return tuple(getattr(form, "ALGORITHMS", ()))


class WithAlgorithm:
    """The two functions of a kernel, its forward run with one of its algorithms; backward finds in `saved` which it was."""

    def __init__(self, kernel: Any, algorithm: str):
        self.kernel, self.algorithm = kernel, algorithm
        self.backward = kernel.backward

    def forward(self, *arrays, **options):
        return self.kernel.forward(*arrays, algorithm=self.algorithm, **options)

    def __getattr__(self, name):
        return getattr(self.kernel, name)


def replaced(*ops: str) -> bool:
    """Whether somebody's own kernel stands in the place of one of these operations."""
    return any(op in _replaced for op in ops)


class Replacement:
    """Somebody's own kernel, without `saved`:  forward(*arrays, **options) -> output,
    backward(grad_output, *arrays, **options) -> a gradient an array.  A missing half is the reference's."""

    def __init__(self, op: str, forward: Callable | None, backward: Callable | None):
        self.op, self.own_forward, self.own_backward, self.reference = op, forward, backward, _load(op, "reference")
        if not hasattr(self.reference, "spec") or not hasattr(self.reference.kernel, "forward"):
            raise ValueError(f"{op!r} cannot be replaced: it is no function with a forward and a backward")

    def forward(self, *arrays, **options):
        if self.own_forward is None:
            output, _ = self.reference.forward(*arrays, **options)
        else:
            output = self.own_forward(*arrays, **options)
            self.check_output(output, arrays, options)
        return output, (arrays, options)

    def check_output(self, output, arrays, options):
        expected = module(self.op).output_shape(*(None if a is None else a.shape for a in arrays), **options)
        several = bool(expected) and isinstance(expected[0], tuple)
        shapes = [getattr(y, "shape", type(y).__name__) for y in (output if several and isinstance(output, tuple) else [output])]
        if shapes != (list(expected) if several else [tuple(expected)]):
            wanted = f"a tuple of arrays of shapes {', '.join(map(str, expected))}" if several else f"an array of shape {tuple(expected)}"
            raise ValueError(f"{self.op}: your forward returned {', '.join(map(str, shapes))}; it should return {wanted}")

    def backward(self, grad_output, saved, needs):
        arrays, options = saved
        if self.own_backward is None:
            _, reference_saved = self.reference.forward(*arrays, **options)
            return self.reference.backward(grad_output, reference_saved, needs)
        gradients = self.own_backward(grad_output, *arrays, **options)
        if not isinstance(gradients, (tuple, list)):
            gradients = (gradients,)
        if len(gradients) != len(arrays):
            raise TypeError(f"{self.op}: your backward returned {len(gradients)} gradients for {len(arrays)} inputs; "
                            f"return one an input, in order, None for an absent one")
        for i, (gradient, array, needed) in enumerate(zip(gradients, arrays, needs)):
            if needed and getattr(gradient, "shape", None) != array.shape:
                got = "None" if gradient is None else f"shape {getattr(gradient, 'shape', type(gradient).__name__)}"
                raise ValueError(f"{self.op}: your backward's gradient {i} is {got}; it should have the shape of input {i}, {array.shape}")
        return tuple(gradient if needed else None for gradient, needed in zip(gradients, needs))


@contextmanager
def replace(op: str, forward: Callable | None = None, backward: Callable | None = None) -> Iterator[None]:
    """Inside the with block the whole engine runs an operation on your own functions, on every backend."""
    before, _replaced[op] = _replaced.get(op), Replacement(op, forward, backward)
    try:
        yield
    finally:
        if before is None:
            del _replaced[op]
        else:
            _replaced[op] = before
