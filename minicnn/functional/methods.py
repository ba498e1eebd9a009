"""What a Tensor can do besides being differentiated: operators and methods, attached here in one table."""
from typing import Any

import numpy as np

from .. import device as devices
from ..modes import mode
from ..tensor import Op, Tensor, tensor_of
from . import arithmetic, comparisons, reductions, shapes
from .activation import relu, sigmoid, tanh
from .linear import matmul


class Cast(Op):
    """A copy of the values, in a dtype."""
    reads_inputs = reads_outputs = False

    def forward(self, x, dtype):
        self.dtype = x.dtype
        return x.astype(dtype)

    def meta(self, x, dtype):
        return devices.meta_array(x.shape, dtype)

    def backward(self, g, needs):
        return (g.astype(self.dtype),)

    def backward_graph(self, g):
        return (Cast.apply(g, dtype=self.dtype),)


class Move(Op):
    """The same values on another device."""
    reads_inputs = reads_outputs = False

    def forward(self, x, target):
        self.source, self.device = self.device, target
        return devices.move(x, self.source, target)

    def backward(self, g, needs):
        return (devices.move(g, self.options["target"], self.source),)

    def backward_graph(self, g):
        return (Move.apply(g, target=self.source),)


def to(self: Tensor, target: Any) -> Tensor:
    """On a device ("cpu", "cuda", "meta") or in a dtype; the tensor itself where nothing changes."""
    if target in devices.DEVICES:
        if target == self.device:
            return self
        devices.checked_device(target)
        return tensor_of(devices.meta_array(self.shape, self.dtype), "meta") if target == "meta" else Move.apply(self, target=target)
    try:
        dtype = np.dtype(target)
    except TypeError:
        raise ValueError(f"to: expected a device ({', '.join(devices.DEVICES)}) or a dtype, got {target!r}") from None
    return self if dtype == self.dtype else Cast.apply(self, dtype=dtype)


def numpy(self: Tensor) -> np.ndarray:
    """The values as a NumPy array: on the CPU the very memory, not a copy.  RuntimeError for a meta tensor, which has none."""
    return devices.move(self.data, self.device, "cpu")


def item(self: Tensor) -> float | int | bool:
    """The value of a tensor with one element, as Python's own number.  ValueError if it has more."""
    if self.data.size != 1:
        raise ValueError(f"item: expected a tensor with one element, this one has shape {self.shape}")
    return numpy(self).item()


def clone(self: Tensor) -> Tensor:
    """A copy of its own memory, in the graph."""
    return Cast.apply(self, dtype=self.dtype)


def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Ask for gradients, or stop asking; for leaves only."""
    if self.op is not None:
        raise RuntimeError("requires_grad_: this tensor is a result, not a leaf; use detach() to take it out of the graph")
    if requires_grad and self.dtype.kind != "f":
        raise TypeError(f"requires_grad_: only floating-point tensors have gradients, this one is {self.dtype}")
    self.requires_grad = requires_grad
    return self


def setitem(self: Tensor, index, value):
    """Write to a part, where no gradient is asked for."""
    if self.requires_grad and mode.recording:
        raise RuntimeError("x[…] = value: this tensor takes part in gradients; write inside `with no_grad():`, "
                           "or compute a new one with where or cat")
    plain = tuple(i.numpy() if isinstance(i, Tensor) else i for i in (index if isinstance(index, tuple) else (index,)))
    if self.device == "cuda":
        devices.meta_array(self.shape, bool)[plain]        # IndexError: CuPy would wrap a place that is not there around
    self.data[plain] = devices.values(value, self.device)
    self.version[0] += 1


def represent(self: Tensor) -> str:
    rest = (f", device={self.device!r}" if self.device != "cpu" else "") + (f", dtype={self.dtype}" if self.dtype != np.float32 else "") \
        + (f", op={type(self.op).__name__}" if self.op is not None else ", requires_grad=True" if self.requires_grad else "")
    if self.device == "meta":
        return f"Tensor(shape={self.shape}{rest})"
    values = np.array2string(numpy(self), separator=", ", precision=4, suppress_small=True, threshold=200, prefix="Tensor(")
    return f"Tensor({values}{rest})"


def truth(self: Tensor) -> bool:
    if self.data.size != 1:
        raise ValueError(f"the truth of a tensor of shape {self.shape} is ambiguous; use .all() or .any() of its .numpy()")
    return bool(item(self))


def iterate(self: Tensor):
    if not self.shape:
        raise TypeError("a tensor without dimensions cannot be iterated; use .item()")
    return (shapes.getitem(self, i) for i in range(self.shape[0]))


def length(self: Tensor) -> int:
    if not self.shape:
        raise TypeError("a tensor without dimensions has no length")
    return self.shape[0]


METHODS = {
    # arithmetic
    "__add__": arithmetic.add,      "__radd__": arithmetic.add,
    "__sub__": arithmetic.sub,      "__rsub__": lambda a, b: arithmetic.sub(b, a),
    "__mul__": arithmetic.mul,      "__rmul__": arithmetic.mul,
    "__truediv__": arithmetic.div,  "__rtruediv__": lambda a, b: arithmetic.div(b, a),
    "__pow__": arithmetic.pow,      "__rpow__": lambda a, b: arithmetic.pow(b, a),
    "__matmul__": matmul,           "__rmatmul__": lambda a, b: matmul(b, a),
    "__neg__": arithmetic.neg,      "__abs__": arithmetic.abs,                         "matmul": matmul,
    "add": arithmetic.add,  "sub": arithmetic.sub,  "mul": arithmetic.mul,    "div": arithmetic.div,  "pow": arithmetic.pow,
    "exp": arithmetic.exp,  "log": arithmetic.log,  "sqrt": arithmetic.sqrt,  "abs": arithmetic.abs,  "neg": arithmetic.neg,
    "sin": arithmetic.sin,  "cos": arithmetic.cos,  "clamp": arithmetic.clamp,
    "maximum": arithmetic.maximum,  "minimum": arithmetic.minimum,
    "relu": relu,  "sigmoid": sigmoid,  "tanh": tanh,
    # comparisons
    "__lt__": comparisons.less,     "__le__": comparisons.less_equal,     "__eq__": comparisons.equal,
    "__gt__": comparisons.greater,  "__ge__": comparisons.greater_equal,  "__ne__": comparisons.not_equal,
    # reductions
    "sum": reductions.sum,  "mean": reductions.mean,  "var": reductions.var,  "std": reductions.std,
    "max": reductions.max,  "min": reductions.min,    "argmax": reductions.argmax,
    # shapes
    "reshape": shapes.reshape,    "view": shapes.reshape,   "flatten": shapes.flatten,      "squeeze": shapes.squeeze,
    "unsqueeze": shapes.unsqueeze, "permute": shapes.permute, "transpose": shapes.transpose, "expand": shapes.expand,
    "split": shapes.split,        "chunk": shapes.chunk,    "__getitem__": shapes.getitem,  "__setitem__": setitem,
    # out of the graph, and elsewhere
    "to": to,  "numpy": numpy,  "item": item,  "clone": clone,  "requires_grad_": requires_grad_,
    "tolist": lambda self: numpy(self).tolist(),
    "float": lambda self: to(self, np.float32),  "double": lambda self: to(self, np.float64),  "long": lambda self: to(self, np.int64),
    "cpu": lambda self: to(self, "cpu"),  "cuda": lambda self: to(self, "cuda"),
    "size": lambda self, dim=None: self.shape if dim is None else self.shape[dim],
    "dim": lambda self: len(self.shape),  "numel": lambda self: self.data.size,
    "__array__": lambda self, dtype=None, copy=None: np.array(numpy(self), dtype, copy=copy),
    "__len__": length,  "__iter__": iterate,  "__bool__": truth,
    "__float__": lambda self: float(item(self)),  "__int__": lambda self: int(item(self)),
    "__repr__": represent,
    "T": property(lambda self: shapes.permute(self, *reversed(range(len(self.shape))))),
    "ndim": property(lambda self: len(self.shape)),
    "is_leaf": property(lambda self: self.op is None),
}

for name, method in METHODS.items():
    setattr(Tensor, name, method)
