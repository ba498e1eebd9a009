"""What `minicnn gradcheck` prints and writes: a line a task, failures in full, JSON, pictures."""
import argparse
import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..checks.report import Report
from ..training.progress import compiling_told
from ._gradcheck_tasks import Task

HEAD = f"{'':6}  {'':<38} {'backend':<9} {'cases':>5}  {'error':>7} {'kinks':>6} {'seconds':>8}"


class Output:
    """begin(task), found(case, report) …, end() for each task; finish() at the end, which writes the files."""

    def __init__(self, args: argparse.Namespace):
        """OSError or ValueError where the files cannot be written, before anything is checked."""
        self.args, self.failed, self.checked, self.headed = args, 0, 0, args.quiet
        self.reports: list[Report] = []                                  # all, for --json
        self.failures: list[tuple[Task, str, Report]] = []
        self.stream, self.live, self.begun = (sys.stderr if args.json == "-" else sys.stdout), None, perf_counter()
        if args.json not in (None, "-"):
            if Path(args.json).suffix != ".json":
                raise ValueError(f"--json {args.json}: the name should end in .json (an earlier one is replaced)")
            if not Path(args.json).absolute().parent.is_dir():
                raise FileNotFoundError(f"--json {args.json}: there is no such folder")
        if args.pictures is not None:
            Path(args.pictures).mkdir(parents=True, exist_ok=True)

    def say(self, text: str) -> None:
        """A line, above the bar where there is one."""
        if self.live is not None and self.stream.isatty():
            self.live.console.print(text, highlight=False, markup=False, soft_wrap=True)
        else:
            print(text, file=self.stream, flush=True)

    @contextmanager
    def bar(self, todo: list[Task]) -> Iterator[None]:
        """A bar on stderr while things are checked, where that is a terminal."""
        with ExitStack() as stack:
            if sys.stderr.isatty() and not self.args.quiet:
                from rich.console import Console
                from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
                columns = (TextColumn("{task.description}"), BarColumn(30), MofNCompleteColumn(), TimeRemainingColumn())
                self.live = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False))
                self.line = self.live.add_task("", total=sum(task.size for task in todo))
                stack.callback(setattr, self, "live", None)
            if any(task.backend == "numba" for task in todo):
                stack.enter_context(compiling_told(lambda text: print(text, file=sys.stderr, flush=True), "numba"))
            yield

    def begin(self, task: Task) -> None:
        self.task, self.here, self.start = task, [], perf_counter()
        if self.live is not None:
            self.live.update(self.line, description=f"{task.name} {task.backend}")

    def found(self, case: str, report: Report) -> None:
        self.here.append((case, report))
        self.checked += 1
        if self.args.json is not None:
            self.reports.append(report)
        if not report:
            self.failures.append((self.task, case, report))
        if self.live is not None and len(self.here) <= self.task.size:
            self.live.advance(self.line)

    def end(self, stopped: bool = False) -> None:
        """The line of a task."""
        task, bad = self.task, sum(not report for _, report in self.here)
        self.failed += bool(bad)
        if self.live is not None:
            self.live.advance(self.line, max(0, task.size - len(self.here)))
        if not self.args.quiet or bad:
            error = float(np.max([report.error for _, report in self.here], initial=0.0))
            name = f"{task.name}, {self.here[0][0]}" if task.size == 1 and len(self.here) == 1 else task.name
            if not self.headed:
                self.headed = True
                self.say(HEAD)
            state = "FAILED" if bad else "stop" if stopped else "ok"
            self.say(f"{state:<6}  {name:<38} {task.backend or '–':<9} {len(self.here):>5}  {error:>7.1e} "
                     f"{sum(report.kinks for _, report in self.here):>6} {perf_counter() - self.start:>8.2f}"
                     + (f"   {bad} failed" if bad else ""))
        if self.args.verbose:
            for _, report in self.here:
                self.say(str(report))

    def finish(self, stopped: bool, size: int) -> None:
        told: dict[str, int] = {}
        for task, case, report in self.failures:
            told[task.name] = told.get(task.name, 0) + 1
            if not self.args.verbose:
                brief = task.user and told[task.name] > 1                # of a user's function the first in full: the others are much alike
                self.say(("" if brief else "\n") + (in_a_line(case, report) if brief else str(report)))
            if self.args.pictures is not None:
                self.picture(report)
        if not self.args.quiet:
            bad = len(self.failures)
            verdict = f"{bad} of {self.checked} cases FAILED" if bad else f"{self.checked} cases, all gradients agree"
            self.say(f"\n{f'stopped after {self.checked} of about {size} cases: ' if stopped else ''}{verdict}, "
                     f"{perf_counter() - self.begun:.1f} s")
        if self.args.json is not None:
            text = json.dumps([report.as_dict() for report in self.reports], indent=1, ensure_ascii=False)
            if self.args.json == "-":
                print(text)
            else:
                Path(self.args.json).write_text(text + "\n", encoding="utf-8")

    def picture(self, report: Report) -> None:
        """A picture under a name that is free; nothing where the check ended before anything was measured."""
        if not report.rows:
            return
        stem = re.sub(r"[^\w.-]+", "-", report.name).strip("-")
        path, number = Path(self.args.pictures) / f"{stem}.png", 1
        while path.exists():
            number += 1
            path = path.with_name(f"{stem}-{number}.png")
        report.save_picture(path, overwrite=True)
        self.say(f"  picture: {path}")


def in_a_line(case: str, report: Report) -> str:
    """A further failure of one function: its case, and the first thing that is wrong."""
    row: Any = report.worst
    wrong = report.problems[0] if report.problems or row is None else f"{row.name} {row.shape}: {row.error:.1e}"
    cause = f"; perhaps {report.hypotheses[0].cause}" if report.hypotheses else ""
    return f"also {case}: {wrong}{cause}"
