"""Every .cu file passes NVIDIA's compiler, for three generations of GPUs, and no kernel needs more registers than there are."""
import importlib
from pathlib import Path

import pytest

from minicnn import kernels
from minicnn.kernels.cuda.loader import Kernels

from . import nvrtc

pytestmark = pytest.mark.skipif(nvrtc.library() is None, reason="nvidia-cuda-nvrtc is not installed (pip install -e '.[cuda-check]')")
ROOT = Path(kernels.__file__).parent
FILES = sorted(ROOT.glob("*/*.cu"))


def loaded(path: Path) -> Kernels:
    """What the gpu.py beside it loads."""
    modules = [importlib.import_module(f"{kernels.__name__}.{path.parent.name}.{p.stem}") for p in path.parent.glob("gpu*.py")]
    return next(value for module in modules for value in vars(module).values() if isinstance(value, Kernels) and value.path == path)


def compiled(path: Path, architecture: str, *more: str) -> dict[str, int]:
    """What each kernel spills."""
    options = ("-std=c++17", f"-I{ROOT / 'cuda'}", f"-I{path.parent}", *more)
    return nvrtc.spills(nvrtc.compile(path.read_text(encoding="utf-8"), architecture, options, loaded(path).instances))


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90"])
@pytest.mark.parametrize("path", FILES, ids=[f"{p.parent.name}/{p.name}" for p in FILES])
def test_it_compiles_without_spills(path, architecture):
    found = compiled(path, architecture)
    assert found, "ptxas said nothing"
    assert not any(found.values()), {kernel: size for kernel, size in found.items() if size}


def test_they_compile_where_a_long_is_short():
    """On Windows: see common.cuh."""
    for name in ("activation", "dropout", "max_pool2d"):
        compiled(ROOT / name / "gpu.cu", "compute_80", "-DAS_ON_WINDOWS")         # up to PTX: registers are those of other tests


def test_a_spill_would_be_seen():
    """Kernels that need up to 50 registers, with 32 of them."""
    assert any(compiled(ROOT / "local_response_norm" / "gpu.cu", "sm_80", "-maxrregcount=32").values())


def test_nonsense_is_refused():
    with pytest.raises(RuntimeError, match="error"):
        nvrtc.compile("__global__ void k() { nonsense(); }", "sm_80", (), ())
