"""Operations that are linear in their input: pooling by averages, padding, resampling, moving channels.

For y = A·x the backward is dx = Aᵀ·g, whatever x is. Differentiated once more it is linear again, in g, and its backward is A itself:
the two kernels of the operation, used crosswise, are its gradients of every order.
"""
from typing import Any

from ..tensor import Op
from .kernel_op import KernelOp, contiguous


class LinearMap(KernelOp):
    """A KernelOp of one input, y = A·x + b.  Nothing of x is kept, and x may be written to meanwhile."""
    linear, reads_inputs, reads_outputs = True, False, False

    def homogeneous(self) -> dict:
        """The options of A·x alone; an operation with a b says here how it is left out."""
        return self.options

    def backward_graph(self, g) -> tuple:
        return (Adjoint.apply(g, map=type(self), kernels=self.kernels, saved=self.saved, options=self.homogeneous()),)


class Adjoint(Op):
    """x = Aᵀ·g for a LinearMap A: what its kernel computes backward, as an Op of its own."""
    reads_inputs = reads_outputs = False

    def forward(self, g, map: type[LinearMap], kernels: Any, saved: Any, options: dict):
        return kernels.backward(contiguous(g, self.device), saved, (True,))[0]

    def backward(self, grad, needs):
        return (self.options["kernels"].forward(contiguous(grad, self.device), **self.options["options"])[0],)

    def backward_graph(self, grad) -> tuple:
        return (self.options["map"].apply(grad, **self.options["options"]),)
