"""Sums of gradients, and whose memory they are.

A gradient that arrives over several paths is a sum. The first addition makes a new array, which is ours, and what arrives later is
added to it in place. What an Op handed out is never written to: it may be the same array for two inputs, or a view of another.
"""
import numpy as np

from .device import in_one_run
from .kernels import memory
from .kernels.parts import by_parts


class Sums:
    def __init__(self):
        self.ours = set()                     # ids of arrays made here and still under way

    def plus(self, old, g, device: str):
        """old + g, in place if old is a sum of ours.  Tensors (a backward that is itself recorded) are simply added."""
        if not hasattr(old, "flags"):
            return old + g
        if id(old) in self.ours:
            by_parts(np.add, old, g, old)
            return old
        total = memory.empty(old.shape, old.dtype, device)
        by_parts(np.add, old, g, total)
        self.ours.add(id(total))
        return total

    def done(self, gradients):
        """These sums have been read: an id may belong to another array from now on."""
        self.ours.difference_update(map(id, gradients))


def owner(array):
    """The array whose memory this one is a view of."""
    while hasattr(getattr(array, "base", None), "shape"):           # (the block of kernels.memory has none)
        array = array.base
    return array


def unshared(gradients: list, taken: list) -> list:
    """The gradients as arrays of their own: copied where one is a view or a broadcast, or reached two places, or is one of `taken`."""
    owners, result = {id(owner(a)) for a in taken}, []
    for g in gradients:
        g = np.asarray(g) if isinstance(g, np.generic) else g           # NumPy computes with numbers where arrays have no dimensions
        if not in_one_run(g) or id(owner(g)) in owners:
            g = g.copy()
        owners.add(id(owner(g)))
        result.append(g)
    return result
