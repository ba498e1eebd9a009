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
    at = [text.index(part) for part in ("the formula", "reference.py", "cpu.py", "gpu.cu")]
    assert at == sorted(at) and "def " in text


def test_conv2d():
    text = shown("conv2d")
    assert "y[n,k,p,q]" in text and "def spec" in text and "@jit" in text
    at = [text.index(f"kernels/conv2d/{file}: ") for file in ("cpu.py", "columns.py", "flat.py", "weights.py", "gpu.cu")]
    assert at == sorted(at)


def test_of_a_family_only_the_member():
    text = shown("relu")
    assert "class relu" in text and "class gelu(" not in text


def test_an_unknown_operation():
    with pytest.raises(ValueError, match="no operation 'conv2'.* did you mean 'conv2d'"):
        shown("conv2")
