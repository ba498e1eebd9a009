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


def test_a_forked_process_takes_no_threads_along():
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system has no fork")
    program = ("import os; from tests.test_threads import mc, step, threads; mc.set_num_threads(2); step(1)\n"
               "pid = os.fork()\n"
               "if not pid:\n    step(1)\n    os._exit(threads.claim(8))\n"
               "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "1", done.stdout + done.stderr


def test_a_fork_waits_until_no_thread_is_inside_the_memory():
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system has no fork")
    program = ("import os, sys, threading\nfrom minicnn.kernels import memory\nsys.setswitchinterval(1e-6)\ngo = True\n"
               "def work():\n    while go:\n        memory.empty((100,), 'f')\n"
               "others = [threading.Thread(target=work) for _ in range(2)]\n[t.start() for t in others]\n"
               "for _ in range(50):\n    pid = os.fork()\n    if not pid:\n        memory.empty((100,), 'f')\n        os._exit(0)\n"
               "    os.waitpid(pid, 0)\ngo = False\nprint('done')")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "done\n", done.stderr


@pytest.mark.parametrize("before", ["import minicnn.kernels.conv2d.cpu", "import numba; numba.set_num_threads(2)"])
def test_a_fork_before_the_first_kernel(before):
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system has no fork")
    program = (f"import os; from tests.test_threads import mc, step; mc.set_num_threads(2)\n{before}\npid = os.fork()\n"
               "if not pid:\n    step(1)\n    os._exit(7)\nprint(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout == "7\n", done.stderr


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2", None, float("nan"), 1 << 40])
def test_no_number_of_threads(count):
    with pytest.raises(ValueError, match="a whole number of at least 1"):
        mc.set_num_threads(count)
