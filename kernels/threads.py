"""How many threads, and why BLAS gets only one.

The order in which a sum is taken decides its last bits. BLAS libraries split a product by the number of their threads, so their bits
change with it. Here the split depends on shapes alone: kernels cut a product into fixed tiles, run the tiles on many threads, and
hold BLAS itself to one thread inside.

Whose threads: those of OpenMP where Numba has it, as nearly everywhere; it may be called from several Python threads, and its threads
sleep when there has been nothing to do for a while. Never more threads than there are processors compute at once: while one Python
thread has woken them, the kernels that another one calls (a loader's, say) run on that thread alone, to the same bits. So they do in a
process that was forked from one whose threads had started, since a fork takes no threads along; spawned processes start their own.
"""
import os
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from functools import lru_cache
from numbers import Integral

# A thread that has nothing to do waits awake for about half a millisecond, and then sleeps. GNU's OpenMP by itself keeps it awake for
# some 16 ms: on a busy machine that takes the processor from a thread that has work, and a LeNet step took 580 ms where it took 90 with
# threads that slept at once. To do that would be no better, since on a virtual machine to wake takes long: ResNet-50's step,
# which calls some five hundred kernels, took 1.2 times as long. Half a millisecond bridges the Python between two kernels.
WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "10000"}
OURS = {} if any(name in os.environ for name in WAITING) else WAITING          # not the user's: what runs beside us need not have it
os.environ.update(OURS)

_wanted = [0]                                   # 0: as many as there are processors
_woken = threading.Lock()                       # held while a kernel has woken the threads
_started = [False]
_lost = [False]                                 # forked from a process whose threads had started


@lru_cache(maxsize=1)
def _blas_libraries() -> tuple:
    import scipy.linalg.cython_blas             # noqa: F401  the BLAS that Numba kernels call must be loaded to be found
    from threadpoolctl import ThreadpoolController
    return tuple(ThreadpoolController().select(user_api="blas").lib_controllers)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def get_num_threads() -> int:
    return _wanted[0] or _processors()


def set_num_threads(count: int) -> None:
    """Threads that the kernels use from here on.  The results do not depend on it, to the last bit.  ValueError for less than 1."""
    if not isinstance(count, Integral) or isinstance(count, bool) or not 1 <= count < 1 << 31:
        raise ValueError(f"set_num_threads: expected a whole number of at least 1, got {count!r}")
    _wanted[0] = int(count)


def start(launch: Callable[[], None]) -> None:
    """Start Numba's threads, unless they have started, or were lost in a fork."""
    if not (_started[0] or _lost[0]):
        launch()
        _started[0] = True


def claim(count: int) -> int:
    """How many threads a kernel of so many tasks may wake now; when they are done,  release(that number)."""
    if count > 1 and not _lost[0]:
        several = min(count, get_num_threads(), _most())
        if several > 1 and _woken.acquire(blocking=False):
            return several
    return 1


def release(several: int) -> None:
    if several > 1:
        _woken.release()


@lru_cache(maxsize=1)
def _most() -> int:
    """Threads that Numba starts."""
    import numba
    return numba.config.NUMBA_NUM_THREADS           # pyright: ignore[reportPrivateImportUsage, reportAttributeAccessIssue]


def _after_fork():
    global _woken
    pool = sys.modules.get("numba.np.ufunc.parallel")          # the user's own loops may have started it
    _woken, _lost[0] = threading.Lock(), _started[0] or bool(pool and pool._is_initialized)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def limit_scipy_blas():
    """SciPy's own copy of BLAS on one thread for good: Numba kernels call it from many threads at once."""
    for library in _blas_libraries():
        if "scipy" in library.filepath:
            library.set_num_threads(1)


@contextmanager
def single_threaded_blas():
    """BLAS on one thread inside, and as it was outside."""
    libraries = _blas_libraries()
    before = [library.num_threads for library in libraries]
    for library, count in zip(libraries, before):
        if count != 1:
            library.set_num_threads(1)
    try:
        yield
    finally:
        for library, count in zip(libraries, before):
            if count != 1:
                library.set_num_threads(count)


class Pinned:
    """The two functions of a reference kernel, run with single_threaded_blas."""

    def __init__(self, kernel):
        self.kernel = kernel

    def forward(self, *arrays, **options):
        with single_threaded_blas():
            return self.kernel.forward(*arrays, **options)

    def backward(self, grad_output, saved, needs):
        with single_threaded_blas():
            return self.kernel.backward(grad_output, saved, needs)

    def __getattr__(self, name):
        return getattr(self.kernel, name)
