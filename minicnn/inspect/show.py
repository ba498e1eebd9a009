"""show("conv2d"): an operation in all its forms, one after the other, as they stand in kernels/."""
import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from .. import kernels
from ..kernels.cuda.loader import HERE, Kernels

FORMS = {"reference.py": "NumPy, to be read, and spec, the formula in plain loops",
         "cpu.py": "Numba, which runs on the CPU",
         "gpu.py": "which CUDA kernel runs, and how it is launched"}


def _without_others(source: str, op: str, family: tuple[str, ...]) -> str:
    """A family's file without the objects of its other members: what they share stays."""
    lines = source.splitlines()
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.ClassDef) and node.name in family and node.name != op:
            start = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
            end = node.end_lineno or node.lineno
            while end < len(lines) and not lines[end].strip():
                end += 1                              # with the empty lines behind it
            del lines[start:end]
    return "\n".join(lines).rstrip()


def included(sources: Iterable[Path]) -> list[Path]:
    """The files that CUDA sources include, one by one as they come."""
    found: dict[Path, None] = {}
    for source in sources:
        for name in re.findall(r'^#include "(.+)"', source.read_text(encoding="utf-8"), flags=re.MULTILINE):
            path = next(p for p in (source.with_name(name), HERE / name) if p.is_file())
            if path not in found:
                found |= {path: None, **dict.fromkeys(included([path]))}
    return list(found)


def forms(op: str) -> list[tuple[str, str, str]]:
    """(title, language, text) of the formula and of each form.  ValueError, with the nearest name, for an unknown operation."""
    module = kernels.module(op)
    folder = Path(str(module.__file__)).parent
    family = getattr(module, "MEMBERS", None)
    found = [(f"kernels/{folder.name}: the formula", "text", textwrap.dedent(inspect.getdoc(module) or ""))]
    ladder = (folder / "cpu.py").read_text(encoding="utf-8")
    rungs = [p for p in folder.glob("*.py") if p.name not in ("__init__.py", "cases.py", *FORMS)]
    sources = dict.fromkeys(value.path for value in vars(kernels.module(op, "gpu")).values() if isinstance(value, Kernels))
    listed = [(folder / file, words) for file, words in FORMS.items()]
    listed[2:2] = [*((path, "CUDA, which runs on a GPU") for path in sources),
                   *((path, "what CUDA kernels share") for path in included(sources))]
    listed[2:2] = [(path, "a rung of the ladder in cpu.py") for path in sorted(rungs, key=lambda path: ladder.find(path.name))]
    for path, words in listed:
        title, source = f"kernels/{path.parent.name}/{path.name}: {words}", path.read_text(encoding="utf-8")
        if family and path.suffix == ".py":
            found.append((f"{title} (without other members than {op})", "python", _without_others(source, op, tuple(family))))
        else:
            found.append((title, "python" if path.suffix == ".py" else "cuda", source.rstrip()))
    return found


def show(op: str, file=None) -> None:
    """Print the formula, the reference, the Numba and the CUDA form of an operation, in colour on a terminal.

    op: a name in minicnn.kernels.names().  file: where to, the standard output by default.
    """
    out, parts = file or sys.stdout, forms(op)
    if not out.isatty():
        for title, _, text in parts:
            print(f"── {title} " + "─" * max(0, 116 - len(title)) + f"\n\n{text}\n", file=out)
        return
    from rich.console import Console
    from rich.rule import Rule
    from rich.syntax import Syntax
    console = Console(file=out)
    for title, language, text in parts:
        console.print(Rule(title, align="left"))
        code = Syntax(text, "c++" if language == "cuda" else language, background_color="default")
        console.print(text if language == "text" else code, markup=False, highlight=False, soft_wrap=language == "text")
        console.print()
