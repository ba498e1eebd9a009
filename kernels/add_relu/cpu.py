"""Addition and ReLU in Numba: fixed blocks on many threads. Its backward is the one of relu (../activation)."""
from ..activation.cpu import BLOCK, blocks, relu
from ..elementary import gate
from ..memory import empty
from ..task import task
from . import output_shape


@task("int64, T[::1], T[::1], T[::1]")
def add_relu(block, a, b, y):
    here = slice(block * BLOCK, (block + 1) * BLOCK)
    as_, bs, ys = a[here], b[here], y[here]
    for i in range(ys.size):
        total = as_[i] + bs[i]
        ys[i] = gate(total, total, ys.dtype.type(0))


def forward(a, b):
    y = empty(output_shape(a.shape, b.shape), a.dtype)
    add_relu.run(blocks(y), a.reshape(-1), b.reshape(-1), y.reshape(-1))
    return y, y


def backward(grad_output, saved, needs):
    grad = relu.backward(grad_output, (saved, 0.0))[0] if any(needs) else None
    return grad if needs[0] else None, grad if needs[1] else None
