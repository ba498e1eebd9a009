"""RawModule and its kernels: called as CuPy's are, and as strict as CuPy should be."""
import ctypes
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from .build import compiled, DYNAMIC, parameters
from .reports import CudaError, in_words, lines_of, Report

THREADS, DEPTH, MOST = 1024, 64, 65535                  # of a block, along z; blocks of a grid along y and z
EVENT = np.dtype([("block", "i4"), ("thread", "i4"), ("phase", "i4"), ("region", "i4"), ("offset", "i8"), ("code", "u8"),
                  ("size", "i4"), ("act", "i4"), ("value", "u8"), ("more", "u8")])    # value, more: 16 bytes


LOCK = threading.RLock()             # one launch at a time: the fibers of the scheduler are those of one kernel


class _Region(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("size", ctypes.c_long), ("grain", ctypes.c_int), ("shared", ctypes.c_int)]


class RawModule:
    """The kernels of a source, as cupy.RawModule has them.

    name_expressions: the kernels, templates with their arguments.  mode: "fast", "check": every load and store is watched, or "walk":
    every branch as well, for recordings.
    CudaError where g++ refuses the source, or is missing.
    """

    def __init__(self, *, code: str, options: Sequence[str] = (), name_expressions: Sequence[str] = (), mode: str = "fast",
                 file: str = "kernels.cu"):
        self.code, self.file, self.mode = code, file, mode
        options = [o for o in options if not o.startswith("-std")]
        self.library = compiled(code, file, list(name_expressions), mode, options)
        names = parameters(code)
        self.kernels = {name: Kernel(self, name, names[name.partition("<")[0]]) for name in name_expressions}

    def get_function(self, name: str) -> "Kernel":
        return self.kernels[name]

    def lines(self, codes: Sequence[int]) -> dict[int, str]:
        return lines_of(self.library.path, self.library.base, codes)


class Kernel:
    """kernel(grid, block, arguments, shared_mem=…), as CuPy's, and for a closer look:

    seed       draws the order of threads and blocks; 0: in order
    preempt    a thread gives way to another after so many loads and stores on average; 1: only where it waits
    trace      how many loads and stores to record, in `events`; trace_block: of which block, −1 of all
    strict     a thread that returns while others of its block come to a barrier is an error, as it is in CUDA
    """

    def __init__(self, module: RawModule, name: str, arguments: list[str]):
        self.module, self.name, self.arguments = module, name, arguments
        self.entry = module.library.entries[name]
        self.types = self.entry.types.decode().rstrip(",").split(",") if self.entry.types else []
        self.regions: list[tuple[str, Any]] = []
        self.events = np.empty(0, EVENT)

    def __call__(self, grid, block, arguments, *, shared_mem: int = 0, seed: int = 0, preempt: int = 1, trace: int = 0,
                 trace_block: int = -1, strict: bool = True) -> None:
        with LOCK:
            self.launch(grid, block, arguments, shared_mem, seed, preempt, trace, trace_block, strict)

    def launch(self, grid, block, arguments, shared_mem: int, seed: int, preempt: int, trace: int, trace_block: int, strict: bool) -> None:
        self.regions, self.events = [], np.empty(0, EVENT)                 # also where this launch is refused
        sizes = self.checked_sizes(grid, block, shared_mem)
        given, regions = self.packed(arguments), []
        for name, array in zip(self.arguments, arguments):
            if isinstance(array, np.ndarray):
                regions.append((array.ctypes.data, array.nbytes, min(4, array.itemsize), 0))
                self.regions.append((name, array))
        for name, address, size, dynamic in self.module.library.shared:
            size = min(size, shared_mem) if dynamic else size
            owner = name.partition("(")[0].removeprefix("void ")
            if size and (owner == self.name or owner not in self.module.kernels):            # not those of other kernels
                regions.append((address, size, 4, 1))
                self.regions.append((name, size))
        launch = self.module.library.handle.emulator_launch
        launch.restype = ctypes.c_char_p
        error = launch(ctypes.byref(self.entry), (ctypes.c_uint * 6)(*sizes),
                       (ctypes.c_void_p * len(given))(*(ctypes.addressof(g) for g in given)), (_Region * len(regions))(*regions),
                       len(regions), ctypes.c_uint64(seed), ctypes.c_uint64(preempt), int(self.module.mode != "fast"), int(strict),
                       ctypes.c_size_t(trace), ctypes.c_long(trace_block), *map(ctypes.c_void_p, self.module.library.image))
        if trace:
            self.events = self.traced()
        reports = self.reports(sizes[3:])
        if error or reports:
            raise CudaError(f"{self.module.file}, {self.name}: {error.decode() or 'the checker found'}", reports)

    def checked_sizes(self, grid, block, shared_mem: int) -> list[int]:
        for word, three in (("grid", grid), ("block", block)):
            if not (isinstance(three, (tuple, list)) and 1 <= len(three) <= 3 and all(isinstance(s, (int, np.integer)) for s in three)):
                raise TypeError(f"{self.name}: {word} should be a tuple of one to three whole numbers, got {three!r}")
        sizes = [int(s) for three in (grid, block) for s in (*three, 1, 1)[:3]]
        gx, gy, gz, bx, by, bz = sizes
        if min(sizes) < 1 or bx * by * bz > THREADS or bz > DEPTH or max(gy, gz) > MOST or gx >= 1 << 31:
            raise CudaError(f"{self.name}: no GPU can launch a grid of {gx}×{gy}×{gz} blocks of {bx}×{by}×{bz} threads; a block has at "
                            f"most {THREADS} threads, {DEPTH} along z, a grid at most {MOST} blocks along y and z, and nothing is empty")
        if shared_mem > DYNAMIC:
            raise CudaError(f"{self.name}: {shared_mem} bytes of dynamic shared memory, more than {DYNAMIC}")
        return sizes

    def packed(self, arguments) -> list:
        """The arguments as ctypes objects.  TypeError for a wrong number or type: CuPy would pass the bits as they are."""
        if len(arguments) != len(self.types):
            raise TypeError(f"{self.name} takes {len(self.types)} arguments ({', '.join(self.arguments)}), got {len(arguments)}")
        found = []
        for i, (argument, letters, name) in enumerate(zip(arguments, self.types, self.arguments)):
            which = f"{self.name}: argument {i}, {name},"
            if argument is None and letters[0] == "*":
                found.append(ctypes.c_void_p(None))
            elif isinstance(argument, np.ndarray):
                if letters[0] != "*" or letters.lstrip("*c") not in ("?", argument.dtype.str[1:]):
                    raise TypeError(f"{which} is {in_c(letters)}, got an array of {argument.dtype}")
                if not argument.flags.writeable and not letters.startswith("*c"):
                    raise ValueError(f"{which} is written to, and the array is read-only")
                if not argument.flags.c_contiguous:
                    raise ValueError(f"{which} is an array that does not lie in one run; copy it first")
                found.append(ctypes.c_void_p(argument.ctypes.data))
            else:                                       # CuPy passes a number of NumPy as it is, an int as 64 bits, a float as a double
                number = argument if isinstance(argument, np.generic) else np.array(argument)[()]
                if number.dtype.str[1:] != letters:
                    raise TypeError(f"{which} is {in_c(letters)}, got {type(argument).__name__}, which would be passed as {number.dtype}")
                found.append((ctypes.c_char * number.nbytes).from_buffer_copy(number.tobytes()))
        return found

    def reports(self, block: Sequence[int]) -> list[str]:
        found = ctypes.POINTER(Report)()
        count = self.module.library.handle.emulator_reports(ctypes.byref(found))
        reports = found[:count] if count else []
        lines = self.module.lines([code for r in reports for code in r.code])
        return [in_words(r, self.regions, lines, tuple(block)) for r in reports]

    def traced(self) -> np.ndarray:
        start = ctypes.c_void_p()
        read = self.module.library.handle.emulator_trace
        read.restype = ctypes.c_long
        count = read(ctypes.byref(start))
        return np.frombuffer(ctypes.string_at(start, count * EVENT.itemsize), EVENT) if count else np.empty(0, EVENT)


def in_c(letters: str) -> str:
    """ "*cf4" -> "const float*" """
    words = {"f4": "float", "f8": "double", "b1": "bool", "i4": "int", "u4": "unsigned", "i8": "long long", "u8": "unsigned long long",
             "i1": "signed char", "u1": "unsigned char", "i2": "short", "u2": "unsigned short", "?": "a type of its own"}
    pointer, constant = letters.startswith("*"), letters.startswith("*c")
    return "const " * constant + words[letters.lstrip("*c")] + "*" * pointer
