"""show: every operation in all its forms."""
import io

import pytest

from minicnn import kernels
from minicnn.inspect import show


def shown(op):
    out = io.StringIO()
    show(op, out)
    return out.getvalue()


@pytest.mark.parametrize("op", kernels.names())
def test_every_operation_can_be_shown(op):
    text = shown(op)
    at = [text.index(part) for part in ("the formula", "reference.py", "cpu.py", "gpu.cu", "gpu.py")]
    assert at == sorted(at) and "def " in text and "__global__" in text


def test_conv2d():
    text = shown("conv2d")
    assert "y[n,k,p,q]" in text and "def spec" in text and "@jit" in text
    files = ("cpu.py", "columns.py", "flat.py", "weights.py", "gpu.cu", "gpu_tensor_cores.cu", "geometry.cuh", "gpu.py")
    at = [text.index(f"kernels/conv2d/{file}: ") for file in files]
    assert at == sorted(at)
    assert all(text.count(f"kernels/cuda/{file}: ") == 1 for file in ("common.cuh", "product.cuh", "tensor_cores.cuh"))


def test_kernels_of_another_operation_are_shown_where_they_serve():
    assert "kernels/avg_pool2d/gpu.cu: " in shown("adaptive_avg_pool2d") and "kernels/conv2d/gpu.cu: " in shown("conv_transpose2d")


def test_of_a_family_only_the_member():
    text = shown("relu")
    assert "class relu" in text and "class gelu(" not in text


def test_an_unknown_operation():
    with pytest.raises(ValueError, match="no operation 'conv2'.* did you mean 'conv2d'"):
        shown("conv2")
