"""Every .cu file passes NVIDIA's compiler, for three generations of GPUs, and no kernel needs more registers than there are."""
import importlib
from pathlib import Path

import pytest

from minicnn import kernels
from minicnn.kernels.cuda.loader import Kernels

from . import nvrtc

pytestmark = pytest.mark.skipif(nvrtc.library() is None, reason="nvidia-cuda-nvrtc is not installed (pip install -e '.[nvrtc]')")
ROOT = Path(kernels.__file__).parent
FILES = sorted(ROOT.glob("*/*.cu"))


def loaded(path: Path) -> Kernels:
    """What the gpu.py beside it loads."""
    modules = [importlib.import_module(f"{kernels.__name__}.{path.parent.name}.{p.stem}") for p in path.parent.glob("gpu*.py")]
    return next(value for module in modules for value in vars(module).values() if isinstance(value, Kernels) and value.path == path)


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90"])
@pytest.mark.parametrize("path", FILES, ids=[f"{p.parent.name}/{p.name}" for p in FILES])
def test_it_compiles_without_spills(path, architecture):
    options = ("-std=c++17", f"-I{ROOT / 'cuda'}", f"-I{path.parent}")
    log = nvrtc.compile(path.read_text(encoding="utf-8"), architecture, options, loaded(path).instances)
    found = nvrtc.spills(log)
    assert found, "ptxas said nothing"
    assert not any(found.values()), {kernel: size for kernel, size in found.items() if size}


def test_a_spill_would_be_seen():
    """Sixty-four numbers in 32 registers."""
    loop = "_Pragma(\"unroll\") for (int i = 0; i < 64; ++i) "
    source = (f"extern \"C\" __global__ void k(float* x, int n) {{ float a[64]; {loop} a[i] = x[i * n];"
              f"for (int r = 0; r < n; ++r) {{ {loop} a[i] = a[i] * a[(i + 1) % 64] + r; }} {loop} x[i] = a[i]; }}")
    assert nvrtc.spills(nvrtc.compile(source, "sm_80", ("-maxrregcount=32",), ()))["k"] > 0


def test_nonsense_is_refused():
    with pytest.raises(RuntimeError, match="error"):
        nvrtc.compile("__global__ void k() { nonsense(); }", "sm_80", (), ())
