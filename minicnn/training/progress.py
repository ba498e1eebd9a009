"""What one sees while a network learns: a live bar on a terminal, a plain line an epoch everywhere else.

A Trainer calls  epoch(number, of, batches)  batch(number, loss, accuracy)  record(record, of, improved)  note(text)
"""
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def line(record: dict[str, Any], of: int, improved: bool) -> str:
    """One epoch in one line."""
    return (f"epoch {record['epoch']:>{len(str(of))}}/{of}  loss {record['loss']:.4f}  accuracy {record['accuracy']:6.1%}  "
            f"validation loss {record['validation_loss']:.4f}  accuracy {record['validation_accuracy']:6.2%}  "
            f"lr {record['lr']:.2e}  {record['seconds']:.1f} s{'  best so far' if improved else ''}")


class Silent:
    """Says nothing."""

    def epoch(self, number: int, of: int, batches: int) -> None: ...
    def batch(self, number: int, loss: float, accuracy: float) -> None: ...
    def record(self, record: dict[str, Any], of: int, improved: bool) -> None: ...
    def note(self, text: str) -> None: ...


class Plain(Silent):
    """A line an epoch, for files, pipes and logs."""

    def record(self, record: dict[str, Any], of: int, improved: bool) -> None:
        self.note(line(record, of, improved))

    def note(self, text: str) -> None:
        print(text, flush=True)


class Live(Silent):
    """The same lines, and below them a bar that moves with every batch."""

    def __init__(self, bar):
        self.bar, self.task = bar, bar.add_task("", total=None, status="", visible=False)

    def epoch(self, number: int, of: int, batches: int) -> None:
        self.bar.reset(self.task, total=batches, description=f"epoch {number + 1}/{of}", status="", visible=True)

    def batch(self, number: int, loss: float, accuracy: float) -> None:
        self.bar.update(self.task, completed=number, status=f"loss {loss:.4f}  accuracy {accuracy:.1%}")

    def record(self, record: dict[str, Any], of: int, improved: bool) -> None:
        self.note(line(record, of, improved))

    def note(self, text: str) -> None:
        self.bar.console.print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def shown(plain: bool = False) -> Iterator[Silent]:
    """Live on a terminal, Plain elsewhere or where asked for."""
    if plain or not sys.stdout.isatty():
        yield Plain()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    columns = (TextColumn("{task.description}"), BarColumn(30), MofNCompleteColumn(), TextColumn("{task.fields[status]}"))
    with Progress(*columns, transient=True) as bar:
        yield Live(bar)


@contextmanager
def compiling_told(note, backend: str) -> Iterator[None]:
    """Inside the with block, say once that kernels are being compiled, when Numba first compiles one that its cache does not have."""
    if backend != "numba":
        yield
        return
    from numba.core import event

    class Listener(event.Listener):
        told = False

        def on_start(self, event):
            if not self.told:
                self.told = True
                note("compiling the kernels for this processor: about half a minute, this once; from now on they come from a cache")

        def on_end(self, event):
            pass

    with event.install_listener("numba:compile", Listener()):
        yield
