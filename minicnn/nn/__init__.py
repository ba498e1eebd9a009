"""Layers with parameters, and what they are put together with.  Names, arguments and state_dict keys are PyTorch's."""
from . import init
from .activation import (ELU, GELU, Hardsigmoid, Hardswish, LeakyReLU, LogSoftmax, ReLU, ReLU6, ScaledTanh, Sigmoid, SiLU, Softmax, Tanh)
from .container import Identity, ModuleList, Sequential
from .conv import Conv2d, ConvTranspose2d
from .dropout import Dropout, Dropout2d, DropPath
from .hooks import RemovableHandle
from .lazy import LazyBatchNorm2d, LazyConv2d, LazyLinear
from .linear import Linear, Scale
from .loss import CrossEntropyLoss, MSELoss, NLLLoss
from .module import Module
from .norm import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, LocalResponseNorm
from .parameter import Parameter
from .pooling import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d
from .shape import ChannelShuffle, Flatten, Shift, Unflatten, Upsample, ZeroPad2d
from .state import StateDictError

__all__ = [
    "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "ChannelShuffle", "Conv2d",
    "ConvTranspose2d", "CrossEntropyLoss", "Dropout", "Dropout2d", "DropPath", "ELU", "Flatten", "GELU", "GroupNorm", "Hardsigmoid",
    "Hardswish", "Identity", "LayerNorm", "LazyBatchNorm2d", "LazyConv2d", "LazyLinear", "LeakyReLU", "Linear",
    "LocalResponseNorm", "LogSoftmax", "MSELoss", "MaxPool2d", "Module", "ModuleList", "NLLLoss", "Parameter", "ReLU", "ReLU6",
    "RemovableHandle", "Scale", "ScaledTanh", "Sequential", "Shift", "SiLU", "Sigmoid", "Softmax", "StateDictError", "Tanh",
    "Unflatten", "Upsample", "ZeroPad2d", "init",
]
