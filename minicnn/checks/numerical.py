"""A backward by finite differences, for an Op that has none yet: slow, right to seven digits or so, and the network trains.

    dx[i] = Σ_j g[j] · (y_j(x + h·e_i) − y_j(x − h·e_i)) / 2h

Two forwards for every element of every input: fine for a small layer while its backward is still to be written.
"""
import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..kernels.random import default_generator
from ..modes import mode
from ..nn import Module
from ..tensor import Op
from ..promotion import promote
from .quotient import STEP

_warned: set[str] = set()


def numerical_backward(thing: Any) -> Any:
    """Give an Op, or a NumPy function, a backward by finite differences.

    thing: a class derived from Op with a forward, which is given a backward in place and returned, so that this can decorate it; one
    that has a backward of its own stays as it is: write yours, and the differences are gone.
    Or a function of NumPy arrays, forward(*arrays, **options) -> array: returned is a function of Tensors.
    Its outputs get the dtype of its inputs. Warns once for each Op.  TypeError for anything else.

    >>> @mc.numerical_backward
    ... class Square(Op):
    ...     def forward(self, x):
    ...         return x * x
    >>> y = Square.apply(mc.randn(3))
    >>> cube = mc.numerical_backward(lambda x: x ** 3)
    >>> y = cube(mc.randn(3))
    """
    if isinstance(thing, type) and issubclass(thing, Op):
        if thing.forward is Op.forward:
            raise TypeError(f"numerical_backward: {thing.__name__} has no forward to take differences of")
        return _equipped(thing) if thing.backward is Op.backward else thing
    if isinstance(thing, (type, Module)) or not callable(thing):
        raise TypeError(f"numerical_backward: expected a class derived from Op or a function of arrays, got {thing!r}")
    name = getattr(thing, "__name__", type(thing).__name__)

    def forward(self: Op, *arrays: np.ndarray, **options: Any) -> Any:
        return thing(*arrays, **options)
    return _equipped(type(name, (Op,), {"forward": forward, "__doc__": thing.__doc__})).apply


def _equipped(cls: type[Op]) -> type[Op]:
    forward: Callable = cls.forward

    def keeping(self: Any, *arrays: Any, **options: Any) -> Any:
        self.numerical = (arrays, options, default_generator.state)
        if mode.recording and cls.__qualname__ not in _warned:
            _warned.add(cls.__qualname__)
            count = sum(a.size for a in arrays if a is not None and a.dtype.kind == "f")
            warnings.warn(f"{cls.__name__} has no backward: its gradient is taken by finite differences, up to {2 * count} forwards each "
                          "time. Write its backward when you are ready", stacklevel=3)
        result = forward(self, *arrays, **options)
        kind = promote(*(a.dtype for a in arrays if a is not None))
        several = result if isinstance(result, tuple) else (result,)
        several = tuple(y.astype(kind) if y.dtype.kind == "f" else y for y in map(np.asarray, several))      # np.zeros gives float64
        return several if isinstance(result, tuple) else several[0]

    def backward(self: Any, *grads: Any, needs: Any) -> tuple:
        arrays, options, state = self.numerical
        now = default_generator.state
        exact: Any = [None if a is None else a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]

        def outputs() -> list:
            default_generator.state = state                               # the same random numbers as in the forward
            result = forward(copy.copy(self), *(None if a is None else a.copy() for a in exact), **options)
            return list(result) if isinstance(result, tuple) else [result]
        try:
            return tuple(_differences(outputs, exact[i], grads).astype(arrays[i].dtype) if need else None for i, need in enumerate(needs))
        finally:
            default_generator.state = now

    cls.forward, cls.backward = keeping, backward                         # type: ignore[method-assign]
    return cls


def _differences(outputs: Callable[[], list], x: np.ndarray, grads: tuple) -> np.ndarray:
    """The gradient with respect to x, which is moved in place and put back."""
    dx = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        before, h = x[place], STEP * max(abs(float(x[place])), 1e-3)      # small beside x, for log and √ near 0
        x[place] = before + h
        ahead = outputs()
        x[place] = before - h
        behind = outputs()
        x[place] = before
        dx[place] = sum(float((g * (a - b)).sum()) for g, a, b in zip(grads, ahead, behind) if g is not None) / (2 * h)
    return dx
