"""Adaptive average pooling on a GPU: the kernels of kernels/avg_pool2d/gpu.cu with other windows."""
from ..avg_pool2d.gpu import average, backward, kernels
from ..cuda.windows import spread
from . import output_shape

__all__ = ["forward", "backward", "kernels"]                   # backward: a share for each element, as for all averages


def forward(x, *, output_size):
    shape = output_shape(x.shape, output_size=output_size)
    (H, W), (P, Q) = x.shape[2:], shape[2:]
    return average(x, shape, "Spread", spread((H, W), (P, Q)), -(-H // P) * -(-W // Q))
