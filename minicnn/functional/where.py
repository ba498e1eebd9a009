"""where: of two values the one that a condition chooses, element by element."""
import numpy as np

from ..device import meta_array
from ..promotion import number_beside, promote
from ..tensor import Op, Tensor, tensor_of
from .shapes import sum_to


class Where(Op):
    """y = a where condition, else b; with broadcasting."""
    reads_inputs = reads_outputs = False

    def forward(self, condition, a, b):
        self.condition, self.shapes = condition.astype(bool), (a.shape, b.shape)         # a copy: the user may write to his
        return np.where(self.condition, a, b).astype(promote(a.dtype, b.dtype), copy=False)

    def meta(self, condition, a, b):
        return meta_array(np.broadcast_shapes(condition.shape, a.shape, b.shape), promote(a.dtype, b.dtype))

    def backward(self, g, needs):
        zero = g.dtype.type(0)
        return (None, sum_to(np.where(self.condition, g, zero), self.shapes[0]) if needs[1] else None,
                sum_to(np.where(self.condition, zero, g), self.shapes[1]) if needs[2] else None)

    def backward_graph(self, g):
        condition = constant(self.condition, g)
        return None, sum_to(where(condition, g, 0.0), self.shapes[0]), sum_to(where(condition, 0.0, g), self.shapes[1])


def where(condition, input, other) -> Tensor:
    """y = input where condition is true, else other.  Three tensors, arrays or numbers that broadcast."""
    tensors = [t for t in (input, other) if isinstance(t, Tensor)]
    dtype = tensors[0].dtype if tensors else np.dtype(np.float32)
    device = next((t.device for t in (*tensors, condition) if isinstance(t, Tensor)), "cpu")
    if not isinstance(condition, Tensor):
        condition = Tensor(condition, device=device)
    sides = [Tensor(number_beside(t, dtype), device=device) if isinstance(t, (bool, int, float)) else t for t in (input, other)]
    return Where.apply(condition, *sides)


def where_array_or_tensor(condition, a, b):
    """Where a or b is a Tensor, a Tensor; the condition is an array on its device."""
    tensor = next((x for x in (a, b) if isinstance(x, Tensor)), None)
    return np.where(condition, a, b) if tensor is None else where(constant(condition, tensor), a, b)


def constant(array, like):
    """An array that was computed from values alone, to stand beside `like`: as a Tensor, if that is one."""
    if not isinstance(like, Tensor):
        return array
    return tensor_of(np.asarray(array) if isinstance(array, np.generic) else array, like.device)
