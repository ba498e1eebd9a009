"""Convolution and ReLU in Numba: ../conv2d, and a ReLU in place on what it wrote. Backward is relu's (../activation), then conv2d's."""
from ..activation.cpu import BLOCK, blocks, relu
from ..conv2d import cpu as conv2d
from ..elementary import gate
from ..task import task

ALGORITHMS = conv2d.ALGORITHMS


@task("int64, T[::1]")
def rectify(block, y):
    """y ← max(y, 0), in place."""
    ys = y[block * BLOCK:(block + 1) * BLOCK]
    for i in range(ys.size):
        ys[i] = gate(ys[i], ys[i], ys.dtype.type(0))


def forward(x, weight, bias=None, *, stride, padding, dilation, groups, algorithm=None):
    y, saved = conv2d.forward(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups, algorithm=algorithm)
    rectify.run(blocks(y), y.reshape(-1))
    return y, (y, saved)


def backward(grad_output, saved, needs):
    y, saved = saved
    u, = relu.backward(grad_output, (y, 0.0), (any(needs),))
    return conv2d.backward(u, saved, needs)
