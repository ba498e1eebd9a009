"""Where the CUDA tests run: on a GPU with MINICNN_CUDA=gpu, else on the CPU, where the emulator watches every load and store."""
import os
import shutil
import sys
from contextlib import contextmanager

import pytest

from minicnn.kernels import cuda

ON_GPU = os.environ.get("MINICNN_CUDA") == "gpu"
SCHEDULES = (0,) if ON_GPU else (0, 11)          # seeds that the order of threads is drawn by; 0: as they are numbered
MISSING = "" if ON_GPU or (sys.platform == "linux" and shutil.which(os.environ.get("CXX") or "g++")) else \
    "emulated CUDA needs Linux and g++"
needs_cuda = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@contextmanager
def device(seed: int = 0, mode: str = "check"):
    """Inside, CUDA kernels run. Emulated, threads overtake one another after 40 loads and stores on average where a seed is given."""
    if ON_GPU:
        yield
        return
    with cuda.emulation(mode, **({"seed": seed, "preempt": 40} if seed and mode == "check" else {})):
        yield
