"""Optimisers on a GPU: which parameters go together, and where they lie; the rules are in gpu.cu.

`steps` takes all parameters of a network. Those of one type and with the same options, usually all, are one launch over a table of their
addresses. The table goes to the GPU when an address in it is new. Arrays come back to where they were, so that after some steps it is an
old one.
"""
import math
from functools import lru_cache
from typing import Any

import numpy as np

from .. import cuda
from ..cuda.loader import TYPES

PIECE = 8192                             # numbers: a multiple of 16 bytes, so that the pieces of an array begin where 16 bytes begin
GRID = 4096                              # blocks at most

kernels = cuda.load(__file__)


@lru_cache(maxsize=64)
def table(mode: str, itemsize: int, sizes: tuple, addresses: tuple) -> Any:
    """(pieces, 1 + arrays): the count of a piece and where it begins in each of its parameter's arrays, 0 for one that is not there."""
    return cuda.table([(min(PIECE, size - first), *(begin and begin + itemsize * first for begin in own))
                       for size, own in zip(sizes, addresses) for first in range(0, size, PIECE)], np.int64)


class Together:
    """A subclass names its kernel, and says which states its options use, and which numbers the kernel takes."""
    kernel: str
    states: Any
    scalars: Any

    @classmethod
    def step(cls, *arrays, **options):
        cls.steps([(arrays, options)])

    @classmethod
    def steps(cls, calls):
        """step(*arrays, **options) for each (arrays, options) of calls.  Arrays of a call have one type and lie in one run."""
        alike: dict[tuple, list] = {}
        for arrays, options in calls:
            if arrays[0].size:
                used = True, True, *cls.states(options)
                key = arrays[0].dtype, tuple(float(s) for s in cls.scalars(options))
                alike.setdefault(key, []).append([a if use else None for a, use in zip(arrays, used)])
        for (dtype, scalars), group in alike.items():
            cls.launch(dtype, group, [np.float64(s) for s in scalars])

    @classmethod
    def launch(cls, dtype, group, scalars):
        kernel = kernels[f"{cls.kernel}<{TYPES[dtype.str[1:]]}>"]
        if cuda.mode() == "check":                                                 # it watches arrays that are arguments: one by one
            for arrays in group:
                flat = [a if a is None else a.reshape(-1) for a in arrays]
                kernel((1,), (256,), (None, np.int64(1), np.int64(arrays[0].size), *flat, *scalars))
            return
        pieces = table(cuda.mode(), dtype.itemsize, tuple(arrays[0].size for arrays in group),
                       tuple(tuple(0 if a is None else cuda.address(a) for a in arrays) for arrays in group))
        kernel((min(len(pieces), GRID),), (256,), (pieces, np.int64(len(pieces)), np.int64(0), *[None] * len(group[0]), *scalars))


class sgd(Together):
    kernel = "sgd"

    @staticmethod
    def states(o):
        return (o["momentum"] != 0,)

    @staticmethod
    def scalars(o):
        return o["lr"], o["momentum"], 1.0 - o["dampening"], o["weight_decay"], o["nesterov"], -1.0 if o["maximize"] else 1.0


class adam(Together):
    kernel = "adam"

    @staticmethod
    def states(o):
        return True, True, o["amsgrad"]

    @staticmethod
    def scalars(o, shrink=1.0):
        root = math.sqrt(1 - o["beta2"] ** o["t"])
        return (o["lr"] * root / (1 - o["beta1"] ** o["t"]), o["beta1"], 1 - o["beta1"], o["beta2"], 1 - o["beta2"], o["eps"] * root,
                shrink, o["weight_decay"], o["amsgrad"], -1.0 if o["maximize"] else 1.0)


class adamw(adam):
    @staticmethod
    def scalars(o):
        return adam.scalars({**o, "weight_decay": 0.0}, 1 - o["lr"] * o["weight_decay"])


class rmsprop(Together):
    kernel = "rmsprop"

    @staticmethod
    def states(o):
        return True, o["centered"], o["momentum"] != 0

    @staticmethod
    def scalars(o):
        return (o["lr"], o["alpha"], o["eps"], o["weight_decay"], o["momentum"], o["centered"], o["eps_inside"],
                -1.0 if o["maximize"] else 1.0)


class adagrad(Together):
    kernel = "adagrad"

    @staticmethod
    def states(o):
        return (True,)

    @staticmethod
    def scalars(o):
        return o["lr"] / (1 + (o["t"] - 1) * o["lr_decay"]), o["weight_decay"], o["eps"], -1.0 if o["maximize"] else 1.0
