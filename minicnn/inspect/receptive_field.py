"""The receptive field: how much of the image one number of a map can see.

A window of R pixels on a map whose neighbouring numbers stand `jump` pixels of the image apart widens what is seen by its R − 1 steps:

    field  = field before + (R − 1) · dilation · jump before            jump = jump before · stride

Where paths meet, the widest counts. A linear layer after a map, and an average over the whole map, are windows of the map's size. The
field is that of the connections: it may be larger than the image, and most of what it covers hardly matters (its weight falls off like a
Gaussian: Luo, Li, Urtasun, Zemel, 2016). Statistics of a normalisation are not counted as seeing.

Attention lets a token see all others, which is no window any more: from there on the field is unknown, None.
"""
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from ..observers import Event

Pair = tuple[float, ...]                        # (height, width)


@dataclass(frozen=True)
class Field:
    """size and jump in pixels of the image, (height, width); size None where it is unknown.  axes: which axes are the map's plane."""
    size: Pair | None = (1, 1)
    jump: Pair = (1, 1)
    axes: tuple[int, int] = (2, 3)

    def window(self, steps: Pair, stride: Pair = (1, 1)) -> "Field":
        """After a window that spans steps + 1 numbers of this map and moves by stride."""
        size = None if self.size is None else tuple(s + n * j for s, n, j in zip(self.size, steps, self.jump))
        return Field(size, tuple(j * s for j, s in zip(self.jump, stride)), self.axes)

    @property
    def pixels(self) -> tuple[int, int] | None:
        return None if self.size is None else (ceil(self.size[0]), ceil(self.size[1]))


def widest(fields: list[Field]) -> Field:
    """Where paths meet.  Of a map and of one number a channel that weighs it, neighbours stand as far apart as the map's."""
    sizes = [f.size for f in fields if f.size is not None]
    size = tuple(map(max, zip(*sizes))) if len(sizes) == len(fields) else None
    return Field(size, tuple(map(min, zip(*(f.jump for f in fields)))), fields[0].axes)


class ReceptiveFields:
    """Follows the field of every tensor from the image on, operation by operation, as an observer of a forward."""

    def __init__(self, image: Any):
        self.known: dict[int, tuple[Any, Field]] = {}              # id of an array -> (the array, so that its id stays its own; its field)
        self.set(image.data, Field())

    def set(self, array: Any, field: Field) -> None:
        self.known[id(array)] = array, field

    def of(self, tensor: Any) -> Field | None:
        """The field of a tensor; None for one that does not come from the image, such as a weight."""
        return self.of_array(tensor.data)

    def of_array(self, array: Any) -> Field | None:
        return self.known.get(id(array), (None, None))[1]

    def event(self, event: Event) -> None:
        if event.moment != "forward":
            return
        inputs = [(t, self.of(t)) for t in event.inputs if t is not None]
        seen = [field for _, field in inputs if field is not None]
        if seen:
            shape = next(t.shape for t, field in inputs if field is not None)
            for output in event.outputs:
                self.set(output, after(event.op, event.inputs, seen, shape, output.shape))


def after(op: Any, inputs: Any, seen: list[Field], before: tuple[int, ...], shape: tuple[int, ...]) -> Field:
    """The field of an operation's output, from those of the inputs that come from the image; before and shape: of input and output."""
    field, options = widest(seen), op.options
    if op.kernel == "matmul" and len(seen) > 1:
        return Field(None, field.jump, field.axes)
    if op.kernel in ("conv2d", "conv2d_relu", "max_pool2d", "avg_pool2d"):
        window = inputs[1].shape[2:] if op.kernel.startswith("conv2d") else options["kernel_size"]
        dilation = options.get("dilation", (1, 1))
        return field.window(tuple((r - 1) * d for r, d in zip(window, dilation)), options["stride"])
    if op.kernel == "conv_transpose2d":                            # an output sees every stride-th number under its window
        steps = tuple(ceil(((r - 1) * d + 1) / s) - 1 for r, d, s in zip(inputs[1].shape[2:], options["dilation"], options["stride"]))
        return field.window(steps, tuple(1 / s for s in options["stride"]))
    if op.kernel in ("adaptive_avg_pool2d", "adaptive_max_pool2d", "interpolate"):
        ratio = tuple(h / p for h, p in zip(before[2:], shape[2:]))
        steps = tuple(ceil(r - 1) for r in ratio) if op.kernel != "interpolate" else (1, 1) if options["mode"] == "bilinear" else (0, 0)
        return field.window(steps, ratio)
    if op.kernel == "shift":
        reach = np.array(options["offsets"]).reshape(-1, 2)
        return field.window(tuple(reach.max(0) - reach.min(0)))
    if type(op).__name__ == "Permute" and len(before) == 4:
        dims = tuple(options["dims"])
        return Field(field.size, field.jump, (dims.index(field.axes[0]), dims.index(field.axes[1])))
    if type(op).__name__ == "GetItem" and len(before) == len(shape) == 4:
        steps = tuple(i.step if isinstance(i, slice) and i.step else 1 for i in (*options["index"], *[None] * 4)[:4])
        return field.window((0, 0), tuple(abs(steps[a]) for a in field.axes))
    return _gathered(field, before, shape)


def _gathered(field: Field, before: tuple[int, ...], shape: tuple[int, ...]) -> Field:
    """Any other operation works number by number, unless it takes the plane together: a sum over it, or a flattened map."""
    if len(before) != 4 or len(shape) > 4:
        return field if len(shape) == 4 else Field(field.size, field.jump)
    if len(shape) == 4:
        steps = tuple(before[a] - 1 if shape[a] == 1 else 0 for a in field.axes)
    else:
        steps = tuple(before[a] - 1 for a in field.axes) if len(shape) == 2 else (0, 0)
        field = Field(field.size, field.jump)
    return field.window(steps)
