"""Finding where a NaN or an infinity came from, and writes that a backward would miss."""
import linecache
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from . import device as devices
from . import kernels
from .observers import Event, observe
from .tensor import Tensor


def _bad(array) -> str | None:
    """What is wrong with an array: "NaN", "infinity" or nothing."""
    if array is None or array.dtype.kind != "f" or np.isfinite(array).all():
        return None
    return "NaN" if np.isnan(array).any() else "infinity"


def _array(x):
    return x.data if isinstance(x, Tensor) else x


def _place(event: Event) -> str:
    file, line = event.where
    if not file:
        return ""
    source = linecache.getline(file, line).strip()
    return f"\n  {file}:{line}: {source}" + (f"\n  in module {event.path}" if event.path else "")


def _fingerprint(array, device: str) -> int:
    """A checksum of the values.  (Those on a GPU come to the host for it.)"""
    return zlib.crc32(np.ascontiguousarray(devices.move(array, device, "cpu")).view(np.uint8).reshape(-1).data) if array.size else 0


class _Watch:
    def __call__(self, event: Event):
        getattr(self, event.moment.replace(" ", "_"))(event)

    def before_forward(self, event: Event):
        pass

    def forward(self, event: Event):
        op = event.op
        for output in event.outputs:
            if kind := _bad(output):
                came = [i for i, t in enumerate(event.inputs) if t is not None and _bad(_array(t))]
                origin = (f"its input {came[0]} already held one, which no operation made: look at the data or the parameters"
                          if came else "its inputs were finite")
                raise FloatingPointError(f"the forward of {type(op).__name__} made the first {kind}; {origin}.{_place(event)}")
        if op.reads_inputs:
            # running statistics are written to, by the next forward too, and no backward reads them
            written = getattr(kernels.module(op.kernel), "WRITES", ()) if op.kernel else ()
            arrays = [t.data for i, t in enumerate(event.inputs) if t is not None and i not in written]
            op.fingerprints = [(a, _fingerprint(a, op.device)) for a in arrays]

    def before_backward(self, event: Event):
        for array, then in getattr(event.op, "fingerprints", ()):
            if _fingerprint(array, event.op.device) != then:
                raise RuntimeError(f"{type(event.op).__name__}: an input of shape {array.shape} was written to, past the Tensor, "
                                   f"between forward and backward; its gradient would be that of another value. "
                                   f"Work on a copy of the array.{_place(event)}")

    def backward(self, event: Event):
        for i, gradient in enumerate(event.outputs):
            if kind := _bad(_array(gradient)):
                came = any(_bad(_array(g)) for g in event.inputs)
                origin = "the gradient that arrived there already held one" if came else "the gradient that arrived there was finite"
                raise FloatingPointError(f"the backward of {type(event.op).__name__} made the first {kind}, in the gradient of its input "
                                         f"{i}; {origin}. The forward stands here:{_place(event)}")


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Inside the with block, the first NaN or infinity raises FloatingPointError, which names the operation and your line of code.

    Raw NumPy writes to an array that a backward still needs raise RuntimeError, found by a checksum. Everything is looked at twice,
    so it is for finding faults, not for training.
    """
    with observe(_Watch()):
        yield
