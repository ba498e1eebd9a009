"""Checkpointing: a block forgets what it computed and computes it again when backward comes.

The activations inside the block are not kept, which saves their memory and costs one more forward. The second forward is the first
one again, to the last bit: the same kernels, the same random masks, and running statistics that are not written a second time.

Chen, Xu, Zhang, Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016.
"""
import threading
from collections.abc import Callable
from contextlib import contextmanager

from ..device import get_backend, use_backend
from ..kernels.random import default_generator
from ..modes import mode, record
from ..tensor import Op, Tensor, backpropagate, births, tensor_of


class _Replay(threading.local):
    on = False


_replay = _Replay()


def replaying() -> bool:
    """Whether a checkpointed block is being computed again: what a forward writes besides its outputs was written the first time."""
    return _replay.on


@contextmanager
def _replayed(random_state, backend: str):
    state, before = default_generator.state, _replay.on
    default_generator.state, _replay.on = random_state, True
    try:
        with use_backend(backend), record(True):
            yield
    finally:
        default_generator.state, _replay.on = state, before


def _fresh(tensor: Tensor, requires_grad: bool) -> Tensor:
    """A leaf with the values of a tensor."""
    leaf = tensor_of(tensor.data, tensor.device)
    leaf.requires_grad, leaf.version = requires_grad, tensor.version
    return leaf


def _outer_edges(outputs, first: int, leaves: list[Tensor]) -> list:
    """The edges that lead out of the block: to parameters, and to Ops older than its first."""
    inner, seen, found = {(leaf, 0) for leaf in leaves}, set(), {}
    queue = [y.op for y in outputs if y.op is not None]
    while queue:
        op = queue.pop()
        if id(op) in seen:
            continue
        seen.add(id(op))
        for edge in op.edges:
            if edge is None or edge in inner:
                continue
            if isinstance(edge[0], Op) and edge[0].birth > first:
                queue.append(edge[0])
            else:
                found[edge] = None
    return list(found)


class Checkpoint(Op):
    """One Op for a whole block.  Its edges: the block's inputs, then everything else that the block reads, found by a first walk."""
    reads_outputs = False
    block: Callable
    backend: str
    random_state: tuple
    tensors: tuple                            # the block's inputs

    @classmethod
    def run(cls, block: Callable, inputs: tuple):
        op = cls()
        op.block, op.backend, op.random_state, op.tensors = block, get_backend(), default_generator.state, inputs
        leaves = [_fresh(t, t.requires_grad) for t in inputs]
        first = next(births)
        with record(True):
            result = block(*leaves)
        outputs = result if isinstance(result, tuple) else (result,)
        op.device, op.options = outputs[0].device, {}
        op.edges = [t.edge for t in inputs] + _outer_edges(outputs, first, leaves)
        op.count, op.birth = len(outputs), next(births)
        parameters = [node for node, _ in filter(None, op.edges) if isinstance(node, Tensor)]
        op.read = [(t.version, t.version[0]) for t in (*inputs, *parameters)]      # the second forward reads them all again
        # what the block itself keeps to compute again: its inputs' values; their graph stands in the edges
        op.tensors = tuple(_fresh(t, t.requires_grad) for t in inputs)
        recorded = any(op.edges)
        made = tuple(tensor_of(y.data, y.device, op if recorded and y.requires_grad else None, i) for i, y in enumerate(outputs))
        return made if isinstance(result, tuple) else made[0]

    def again(self, inputs, grads, create_graph: bool):
        with _replayed(self.random_state, self.backend):
            result = self.block(*inputs)
            outputs = result if isinstance(result, tuple) else (result,)
            roots = [(y, g if isinstance(g, Tensor) else tensor_of(g, self.device)) for y, g in zip(outputs, grads) if g is not None]
            own = [t.edge for t in inputs] + self.edges[len(inputs):]
            found = backpropagate(roots, create_graph, create_graph, stop={e for e in own if e is not None})
            return tuple(found.pop(edge, None) for edge in own)      # a tensor that the block reads twice gets its sum once

    def backward(self, *grads, needs):
        inputs = [_fresh(t, t.requires_grad) for t in self.tensors]
        return tuple(None if g is None else g.data for g in self.again(inputs, grads, create_graph=False))

    def backward_graph(self, *grads):
        self.inputs = tuple(t.data for t in self.tensors)
        return self.again(self.input_tensors(), grads, create_graph=True)


def checkpoint(block: Callable) -> Callable:
    """A function that computes block(*tensors) and keeps none of the activations inside: `y = mc.checkpoint(block)(x)`.

    block: any function of Tensors, a Module for one. Gradients reach its inputs and every parameter that it reads, and are equal to
    those without a checkpoint to the last bit, dropout and batch norm included.
    """
    def run(*inputs):
        if not mode.recording:
            return block(*inputs)
        return Checkpoint.run(block, inputs)
    return run
