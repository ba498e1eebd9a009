"""Parameter: a Tensor that a module learns, and whose first values are drawn when somebody first looks.

A network of a hundred million weights is therefore built in milliseconds: its summary, its shapes on meta tensors and the loading of a
checkpoint never draw a number. What will be drawn is settled when the initialiser is set: the distribution, and the key of a stream of
random numbers of its own. Whether, when and in which order values are drawn changes nothing, and since they are drawn on the CPU and
then moved, the same seed gives the same weights on every device.
"""
import copy
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from .. import device as devices
from ..kernels.random import Key
from ..modes import no_grad
from ..tensor import Tensor

Draw = Callable[[Key | None, tuple[int, ...], Any], np.ndarray]       # (key, shape, dtype) -> values
stored = Tensor.__dict__["data"]                                           # the slot in which a Tensor keeps its array


def _zeros(key, shape, dtype):
    return np.zeros(shape, dtype)


class Parameter(Tensor):
    """A leaf of the graph that belongs to a module and that optimisers change.

    Parameter(array) has values from the start, and requires_grad=True; Parameter.lazy(shape) has a shape now and values later.
    """
    __slots__ = ("_draw", "_key", "_shape", "_dtype", "_drawn_as")

    def __init__(self, data: Any, requires_grad: bool = True):
        self._draw = None
        super().__init__(data, requires_grad)

    @classmethod
    def lazy(cls, shape: tuple[int, ...] | None, draw: Draw = _zeros, key: Key | None = None, *, dtype: Any = None,
             device: str | None = None) -> "Parameter":
        """A parameter whose values are draw(key, shape, dtype), once they are needed.

        shape: None where it is not known yet (lazy layers): `materialize` then tells it.
        dtype: float32 by default.  draw, key: usually set afterwards, by nn.init.
        """
        parameter = object.__new__(cls)
        parameter._fill(None, devices.checked_device(device or "cpu"))
        parameter.requires_grad = True
        parameter._dtype = parameter._drawn_as = np.dtype(dtype or np.float32)
        parameter._draw, parameter._key = draw, key
        parameter._shape = None if shape is None else tuple(int(n) for n in shape)
        if parameter._dtype.kind != "f":
            raise TypeError(f"Parameter: only floating-point tensors have gradients, got dtype {parameter._dtype}")
        if parameter._shape is not None and min(parameter._shape, default=0) < 0:
            raise ValueError(f"Parameter: a shape has no negative sizes, got {parameter._shape}")
        return parameter

    @property
    def drawn(self) -> bool:
        """Whether it has values already."""
        return self._draw is None

    @property
    def sized(self) -> bool:
        """Whether its shape is known already; only a lazy layer's is not, before its first batch."""
        return self._draw is None or self._shape is not None

    @property
    def data(self) -> Any:                                                 # type: ignore[override]
        """The array.  The first look draws it."""
        if self._draw is not None:
            if self.device == "meta":
                return devices.meta_array(self.shape, self._dtype)
            values = self._draw(self._key, self.shape, self._drawn_as).astype(self._dtype, copy=False)
            self.data = devices.move(np.ascontiguousarray(values), "cpu", self.device)
        return stored.__get__(self)

    @data.setter
    def data(self, array: Any):
        stored.__set__(self, array)
        if array is not None:
            self._draw = self._key = None

    @property
    def shape(self) -> tuple[int, ...]:
        if self._draw is None:
            return stored.__get__(self).shape
        if self._shape is None:
            raise ValueError("this parameter has no shape yet: its lazy layer takes the size from the first batch; run one batch through "
                             "the model (a meta one will do: minicnn.summary(model, input_shape))")
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        return self._dtype if self._draw is not None else stored.__get__(self).dtype

    def numel(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)

    def materialize(self, shape: tuple[int, ...]) -> None:
        """Tell a parameter made without a shape what its shape is."""
        if self.sized:
            raise ValueError(f"materialize: this parameter has the shape {self.shape} already")
        self._shape = tuple(int(n) for n in shape)

    def redraw(self, draw: Draw, key: Key | None) -> None:
        """Start again from other values: drawn later if none are there yet, written over the old ones if they are."""
        if self._draw is not None:
            self._draw, self._key = draw, key
        else:
            with no_grad():
                self.write(draw(key, self.shape, self.dtype))

    def load(self, values: np.ndarray) -> None:
        """Take values of the same shape, converted to this dtype and device; nothing is drawn for them first."""
        if self._draw is not None:
            self.data = devices.move(np.array(values, self._dtype, order="C"), "cpu", self.device)
            self.version[0] += 1
        else:
            with no_grad():
                self.write(devices.move(np.asarray(values, self.dtype), "cpu", self.device))

    def move(self, device: str | None, dtype: np.dtype | None) -> None:
        """Change where it lives, and its dtype, in place.  What has not been drawn is drawn as before, and then converted."""
        if self._draw is not None:
            self.device, self._dtype = device or self.device, dtype or self._dtype
        else:
            move(self, device, dtype)

    def __deepcopy__(self, memo: dict) -> "Parameter":
        """Its own values, or the same draw to come; no graph."""
        if self._draw is None:
            twin = Parameter(self.data.copy() if self.device != "meta" else self.data)
        else:
            twin = Parameter.lazy(self._shape, self._draw, self._key, dtype=self._dtype)
            twin._drawn_as = self._drawn_as
        twin.device, twin.requires_grad = self.device, self.requires_grad
        twin.grad = copy.deepcopy(self.grad, memo)
        memo[id(self)] = twin
        return twin

    def __reduce__(self):
        """For pickle: the values on the host, to be moved where they were."""
        values = self.data if self.device == "meta" else devices.move(self.data, self.device, "cpu")
        return _restored, (values, self.device, self.requires_grad)


def _restored(data, device, requires_grad):
    parameter = Parameter(data, requires_grad)
    if device == "meta":
        parameter.device = device
    else:
        parameter.move(device, None)
    return parameter


def move(tensor: Tensor, device: str | None, dtype: np.dtype | None) -> None:
    """Change a tensor's device and dtype in place, and its gradient's."""
    array = tensor.data if dtype is None or tensor.dtype == dtype else tensor.data.astype(dtype)
    target = device or tensor.device
    array = devices.move(array, tensor.device, target)
    if array is not tensor.data:
        tensor.data, tensor.device = array, target
        tensor.version[0] += 1
    if tensor.grad is not None:
        move(tensor.grad, device, dtype)
