"""What went wrong in a launch, in words."""
import ctypes
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

KINDS = {1: "read outside", 2: "write outside", 3: "race: a read of what another thread writes,", 4: "race: two threads write",
         5: "race: a write of what another thread reads,", 6: "read of shared memory that nobody has written,",
         7: "access at an address that the size of the access does not divide:"}
NEAR = 64                                    # bytes from an array that may be meant


class CudaError(RuntimeError):
    """A kernel that does not compile, or a launch that fails.  reports: each finding of the checker, a line."""

    def __init__(self, message: str, reports: Sequence[str] = ()):
        super().__init__("\n  ".join([message, *reports]))
        self.reports = list(reports)


class Report(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int), ("region", ctypes.c_int), ("blocks", ctypes.c_int * 2), ("threads", ctypes.c_int * 2),
                ("offset", ctypes.c_long), ("code", ctypes.c_void_p * 2)]


def lines_of(library: Path, base: int, codes: Sequence[int]) -> dict[int, str]:
    """"gpu.cu:17" for each address of machine code, as the debugging information of the library has it."""
    asked = sorted({c for c in codes if c})
    if not asked:
        return {}
    command = ["addr2line", "-e", str(library), *(hex(c - 1 - base) for c in asked)]         # −1: inside the call, not behind it
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {c: Path(re.sub(r" \(.*", "", line)).name for c, line in zip(asked, found)}


def place(array: Any, name: str, offset: int) -> str:
    """The element of an array, or of a shared array (its size in bytes), at an offset in bytes."""
    if isinstance(array, np.ndarray):
        if 0 <= offset < array.nbytes:
            return f"{name}[{', '.join(map(str, np.unravel_index(offset // array.itemsize, array.shape)))}]"
        return f"{name}[{offset // array.itemsize}], of {array.size} elements"
    word = f"{name.rpartition('::')[2]}, its 4 bytes number {offset // 4}"
    return word if 0 <= offset < array else f"{word} of {array // 4}"


def thread(number: int, block: tuple[int, ...]) -> str:
    return f"({number % block[0]}, {number // block[0] % block[1]}, {number // (block[0] * block[1])})"


def beside(regions: Sequence[tuple[str, Any]], array: Any, offset: int) -> str:
    """An address outside an array may be outside another one that lies beside it: nobody knows which was meant."""
    if not isinstance(array, np.ndarray):
        return ""
    address = array.ctypes.data + offset
    others = [place(other, name, address - other.ctypes.data) for name, other in regions if isinstance(other, np.ndarray)
              and other is not array and -NEAR <= address - other.ctypes.data < other.nbytes + NEAR]
    return "".join(f"; or, since they lie side by side, {words}" for words in others)


def in_words(report: Report, regions: Sequence[tuple[str, Any]], lines: dict[int, str], block: tuple[int, ...]) -> str:
    name, array = regions[report.region]
    where = place(array, name, report.offset)
    if report.kind in (1, 2) and " of " not in where:             # it begins inside
        where += ", and what lies behind the end"
    own, other = (lines.get(code or 0, "?") for code in report.code)
    text = f"{KINDS[report.kind]} {where} at {own}, block {report.blocks[0]} " \
           f"thread {thread(report.threads[0], block)}"
    if report.kind in (1, 2):
        text += beside(regions, array, report.offset)
    if report.kind in (3, 4, 5):
        text += f"; the other access at {other}, block {report.blocks[1]} thread {thread(report.threads[1], block)}"
    return text
