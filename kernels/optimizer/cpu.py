"""Optimisers in Numba.

    1  together    one pass over all parameters of a network: `steps` takes them all, cut into pieces that run on many threads.

A network has many small parameters beside a few large ones, and a call for each would take longer than its arithmetic. What `steps`
hands to the compiled loop is a table of addresses, one row a parameter: the parameter, its gradient, its states; an address 0 stands for
a state that a form does without. A second table has the scalars. Every array is read and written once, which is what takes the time.

Arithmetic is float64, rounded once to the array's type; of Adam, whose square roots and divisions are then no longer faster than memory,
in the array's own type.
"""
import math
from functools import lru_cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.np.numpy_support import carray

from ..jit import intrinsic, jit
from ..memory import empty
from ..task import task, Task

PIECE = 8192                             # numbers: a piece of a parameter, its gradient and its states stay in the caches


@intrinsic
def pointer(typingctx, address, like):
    """A pointer to numbers of the type of `like`."""
    def codegen(context, builder, signature, values):
        return builder.inttoptr(values[0], ir.PointerType())
    return types.CPointer(like.dtype)(types.int64, like), codegen


@jit
def numbers(address, piece, like):
    """The piece of an array that begins at an address; nothing of one that is absent."""
    first, last = piece[1], piece[2] if address else piece[1]
    return carray(pointer(address + first * like.itemsize, like), last - first)


@task("int64, int64[:,::1], int64[:,::1], float64[:,::1], T[::1]")
def sgd_piece(number, pieces, addresses, scalars, like):
    """Piece `number` of SGD.  pieces: (parameter, first, last).  like: an empty array of the parameters' type, in all of these tasks.

    fresh = 1 − dampening: the weight of a new gradient.  sign: −1 to maximise.
    """
    piece = pieces[number]
    param, grad, buffer = addresses[piece[0]]
    lr, momentum, fresh, weight_decay, nesterov, sign = scalars[piece[0]]
    p, gs, m = numbers(param, piece, like), numbers(grad, piece, like), numbers(buffer, piece, like)
    if m.size == 0:
        for i in range(p.size):
            p[i] -= lr * (sign * gs[i] + weight_decay * p[i])
    else:
        own, old = (1.0, momentum) if nesterov else (0.0, 1.0)                # what is taken of the gradient itself, and of the velocity
        for i in range(p.size):
            g = sign * gs[i] + weight_decay * p[i]
            velocity = momentum * m[i] + fresh * g
            m[i] = velocity
            p[i] -= lr * (own * g + old * velocity)


@task("int64, int64[:,::1], int64[:,::1], float64[:,::1], T[::1]")
def adam_piece(number, pieces, addresses, scalars, like):
    """step = lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ), and eps is multiplied by that root too.  shrink: what decoupled decay leaves of the parameter."""
    piece = pieces[number]
    param, grad, first, second, largest = addresses[piece[0]]
    p, gs, m, v = numbers(param, piece, like), numbers(grad, piece, like), numbers(first, piece, like), numbers(second, piece, like)
    top = numbers(largest, piece, like)
    step, beta1, new1, beta2, new2, eps, shrink, weight_decay, sign = scalars[piece[0]].astype(like.dtype)
    for i in range(p.size):
        value = p[i] * shrink
        g = sign * gs[i] + weight_decay * value
        average = beta1 * m[i] + new1 * g
        square = beta2 * v[i] + new2 * g * g
        m[i] = average
        v[i] = square
        if top.size:
            square = square if not square <= top[i] else top[i]               # NaN wins
            top[i] = square
        p[i] = value - step * average / (np.sqrt(square) + eps)


@task("int64, int64[:,::1], int64[:,::1], float64[:,::1], T[::1]")
def rmsprop_piece(number, pieces, addresses, scalars, like):
    """Without `centered` there are no averages, without momentum no buffer: they have no numbers."""
    piece = pieces[number]
    param, grad, squares, averages, buffer = addresses[piece[0]]
    lr, alpha, eps, weight_decay, momentum, eps_inside, sign = scalars[piece[0]]
    p, gs, v = numbers(param, piece, like), numbers(grad, piece, like), numbers(squares, piece, like)
    a, m = numbers(averages, piece, like), numbers(buffer, piece, like)
    inside, outside = (eps, 0.0) if eps_inside else (0.0, eps)
    for i in range(p.size):
        g = sign * gs[i] + weight_decay * p[i]
        V = alpha * v[i] + (1.0 - alpha) * g * g
        v[i] = V
        if a.size:
            average = alpha * a[i] + (1.0 - alpha) * g
            a[i] = average
            V = V - average * average
            V = 0.0 if V < 0 else V
        step = g / (math.sqrt(V + inside) + outside)
        if m.size:
            step = momentum * m[i] + step
            m[i] = step
        p[i] -= lr * step


@task("int64, int64[:,::1], int64[:,::1], float64[:,::1], T[::1]")
def adagrad_piece(number, pieces, addresses, scalars, like):
    piece = pieces[number]
    param, grad, total = addresses[piece[0]]
    lr, weight_decay, eps, sign = scalars[piece[0]]
    p, gs, s = numbers(param, piece, like), numbers(grad, piece, like), numbers(total, piece, like)
    for i in range(p.size):
        g = sign * gs[i] + weight_decay * p[i]
        square = s[i] + g * g
        s[i] = square
        p[i] -= lr * g / (math.sqrt(square) + eps)


@lru_cache(maxsize=64)
def cut(sizes):
    """(pieces, 3): which array, from where, to where."""
    return np.asarray([(i, first, min(size, first + PIECE)) for i, size in enumerate(sizes) for first in range(0, size, PIECE)],
                      np.int64).reshape(-1, 3)


def together(piece, calls, states, scalars):
    """Run a task on all pieces of all parameters.

    calls: [(arrays, options)], as `step` takes them.  states(options): for each array of state whether it is in use; scalars(options):
    what the task reads, in its order.
    """
    for dtype in dict.fromkeys(arrays[0].dtype for arrays, _ in calls):
        mine = [(arrays, options) for arrays, options in calls if arrays[0].dtype == dtype]
        used = [[True, True, *states(options)] for _, options in mine]
        rows = [[a.__array_interface__["data"][0] if use else 0 for a, use in zip(arrays, row)] for (arrays, _), row in zip(mine, used)]
        values = [scalars(options) for _, options in mine]
        addresses, table = empty((len(mine), len(rows[0])), np.int64), empty((len(mine), len(values[0])), np.float64)
        addresses[...], table[...] = rows, values
        pieces = cut(tuple(arrays[0].size for arrays, _ in mine))
        piece.run(len(pieces), pieces, addresses, table, empty(0, dtype))


class Together:
    """A subclass has the task of a piece, and says which states its options use, and which numbers the task reads."""
    piece: Task
    states: Any
    scalars: Any

    @classmethod
    def step(cls, *arrays, **options):
        cls.steps([(arrays, options)])

    @classmethod
    def steps(cls, calls):
        """step(*arrays, **options) for each (arrays, options) of calls, in one pass.  Arrays of a call have one type and lie in one run."""
        together(cls.piece, calls, cls.states, cls.scalars)


class sgd(Together):
    piece = sgd_piece

    @staticmethod
    def states(o):
        return (o["momentum"] != 0,)

    @staticmethod
    def scalars(o):
        return o["lr"], o["momentum"], 1.0 - o["dampening"], o["weight_decay"], o["nesterov"], -1.0 if o["maximize"] else 1.0


class adam(Together):
    piece = adam_piece

    @staticmethod
    def states(o):
        return True, True, o["amsgrad"]

    @staticmethod
    def scalars(o, shrink=1.0):
        root = math.sqrt(1 - o["beta2"] ** o["t"])
        return (o["lr"] * root / (1 - o["beta1"] ** o["t"]), o["beta1"], 1 - o["beta1"], o["beta2"], 1 - o["beta2"], o["eps"] * root,
                shrink, o["weight_decay"], -1.0 if o["maximize"] else 1.0)


class adamw(adam):
    @staticmethod
    def scalars(o):
        return adam.scalars({**o, "weight_decay": 0.0}, 1 - o["lr"] * o["weight_decay"])


class rmsprop(Together):
    piece = rmsprop_piece

    @staticmethod
    def states(o):
        return True, o["centered"], o["momentum"] != 0

    @staticmethod
    def scalars(o):
        return o["lr"], o["alpha"], o["eps"], o["weight_decay"], o["momentum"], o["eps_inside"], -1.0 if o["maximize"] else 1.0


class adagrad(Together):
    piece = adagrad_piece

    @staticmethod
    def states(o):
        return (True,)

    @staticmethod
    def scalars(o):
        return o["lr"] / (1 + (o["t"] - 1) * o["lr_decay"]), o["weight_decay"], o["eps"], -1.0 if o["maximize"] else 1.0
