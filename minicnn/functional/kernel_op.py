"""KernelOp: the Op of an operation that has a folder in kernels/."""
from typing import Any

import numpy as np

from .. import kernels
from ..device import in_one_run, meta_array
from ..kernels import memory
from ..tensor import Op


def contiguous(array, device: str = "cpu"):
    """The array itself if its elements lie in row-major order and may be written to (one compiled form serves all), else a copy."""
    if in_one_run(array):
        return array
    copy = memory.empty(array.shape, array.dtype, device)
    copy[...] = array
    return copy


class KernelOp(Op):
    """An Op whose forward and backward are the kernel's; a subclass names the kernel, and gives a definition for second order.

    linear = True: the gradient does not depend on the inputs, so forward does not keep them. Multi-output kernels get
    the gradient of their first output.
    """
    linear = False
    saved: Any

    def forward(self, *arrays, **options):
        arrays = tuple(None if a is None else contiguous(a, self.device) for a in arrays)
        self.check_dtypes(arrays)
        output, self.saved = self.kernels.forward(*arrays, **options)
        self.keep_inputs(arrays)
        return output

    def check_dtypes(self, arrays):
        """Kernels compute in one floating-point type."""
        floats = {a.dtype for a in arrays if a is not None and a.dtype.kind == "f"}
        if len(floats) > 1 or (floats and floats.pop() not in (np.float32, np.float64)):
            got = ", ".join("absent" if a is None else str(a.dtype) for a in arrays)
            raise TypeError(f"{self.kernel}: the floating-point inputs should all be float32 or all float64, got {got}; "
                            f"convert with x.to('float32') or model.to('float32')")
        if arrays[0].dtype.kind != "f":
            raise TypeError(f"{self.kernel}: expected a floating-point input, got {arrays[0].dtype}; convert it first, e.g. x.float()")

    def keep_inputs(self, arrays):
        if self.linear:
            arrays = tuple(None if a is None else meta_array(a.shape, a.dtype) for a in arrays)
        self.inputs = arrays

    def backward(self, grad, *unused, needs):
        return self.kernels.backward(contiguous(grad, self.device), self.saved, needs)

    def infer(self, *arrays, **options):
        shapes = kernels.module(str(self.kernel)).output_shape(*(None if a is None else a.shape for a in arrays), **options)
        return list(shapes) if shapes and isinstance(shapes[0], tuple) else shapes
