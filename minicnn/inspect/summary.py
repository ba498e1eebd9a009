"""mc.summary: the layers of a model, their shapes, parameters and multiply-adds, without computing a number.

The model is called once on a meta tensor, which has a shape and no values; observers see every operation, hooks every module.
"""
from collections import Counter
from dataclasses import dataclass, field
from math import prod
from operator import index
from typing import Any

from ..functional import meta
from ..modes import no_grad
from ..nn import Module
from ..observers import Event, observe
from ..tensor import Tensor
from .receptive_field import ReceptiveFields, widest
from .table import table


@dataclass
class Row:
    """One layer in the order of the calls: a module without modules inside, or an operation that a larger module runs itself.

    output_shape and the numbers are for one image.  activation_bytes: the memory of the output; 0 for a view of what was there.
    receptive_field: (height, width) in pixels of the image, see receptive_field.py; None where it is unknown.
    """
    name: str
    type: str
    output_shape: tuple
    params: int = 0
    macs: int = 0
    activation_bytes: int = 0
    receptive_field: tuple[int, int] | None = None


@dataclass
class Summary:
    """params: all parameters, trainable_params: those with requires_grad.  macs: multiply-adds of convolutions and linear layers for
    one image.  activation_bytes: the outputs of all layers, as training keeps them.  not_called: modules with parameters that the
    forward does not use."""
    model: str
    input_shape: tuple[int, ...]
    rows: list[Row] = field(default_factory=list)
    params: int = 0
    trainable_params: int = 0
    macs: int = 0
    activation_bytes: int = 0
    not_called: list[str] = field(default_factory=list)

    def part(self, name: str) -> Row:
        """The rows of a module taken together: part("stem"), part("body.stage1").  ValueError if there is none of that name."""
        rows = [row for row in self.rows if row.name == name or row.name.startswith(name + ".")]
        if not rows:
            first = self.rows[0].name if self.rows else "nothing"
            raise ValueError(f"summary of {self.model}: there is no layer in {name!r}; the first is {first}")
        return Row(name, "", rows[-1].output_shape, sum(row.params for row in rows), sum(row.macs for row in rows),
                   sum(row.activation_bytes for row in rows), rows[-1].receptive_field)

    def __str__(self) -> str:
        return table(self)

    __repr__ = __str__


def multiply_adds(op: Any, inputs: Any, outputs: Any) -> int:
    """Multiply-adds of a convolution or a linear layer; 0 for every other operation, as the field counts."""
    if op.kernel in ("conv2d", "conv2d_relu"):
        return prod(outputs[0].shape) * prod(inputs[1].shape[1:])               # N·K·P·Q outputs, each a sum over C/G·R·S
    if op.kernel == "conv_transpose2d":
        return prod(inputs[0].shape) * prod(inputs[1].shape[1:])                # N·C·H·W inputs, each goes to K/G·R·S
    if op.kernel == "linear":
        return prod(outputs[0].shape) * inputs[1].shape[1]                      # N·K outputs, each a sum over C
    return 0


class _Recorder:
    """Hears of modules from hooks and of operations from observers, and writes the rows."""

    def __init__(self, model: Module, summary: Summary, fields: ReceptiveFields):
        self.fields = fields
        self.summary, self.names = summary, {module: name for name, module in model.named_modules()}
        self.open: list[tuple[Module, Row]] = []
        self.counted: set[int] = set()                                          # parameters that a row has counted
        self.repeated: Counter[str] = Counter()

    def enter(self, module: Module, inputs: Any) -> None:
        self.open.append((module, Row(self.names[module] or type(module).__name__, type(module).__name__, ())))

    def leave(self, module: Module, inputs: Any, output: Any) -> None:
        _, row = self.open.pop()
        row.output_shape, row.receptive_field = _shapes_of(output), self._field(output)
        for parameter in module.parameters(recurse=False):
            if id(parameter) not in self.counted:
                self.counted.add(id(parameter))
                row.params += parameter.numel()
        if not module._modules:
            row.activation_bytes = _bytes_of(output) if row.activation_bytes else 0
        if not module._modules or row.params:
            self.summary.rows.append(row)

    def _field(self, output: Any) -> tuple[int, int] | None:
        fields = [field for field in map(self.fields.of, _tensors(output)) if field is not None]
        return widest(fields).pixels if fields else None

    def event(self, event: Event) -> None:
        if event.moment != "forward":
            return
        self.fields.event(event)
        macs, computes = multiply_adds(event.op, event.inputs, event.outputs), not event.op.view
        size = sum(array.dtype.itemsize * prod(array.shape) for array in event.outputs) if computes else 0
        if self.open and not self.open[-1][0]._modules:                         # inside a layer: part of it
            self.open[-1][1].macs += macs
            self.open[-1][1].activation_bytes += size
        elif computes:                                                          # run by a larger module itself
            kind, where = type(event.op).__name__, self.names[self.open[-1][0]] if self.open else ""
            name = f"{where}.{kind.lower()}" if where else kind.lower()
            self.repeated[name] += 1
            name += f"_{self.repeated[name]}" if self.repeated[name] > 1 else ""
            found = self.fields.of_array(event.outputs[0])
            self.summary.rows.append(Row(name, kind, event.outputs[0].shape[1:], 0, macs, size, found and found.pixels))


def _tensors(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    values = output.values() if isinstance(output, dict) else output if isinstance(output, (tuple, list)) else ()
    return [tensor for value in values for tensor in _tensors(value)]


def _shapes_of(output: Any) -> tuple:
    shapes = tuple(t.shape[1:] for t in _tensors(output))
    return shapes[0] if len(shapes) == 1 else shapes


def _bytes_of(output: Any) -> int:
    return sum(t.dtype.itemsize * prod(t.shape) for t in _tensors(output))


def _checked(input_shape: Any) -> tuple[int, ...]:
    try:
        shape = tuple(index(n) for n in input_shape if not isinstance(n, bool))
        good = len(shape) == len(input_shape) > 0 and min(shape) > 0 and prod(shape) < 1 << 40
    except TypeError:
        shape, good = (), False
    if not good:
        raise ValueError(f"summary: input_shape should be the shape of one input, such as (3, 224, 224), got {input_shape!r}")
    return shape


def summary(model: Module, input_shape: tuple[int, ...] | None = None, training: bool = False) -> Summary:
    """The layers of a model for one input, in the order in which they are called, in evaluation, or as in training.

    input_shape: (C, H, W), or (features,); a fourth number in front is taken as a batch size and left out. Not needed for a network of
    minicnn.models, which knows the image that it is made for.
    Returns a Summary, whose str is a table, in sections where the model is made of stem, body and head:
    .params .macs .activation_bytes .rows[i].name/.type/.output_shape/.params/.macs/.receptive_field .part("stem")
    Errors are those that an input of this shape would raise.  Nothing is drawn or computed: this takes milliseconds for any model.
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: expected a Module, got {type(model).__name__}; models.create(name) makes one by name")
    shape = _checked(getattr(model, "image", None) if input_shape is None else input_shape)
    shape = shape[1:] if len(shape) == 4 else shape
    result = Summary(getattr(model, "name", type(model).__name__), shape)
    modes = {module: module.training for module in model.modules()}
    dtype: Any = next((p.dtype for p in model.parameters()), "float32")
    batch = 2 if training else 1                                                # a batch norm cannot train on one number a channel
    image = meta(batch, *shape, dtype=dtype)
    recorder = _Recorder(model, result, ReceptiveFields(image))
    handles, undrawn = [], {p: p.device for p in model.parameters() if not p.drawn}
    try:
        for parameter in undrawn:
            parameter.device = "meta"                                           # computing with weights alone draws nothing then
        for module in modes:
            handles += [module.register_forward_pre_hook(recorder.enter), module.register_forward_hook(recorder.leave)]
        model.train(training)
        with no_grad(), observe(recorder.event):
            model(image)
    finally:
        for handle in handles:
            handle.remove()
        for parameter, device in undrawn.items():
            parameter.device = device
        for module, training in modes.items():
            object.__setattr__(module, "training", training)
    for row in result.rows:
        row.macs, row.activation_bytes = row.macs // batch, row.activation_bytes // batch
    parameters = list(model.parameters())
    result.params = sum(p.numel() for p in parameters)
    result.trainable_params = sum(p.numel() for p in parameters if p.requires_grad)
    result.macs = sum(row.macs for row in result.rows)
    result.activation_bytes = sum(row.activation_bytes for row in result.rows)
    result.not_called = [name for name, module in model.named_modules()
                         if any(id(p) not in recorder.counted for p in module.parameters(recurse=False))]
    return result
