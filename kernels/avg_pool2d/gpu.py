"""Average pooling on a GPU: windows and launches, for adaptive average pooling too; the kernels are in gpu.cu."""
import numpy as np

from ..cuda import empty, grid_for, load
from ..cuda.windows import forms, sharing, sliding
from . import output_shape

kernels = load(__file__, forms=forms())


def average(x, shape, kind, windows, positions, divisor=None):
    """(y, saved).  shape: of y; positions: in a window; divisor: None for how many of them count."""
    y, divisor, planes = empty(shape, x.dtype), np.float64(divisor or 0), np.int64(x.shape[0] * x.shape[1])
    lanes, *launch = sharing(positions, y.size)
    kernels[f"forward<{{T}}, {kind}, {lanes}>"](*launch, (x, y, windows, divisor, planes))
    return y, (x.shape, kind, windows, divisor)


def forward(x, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    shape = output_shape(x.shape, kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode,
                         count_include_pad=count_include_pad, divisor_override=divisor_override)
    windows = sliding(x.shape[2:], (shape[2], shape[3]), kernel_size, stride, padding, padding_counts=count_include_pad)
    return average(x, shape, "Sliding", windows, kernel_size[0] * kernel_size[1], divisor_override)


def backward(grad_output, saved, needs=(True,)):
    if not needs[0]:
        return (None,)
    shape, kind, windows, divisor = saved
    dx = empty(shape, grad_output.dtype)
    kernels[f"backward<{{T}}, {kind}>"](*grid_for(dx.size), (grad_output, dx, windows, divisor, np.int64(shape[0] * shape[1])))
    return (dx,)
