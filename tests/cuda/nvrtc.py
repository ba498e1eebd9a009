"""NVIDIA's own compiler without a GPU: the library of the wheel nvidia-cuda-nvrtc, called by its C interface."""
import ctypes
import re
import sysconfig
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any


@lru_cache(maxsize=1)
def library() -> Any:
    """libnvrtc; None where the wheel is not installed."""
    folders = [Path(sysconfig.get_paths()["purelib"], "nvidia")]
    builtins = sorted(p for folder in folders for p in folder.glob("**/libnvrtc-builtins.so*"))
    found = sorted(p for folder in folders for p in folder.glob("**/libnvrtc.so*") if ".alt." not in p.name)
    if not found:
        return None
    for each in builtins:                                     # which libnvrtc would not find by itself
        ctypes.CDLL(str(each), ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(str(found[-1]))


def text(program, what: str) -> str:
    size = ctypes.c_size_t()
    getattr(library(), f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    getattr(library(), f"nvrtcGet{what}")(program, buffer)
    return buffer.value.decode()


def compile(source: str, architecture: str, options: Sequence[str], names: Sequence[str]) -> str:
    """Compiles for an architecture such as sm_80.  Returns what ptxas says of each kernel; RuntimeError with the compiler's words."""
    nvrtc, program = library(), ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"gpu.cu", 0, None, None) == 0
    for name in names:
        nvrtc.nvrtcAddNameExpression(program, name.encode())
    given = [o.encode() for o in (f"-arch={architecture}", "--ptxas-options=-v", *options)]
    failed = nvrtc.nvrtcCompileProgram(program, len(given), (ctypes.c_char_p * len(given))(*given))
    log = text(program, "ProgramLog")
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        raise RuntimeError(log)
    return log


def spills(log: str) -> dict[str, int]:
    """Kernel -> bytes of registers that did not fit and went to memory."""
    found, kernel = {}, ""
    for line in log.splitlines():
        if name := re.search(r"(?:Function properties for|Compiling entry function '?)\s*(\w+)", line):
            kernel = name[1]
        if stores := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            found[kernel] = int(stores[1]) + int(stores[2])
    return found
