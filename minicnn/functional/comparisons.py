"""Comparisons: a truth value an element, with broadcasting; nothing to differentiate."""
import numpy as np

from ..device import meta_array
from ..tensor import Op, Tensor


class Compare(Op):
    """y = input ? other, where relation is NumPy's function for it."""
    reads_inputs = reads_outputs = False

    def forward(self, a, b, relation):
        return relation(a, b)

    def meta(self, a, b, relation):
        return meta_array(np.broadcast_shapes(a.shape, b.shape), bool)


def less(input, other) -> Tensor:
    return Compare.apply(input, other, relation=np.less)


def less_equal(input, other) -> Tensor:
    return Compare.apply(input, other, relation=np.less_equal)


def greater(input, other) -> Tensor:
    return Compare.apply(input, other, relation=np.greater)


def greater_equal(input, other) -> Tensor:
    return Compare.apply(input, other, relation=np.greater_equal)


def equal(input, other) -> Tensor:
    return Compare.apply(input, other, relation=np.equal)


def not_equal(input, other) -> Tensor:
    return Compare.apply(input, other, relation=np.not_equal)
