"""Two functions in one pass over memory, where the second is a ReLU: the same numbers, to the last bit, as one after the other.

What stands between the two is never written, and no backward asks for it. Formulas: kernels/conv2d_relu, batch_norm_relu, add_relu.
While somebody's own kernel stands in the place of one of the two (kernels.replace), they run one after the other, so that it is used.
"""
from collections.abc import Sequence
from typing import Any

from .. import kernels
from ..tensor import Tensor, tensor_of
from .activation import relu
from .arithmetic import add
from .conv import Conv2d, Size, conv2d, convolve
from .kernel_op import KernelOp
from .normalization import BatchNorm, batch_norm, normalise
from .where import where


class Conv2dReLU(Conv2d):
    """The Op of kernels/conv2d_relu.  Its definition, for second derivatives, is that of the convolution, which gets masked gradients."""
    kernel = "conv2d_relu"
    reads_outputs = True

    def forward(self, *arrays, **options):
        self.output = super().forward(*arrays, **options)
        return self.output

    def backward_graph(self, grad):
        return super().backward_graph(where(tensor_of(self.output, self.device) <= 0, 0.0, grad))


class BatchNormReLU(BatchNorm):
    """The Op of kernels/batch_norm_relu.  Its definition is that of batch norm.  The output is not kept: where it is 0, the input tells."""
    kernel = "batch_norm_relu"
    reads_outputs = False

    def backward_graph(self, grad):
        output, _ = self.kernels.forward(*self.inputs, **self.options)
        return super().backward_graph(where(tensor_of(output, self.device) <= 0, 0.0, grad))


class AddReLU(KernelOp):
    """The Op of kernels/add_relu."""
    kernel = "add_relu"
    reads_inputs = False

    def forward(self, a, b):
        self.output = super().forward(a, b)
        return self.output

    def keep_inputs(self, arrays):
        pass

    def backward_graph(self, grad):
        masked = where(tensor_of(self.output, self.device) <= 0, 0.0, grad)
        return tuple(None if edge is None else masked for edge in self.edges)


def conv2d_relu(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Size = 1,
                padding: Size | Sequence[Sequence[int]] | str = 0, dilation: Size = 1, groups: int = 1) -> Tensor:
    """relu(conv2d(input, weight, bias, …)) in one, with the bits of the two:  y[n,k,p,q] = max(b[k] + Σ x · w, 0)

    Arguments, shapes and errors are those of conv2d.
    """
    if kernels.replaced("conv2d", "relu"):
        return relu(conv2d(input, weight, bias, stride, padding, dilation, groups))
    return convolve(Conv2dReLU, input, weight, bias, stride, padding, dilation, groups)


def batch_norm_relu(input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
                    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """relu(batch_norm(input, …)) in one, with the bits of the two:  y[n,c,h,w] = max(γ[c] · (x[n,c,h,w] − μ[c]) / √(σ²[c] + ε) + β[c], 0)

    Arguments, shapes and errors are those of batch_norm.
    """
    if kernels.replaced("batch_norm", "relu"):
        return relu(batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps))
    return normalise(BatchNormReLU, input, running_mean, running_var, weight, bias, training, momentum, eps)


def add_relu(a: Any, b: Any) -> Tensor:
    """relu(a + b), with the bits of the two:  y[i] = max(a[i] + b[i], 0)

    a, b: of any shapes that broadcast; in one where they have one shape and one floating-point type, as in a residual block.
    """
    alike = isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape and a.dtype == b.dtype and a.dtype.kind == "f"
    if not alike or kernels.replaced("relu"):
        return relu(add(a, b))
    return AddReLU.apply(a, b)
