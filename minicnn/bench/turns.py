"""Processes that take turns: each engine lives in one of its own, and computes only when it is told to.

Two engines in one process share neither an OpenMP runtime nor an allocator peacefully: the threads of the one spin while the other works,
and what the one freed the other finds. So the parent starts a process for each and asks them one after another. A request is a line of
JSON on standard input, a reply one on standard output; what else a library prints goes to standard error.

    with Worker("minicnn.bench.ours", "minicnn") as a, Worker("minicnn.bench.torch_worker", "torch") as b:
        a.ask("load", …), b.ask("load", …)
        for _ in range(rounds):
            a.ask("steps", count=1), b.ask("steps", count=1)

Whether the one that waits really sleeps is measured, not assumed: each reply tells the processor time that its process used since its
reply before, which should be next to nothing.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .process import users_environment

ROOT = Path(__file__).resolve().parents[2]
USERS = (ValueError, ImportError, MemoryError, NotImplementedError)      # told to the user as they are; others are faults of a process
# The minicnn that started the process, wherever it stands, and not one in the current folder; then the paths are as they always are.
START = """import runpy, sys
sys.path.insert(0, {root!r})
import minicnn
sys.path.remove({root!r}), sys.path.append({root!r})
runpy.run_module({module!r}, run_name="__main__", alter_sys=True)"""
PAUSE = 0.02                             # seconds for the other's threads to fall asleep; libgomp's spin for a few milliseconds


class Worker:
    """A process that answers requests.  module: what it runs; label: what messages call it; environment: variables in addition."""

    def __init__(self, module: str, label: str, environment: Mapping[str, str] | None = None):
        self.label, self.environment = label, dict(environment or {})
        self.errors = tempfile.TemporaryFile()
        words = [sys.executable, "-P", "-c", START.format(root=str(ROOT), module=module)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        env={**users_environment(), **self.environment}, text=True, encoding="utf-8")
        self.idle = self.asleep = 0.0                                    # processor time used while others were asked; seconds it waited
        self.replied = time.perf_counter()

    def ask(self, do: str, **arguments: Any) -> Any:
        """The reply.  The error that the process raised, or ChildProcessError where it failed or is gone."""
        pipe_in, pipe_out = self.process.stdin, self.process.stdout
        assert pipe_in is not None and pipe_out is not None
        self.asleep += time.perf_counter() - self.replied
        try:
            print(json.dumps({"do": do, "arguments": arguments}), file=pipe_in, flush=True)
            line = pipe_out.readline()
        except BrokenPipeError:
            line = ""
        self.replied = time.perf_counter()
        if not line:
            status = self.process.wait()
            reason = "killed, perhaps for want of memory" if status == -getattr(signal, "SIGKILL", 9) else f"ended with status {status}"
            raise ChildProcessError(f"the process of {self.label} was {reason}" + self._said())
        reply = json.loads(line)
        self.idle += reply["idle"]
        if "error" not in reply:
            return reply["result"]
        kind = next((error for error in USERS if error.__name__ == reply["error"]), None)
        if kind is None:
            raise ChildProcessError(f"{self.label} failed in {do!r}: {reply['error']}: {reply['message']}\n{reply['traceback']}")
        raise kind(f"{self.label}: {reply['message']}")

    def _said(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1]}\n" + "\n".join(lines) if lines else ""

    def close(self, kill: bool = False) -> None:
        """End the process.  kill: without waiting for what it does."""
        assert self.process.stdin is not None and self.process.stdout is not None
        if kill:
            self.process.kill()
        try:
            self.process.stdin.close()                                   # it reads the end of its input, and ends
            self.process.wait(10)
        except (subprocess.TimeoutExpired, OSError):
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *exception) -> None:
        self.close(kill=exception[0] is not None)                        # it may be in the midst of a long step


def serve(handlers: Mapping[str, Callable[..., Any]]) -> None:
    """Answer requests until there are no more: handlers[do](**arguments)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)                         # Ctrl-C is the parent's; it closes our input
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    used = None
    for line in sys.stdin:
        idle = 0.0 if used is None else time.process_time() - used
        request = json.loads(line)
        try:
            reply = {"result": handlers[request["do"]](**request["arguments"])}
        except Exception as error:                                       # noqa: BLE001  whatever it is, the parent tells it
            kind = next((known for known in USERS if isinstance(error, known)), type(error))
            reply = {"error": kind.__name__, "message": str(error), "traceback": traceback.format_exc()}
        print(json.dumps({"idle": idle, **reply}), file=replies, flush=True)
        used = time.process_time()
