"""The kernels of a gpu.cu: compiled when one of them is first called, by CuPy for a GPU, by the emulator for the CPU.

    kernels = load(__file__)                                       gpu.cu beside this file
    kernels.forward(*grid_for(count), (x, y, np.int32(count)))

A kernel that is a template of a type, `template <typename T> __global__ void forward(const T* x, …)`, is compiled for float and double,
and the call takes the one of the first floating-point array among the arguments. What a template has more of parameters is said:

    kernels = load(__file__, forms=("value<{T}, Relu>", "value<{T}, Tanh>"))
    kernels["value<{T}, Relu>"](…)

NumPy's scalars pass as they are: np.int32 for int, np.int64 for long, x.dtype.type for T; None passes as a null pointer.

Where a GPU and the emulator differ: CuPy compiles with -ftz=true, so that float32 numbers below 10⁻³⁸ are 0; a GPU adds and multiplies in
one rounding where the compiler likes; the last bits of exp, log and the like are NVIDIA's.
"""
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable

import numpy as np

from . import launches, where

HERE = Path(__file__).resolve().parent
TYPES = {"f4": "float", "f8": "double"}
BLOCK = 256                                        # threads
BLOCKS = 4096                                      # of a grid: more than a GPU runs at once, so that a loop over the rest costs nothing
COUNTABLE = (1 << 31) - 1024                       # by an int, with steps of a block


def grid_for(count: int, block: int = BLOCK) -> tuple[tuple[int], tuple[int]]:
    """(grid, block) for kernels that loop over so many elements, whatever the grid."""
    return (max(1, min(BLOCKS, -(-int(count) // block))),), (block,)


def block_for(count: int, each: int = 16, most: int = BLOCK) -> tuple[int]:
    """The block for kernels whose blocks work through so many numbers together: whole warps, in which a thread has `each` numbers."""
    return (32 * max(1, min(most // 32, -(-int(count) // (32 * each)))),)


def countable(op: str, count: int, what: str) -> None:
    """ValueError for more than an int of a kernel can count."""
    if count > COUNTABLE:
        raise ValueError(f"{op} on a GPU: {count:,} {what} are more than its kernels count, {COUNTABLE:,}; split the batch")


def load(file: str, source: str = "gpu.cu", forms: tuple[str, ...] = ()) -> "Kernels":
    """The kernels of a source beside a file.  forms: the templates of more than one type that are compiled."""
    return Kernels(Path(file).resolve().with_name(source), forms)


class Kernels:
    """kernels.NAME(grid, block, arguments, shared_mem=0) launches NAME."""

    def __init__(self, path: Path, forms: tuple[str, ...]):
        self.path, self.forms = path, forms

    def __getitem__(self, name: str) -> Callable[..., None]:
        return lambda grid, block, arguments, shared_mem=0: self.launch(name, grid, block, arguments, shared_mem)

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    @property
    def instances(self) -> tuple[str, ...]:
        return instances(self.path, self.forms)

    def module(self, mode: str | None = None) -> Any:
        """cupy.RawModule, or the emulator's."""
        return module(self.path, self.instances, mode or where.mode())

    def launch(self, name: str, grid, block, arguments, shared_mem: int = 0) -> None:
        kind = next((TYPES.get(a.dtype.str[1:]) for a in arguments if is_array(a) and a.dtype.kind == "f"), None)
        mode, how = where.mode(), {k: v for k, v in where.launching.items() if k != "walk"}
        chosen, kernel = kernel_of(self.path, self.forms, name, kind, "walk" if "walk" in where.launching else mode)
        given = tuple(arguments)
        if mode == "gpu":                          # CuPy hands a None over as some pointer or other (its issue 9046), a 0 as null
            given, how = tuple(np.uint64(0) if a is None else a for a in given), {}
        with launches.told(f"{self.path.parent.name}/{self.path.name}", chosen, kernel, grid, block, given) if launches.watchers \
                else launches.NOBODY:
            kernel(grid, block, given, shared_mem=shared_mem, **how)


@lru_cache(maxsize=None)
def kernel_of(path: Path, forms: tuple[str, ...], name: str, kind: str | None, mode: str) -> tuple[str, Any]:
    """(the name in full, the kernel) of a name and the type of the arguments.  ValueError if there is none.

    To walk through, one kernel is compiled after the other: nobody should wait for those that are not launched.
    """
    known = instances(path, forms)
    chosen = next((n for n in (name, name.format(T=kind), f"{name}<{kind}>") if n in known), None)
    if chosen is None:
        raise ValueError(f"{path.parent.name}/{path.name} has no kernel {name!r} for these arguments; there are {', '.join(known)}")
    return chosen, module(path, (chosen,) if mode == "walk" else known, mode).get_function(chosen)


@lru_cache(maxsize=None)
def instances(path: Path, forms: tuple[str, ...]) -> tuple[str, ...]:
    """What is compiled of a source: "forward<float>", "forward<double>", "count" …"""
    from .emulator.build import templates
    found = [form.format(T=kind) for form in forms for kind in TYPES.values()]
    for name, parameters in templates(path.read_text(encoding="utf-8")).items():
        if parameters is None:
            found.append(name)
        elif "," not in parameters:
            found += [f"{name}<{kind}>" for kind in TYPES.values()]
    return tuple(dict.fromkeys(found))


def is_array(argument: Any) -> bool:
    """An array, also one without axes; no number of NumPy's."""
    return hasattr(argument, "dtype") and not isinstance(argument, np.generic)


def headers(folder: Path) -> str:
    """A checksum of what a source in a folder can include."""
    texts = [p.read_bytes() for place in dict.fromkeys((HERE, folder)) for p in sorted(place.glob("*.cuh"))]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]


@lru_cache(maxsize=None)
def module(path: Path, names: tuple[str, ...], mode: str) -> Any:
    given = {"code": path.read_text(encoding="utf-8"), "options": ("-std=c++17", f"-I{HERE}", f"-I{path.parent}"),
             "name_expressions": names}
    if mode == "gpu":
        import cupy                                # pyright: ignore[reportMissingImports]
        # -lineinfo: compute-sanitizer and profilers then name lines; the code is the same. HEADERS: CuPy keeps what it has compiled, under
        # the source and the options; a change of an included file would go unnoticed.
        given["options"] += ("-lineinfo", f"-DHEADERS_{headers(path.parent)}")
        return cupy.RawModule(**given)
    from .emulator import RawModule
    return RawModule(**given, mode=mode, file=f"{path.parent.name}/{path.name}")
