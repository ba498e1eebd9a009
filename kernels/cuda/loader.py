"""The kernels of a gpu.cu: compiled when one of them is first called, by CuPy for a GPU, by the emulator for the CPU.

    kernels = load(__file__)                       gpu.cu beside this file
    kernels.forward(*grid_for(count), (x, y, np.int32(count)))

A kernel that is a template of a type, `template <typename T> __global__ void forward(const T* x, …)`, is compiled for float and double,
and the call takes the one of the first floating-point array among the arguments. NumPy's scalars pass as they are: np.int32 for int,
x.dtype.type for T.
"""
from functools import lru_cache
from pathlib import Path
from typing import Any

from . import where

HERE = Path(__file__).resolve().parent
OPTIONS = ("-std=c++17", f"-I{HERE}")
TYPES = {"f4": "float", "f8": "double"}
BLOCK = 256                                        # threads
BLOCKS = 4096                                      # of a grid: more than a GPU runs at once, so that a loop over the rest costs nothing


def grid_for(count: int, block: int = BLOCK) -> tuple[tuple[int], tuple[int]]:
    """(grid, block) for kernels that loop over so many elements, whatever the grid."""
    return (max(1, min(BLOCKS, -(-count // block))),), (block,)


def load(file: str, source: str = "gpu.cu") -> "Kernels":
    """The kernels of a source beside a file."""
    return Kernels(Path(file).resolve().with_name(source))


class Kernels:
    """kernels.NAME(grid, block, arguments, shared_mem=0) launches NAME."""

    def __init__(self, path: Path):
        self.path = path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda grid, block, arguments, shared_mem=0: launch(self.path, name, grid, block, arguments, shared_mem)


@lru_cache(maxsize=None)
def source_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@lru_cache(maxsize=None)
def instances(path: Path) -> tuple[str, ...]:
    """What is compiled of a source: "forward<float>", "forward<double>", "count" …"""
    from .emulator.build import templates
    found = []
    for name, parameters in templates(source_of(path)).items():
        found += [name] if parameters is None else [f"{name}<{kind}>" for kind in TYPES.values()]
    return tuple(found)


@lru_cache(maxsize=None)
def module(path: Path, mode: str) -> Any:
    """The compiled source: cupy.RawModule, or the emulator's."""
    if mode == "gpu":
        import cupy                                # pyright: ignore[reportMissingImports]
        return cupy.RawModule(code=source_of(path), options=OPTIONS, name_expressions=instances(path))
    from .emulator import RawModule
    file = f"{path.parent.name}/{path.name}"
    return RawModule(code=source_of(path), options=OPTIONS, name_expressions=instances(path), mode=mode, file=file)


def launch(path: Path, name: str, grid, block, arguments, shared_mem: int = 0) -> None:
    kernels = instances(path)
    if name not in kernels:
        kind = next((TYPES[a.dtype.str[1:]] for a in arguments if hasattr(a, "shape") and a.shape != () and a.dtype.kind == "f"), None)
        if f"{name}<{kind}>" not in kernels:
            raise ValueError(f"{path.parent.name}/{path.name} has no kernel {name!r} for these arguments; there are {', '.join(kernels)}")
        name = f"{name}<{kind}>"
    mode = where.mode()
    extra = where.launching if mode != "gpu" else {}
    module(path, mode).get_function(name)(grid, block, tuple(arguments), shared_mem=shared_mem, **extra)
