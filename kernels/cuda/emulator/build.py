"""A .cu file, compiled for the CPU: a library that has its kernels and the emulator, and what must be known of it."""
import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...jit import cache_root
from .reports import CudaError

HERE = Path(__file__).resolve().parent
DYNAMIC = 96 << 10                                      # bytes of a dynamic shared array, of which a launch uses some
# Three forms of a library. Fast: to compute. Check: every load and store of the kernels is a call; of the emulator itself none is. Walk:
# every stretch of code between two branches is a call too, in the order of the source, and a kernel is one function with all that it uses.
CHECK = ["-O1", "-g", "-fsanitize=thread", "--param", "tsan-instrument-func-entry-exit=0", "-fsanitize=bounds"]
KERNELS = {"fast": ["-O2"], "check": CHECK,
           "walk": [*CHECK, "-fsanitize-coverage=trace-pc", "-fno-reorder-blocks", "-fno-crossjumping", "-DMINICNN_WALK"]}
COMMON = ["-std=c++17", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-fno-strict-aliasing", "-Wno-unknown-pragmas"]
GLOBAL = re.compile(r"(?P<template>template\s*<(?P<parameters>[^>]*)>\s*)?(?:extern\s+\"C\"\s+)?__global__\s+void\s+"
                    r"(?:__launch_bounds__\([^)]*\)\s*)?(?P<name>\w+)\s*\((?P<arguments>[^)]*)\)")


class _Entry(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("call", ctypes.c_void_p), ("types", ctypes.c_char_p)]


@dataclass
class Library:
    """What was compiled.

    shared: (name, address, size, whether its size is the launch's) of the shared arrays; image: from where to where it has its constants
    """
    path: Path
    handle: ctypes.CDLL
    entries: dict[str, _Entry]
    base: int
    image: tuple[int, int]
    shared: list[tuple[str, int, int, bool]] = field(default_factory=list)


def compiler() -> str:
    """The path of g++.  CudaError, with what to do, where there is none."""
    asked = os.environ.get("CXX")
    found = shutil.which(asked or "g++")
    if asked and found is None and sys.platform == "linux":
        raise CudaError(f"CXX={asked}: there is no such program; unset CXX for g++")
    if sys.platform != "linux" or found is None:
        here = sys.platform
        why = "is not installed; e.g. 'apt-get install g++'" if here == "linux" else f"is used on Linux alone, not on {here}"
        raise CudaError(f"emulated CUDA needs the compiler g++, which {why}")
    return found


def run(*command) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip()
        lines = said.splitlines() or [f"exit status {done.returncode}"]
        first = next((line for line in lines if "error:" in line), lines[-1])                        # what one looks for first
        raise CudaError(f"{Path(str(command[0])).name} refuses it: {first}\n{said}")
    return done.stdout


def parameters(source: str) -> dict[str, list[str]]:
    """The kernels of a source, and the names of their arguments."""
    return {found["name"]: [re.findall(r"\w+", argument)[-1] for argument in found["arguments"].split(",") if argument.strip()]
            for found in GLOBAL.finditer(source)}


def templates(source: str) -> dict[str, str | None]:
    """The kernels of a source, and the parameters of their template; None for a kernel that is none."""
    return {found["name"]: found["parameters"] for found in GLOBAL.finditer(source)}


def translation(source: str, file: str, names: Sequence[str], header: Path = HERE / "language.h") -> tuple[str, list[str]]:
    """The source as g++ takes it, with a table of its kernels behind it; and the names of its dynamic shared arrays."""
    dynamic = dict((name, kind) for kind, name in re.findall(r"extern\s+__shared__\s+([\w ]+?)\s+(\w+)\s*\[\s*\]", source))
    source = re.sub(r"extern\s+__shared__", "extern", source)
    arrays = [f"alignas(128) {kind} {name}[{DYNAMIC} / sizeof({kind})];" for name, kind in dynamic.items()]
    table = [f'    emulator::entry<&{name}>("{name}"),' for name in names]
    lines = [f'#include "{header}"', f'#line 1 "{file}"', source, '#line 1 "generated"', *arrays,
             'extern "C" __attribute__((visibility("default"))) emulator::Entry emulator_table[] = {', *table, "    {}};", ""]
    return "\n".join(lines), list(dynamic)


def _files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in (".h", ".cpp", ".cuh"))


def _kept(key: str, suffix: str, make) -> Path:
    """The file of a key: made beside its place and then renamed, so that two processes do not meet in it."""
    folder = cache_root() / "cuda"
    path = folder / f"{key}{suffix}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            make(Path(work), Path(work) / path.name)
            os.replace(Path(work) / path.name, path)
    return path


def compiled(source: str, file: str, names: Sequence[str], mode: str, options: Sequence[str]) -> Library:
    """The library of a source.  file: what messages call it; names: kernels, templates with their arguments; mode: fast, check or walk."""
    cxx = compiler()
    text, dynamic = translation(source, file, names)
    version = run(cxx, "-dumpfullversion", "-dumpmachine")
    included = b"".join(_files(Path(option[2:])) for option in options if option.startswith("-I"))

    def key(*parts: bytes) -> str:
        common = [_files(HERE), *(word.encode() for word in (cxx, version, *COMMON))]
        return hashlib.sha256(b"\0".join([*common, *parts])).hexdigest()[:20]

    def make_runtime(work: Path, out: Path):
        objects = [work / "scheduler.o", work / "checker.o"]
        for each in objects:
            run(cxx, *COMMON, "-O2", "-g", "-c", HERE / f"{each.stem}.cpp", "-o", each)
        run("ld", "-r", *objects, "-o", out)

    def make(work: Path, out: Path):
        (work / "kernels.cpp").write_text(text, encoding="utf-8")
        run(cxx, *COMMON, *KERNELS[mode], *options, "-c", work / "kernels.cpp", "-o", work / "kernels.o")
        run(cxx, "-shared", work / "kernels.o", runtime, "-o", out)

    runtime = _kept(key(), ".o", make_runtime)
    name = key(text.encode(), included, *(w.encode() for w in (*KERNELS[mode], *options)))
    try:
        return loaded(_kept(name, ".so", make), names, dynamic)
    except (OSError, CudaError):                          # damaged, as by a power cut: once more
        path = _kept(name, ".so", make)
        path.unlink(missing_ok=True)
    try:
        return loaded(_kept(name, ".so", make), names, dynamic)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise CudaError(f"what {cxx} makes cannot be loaded: {error}") from error


def loaded(path: Path, names: Sequence[str], dynamic: Sequence[str]) -> Library:
    handle = ctypes.CDLL(str(path))
    table = ctypes.addressof(ctypes.c_char.in_dll(handle, "emulator_table"))
    lines = run("nm", "-S", "-C", "--defined-only", "--format=sysv", path).splitlines()
    symbols = [line.rsplit("|", 6) for line in lines if line.endswith("|.bss")]               # name, at, class, type, size, line, section
    placed = [(s[0].strip(), int(s[1], 16), int(s[4], 16)) for s in symbols if s[4].strip()]
    base = table - next(at for name, at, _ in placed if name == "emulator_table")
    constants = min(at for _, at, _ in placed)                                                # lie before what begins as zeros
    # Shared arrays are the static arrays of functions, and the dynamic ones; what the emulator has is in its namespace.
    shared = [(name, base + at, size, name in dynamic) for name, at, size in placed
              if "emulator" not in name and (name in dynamic or "::" in name) and not name.startswith("guard variable")]
    entries = (_Entry * len(names)).from_address(table)
    return Library(path, handle, dict(zip(names, entries)), base, (base, base + constants), shared)
