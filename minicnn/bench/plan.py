"""A plan: what a network computes, as a list of operations, so that another engine can compute the same.

The network is called once, and observers note every operation: its name, its options, and which arrays went in and came out. Arrays are
numbered in the order in which they appear ("slots"). So any network, of the zoo or of a user, becomes a program without modules or
branches:

    conv2d       {stride: (1, 1), …}     slots 0, 1, 2  →  3            0 the images, 1 and 2 parameters
    relu         {}                      slot 3         →  4
    max_pool2d   {kernel_size: …}        slot 4         →  5, 6
"""
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import io
from ..functional import meta
from ..inspect.cost import products
from ..modes import no_grad
from ..nn import Module
from ..observers import Event, observe
from ..tensor import Tensor


@dataclass
class Step:
    """One operation: its kernel, or its Op's name in small letters; shapes: of the outputs; flops: of the products, see inspect.cost."""
    op: str
    options: dict[str, Any]
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    flops: int = 0
    view: bool = False


@dataclass
class Plan:
    """steps in their order; input: the slot of the images; outputs: the slots of the results.

    parameters, buffers: name -> slot.  constants: slot -> array, what the network made up itself.
    """
    steps: list[Step] = field(default_factory=list)
    input: int = 0
    outputs: tuple[int, ...] = ()
    parameters: dict[str, int] = field(default_factory=dict)
    buffers: dict[str, int] = field(default_factory=dict)
    constants: dict[int, np.ndarray] = field(default_factory=dict)

    def learning(self) -> set[int]:
        """The slots that depend on a parameter, whose gradients a training step therefore computes."""
        found = set(self.parameters.values())
        for step in self.steps:
            if found & set(step.inputs):
                found.update(step.outputs)
        return found

    def forward_flops(self) -> int:
        """Of all products: convolutions, linear layers, matrix products."""
        return sum(step.flops for step in self.steps)

    def training_flops(self) -> int:
        """Of the products forward and of their gradients, each as large; the images need no gradient."""
        learning = self.learning()
        return sum(step.flops * (1 + sum(slot in learning for slot in step.inputs[:2])) for step in self.steps)

    def bytes_given_out(self) -> int:
        """Bytes of the outputs of all steps in float32."""
        return sum(4 * int(np.prod(shape)) for step in self.steps if not step.view for shape in step.shapes)

    def save(self, path: str | Path) -> None:
        """Into one file: text and arrays, nothing that would be executed."""
        steps = [{"op": s.op, "options": _packed(s.options), "inputs": s.inputs, "outputs": s.outputs, "shapes": s.shapes,
                  "flops": s.flops, "view": s.view} for s in self.steps]
        io.save({"steps": steps, "input": self.input, "outputs": self.outputs, "parameters": self.parameters, "buffers": self.buffers,
                 "constants": {str(slot): array for slot, array in self.constants.items()}}, path)


def load(path: str | Path) -> Plan:
    """What Plan.save wrote."""
    state = io.load(path)
    steps = [Step(**{**step, "options": _unpacked(step["options"])}) for step in state["steps"]]
    constants = {int(slot): array for slot, array in state["constants"].items()}
    return Plan(steps, state["input"], state["outputs"], state["parameters"], state["buffers"], constants)


def record(model: Module, images: Tensor) -> Plan:
    """The plan of a model for a batch of images of this shape, in the mode in which it is.  The model is left as it was."""
    plan, slots, seen = Plan(), {}, []                               # id of an array -> its slot; seen keeps the arrays alive
    buffers = {name: tensor for name, tensor in model.named_buffers()}
    names = {id(t.data): (plan.parameters, name) for name, t in model.named_parameters()}
    names.update((id(t.data), (plan.buffers, name)) for name, t in buffers.items())
    before = {name: tensor.data.copy() for name, tensor in buffers.items()}

    def read(tensor: Tensor | None) -> int | None:
        if tensor is None:
            return None
        key = id(tensor.data)
        if key not in slots:
            slots[key] = number = len(slots)
            seen.append(tensor.data)
            if key in names:
                found, name = names[key]
                found[name] = number
            else:
                plan.constants[number] = np.array(tensor.detach().to("cpu").numpy())
        return slots[key]

    def made(array: np.ndarray) -> int:
        seen.append(array)
        return slots.setdefault(id(array), len(slots))

    def note(event: Event) -> None:
        if event.moment == "forward":
            op, inputs, outputs = event.op, tuple(map(read, event.inputs)), tuple(map(made, event.outputs))
            plan.steps.append(Step(name_of(op), dict(op.options), inputs, outputs, tuple(a.shape for a in event.outputs),
                                   products(op, event.inputs, event.outputs), bool(op.view)))

    plan.input = made(images.data)
    with no_grad():
        with observe(note):
            found = model(images)
        for name, tensor in buffers.items():                         # training has written running statistics
            tensor.write(before[name])
    results: tuple[Tensor, ...] = found if isinstance(found, tuple) else (found,)
    plan.outputs = tuple(slots[id(t.data)] for t in results)
    return plan


def name_of(op: Any) -> str:
    return op.kernel or type(op).__name__.lower()


def without_dropout(model: Module, shape: tuple[int, ...]) -> Module:
    """The model with every dropout as in evaluation, whatever else trains: what two engines drop at random cannot be compared.

    The modules that drop are found by a run on shapes, their own mode is changed, not that of modules inside them.
    """
    modules, found = dict(model.named_modules()), set()

    def note(event: Event) -> None:
        if event.moment == "forward" and event.op.kernel == "dropout":
            found.add(event.op.path)
    with no_grad(), observe(note):
        model(meta(*shape))
    for path in found:
        object.__setattr__(modules[path], "training", False)
    return model


def _packed(value: Any) -> Any:
    """With slices and … spelt out, which a file of numbers and text does not have."""
    if isinstance(value, slice):
        return {"slice": (value.start, value.stop, value.step)}
    if value is Ellipsis:
        return {"slice": "..."}
    if isinstance(value, dict):
        return {key: _packed(item) for key, item in value.items()}
    return tuple(map(_packed, value)) if isinstance(value, (tuple, list)) else value


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"slice"}:
        return Ellipsis if value["slice"] == "..." else slice(*value["slice"])
    if isinstance(value, dict):
        return {key: _unpacked(item) for key, item in value.items()}
    return tuple(map(_unpacked, value)) if isinstance(value, tuple) else value
