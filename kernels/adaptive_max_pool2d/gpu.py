"""Adaptive max pooling on a GPU: the kernels of kernels/max_pool2d/gpu.cu with other windows."""
from ..cuda.windows import spread
from ..max_pool2d.gpu import backward, kernels, maximum
from . import output_shape

__all__ = ["forward", "backward", "kernels"]                   # backward: to the winners, as for every max pooling


def forward(x, *, output_size):
    shape, _ = output_shape(x.shape, output_size=output_size)
    (H, W), (P, Q) = x.shape[2:], shape[2:]
    return maximum(x, shape, "Spread", spread((H, W), (P, Q)), -(-H // P) * -(-W // Q))
