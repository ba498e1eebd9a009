"""Functions of Tensors, with PyTorch's names, signatures and meanings: one file a family."""
from .activation import (elu, gelu, hardsigmoid, hardswish, leaky_relu, log_softmax, relu, relu6, scaled_tanh, sigmoid, silu, softmax,
                         tanh)
from .arithmetic import abs, add, clamp, cos, div, exp, log, maximum, minimum, mul, neg, pow, sin, sqrt, sub, where
from .checkpoint import checkpoint
from .conv import conv2d, conv_transpose2d
from .create import arange, full, meta, ones, rand, randn, zeros
from .dropout import dropout, dropout2d
from .linear import linear, matmul
from .losses import cross_entropy, mse_loss, nll_loss
from .normalization import batch_norm, group_norm, layer_norm, local_response_norm
from .pooling import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d
from .reductions import argmax, max, mean, min, std, sum, var
from .resample import interpolate, pad
from .shapes import cat, chunk, expand, flatten, permute, reshape, split, squeeze, stack, transpose, unsqueeze
from .shuffle import channel_shuffle, shift
from .windows import windows, zero_pad
from . import methods as _methods                     # operators and methods of Tensor

__all__ = [name for name in dir() if not name.startswith("_")]
