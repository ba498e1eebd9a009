"""What an operation costs at least: floating-point operations, and bytes that have to come from memory or go there.

A multiply-add is two operations; an addition, a comparison, a division, an exponential is one. Bytes count each array once: the inputs
that are read and the outputs that are written, as if caches held everything in between. So the ratio of the two, the arithmetic
intensity, is the best that a kernel can have; one that copies its input first has less.
"""
from math import prod
from typing import Any

from ..observers import Event
from .summary import multiply_adds

# Operations for each element of the output, forward and backward, of what is no product; whatever is not listed counts 1 and 1.
EACH = {
    "batch_norm": (6, 8), "layer_norm": (6, 8), "group_norm": (6, 8), "relu6": (2, 2), "elu": (3, 3), "sigmoid": (4, 3), "tanh": (1, 3),
    "scaled_tanh": (3, 4), "silu": (5, 7), "gelu": (5, 8), "hardsigmoid": (4, 3), "hardswish": (5, 4), "softmax": (4, 4),
    "log_softmax": (4, 4), "cross_entropy": (4, 3), "mse_loss": (3, 3), "dropout": (2, 2),
}
MOVES = {"cat", "pad", "shift", "channel_shuffle", "getitem", "reshape", "permute", "expand"}      # compute nothing


def products(op: Any, inputs: Any, outputs: Any) -> int:
    """Floating-point operations of a convolution, a linear layer or a matrix product; 0 for everything else.  Tensors or arrays."""
    if op.kernel == "matmul":
        return 2 * prod(outputs[0].shape) * inputs[0].shape[-1]
    return 2 * multiply_adds(op, inputs, outputs)


def forward_cost(event: Event) -> tuple[int, int]:
    """(floating-point operations, bytes) of a forward."""
    op, inputs = event.op, [t.data for t in event.inputs if t is not None]
    if op.view:
        return 0, 0
    return _operations(op, event.inputs, event.outputs, 0), sum(array.nbytes for array in [*inputs, *event.outputs])


def backward_cost(event: Event) -> tuple[int, int]:
    """(floating-point operations, bytes) of a backward: of the gradients that were asked for alone."""
    op, grads = event.op, [g for g in event.inputs if g is not None]
    if op.view:
        return 0, 0
    asked = [g for g in event.outputs if g is not None]
    kept = [a for a in op.inputs if a is not None and op.reads_inputs]
    size = sum(array.nbytes for array in [*grads, *asked, *kept] if any(array.strides) or not array.ndim)
    size += grads[0].nbytes if op.reads_outputs and grads else 0
    product = products(op, kept, grads) if len(kept) > 1 and grads else 0
    if product:
        return product * sum(g is not None for g in event.outputs[:2]), size
    return _operations(op, asked, grads, 1) if grads else 0, size


def _operations(op: Any, inputs: Any, outputs: Any, direction: int) -> int:
    """direction: 0 forward, 1 backward; outputs: arrays of the shape of the output."""
    name, size = op.kernel or type(op).__name__.lower(), prod(outputs[0].shape)
    name = name if name in EACH else name.removesuffix("_relu")
    if name in MOVES:
        return 0
    if name in ("max_pool2d", "avg_pool2d"):
        return size * (prod(op.options["kernel_size"]) if direction == 0 or name == "avg_pool2d" else 1)
    if name == "sum" and direction == 1:
        return 0                                                         # the one number is seen everywhere, no copy is made
    if name.startswith("adaptive") or name == "sum":
        return max(size, prod(inputs[0].shape))
    if name == "local_response_norm":
        return size * (2 * op.options["size"] + 4) * (1 + direction)
    return (direction == 0 and products(op, inputs, outputs)) or size * EACH.get(name, (1, 1))[direction]
