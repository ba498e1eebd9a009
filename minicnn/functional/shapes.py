"""Shapes: operations that move elements and compute nothing. The gradient of a move is the move back."""
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..device import meta_array, move
from ..kernels import memory
from ..kernels.parts import by_parts
from ..promotion import promote
from ..tensor import Op, Tensor


def sum_to(g, shape: tuple) -> Any:
    """The gradient of a broadcast: g summed over the axes along which an array of `shape` was repeated.  Arrays and Tensors."""
    if g.shape == tuple(shape):
        return g
    extra = len(g.shape) - len(shape)
    repeated = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1)
    if isinstance(g, Tensor):
        return g.sum(repeated, keepdim=True).reshape(shape)
    return g.sum(axis=repeated, keepdims=True, dtype=np.float64).astype(g.dtype).reshape(shape)


class Reshape(Op):
    view, reads_inputs, reads_outputs = True, False, False

    def forward(self, x, shape):
        self.shape = x.shape
        return x.reshape(shape)

    def infer(self, x, shape):
        return shape

    def backward(self, g, needs):
        return (g.reshape(self.shape),)

    def backward_graph(self, g):
        return (reshape(g, self.shape),)


class Permute(Op):
    view, reads_inputs, reads_outputs = True, False, False

    def forward(self, x, dims):
        self.inverse = tuple(int(i) for i in np.argsort(dims))
        return x.transpose(dims)

    def infer(self, x, dims):
        return tuple(x.shape[d] for d in dims)

    def backward(self, g, needs):
        return (g.transpose(self.inverse),)

    def backward_graph(self, g):
        return (permute(g, self.inverse),)


class Expand(Op):
    view, reads_inputs, reads_outputs = True, False, False

    def forward(self, x, shape):
        self.shape = x.shape
        return np.broadcast_to(x, shape)

    def infer(self, x, shape):
        return shape

    def backward(self, g, needs):
        return (sum_to(g, self.shape),)

    def backward_graph(self, g):
        return (sum_to(g, self.shape),)


def scatter_add(y, index: tuple, x) -> None:
    """y[index] += x, where an element that the index names twice is added to twice."""
    lists = [axis for axis, i in enumerate(index) if isinstance(i, np.ndarray) and i.ndim == 1 and i.dtype != bool]
    if len(lists) == 1 and all(isinstance(i, slice) for axis, i in enumerate(index) if axis != lists[0]):
        axis = lists[0]                                    # one list of places, such as the channels of x[:, [0, 2, 2]]: place by place
        for place, i in enumerate(index[axis]):
            y[(*index[:axis], int(i), *index[axis + 1:])] += x[(slice(None),) * axis + (place,)]
    elif isinstance(y, np.ndarray):
        np.add.at(y, index, x)
    else:                                                  # a GPU would add by atomics, in another order every time: the host does it
        host = move(y, "cuda", "cpu")
        np.add.at(host, index, move(x, "cuda", "cpu"))
        y[...] = move(host, "cpu", "cuda")


class GetItem(Op):
    """y = x[index]: slices, integers, None, …, integer arrays and masks, as in NumPy."""
    reads_inputs = reads_outputs = False

    def forward(self, x, index):
        self.shape = x.shape
        self.view = self.basic = all(isinstance(i, (slice, int, np.integer, type(None), type(Ellipsis))) for i in index)
        if self.device == "cuda" and not self.basic:
            meta_array(x.shape, bool)[index]               # IndexError: CuPy would wrap a place that is not there around
        y = x[index]
        return np.asarray(y) if isinstance(y, np.generic) else y

    def infer(self, x, index):
        return x[index].shape

    def backward(self, g, needs):
        dx = memory.zeros(self.shape, g.dtype, self.device)
        if self.basic:
            dx[self.options["index"]] = g                  # every element was taken once at most
        else:
            scatter_add(dx, self.options["index"], g)      # an element taken twice gets two gradients
        return (dx,)

    def backward_graph(self, g):
        return (Scatter.apply(g, index=self.options["index"], shape=self.shape),)


class Scatter(Op):
    """The adjoint of GetItem: zeros of a shape, to which x is added at index."""
    reads_inputs = reads_outputs = False

    def forward(self, x, index, shape):
        y = memory.zeros(shape, x.dtype, self.device)
        scatter_add(y, index, x)
        return y

    def infer(self, x, index, shape):
        return shape

    def backward(self, g, needs):
        return (g[self.options["index"]],)

    def backward_graph(self, g):
        return (getitem(g, self.options["index"]),)


class Cat(Op):
    reads_inputs = reads_outputs = False

    def forward(self, *arrays, dim):
        self.ends = np.cumsum([a.shape[dim] for a in arrays])[:-1].tolist()
        out = memory.empty(self.infer(*arrays, dim=dim), promote(*(a.dtype for a in arrays)), self.device)
        if dim % out.ndim == 0:
            return np.concatenate(arrays, dim, out=out, casting="unsafe")
        by_parts(lambda part, *parts: np.concatenate(parts, dim, out=part, casting="unsafe"), out, *arrays)
        return out

    def infer(self, *arrays, dim):
        shape = list(arrays[0].shape)
        shape[dim] = sum(a.shape[dim] for a in arrays)
        return tuple(shape)

    def backward(self, g, needs):
        return tuple(part if need else None for part, need in zip(np.split(g, self.ends, self.options["dim"]), needs))

    def backward_graph(self, g):
        dim, starts = self.options["dim"], [0, *self.ends]
        stops = [*self.ends, g.shape[dim]]
        before = (slice(None),) * (dim % len(g.shape))
        return tuple(getitem(g, (*before, slice(a, b))) for a, b in zip(starts, stops))


def _one_dim(x, dim: int, name: str) -> int:
    rank = len(x.shape)
    if not -rank <= dim < rank:
        raise IndexError(f"{name}: a tensor of shape {x.shape} has dimensions {-rank} … {rank - 1}, got {dim}")
    return dim % rank


def reshape(input: Tensor, *shape) -> Tensor:
    """The same elements in row-major order in another shape; one −1 stands for what is left.  ValueError if they do not fit."""
    sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    if not all(isinstance(n, (int, np.integer)) and n >= -1 for n in sizes):
        raise ValueError(f"reshape: sizes should be whole numbers, 0 or more, or one −1, got {sizes}")
    known = math.prod(n for n in sizes if n != -1)
    total = math.prod(input.shape)
    if sizes.count(-1) > 1 or (known != total if -1 not in sizes else known == 0 or total % known):
        raise ValueError(f"reshape: {total} elements of shape {input.shape} do not fit into {sizes}")
    return Reshape.apply(input, shape=tuple(int(n) if n != -1 else total // known for n in sizes))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dimensions start_dim … end_dim as one."""
    first, last = _one_dim(input, start_dim, "flatten"), _one_dim(input, end_dim, "flatten")
    middle = math.prod(input.shape[first:last + 1])
    return reshape(input, (*input.shape[:first], middle, *input.shape[last + 1:]))


def squeeze(input: Tensor, dim: int | None = None) -> Tensor:
    """Without dimensions of size 1: all of them, or the one at dim."""
    if dim is None:
        return reshape(input, tuple(n for n in input.shape if n != 1))
    dim = _one_dim(input, dim, "squeeze")
    return reshape(input, input.shape[:dim] + input.shape[dim + 1:]) if input.shape[dim] == 1 else input


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of size 1 at dim."""
    rank = len(input.shape)
    if not -rank - 1 <= dim <= rank:
        raise IndexError(f"unsqueeze: a new dimension of a tensor of shape {input.shape} stands at {-rank - 1} … {rank}, got {dim}")
    dim = dim % (rank + 1)
    return reshape(input, (*input.shape[:dim], 1, *input.shape[dim:]))


def permute(input: Tensor, *dims) -> Tensor:
    """The dimensions in another order: y.shape[i] = x.shape[dims[i]]."""
    order = tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], Sequence) else dims
    wrapped = tuple(_one_dim(input, d, "permute") for d in order)
    if sorted(wrapped) != list(range(len(input.shape))):
        raise ValueError(f"permute: {order} does not name every dimension of shape {input.shape} once")
    return Permute.apply(input, dims=wrapped)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged."""
    order = list(range(len(input.shape)))
    a, b = _one_dim(input, dim0, "transpose"), _one_dim(input, dim1, "transpose")
    order[a], order[b] = order[b], order[a]
    return Permute.apply(input, dims=tuple(order))


def expand(input: Tensor, *shape) -> Tensor:
    """Broadcast to a shape without copying; −1 keeps a size."""
    sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    padded = (1,) * (len(sizes) - len(input.shape)) + input.shape
    wanted = tuple(have if want == -1 else want for want, have in zip(sizes, padded))
    if len(padded) != len(sizes) or any(have not in (1, want) for want, have in zip(wanted, padded)):
        raise ValueError(f"expand: shape {input.shape} does not broadcast to {sizes}")
    return Expand.apply(input, shape=wanted)


def getitem(input: Tensor, index) -> Tensor:
    """x[index] as in PyTorch: numbers, slices, None and … first; then lists, integer tensors and masks, which copy."""
    parts = index if isinstance(index, tuple) else (index,)
    # (indices stay on the host: CuPy takes them from there)
    plain = tuple(np.array(p.numpy() if isinstance(p, Tensor) else p) if isinstance(p, (Tensor, list, np.ndarray)) else p for p in parts)
    if any(isinstance(p, np.ndarray) for p in plain) and any(isinstance(p, (int, np.integer)) for p in plain):
        # NumPy counts a number beside a list as a list of one, which moves axes about; PyTorch takes it first
        first = [axis for p in plain if p is not None for axis in _whole_axes(p)]
        input, plain = GetItem.apply(input, index=tuple(first)), tuple(p for p in plain if not isinstance(p, (int, np.integer)))
    return GetItem.apply(input, index=plain)


def _whole_axes(part) -> list:
    """A number or … as it is; for anything else, the axes that it indexes, whole."""
    if isinstance(part, (int, np.integer)) or part is Ellipsis:
        return [part]
    return [slice(None)] * (part.ndim if isinstance(part, np.ndarray) and part.dtype == bool else 1)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one after another along dim; the other sizes must agree."""
    tensors = list(tensors)
    if not tensors:
        raise ValueError("cat: expected at least one tensor, got an empty list")
    dim = _one_dim(tensors[0], dim, "cat")
    rest = {t.shape[:dim] + t.shape[dim + 1:] for t in tensors}
    if len(rest) > 1:
        raise ValueError(f"cat: the tensors may differ in dimension {dim} only, got shapes {', '.join(str(t.shape) for t in tensors)}")
    return Cat.apply(*tensors, dim=dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape side by side along a new dimension."""
    shapes = {t.shape for t in tensors}
    if len(shapes) != 1:
        raise ValueError(f"stack: expected tensors of one shape, got {', '.join(map(str, shapes)) or 'an empty list'}")
    return cat([unsqueeze(t, dim) for t in tensors], dim % (len(tensors[0].shape) + 1))


def split(tensor: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces along dim: of split_size each (the last may be smaller), or of the sizes listed."""
    dim = _one_dim(tensor, dim, "split")
    total = tensor.shape[dim]
    if not isinstance(split_size, Sequence) and split_size < 1:
        raise ValueError(f"split: pieces should have a size of at least 1, got {split_size!r}")
    sizes = list(split_size) if isinstance(split_size, Sequence) else [min(split_size, total - i) for i in range(0, total, split_size)]
    if sum(sizes) != total:
        raise ValueError(f"split: sizes {sizes} add up to {sum(sizes)}, dimension {dim} of shape {tensor.shape} has {total}")
    ends = np.cumsum(sizes).tolist()
    before = (slice(None),) * dim
    return tuple(getitem(tensor, (*before, slice(end - size, end))) for size, end in zip(sizes, ends))


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size along dim; the last may be smaller."""
    if chunks < 1:
        raise ValueError(f"chunk: expected at least 1 piece, got {chunks!r}")
    return split(input, max(1, -(-input.shape[_one_dim(input, dim, 'chunk')] // chunks)), dim)
