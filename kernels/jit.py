"""How Numba compiles the CPU kernels, and where it keeps what it compiled.

Numba's cache notices an edit of the file that a function stands in, not of a helper that it imports, and would then run stale code.
So each kernel file has a cache folder named after a hash of itself, of every kernel file that it imports, and of the versions of
Python, Numba, NumPy, this CPU and the vector registers used: an edit anywhere below leads to another folder.
"""
import atexit
import hashlib
import inspect
import os
import pickle
import platform
import re
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba.extending
import numpy as np
from numba.core.ccallback import CFunc
from numba.core.sigutils import normalize_signature

# NaN and infinity travel: "nnan" and "ninf" would let the compiler assume them away.
FAST = {"contract", "reassoc", "nsz"}
HERE = Path(__file__).resolve().parent
config: Any = numba.config       # pyright: ignore[reportPrivateImportUsage]  its names are set from the environment
if not os.environ.get("NUMBA_THREADING_LAYER_PRIORITY"):
    config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]            # see threads.py


RELATIVE = re.compile(r"^[ \t]*from (\.+)([\w.]*) import (\([^)]*\)|(?:.*\\\n)*.*)", re.MULTILINE)


@lru_cache(maxsize=None)
def _read(file: Path) -> tuple[bytes, set[Path]]:
    """A kernel file's content, and the kernel files that it imports: what its text says, since to parse it takes ten times as long."""
    content, found = file.read_bytes(), set()
    for dots, module, names in RELATIVE.findall(content.decode("utf-8")):
        base = file.parents[len(dots) - 1].joinpath(*module.split("."))
        for path in [base, *(base / name for name in re.findall(r"\w+", names))]:
            for candidate in (path.with_suffix(".py"), path / "__init__.py"):
                if HERE in candidate.parents and candidate.is_file():
                    found.add(candidate)
    return content, found


@lru_cache(maxsize=None)
def _key(file: Path) -> str:
    """A hash of everything that the machine code of a file depends on."""
    files, queue = set(), [file]
    while queue:
        path = queue.pop()
        if path not in files:
            files.add(path)
            queue.extend(_read(path)[1])
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + _read(path)[0])
    versions = (sys.version, numba.__version__, np.__version__)
    for part in (*versions, llvmlite.binding.get_host_cpu_name(), platform.machine(), os.environ.get("MINICNN_SIMD", "")):
        digest.update(part.encode())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def cache_root() -> Path:
    """MINICNN_CACHE; else beside the kernels, as Python keeps its own bytecode; else, where that is read-only, the user's cache.

    Where none of them can be written to: a folder for this run, with a warning.
    """
    if os.environ.get("MINICNN_CACHE"):
        candidates = [Path(os.environ["MINICNN_CACHE"])]
    else:
        local = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME")
        candidates = [HERE / "__pycache__", (Path(local) if local else Path("~/.cache").expanduser()) / "minicnn"]
    for folder in candidates:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    warnings.warn(f"compiled kernels cannot be kept in {' or '.join(map(str, candidates))}, so every run compiles them anew; "
                  f"MINICNN_CACHE names another folder", stacklevel=2)
    folder = tempfile.mkdtemp(prefix="minicnn-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


# What pickle and LLVM make of a file that was cut short.
UNREADABLE = (OSError, EOFError, pickle.UnpicklingError, ValueError, TypeError, LookupError, AttributeError, ImportError, RuntimeError)


class Lenient:
    """Numba's cache of a function, for which a damaged file or a full disk is no reason to fail: what cannot be read is compiled anew, and
    what cannot be written is not kept."""

    def __init__(self, cache):
        self.cache = cache

    def __getattr__(self, name):
        return getattr(self.cache, name)

    def load_overload(self, signature, target):
        try:
            return self.cache.load_overload(signature, target)
        except UNREADABLE:
            with suppress(OSError):
                self.cache.flush()
            return None

    def save_overload(self, signature, compiled):
        try:
            self.cache.save_overload(signature, compiled)
        except OSError as error:
            warnings.warn(f"compiled kernels are not kept: {error}. MINICNN_CACHE names another folder", stacklevel=2)
        except UNREADABLE:                                    # the index: a new one
            with suppress(OSError):
                self.cache.flush()
                self.cache.save_overload(signature, compiled)


_folder = threading.RLock()                                   # Numba's folder is one for all Python threads


@contextmanager
def cache_of(function) -> Iterator[None]:
    """Inside, what Numba compiles is kept in the folder of the function's file."""
    file = Path(inspect.getfile(function)).resolve()
    with _folder:
        before, config.CACHE_DIR = config.CACHE_DIR, str(cache_root() / f"{file.parent.name}-{_key(file)}")
        try:
            yield
        finally:
            config.CACHE_DIR = before


def jit(function=None, *, inline: bool = False) -> Any:
    """numba.njit as every kernel here uses it: cached, without the GIL, 1/0 = inf as in NumPy, sums in any order, NaN kept.

    What runs on many threads is a task (task.py), not a parallel loop: those compile four times as long.
    """
    if function is None:
        return lambda f: jit(f, inline=inline)
    with cache_of(function):
        made: Any = numba.njit(fastmath=FAST, error_model="numpy", cache=True, nogil=True,
                               inline="always" if inline else "never")(function)
    made._cache = Lenient(made._cache)
    return made


def compiled_callback(function, signature: str) -> Any:
    """numba.cfunc likewise: machine code at an address, for one signature."""
    made: Any = CFunc(function, normalize_signature(signature), locals={}, options={"fastmath": FAST, "error_model": "numpy"})
    with cache_of(function):
        made.enable_caching()
        made._cache = Lenient(made._cache)
        made.compile()
    return made


def intrinsic(function) -> Any:
    """Numba's, under a name that stays: that of the function, which no other intrinsic may have.

    Numba names each intrinsic at random in every process, and a kernel that reaches one through a closure has that name in its key:
    it would never be found in the cache again.  What is decorated is called without its first argument, the typing context: hence Any,
    since type checkers would miss it.
    """
    made = numba.extending.intrinsic(function)
    made._set_uuid(f"{__name__}.{function.__name__}")
    return made
