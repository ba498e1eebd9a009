"""Functions of Tensors, with PyTorch's names, signatures and meanings: one file a family."""
from .activation import (elu, gelu, hardsigmoid, hardswish, leaky_relu, log_softmax, relu, relu6, scaled_tanh, sigmoid, silu, softmax,
                         tanh)
from .arithmetic import abs, add, clamp, cos, div, exp, log, maximum, minimum, mul, neg, pow, sin, sqrt, sub
from .checkpoint import checkpoint
from .conv import conv2d, conv_transpose2d
from .create import arange, full, meta, ones, rand, randn, zeros
from .dropout import dropout, dropout2d
from .fused import add_relu, batch_norm_relu, conv2d_relu
from .linear import linear, matmul
from .losses import cross_entropy, mse_loss, nll_loss
from .normalization import batch_norm, group_norm, layer_norm, local_response_norm
from .pooling import adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d
from .reductions import argmax, max, mean, min, std, sum, var
from .resample import interpolate, pad
from .shapes import cat, chunk, expand, flatten, permute, reshape, split, squeeze, stack, transpose, unsqueeze
from .shuffle import channel_shuffle, shift
from .where import where
from .windows import windows, zero_pad
from . import methods as _methods                     # noqa: F401  operators and methods of Tensor

__all__ = ["abs", "adaptive_avg_pool2d", "adaptive_max_pool2d", "add", "add_relu", "arange", "argmax", "avg_pool2d", "batch_norm",
           "batch_norm_relu", "cat", "channel_shuffle", "checkpoint", "chunk", "clamp", "conv2d", "conv2d_relu", "conv_transpose2d", "cos",
           "cross_entropy", "div", "dropout", "dropout2d", "elu", "exp", "expand", "flatten", "full", "gelu", "group_norm", "hardsigmoid",
           "hardswish", "interpolate", "layer_norm", "leaky_relu", "linear", "local_response_norm", "log", "log_softmax", "matmul", "max",
           "max_pool2d", "maximum", "mean", "meta", "min", "minimum", "mse_loss", "mul", "neg", "nll_loss", "ones", "pad", "permute", "pow",
           "rand", "randn", "relu", "relu6", "reshape", "scaled_tanh", "shift", "sigmoid", "silu", "sin", "softmax", "split", "sqrt",
           "squeeze", "stack", "std", "sub", "sum", "tanh", "transpose", "unsqueeze", "var", "where", "windows", "zero_pad", "zeros"]
