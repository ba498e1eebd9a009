"""What all tests share: threads, the order of the tests, the groups that run in one worker, and a header that says what is missing."""
import os
import re
import signal
from importlib.util import find_spec

import pytest

# Two threads, before Numba is loaded: kernels then share their work out also where there is one processor, and the workers of
# pytest-xdist do not take one another's. Threads that wait should sleep, not spin, for the same reason.
os.environ.setdefault("NUMBA_NUM_THREADS", "2")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A job in the background of a script inherits that Ctrl-C is ignored, and so would every program that a test starts and stops.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header():
    return [f"{name} is not installed: {what}" for name, what in {
        "torch": 'tests/oracle is not collected (pip install -e ".[oracle]")',
        "numba": "the backend numba is not tested",
    }.items() if find_spec(name) is None]


MINUTES = "::test_narrower_registers"                # what takes minutes goes first, so that nobody waits for it alone at the end
NETWORKS = ("models/test_gradients.py", "models/test_second_order.py", "models/test_overfit.py", "models/test_zoo.py", "oracle/test_zoo.py")
LONG = *NETWORKS, "cuda/test_gradcheck.py"


def group(nodeid: str) -> str:
    """The tests that run in one worker, one after another: those of an operation in test_kernels.py and test_nvrtc.py, elsewhere those of
    a file; each test by itself where every one is long, as of a network.

    Compiling kernels is what this suite spends its time on. So test_kernels.py comes first, each operation is compiled there by one
    worker, and all later tests find it in the cache on disk.
    """
    file, _, test = nodeid.partition("::")
    if file.endswith(LONG) or MINUTES in nodeid:
        return nodeid
    operation = re.search(r"\[(\w+)/", test)
    return f"{file} {operation[1]}" if operation and file.endswith(("test_kernels.py", "test_nvrtc.py")) else file


def pytest_collection_modifyitems(items):
    def place(item) -> tuple:
        kernels = item.path.name == "test_kernels.py"
        return MINUTES not in item.nodeid, not kernels, group(item.nodeid) if kernels else ""
    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """--dist loadgroup does not find its groups under pytest 9.2, and the name of a test is all that is needed."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group(nodeid)

    return ByGroup(config, log)
