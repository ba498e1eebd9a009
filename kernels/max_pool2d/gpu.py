"""Max pooling on a GPU: windows and launches, for adaptive max pooling too; the kernels are in gpu.cu."""
import numpy as np

from ..cuda import empty, grid_for, load
from ..cuda.windows import forms, sharing, sliding
from . import output_shape

kernels = load(__file__, forms=forms())


def maximum(x, shape, kind, windows, positions):
    """((y, indices), saved).  shape: of y; positions: in a window."""
    y, indices, planes = empty(shape, x.dtype), empty(shape, np.int32), np.int64(x.shape[0] * x.shape[1])
    lanes, *launch = sharing(positions, y.size)
    kernels[f"forward<{{T}}, {kind}, {lanes}>"](*launch, (x, y, indices, windows, planes))
    return (y, indices), (x.shape, indices, kind, windows)


def forward(x, *, kernel_size, stride, padding, dilation, ceil_mode):
    shape, _ = output_shape(x.shape, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    windows = sliding(x.shape[2:], (shape[2], shape[3]), kernel_size, stride, padding, dilation)
    return maximum(x, shape, "Sliding", windows, kernel_size[0] * kernel_size[1])


def backward(grad_output, saved, needs=(True,)):
    if not needs[0]:
        return (None,)
    shape, indices, kind, windows = saved
    dx = empty(shape, grad_output.dtype)
    kernels[f"backward<{{T}}, {kind}>"](*grid_for(dx.size), (grad_output, indices, dx, windows, np.int64(shape[0] * shape[1])))
    return (dx,)
