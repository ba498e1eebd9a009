"""A plan run by PyTorch: each operation of the list with torch.nn.functional, as one would write the network there.

This file and torch_worker.py are all that knows PyTorch; only the process of the benchmark that runs it imports them.

What is done for PyTorch's sake: a ReLU or an addition writes over its input where torchvision's networks do so too (`inplace=True`,
`out += identity`) and nothing else needs that input; an array that nobody reads any more is let go at once; asymmetric padding, which
torch.nn.functional does not take, is a pad of its own; a constant number is a Python number.
"""
from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np
import torch
import torch.nn.functional as T
from torch import Tensor

from ..kernels.activation import A, S
from .plan import Plan, Step

# What may be written over, because its own backward does not read it.
REUSABLE = {"conv2d", "conv_transpose2d", "linear", "batch_norm", "add"}


def plane(x: Tensor, padding: Any, value: float = 0.0) -> tuple[Tensor, tuple[int, int]]:
    """The input and the padding that the operation itself can add: the same on both sides; else the input padded, and none."""
    (top, bottom), (left, right) = padding
    if (top, left) == (bottom, right):
        return x, (top, left)
    return T.pad(x, (left, right, top, bottom), value=value), (0, 0)


def conv2d(a: list, o: dict) -> Tensor:
    x, padding = plane(a[0], o["padding"])
    return T.conv2d(x, a[1], a[2], o["stride"], padding, o["dilation"], o["groups"])


def conv_transpose2d(a: list, o: dict) -> Tensor:
    (top, bottom), (left, right) = o["padding"]
    if (top, left) != (bottom, right):
        raise NotImplementedError("conv_transpose2d with padding that differs on both sides")
    return T.conv_transpose2d(a[0], a[1], a[2], o["stride"], (top, left), o["output_padding"], o["groups"], o["dilation"])


def max_pool2d(a: list, o: dict) -> Tensor:
    x, padding = plane(a[0], o["padding"], -np.inf)
    return T.max_pool2d(x, o["kernel_size"], o["stride"], padding, o["dilation"], o["ceil_mode"])


def avg_pool2d(a: list, o: dict) -> Tensor:
    x, padding = plane(a[0], o["padding"])
    if x is not a[0] and (o["ceil_mode"] or not o["count_include_pad"]):
        raise NotImplementedError("avg_pool2d with padding that differs on both sides and is not counted, or with ceil_mode")
    return T.avg_pool2d(x, o["kernel_size"], o["stride"], padding, o["ceil_mode"], o["count_include_pad"], o["divisor_override"])


def pad(a: list, o: dict) -> Tensor:
    pairs = [n for pair in reversed(o["padding"]) for n in pair]                # PyTorch begins with the last axis
    return T.pad(a[0], pairs, o["mode"], o["value"] if o["mode"] == "constant" else None)


def shift(a: list, o: dict) -> Tensor:
    """Each run of channels with one offset is a window of the padded input."""
    x, offsets = a[0], o["offsets"]
    most = max(max(map(abs, offset)) for offset in offsets)
    H, W, parts, c = *x.shape[2:], [], 0
    padded = T.pad(x, (most, most, most, most))
    for (dy, dx), run in groupby(offsets):
        count = len(list(run))
        parts.append(padded[:, c:c + count, most + dy:most + dy + H, most + dx:most + dx + W])
        c += count
    return torch.cat(parts, 1)


def channel_shuffle(a: list, o: dict) -> Tensor:
    N, C, *rest = a[0].shape
    return a[0].reshape(N, o["groups"], C // o["groups"], *rest).transpose(1, 2).reshape(N, C, *rest)


def interpolate(a: list, o: dict) -> Tensor:
    corners = o["align_corners"] if o["mode"] == "bilinear" else None
    size = {"size": o["size"]} if o["scale"] is None else {"scale_factor": o["scale"]}
    return T.interpolate(a[0], **size, mode=o["mode"], align_corners=corners)


def cross_entropy(a: list, o: dict) -> Tensor:
    return T.cross_entropy(a[0], a[1], a[2], ignore_index=o["ignore_index"], reduction=o["reduction"],
                           label_smoothing=o["label_smoothing"])


def dropout(a: list, o: dict) -> Tensor:
    if not o["inverted"]:
        raise NotImplementedError("dropout in the paper's form")
    return (T.dropout1d if a[0].dim() == 3 else T.dropout2d)(a[0], o["p"]) if o["channels"] else T.dropout(a[0], o["p"])


def getitem(a: list, o: dict) -> Tensor:
    return a[0][tuple(torch.from_numpy(i) if isinstance(i, np.ndarray) else i for i in o["index"])]


Run = Callable[[list, dict], Tensor]
RUN: dict[str, Run] = {
    # layers
    "conv2d": conv2d, "conv_transpose2d": conv_transpose2d, "max_pool2d": max_pool2d, "avg_pool2d": avg_pool2d, "dropout": dropout,
    "linear": lambda a, o: T.linear(a[0], a[1], a[2]),
    "matmul": lambda a, o: a[0] @ a[1],
    "adaptive_avg_pool2d": lambda a, o: T.adaptive_avg_pool2d(a[0], o["output_size"]),
    "adaptive_max_pool2d": lambda a, o: T.adaptive_max_pool2d(a[0], o["output_size"]),
    "batch_norm": lambda a, o: T.batch_norm(a[0], a[3], a[4], a[1], a[2], o["training"], o["momentum"], o["eps"]),
    "layer_norm": lambda a, o: T.layer_norm(a[0], o["normalized_shape"], a[1], a[2], o["eps"]),
    "group_norm": lambda a, o: T.group_norm(a[0], o["num_groups"], a[1], a[2], o["eps"]),
    "local_response_norm": lambda a, o: T.local_response_norm(a[0], o["size"], o["alpha"], o["beta"], o["k"]),
    # activations
    "relu": lambda a, o: T.relu(a[0], inplace=o.get("inplace", False)),
    "relu6": lambda a, o: T.relu6(a[0], inplace=o.get("inplace", False)),
    "leaky_relu": lambda a, o: T.leaky_relu(a[0], o["negative_slope"]),
    "elu": lambda a, o: T.elu(a[0], o["alpha"]),
    "sigmoid": lambda a, o: torch.sigmoid(a[0]),
    "tanh": lambda a, o: torch.tanh(a[0]),
    "scaled_tanh": lambda a, o: A * torch.tanh(S * a[0]),
    "silu": lambda a, o: T.silu(a[0]),
    "gelu": lambda a, o: T.gelu(a[0], approximate=o["approximate"]),
    "hardsigmoid": lambda a, o: T.hardsigmoid(a[0]),
    "hardswish": lambda a, o: T.hardswish(a[0]),
    "softmax": lambda a, o: torch.softmax(a[0], o["dim"]),
    "log_softmax": lambda a, o: torch.log_softmax(a[0], o["dim"]),
    # losses
    "cross_entropy": cross_entropy,
    "nll_loss": lambda a, o: T.nll_loss(a[0], a[1], a[2], ignore_index=o["ignore_index"], reduction=o["reduction"]),
    "mse_loss": lambda a, o: T.mse_loss(a[0], a[1], reduction=o["reduction"]),
    # arithmetic
    "add": lambda a, o: a[0].add_(a[1]) if o.get("inplace") else a[0] + a[1],
    "sub": lambda a, o: a[0] - a[1],
    "mul": lambda a, o: a[0] * a[1],
    "div": lambda a, o: a[0] / a[1],
    "pow": lambda a, o: a[0] ** a[1],
    "neg": lambda a, o: -a[0],
    "exp": lambda a, o: torch.exp(a[0]),
    "log": lambda a, o: torch.log(a[0]),
    "sqrt": lambda a, o: torch.sqrt(a[0]),
    "abs": lambda a, o: torch.abs(a[0]),
    "sum": lambda a, o: a[0].sum(o["dims"], keepdim=True),
    "maximum": lambda a, o: torch.maximum(a[0], a[1]),
    "minimum": lambda a, o: torch.minimum(a[0], a[1]),
    # shapes
    "reshape": lambda a, o: a[0].reshape(o["shape"]),
    "permute": lambda a, o: a[0].permute(o["dims"]),
    "expand": lambda a, o: a[0].expand(o["shape"]),
    "cat": lambda a, o: torch.cat(a, o["dim"]),
    "getitem": getitem, "pad": pad, "shift": shift, "channel_shuffle": channel_shuffle, "interpolate": interpolate,
}


def unfused(op: str) -> str:
    """An operation without the ReLU that is fused to its end: "conv2d_relu" -> "conv2d"; every other as it is."""
    base = op.removesuffix("relu").rstrip("_")
    return base if op not in RUN and base in RUN else op


def line(op: str) -> Run:
    """How PyTorch computes an operation; a fused ReLU writes over what is before it.  NotImplementedError where that is not said here."""
    run = RUN.get(unfused(op))
    if run is None:
        raise NotImplementedError(f"minicnn/bench/replay.py does not say how PyTorch computes {op}")
    return run if op in RUN else lambda a, o: T.relu(run(a, o), inplace=True)


def written_over(plan: Plan) -> dict[int, int]:
    """Step -> which of its two inputs it may write over: made by an operation of REUSABLE, and read by this step alone."""
    made, reads = {}, {}
    for step in plan.steps:
        made.update(dict.fromkeys(step.outputs, step))
        for slot in step.inputs:
            reads[slot] = reads.get(slot, 0) + 1
    found = {}
    for number, step in enumerate(plan.steps):
        for place, slot in enumerate(step.inputs if unfused(step.op) in ("relu", "relu6", "add") else ()):
            maker = made.get(slot)
            if (number not in found and maker is not None and maker.op in REUSABLE and reads[slot] == 1 and slot not in plan.outputs
                    and maker.shapes[0] == step.shapes[0]):
                found[number] = place
    return found


class Replay(torch.nn.Module):
    """A plan as a module: forward(images) -> a tuple of results.  weights: the parameters and buffers by their names in the plan."""

    def __init__(self, plan: Plan, weights: Callable[[str], Tensor]):
        super().__init__()
        self.plan, self.slots = plan, {}
        for names, register in ((plan.parameters, self._parameter), (plan.buffers, self.register_buffer)):
            for name, slot in names.items():
                self.slots[slot] = name.replace(".", "/")
                register(self.slots[slot], weights(name))
        self.constants: dict[int, Any] = {slot: array.item() for slot, array in plan.constants.items() if not array.ndim}
        for slot, array in plan.constants.items():
            if array.ndim:                                                       # a buffer goes with the module to a GPU
                self.slots[slot] = f"constant/{slot}"
                self.register_buffer(self.slots[slot], torch.from_numpy(array))
        over, last = written_over(plan), {}
        for number, step in enumerate(plan.steps):
            last.update({slot: number for slot in (*step.inputs, *step.outputs) if slot is not None})
        kept = {*self.slots, *self.constants, *plan.outputs}
        self.calls = [self._call(step, over.get(number), [slot for slot, n in last.items() if n == number and slot not in kept])
                      for number, step in enumerate(plan.steps)]

    def _parameter(self, name: str, value: Tensor) -> None:
        self.register_parameter(name, torch.nn.Parameter(value))

    def _call(self, step: Step, over: int | None, done: list[int]) -> tuple:
        inputs = step.inputs if not over else step.inputs[::-1]                  # an addition writes over its first operand
        return line(step.op), {**step.options, "inplace": over is not None}, inputs, step.outputs[0], done

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        values: dict[Any, Any] = {None: None, self.plan.input: images, **self.constants}
        values.update((slot, getattr(self, name)) for slot, name in self.slots.items())
        for run, options, inputs, output, done in self.calls:
            values[output] = run([values[slot] for slot in inputs], options)
            for slot in done:
                values.pop(slot, None)
        return tuple(values[slot] for slot in self.plan.outputs)
