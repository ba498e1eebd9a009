"""Arithmetic: elementwise operations with broadcasting.

Each is a NumPy function and, for each input, how it passes a gradient on. The rules are written with operators alone, so the same line
serves arrays (the first backward) and Tensors (a backward that can be differentiated again):

    g the gradient of the output y;  a, b the inputs

An input that was broadcast was used many times, so its gradient is the sum over the uses.
"""
import numpy as np

from ..kernels import memory
from ..kernels.parts import by_parts
from ..promotion import promote
from ..tensor import Op, Tensor, tensor_of
from .shapes import sum_to
from .where import constant, where, where_array_or_tensor


class Elementwise(Op):
    """y = ufunc(a, …) with broadcasting.  rules: a gradient for each input, as rule(g, y, a, …)."""
    ufunc: np.ufunc
    rules: tuple = ()
    reads_outputs = False                                 # True where a rule uses y
    y = None

    def forward(self, *arrays):
        self.shapes, self.dtypes = [a.shape for a in arrays], [a.dtype for a in arrays]
        self.inputs = arrays if self.reads_inputs else (None,) * len(arrays)
        y = self.compute(arrays)
        self.y = y if self.reads_outputs else None
        return y

    def compute(self, arrays):
        ufunc, dtype = type(self).ufunc, promote(*(a.dtype for a in arrays))
        if dtype.kind != "f":
            with np.errstate(all="ignore"):
                y = ufunc(*arrays)
                if y.dtype.kind != "f":
                    return y
            dtype = np.dtype(np.float32)                  # exp of whole numbers, 1 / 2: floating point, as in PyTorch
        shape = self.shapes[0] if len(set(self.shapes)) == 1 else self.broadcast(self.shapes)
        y = memory.empty(shape, dtype, self.device)

        def call(*parts):
            ufunc(*parts[:-1], out=parts[-1], casting="unsafe", dtype=dtype)
        with np.errstate(all="ignore"):                   # log(−1) is NaN, without a warning; detect_anomaly finds it
            if all(a.shape == shape for a in arrays):
                by_parts(call, *arrays, y)
            else:
                call(*arrays, y)
        return y

    def broadcast(self, shapes) -> tuple:
        try:
            return np.broadcast_shapes(*shapes)
        except ValueError:
            raise ValueError(f"{type(self).__name__.lower()}: shapes {' and '.join(map(str, shapes))} do not broadcast: from the right, "
                             f"sizes must be equal or one of them 1") from None

    def infer(self, *arrays):
        return self.broadcast([a.shape for a in arrays])

    def backward(self, g, needs):
        with np.errstate(all="ignore"):
            return tuple(sum_to(rule(g, self.y, *self.inputs), shape).astype(dtype, copy=False) if need else None
                         for rule, shape, dtype, need in zip(self.rules, self.shapes, self.dtypes, needs))

    def backward_graph(self, g):
        y = None if self.y is None else self.output_tensor()
        inputs = self.input_tensors()
        return tuple(None if edge is None else sum_to(rule(g, y, *inputs), shape).to(dtype)
                     for rule, shape, dtype, edge in zip(self.rules, self.shapes, self.dtypes, self.edges))

    def output_tensor(self) -> Tensor:
        """The output that forward kept, in its old place of the graph."""
        return tensor_of(self.y, self.device, self, 0)


def _data(x):
    return x.data if isinstance(x, Tensor) else x


class Add(Elementwise):
    ufunc, reads_inputs = np.add, False
    rules = (lambda g, y, a, b: g,
             lambda g, y, a, b: g)


class Sub(Elementwise):
    ufunc, reads_inputs = np.subtract, False
    rules = (lambda g, y, a, b: g,
             lambda g, y, a, b: -g)


class Mul(Elementwise):
    ufunc = np.multiply
    rules = (lambda g, y, a, b: g * b,
             lambda g, y, a, b: g * a)


class Div(Elementwise):
    ufunc = np.true_divide
    rules = (lambda g, y, a, b: g / b,
             lambda g, y, a, b: -g * a / (b * b))


class Neg(Elementwise):
    ufunc, reads_inputs = np.negative, False
    rules = (lambda g, y, a: -g,)


class Exp(Elementwise):
    ufunc, reads_inputs, reads_outputs = np.exp, False, True
    rules = (lambda g, y, a: g * y,)


class Log(Elementwise):
    ufunc = np.log
    rules = (lambda g, y, a: g / a,)


class Sqrt(Elementwise):
    ufunc, reads_inputs, reads_outputs = np.sqrt, False, True
    rules = (lambda g, y, a: g / (2 * y),)


class Deviation(Sqrt):
    """√a for a standard deviation: where it is 0 its gradient counts as 0, as in PyTorch, not as 0 · ∞."""
    rules = (lambda g, y, a: where_array_or_tensor(_data(y) > 0, g / (2 * y), 0.0),)


class Abs(Elementwise):
    """|a|, with derivative 0 at 0."""
    ufunc = np.absolute
    rules = (lambda g, y, a: g * constant(np.sign(_data(a)), g),)


class Sin(Elementwise):
    ufunc = np.sin
    rules = (lambda g, y, a: g * (cos(a) if isinstance(a, Tensor) else np.cos(a)),)


class Cos(Elementwise):
    ufunc = np.cos
    rules = (lambda g, y, a: -g * (sin(a) if isinstance(a, Tensor) else np.sin(a)),)


class Pow(Elementwise):
    """a ** b.  The rule for b holds for a > 0; where a = 0 its gradient is 0 for b ≥ 0 and −∞ · g for b < 0, as in PyTorch."""
    ufunc, reads_outputs = np.power, True
    rules = (lambda g, y, a, b: g * b * a ** _one_less(b),
             lambda g, y, a, b: g * y * _log_or_zero(a, b))


def _one_less(exponent):
    return where_array_or_tensor(_data(exponent) != 0, exponent - 1, 1.0)      # a ** 0 is constant: b · a¹ is 0 also at a = 0


def _log_or_zero(a, exponent):
    counts = (_data(a) != 0) | (_data(exponent) < 0)                # 0 ** b is 0 for all b > 0: no slope in b
    safe = where_array_or_tensor(counts, a, 1.0)
    return log(safe) if isinstance(safe, Tensor) else np.log(safe)


class Maximum(Elementwise):
    """max(a, b); where both are equal each gets half of the gradient, as in PyTorch."""
    ufunc = np.maximum
    rules = (lambda g, y, a, b: g * _share(_data(a) > _data(b), _data(a) == _data(b), a),
             lambda g, y, a, b: g * _share(_data(b) > _data(a), _data(a) == _data(b), a))


class Minimum(Elementwise):
    """min(a, b); where both are equal each gets half of the gradient, as in PyTorch."""
    ufunc = np.minimum
    rules = (lambda g, y, a, b: g * _share(_data(a) < _data(b), _data(a) == _data(b), a),
             lambda g, y, a, b: g * _share(_data(b) < _data(a), _data(a) == _data(b), a))


def _share(wins, ties, like):
    return constant((wins + 0.5 * ties).astype(like.dtype), like)


class Clamp(Op):
    """min(max(x, low), high); the gradient passes where low ≤ x ≤ high."""
    reads_outputs = False

    def forward(self, x, low=None, high=None):
        if x.dtype.kind != "f" and any(isinstance(bound, float) for bound in (low, high)):
            x = x.astype(np.float32)
        self.inputs, self.low, self.high = (x,), low, high
        return np.clip(x, low, high, out=memory.empty(x.shape, x.dtype, self.device))

    def infer(self, x, **options):
        return x.shape

    def passes(self):
        x, inside = self.inputs[0], True
        if self.low is not None:
            inside = inside & (x >= self.low)
        if self.high is not None:
            inside = inside & (x <= self.high)
        return inside

    def backward(self, g, needs):
        return (np.where(self.passes(), g, g.dtype.type(0)),)

    def backward_graph(self, g):
        return (where(constant(self.passes(), g), g, 0.0),)


def add(input, other) -> Tensor:
    """input + other, broadcast."""
    return Add.apply(input, other)


def sub(input, other) -> Tensor:
    """input − other, broadcast."""
    return Sub.apply(input, other)


def mul(input, other) -> Tensor:
    """input · other elementwise, broadcast."""
    return Mul.apply(input, other)


def div(input, other) -> Tensor:
    """input / other elementwise, broadcast."""
    return Div.apply(input, other)


def pow(input, exponent) -> Tensor:
    """input to the power of exponent, broadcast."""
    return Pow.apply(input, exponent)


def neg(input) -> Tensor:
    return Neg.apply(input)


def exp(input) -> Tensor:
    return Exp.apply(input)


def log(input) -> Tensor:
    """The natural logarithm."""
    return Log.apply(input)


def sqrt(input) -> Tensor:
    return Sqrt.apply(input)


def abs(input) -> Tensor:
    """|input|, with derivative 0 at 0."""
    return Abs.apply(input)


def sin(input) -> Tensor:
    return Sin.apply(input)


def cos(input) -> Tensor:
    return Cos.apply(input)


def maximum(input, other) -> Tensor:
    """max(input, other) elementwise."""
    return Maximum.apply(input, other)


def minimum(input, other) -> Tensor:
    """min(input, other) elementwise."""
    return Minimum.apply(input, other)


def clamp(input, min=None, max=None) -> Tensor:
    """The values brought into [min, max]; the gradient passes where they were inside.  ValueError if neither bound is given."""
    if min is None and max is None:
        raise ValueError("clamp: give min, max or both")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        x = input if min is None else where(input < min, min, input)
        return x if max is None else where(x > max, max, x)
    return Clamp.apply(input, low=min, high=max)
