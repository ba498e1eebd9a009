"""Dropout of single values, and of whole channels.

`inplace` is accepted as in PyTorch and changes nothing: dropout here never writes to its input.
"""
from ..kernels.random import default_generator
from ..tensor import Tensor
from .kernel_op import KernelOp


class Dropout(KernelOp):
    """The Op of kernels/dropout.  Its random key is drawn when it is applied and stands in its options: backward draws the same mask."""
    kernel = "dropout"
    linear = True
    reads_inputs = reads_outputs = False

    def backward_graph(self, *grads):
        return (type(self).apply(*grads, **self.options),)           # y = m · x with a constant m, so dx = m · g


def _dropout(input: Tensor, p: float, training: bool, channels: bool, paper: bool) -> Tensor:
    name = "dropout2d" if channels else "dropout"
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p is the probability to drop a value and should lie in 0 … 1, got {p}")
    if channels and len(input.shape) not in (3, 4):
        raise ValueError(f"{name}: whole channels can be dropped from an input (N, C, H, W) or (N, C, L), got shape {input.shape}; "
                         f"use dropout for single values")
    if not training:
        return input * (1 - p) if paper else input
    key = None if input.device == "meta" else default_generator.next_key()           # a shape alone draws no random numbers
    return Dropout.apply(input, p=float(p), key=key, channels=channels, inverted=not paper)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, paper: bool = False) -> Tensor:
    """y[i] = x[i] · m[i] / (1 − p),   m[i] = 0 with probability p, else 1

    input: any shape. Returns the same shape; the input itself if not training.
    paper=True is the form of 2012: y[i] = x[i] · m[i] in training, y[i] = x[i] · (1 − p) at test time.
    The mask comes from the generator of minicnn.manual_seed, and is the same on every backend.
    Raises ValueError for a p outside 0 … 1.
    Hinton et al. 2012.
    """
    return _dropout(input, p, training, False, paper)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, paper: bool = False) -> Tensor:
    """y[n,c,h,w] = x[n,c,h,w] · m[n,c] / (1 − p),   m[n,c] = 0 with probability p, else 1: whole channels are dropped

    input: (N, C, H, W) or (N, C, L); without an axis N use input.unsqueeze(0). Otherwise as dropout.
    Tompson et al. 2015, section 3.2.
    """
    return _dropout(input, p, training, True, paper)
