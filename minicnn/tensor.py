"""Tensor and Op: the whole of automatic differentiation.

A Tensor is an array that remembers which Op made it. An Op is one application of a function: its forward keeps on itself what its
backward will read. Edges run from an Op to the makers of its inputs, "output number i of that Op", or to a leaf: a Tensor that
requires a gradient and that no Op made. They never run to a Tensor in between, which therefore lives only as long as somebody holds
it; and since nothing refers in a circle, a graph is freed the moment its last Tensor goes.

Backward visits Ops in the reverse order of their creation, which is a reverse topological order without any search: an Op is always
younger than the makers of its inputs. A gradient that arrives at an Op over several paths is summed before the visit.

Arithmetic, shapes and the like are Ops too; functional/methods.py attaches them to Tensor in one table.
"""
import heapq
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from . import device as devices
from .accumulate import Sums, unshared
from .graph import leading_to
from .modes import mode, record
from .observers import observers, tell
from .promotion import number_beside, promote

if TYPE_CHECKING:
    from .signatures import TensorMethods
else:
    TensorMethods = object                    # attached by functional/methods.py

births = count()                              # the order of creation of Ops


class Tensor(TensorMethods):
    """An array with a place in a graph.

    data           the array; requires_grad: whether gradients are asked for; grad: the gradient that came to rest here, a Tensor or None
    device         "cpu", "cuda", or "meta" (a shape without values)
    op, index      the Op that made it, and which of its outputs it is; None, 0 for a leaf
    """
    __slots__ = ("data", "grad", "requires_grad", "op", "index", "version", "device", "__weakref__")
    __array_priority__ = 1                    # numpy_array * tensor is the Tensor's business
    __hash__: Any = object.__hash__           # a Tensor is itself, even though == compares values
    data: Any
    grad: Any                                 # a Tensor or None

    def __init__(self, data: Any, requires_grad: bool = False, *, device: str | None = None, dtype: Any = None):
        """data: a number, nested lists (floats become float32) or an array, whose dtype is kept and whose memory is shared."""
        source = "cpu"
        if isinstance(data, Tensor):
            source, data = data.device, data.data
        elif hasattr(data, "__cuda_array_interface__"):
            source = "cuda"
        array = np.asarray(data, dtype) if source == "cpu" else data if dtype is None else data.astype(dtype)
        if dtype is None and array.dtype == np.float64 and not hasattr(data, "dtype"):
            array = array.astype(np.float32)                                         # Python's own numbers
        if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
            raise TypeError(f"Tensor: expected whole or floating-point numbers of at most 64 bits, got an array of dtype {array.dtype}")
        array = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
        if requires_grad and array.dtype.kind != "f":
            raise TypeError(f"Tensor: only floating-point tensors have gradients, this one is {array.dtype}; convert it first: x.float()")
        target = source if device is None else devices.checked_device(device)
        self._fill(devices.move(array, source, target), target)
        self.requires_grad = requires_grad

    def _fill(self, array, device: str, op: Any = None, index: int = 0):
        self.data, self.device, self.op, self.index = array, device, op, index
        self.grad, self.requires_grad = None, op is not None
        self.version = [0]                    # counts writes; shared with views and with the Ops that read this data

    @property
    def edge(self) -> "tuple | None":
        """Where a gradient of this Tensor goes: (op, output number), (self, 0) for a leaf, None if nobody asks."""
        if self.op is not None:
            return self.op, self.index
        return (self, 0) if self.requires_grad else None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    def write(self, data: Any) -> "Tensor":
        """Replace the values in place, as an optimiser does; an Op that still needs the old ones will refuse its backward."""
        if self.requires_grad and mode.recording:
            raise RuntimeError("write: this tensor takes part in gradients; write inside `with no_grad():`, or compute a new tensor")
        self.data[...] = devices.values(data, self.device)
        self.version[0] += 1
        return self

    def detach(self) -> "Tensor":
        """The same values, sharing memory, outside the graph."""
        tensor = tensor_of(self.data, self.device)
        tensor.version = self.version
        return tensor

    def backward(self, gradient: "Tensor | None" = None, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Add d(self·gradient)/d(leaf) to the grad of every leaf.

        gradient: like self; 1 for a single number.  retain_graph: keep the graph for another backward.  create_graph: the gradients
        are Tensors with a graph of their own.  RuntimeError without a graph, or through one already freed; ValueError for a wrong shape.
        """
        if not self.requires_grad:
            raise RuntimeError("backward: this tensor has no graph; was it computed under no_grad(), or without requires_grad=True?")
        for leaf, g in backpropagate([(self, starting_gradient(self, gradient))], retain_graph or create_graph, create_graph).items():
            leaf.grad = g if leaf.grad is None else leaf.grad + g


def tensor_of(array, device: str, op: "Op | None" = None, index: int = 0) -> Tensor:
    """A Tensor around an array, without the questions that Tensor(…) asks of a user."""
    tensor = object.__new__(Tensor)
    tensor._fill(array, device, op, index)
    return tensor


def starting_gradient(output: Tensor, gradient: Any) -> Tensor:
    """The gradient that a backward starts from: ones for a single number, else what the user gives."""
    if gradient is None:
        if output.data.size != 1:
            raise RuntimeError(f"backward: a tensor of shape {output.shape} needs a gradient of that shape: pass it, as backward(gradient)")
        return tensor_of(np.ones_like(output.data), output.device)
    gradient = gradient if isinstance(gradient, Tensor) else Tensor(np.asarray(gradient, output.dtype), device=output.device)
    if gradient.device != output.device:
        raise RuntimeError(f"backward: the gradient is on {gradient.device!r}, the tensor on {output.device!r}; move it with .to(device)")
    if gradient.shape != output.shape:
        raise ValueError(f"backward: the gradient has shape {gradient.shape}, the tensor {output.shape}; they must be the same")
    return gradient if gradient.dtype == output.dtype else gradient.to(output.dtype)


class Op:
    """One application of a function.

    A subclass has  forward(self, *arrays, **options) -> array or tuple of arrays; it keeps on self what backward reads
                    backward(self, *grads, needs) -> tuple: a gradient for each input, None where needs[i] is False
                    infer(self, *arrays, **options) -> the output's shape, or a list of shapes, for meta tensors: arrays with only a shape
    and, for gradients of gradients, either  definition(*tensors, **options): the same function in basic operations,
    where forward kept self.inputs = arrays, or its own  backward_graph(self, *grads) on Tensors.
    """
    kernel: str | None = None                 # the operation in kernels/ that it runs on
    reads_inputs = reads_outputs = True       # what backward looks at, and nobody may therefore write to meanwhile
    view = released = False                   # view: its output shares the memory of its first input
    device: str
    kernels: Any
    options: dict
    inputs: tuple = ()
    edges: list
    count: int                                # of outputs
    birth: int
    read: list                                # (version, what it was) of the tensors that backward reads
    definition: Any = None

    @classmethod
    def apply(cls, *inputs, **options) -> Any:
        """Run the function on Tensors (numbers and arrays are converted, None stays None) and link the result into the graph."""
        op, tensors = cls(), _as_tensors(inputs)
        op.options = options
        op.device = devices.common_device(cls.__name__, [t.device for t in tensors if t is not None])
        event = tell.start(op) if observers else None
        if op.device == "meta":
            result = op.meta(*(None if t is None else devices.meta_array(t.shape, t.dtype) for t in tensors), **options)
        else:
            if cls.kernel is not None:
                op.kernels = devices.kernel(cls.kernel, op.device)
            result = op.forward(*(None if t is None else t.data for t in tensors), **options)
        outputs = tuple(np.asarray(a) if isinstance(a, np.generic) else a for a in (result if isinstance(result, tuple) else (result,)))
        if event is not None:
            tell.forward(event, op, tensors, outputs)

        edges = [None if t is None else t.edge for t in tensors]
        maker = op if mode.recording and any(edges) else None        # else nobody will ask: what forward kept is dropped here
        made = tuple(tensor_of(a, op.device, maker if a.dtype.kind == "f" else None, i) for i, a in enumerate(outputs))
        if op.view:
            made[0].version = tensors[0].version
        if maker is not None:
            op.edges, op.count, op.birth = edges, len(outputs), next(births)
            read = (tensors if cls.reads_inputs else []) + (list(made) if cls.reads_outputs else [])
            op.read = [(t.version, t.version[0]) for t in read if t is not None]
        return made if isinstance(result, tuple) else made[0]

    def meta(self, *arrays, **options):
        shapes = self.infer(*arrays, **options)
        present = [a.dtype for a in arrays if a is not None]
        dtype = promote(*present)
        return tuple(devices.meta_array(s, dtype) for s in shapes) if isinstance(shapes, list) else devices.meta_array(shapes, dtype)

    def infer(self, *arrays, **options) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot tell its output shape without values, so it does not run on meta tensors")

    def forward(self, *arrays, **options) -> Any:
        raise NotImplementedError

    def backward(self, *grads, needs) -> tuple:
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def check(self):
        if self.released:
            raise RuntimeError(f"{type(self).__name__}: backward has been through this graph and freed it; pass retain_graph=True "
                               f"the first time to go again")
        if any(box[0] != then for box, then in self.read):
            raise RuntimeError(f"{type(self).__name__}: a tensor that its backward reads was changed in place after the forward; its "
                               f"gradient would be that of another value. Compute a new tensor instead, or write after backward()")

    def release(self):
        """Drop what forward kept; only the edges stay, to say so to whoever comes again."""
        keep = {k: v for k, v in vars(self).items() if k in ("edges", "count", "birth", "read", "device")}
        self.__dict__ = keep | {"released": True}

    def input_tensors(self) -> list:
        """The inputs that forward kept, as Tensors in their old places of the graph."""
        tensors = [None if a is None else tensor_of(a, self.device) for a in self.inputs]
        for tensor, edge in zip(tensors, self.edges):
            if edge is not None and tensor is not None:         # (an edge to a leaf: its gradient is still the leaf's)
                tensor.op, tensor.index, tensor.requires_grad = *edge, True
        return tensors

    def backward_graph(self, *grads) -> tuple:
        """backward on Tensors, so that it can be differentiated in turn: by default through the definition of the function."""
        if self.definition is None:
            raise NotImplementedError(f"{type(self).__name__} has no second derivative: give it backward_graph(self, *grads) on Tensors")
        outputs = self.definition(*self.input_tensors(), **self.options)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        found = backpropagate([(y, g) for y, g in zip(outputs, grads) if g is not None], True, True, stop={e for e in self.edges if e})
        return tuple(found.pop(e, None) for e in self.edges)     # a tensor that came twice gets its sum once


def _as_tensors(inputs) -> list:
    """Numbers take the dtype and the device of the first Tensor beside them."""
    first = next((t for t in inputs if isinstance(t, Tensor)), None)
    tensors = []
    for value in inputs:
        if value is not None and not isinstance(value, Tensor):
            if isinstance(value, (bool, int, float)) and first is not None:
                value = tensor_of(devices.move(number_beside(value, first.dtype), "cpu", first.device), first.device)
            else:
                value = Tensor(value)
        tensors.append(value)
    return tensors


def backpropagate(roots, retain_graph: bool, create_graph: bool, stop=()) -> dict:
    """Carry gradients from the roots, pairs (tensor, gradient), down to the leaves, or, where stop names edges, to these alone.

    Returns {leaf or edge: gradient, a Tensor}.  Gradients travel as arrays, or, with create_graph, as Tensors.
    """
    arrived, queue, result = {}, [], {}       # Op -> gradients of its outputs; Ops by birth, youngest first
    sums = Sums()
    wanted = leading_to(stop, [t.edge for t, _ in roots]) if stop else None

    def asks(edge) -> bool:
        return edge is not None and (wanted is None or edge in stop or edge[0] in wanted)

    def arrive(edge, g):
        node, i = edge
        if edge in stop or isinstance(node, Tensor):
            key = edge if edge in stop else node
            result[key] = sums.plus(result[key], g, node.device) if key in result else g
        else:
            if node not in arrived:
                arrived[node] = [None] * node.count
                heapq.heappush(queue, (-node.birth, node))
            grads = arrived[node]
            grads[i] = g if grads[i] is None else sums.plus(grads[i], g, node.device)

    with record(create_graph):
        for tensor, g in roots:
            if asks(tensor.edge):
                arrive(tensor.edge, g if create_graph else g.data)
        while queue:
            op = heapq.heappop(queue)[1]
            op.check()
            grads, needs = arrived.pop(op), [asks(edge) for edge in op.edges]
            event = tell.start(op, grads) if observers else None
            gradients = op.backward_graph(*grads) if create_graph else op.backward(*grads, needs=needs)
            if event is not None:
                tell.backward(event, op, grads, gradients)
            if not retain_graph:
                op.release()
            sums.done(grads)
            for edge, needed, g in zip(op.edges, needs, gradients):
                if needed and g is not None:
                    arrive(edge, g)
            del grads, gradients              # freed before the next Op allocates
    if create_graph:
        return result
    arrays = unshared(list(result.values()), [g.data for _, g in roots])
    return {node: tensor_of(g, (node if isinstance(node, Tensor) else node[0]).device) for node, g in zip(result, arrays)}


def grad(outputs, inputs, gradient=None, retain_graph: bool = False, create_graph: bool = False) -> list:
    """d(output·gradient)/d(input) for each input, wherever it stands in the graph; nothing is added to any grad.

    outputs, inputs: a Tensor or a list.  gradient: like outputs.  None for an input that the outputs do not depend on.
    """
    outputs, inputs = ([x] if isinstance(x, Tensor) else list(x) for x in (outputs, inputs))
    gradients = list(gradient) if isinstance(gradient, (list, tuple)) else [gradient] * len(outputs)
    for name, tensors in (("output", outputs), ("input", inputs)):
        if not all(t.requires_grad for t in tensors):
            raise RuntimeError(f"grad: an {name} does not take part in a graph; compute it with requires_grad=True, outside no_grad()")
    roots = [(y, starting_gradient(y, g)) for y, g in zip(outputs, gradients, strict=True)]
    found = backpropagate(roots, retain_graph or create_graph, create_graph, stop={t.edge for t in inputs})
    return [found.get(t.edge) for t in inputs]
