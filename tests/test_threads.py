"""Kernels beside other threads and in other processes: the same bits everywhere, and no more threads than there are processors."""
import multiprocessing
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")
import minicnn as mc  # noqa: E402
from minicnn import nn  # noqa: E402
from minicnn.kernels import threads  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


def step(seed: int) -> bytes:
    """The bits of the gradients of a small network; the same for the same seed, whoever computes them."""
    mc.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 40, 3, padding=1), nn.BatchNorm2d(40), nn.ReLU(), nn.Conv2d(40, 33, 3), nn.MaxPool2d(2),
                          nn.Flatten(), nn.Linear(33 * 4 * 5, 7))
    x = mc.Tensor(np.random.default_rng(seed).standard_normal((4, 3, 10, 12)).astype("float32"))
    model(x).sum().backward()
    return b"".join(p.grad.numpy().tobytes() for p in model.parameters())


@pytest.fixture(autouse=True)
def two_threads():
    before = mc.get_num_threads()
    mc.set_num_threads(2)
    yield
    mc.set_num_threads(before)


def test_python_threads_at_once():
    """Kernels beside a loader whose threads call kernels too."""
    x = [np.random.default_rng(i).standard_normal((8, 40, 20, 21)).astype("float32") for i in range(6)]
    w = np.random.default_rng(9).standard_normal((50, 40, 3, 3)).astype("float32")

    def products(i):
        return mc.functional.conv2d(mc.Tensor(x[i]), mc.Tensor(w), padding=1).numpy().tobytes()
    alone = [products(i) for i in range(6)]
    with ThreadPoolExecutor(4) as several:
        for _ in range(5):
            assert list(several.map(products, range(6))) == alone


def test_threads_are_woken_once():
    first = threads.claim(10)
    with ThreadPoolExecutor(1) as other:
        assert first == 2 and other.submit(threads.claim, 10).result() == 1
    threads.release(first)
    again = threads.claim(10)
    threads.release(again)
    assert again == 2 and threads.claim(1) == 1


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_other_processes(method):
    expected = step(3)
    with multiprocessing.get_context(method).Pool(2) as processes:
        assert processes.map_async(step, [3, 3]).get(120) == [expected] * 2


# What a program prints that forks: FORK is os.fork() and the end of the child, whose last expression is its exit status.
FORK = "pid = os.fork()\nif not pid:\n    {child}\nstatus = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n"
forks = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")


def status_of_the_child(before: str, child: str) -> str:
    program = f"import os; from tests.test_threads import mc, step, threads; mc.set_num_threads(2)\n{before}\n"
    program += FORK.format(child=child) + "print(status)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    return done.stdout.strip() or done.stderr


@forks
def test_a_forked_process_takes_no_threads_along():
    assert status_of_the_child("step(1)", "step(1); os._exit(10 + threads.claim(8))") == "11"


@forks
@pytest.mark.parametrize("before", ["import minicnn.kernels.conv2d.cpu", "import numba; numba.set_num_threads(2)"])
def test_a_fork_before_the_first_kernel(before):
    assert status_of_the_child(before, "step(1); os._exit(7)") == "7"


@forks
def test_a_fork_waits_until_no_thread_is_inside_the_memory():
    before = ("import sys, threading; from minicnn.kernels import memory; sys.setswitchinterval(1e-6)\n"
              "def work():\n    while True:\n        memory.empty((100,), 'f')\n"
              "for _ in range(2):\n    threading.Thread(target=work, daemon=True).start()\n"
              "for _ in range(50):\n    " + FORK.format(child="memory.empty((100,), 'f'); os._exit(0)").replace("\n", "\n    "))
    assert status_of_the_child(before, "memory.empty((100,), 'f'); os._exit(7)") == "7"


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2", None, float("nan"), 1 << 40])
def test_no_number_of_threads(count):
    with pytest.raises(ValueError, match="a whole number of at least 1"):
        mc.set_num_threads(count)
