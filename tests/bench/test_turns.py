"""Processes that take turns: requests and replies, errors, an end, an environment of their own."""
import os
import subprocess
import sys
import time

import pytest

from minicnn.bench import process
from minicnn.bench.turns import ROOT, Worker
from minicnn.kernels.threads import WAITING

ECHO = "tests.bench.echo"


def test_requests_replies_and_errors():
    with Worker(ECHO, "echo", {"MINICNN_TEST": "7"}) as worker:
        assert worker.ask("echo", a=1, b=[2.5, None, "×"]) == {"a": 1, "b": [2.5, None, "×"]}
        assert worker.ask("chatter") is None and worker.ask("echo") == {}         # what is printed is no reply
        with pytest.raises(ValueError, match="^echo: it went wrong$"):
            worker.ask("fail", kind="ValueError")
        with pytest.raises(MemoryError, match="echo: it went wrong"):
            worker.ask("fail", kind="MemoryError")
        with pytest.raises(ChildProcessError, match="echo failed in 'fail': KeyError"):
            worker.ask("fail", kind="KeyError")
        assert worker.ask("environment", name="MINICNN_TEST") == "7" and worker.ask("echo", still="there") == {"still": "there"}
    assert worker.process.returncode == 0


def test_a_process_that_ends_is_told_with_its_last_word():
    with Worker(ECHO, "echo") as worker:
        with pytest.raises(ChildProcessError, match="the process of echo was ended with status 3: a last word"):
            worker.ask("leave", status=3)
        with pytest.raises(ChildProcessError, match="ended with status 3"):
            worker.ask("echo")


def test_who_waits_is_asleep_or_found_out():
    with Worker(ECHO, "quiet") as quiet, Worker(ECHO, "restless") as restless:
        quiet.ask("echo"), restless.ask("burn", seconds=2)
        for _ in range(100):
            time.sleep(0.02)
            restless.ask("echo")
            if restless.idle > 0.1:
                break
        quiet.ask("echo")
    assert quiet.idle < 0.02 < 0.1 < restless.idle and quiet.asleep > 0.1


def test_the_environment_of_a_process_is_the_users():
    """minicnn says how long its threads wait awake; what runs beside it must not be told, unless the user told it."""
    code = ("import minicnn, os; from minicnn.bench.process import users_environment; "
            "print(*(e.get(name) for name in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT') for e in (os.environ, users_environment())))")
    bare = {name: value for name, value in os.environ.items() if name not in WAITING} | {"PYTHONPATH": str(ROOT)}
    for environment, expected in ((bare, "passive None 10000 None"), ({**bare, "OMP_WAIT_POLICY": "active"}, "active active None None"),
                                  ({**bare, "GOMP_SPINCOUNT": "7"}, "None None 7 7")):
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


def test_what_others_take_of_the_machine(monkeypatch):
    times = iter([(10.0, 1.0, 5.0), (13.0, 1.5, 7.0)])                # all programs, stolen, our own
    with monkeypatch.context() as patched:
        patched.setattr(process.Watch, "_times", lambda self: next(times))
        patched.setattr(process, "perf_counter", iter([100.0, 102.0]).__next__)
        with process.Watch([]) as watch:
            pass
    assert (watch.others, watch.stolen) == (0.5, 0.25)
    with process.Watch([os.getpid()]) as watch:
        time.sleep(0.05)
    assert 0 <= watch.others <= 1.5 * (os.cpu_count() or 1) and watch.stolen >= 0


@pytest.mark.skipif(process.resident() is None, reason="this system does not tell what a process holds")
def test_memory_of_a_process():
    import numpy as np
    process.give_back()
    process.reset_peak()
    before = process.resident()
    block = np.ones(8 << 20)
    held = process.resident()
    del block
    assert held is not None and before is not None and held - before > 60 << 20
    assert process.peak() - before > 60 << 20 and process.resident() - before < 30 << 20       # type: ignore[operator]
    process.reset_peak()
    assert process.peak() - before < 40 << 20                                                 # type: ignore[operator]
