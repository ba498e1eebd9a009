"""Softmax and its logarithm on a GPU: rows and launches; the kernels are in gpu.cu."""
import numpy as np

from ..cuda import empty, load
from ..cuda.rows import READERS, reader
from . import as_rows, output_shape

kernels = load(__file__, forms=tuple(f"{kernel}<{{T}}, {reader}>" for kernel in ("forward", "backward") for reader in READERS))


class Rows:
    logarithm = False

    @classmethod
    def forward(cls, x, *, dim):
        output_shape(x.shape, dim=dim)
        rows, y = as_rows(x.shape, dim), empty(x.shape, x.dtype)
        cls.launch("forward", rows, x.reshape(rows), y)
        return y, (y, dim)

    @classmethod
    def backward(cls, grad_output, saved, needs=(True,)):
        y, dim = saved
        if not needs[0]:
            return (None,)
        rows, dx = as_rows(y.shape, dim), empty(y.shape, y.dtype)
        cls.launch("backward", rows, grad_output.reshape(rows), y, dx)
        return (dx,)

    @classmethod
    def launch(cls, kernel, rows, *arrays):
        (outer, C, inner), (who, *launch) = rows, reader(*rows)
        kernels[f"{kernel}<{{T}}, {who}>"](*launch, (*arrays, np.int32(cls.logarithm), np.int64(outer), np.int32(C), np.int32(inner)))


class softmax(Rows):
    pass


class log_softmax(Rows):
    logarithm = True
