"""minicnn: a small engine for convolutional networks, to read, to step through and to use.

    import minicnn as mc
    from minicnn import Tensor, nn, optim, models, data
    import minicnn.functional as F
"""
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

# In a checkout the kernels stand beside this package, so that they are found first; `kernels` alone is another package's name on
# PyPI, so they are imported as minicnn.kernels. The symbolic link minicnn/kernels serves editors and wheels, and is not needed here.
_root = Path(__file__).resolve().parent.parent
if (_root / "setup.cfg").is_file() and (_root / "kernels" / "__init__.py").is_file():
    __path__.insert(0, str(_root))

__version__ = "0.1.0"

from . import functional, kernels, nn, optim
from .anomaly import detect_anomaly
from .device import cuda_available, get_algorithm, get_backend, use_algorithm, use_backend
from .functional import (arange, cat, checkpoint, full, matmul, maximum, meta, minimum, ones, rand, randn, stack, where, zeros)
from .kernels.random import manual_seed
from .kernels.threads import get_num_threads, set_num_threads
from .modes import enable_grad, is_grad_enabled, no_grad
from .nn.parameter import Parameter
from .observers import observe
from .tensor import Op, Tensor, grad

# What takes longer to import than a first look should wait: found here on first use.
_LATER = {
    "data": ("minicnn.data", None),               "models": ("minicnn.models", None),
    "io": ("minicnn.io", None),                   "training": ("minicnn.training", None),
    "checks": ("minicnn.checks", None),           "inspect": ("minicnn.inspect", None),
    "save": ("minicnn.io", "save"),               "load": ("minicnn.io", "load"),
    "gradcheck": ("minicnn.checks", "gradcheck"), "summary": ("minicnn.inspect", "summary"),
    "profile": ("minicnn.inspect", "profile"),    "gradgradcheck": ("minicnn.checks", "gradgradcheck"),
    "numerical_backward": ("minicnn.checks", "numerical_backward"), "allow_tf32": ("minicnn.kernels.cuda", "allow_tf32"),
}
if TYPE_CHECKING:
    from . import checks, data, inspect, io, models, training
    from .checks import gradcheck, gradgradcheck, numerical_backward
    from .inspect import profile, summary
    from .io import load, save
    from .kernels.cuda import allow_tf32


def __getattr__(name: str):
    if name not in _LATER:
        raise AttributeError(f"module 'minicnn' has no attribute {name!r}")
    module, attribute = _LATER[name]
    found = importlib.import_module(module)
    globals()[name] = getattr(found, attribute) if attribute else found
    return globals()[name]


def __dir__():
    return sorted({*globals(), *_LATER})


__all__ = [
    "Op", "Parameter", "Tensor", "allow_tf32", "arange", "cat", "checkpoint", "checks", "cuda_available", "data", "detect_anomaly",
    "enable_grad", "full", "functional", "get_algorithm", "get_backend", "get_num_threads", "grad", "gradcheck", "gradgradcheck", "inspect",
    "io", "is_grad_enabled", "kernels", "load", "manual_seed", "matmul", "maximum", "meta", "minimum", "models", "nn", "no_grad",
    "numerical_backward", "observe", "ones", "optim", "profile", "rand", "randn", "save", "set_num_threads", "stack", "summary", "training",
    "use_algorithm", "use_backend", "where", "zeros",
]
