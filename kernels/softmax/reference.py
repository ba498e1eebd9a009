"""Softmax and its logarithm in NumPy, to be read."""
import math

import numpy as np

from . import output_shape


def each_row(x, dim, f):
    """f of every one-dimensional row of x along dim."""
    output_shape(x.shape, dim=dim)
    y = np.empty(x.shape, np.float64)
    rows, results = np.moveaxis(np.atleast_1d(x), dim, -1), np.moveaxis(np.atleast_1d(y), dim, -1)
    for i in np.ndindex(rows.shape[:-1]):
        results[i] = f([float(v) for v in rows[i]])
    return y


def shifted(x, dim):
    """x − max x: the largest is 0.  NaN where all are −∞: there is no distribution."""
    with np.errstate(invalid="ignore"):
        return x - x.max(dim, keepdims=True, initial=-np.inf)


class softmax:
    @staticmethod
    def spec(x, *, dim):
        def row(v):
            e = [math.exp(a - max(v)) for a in v]
            return [a / math.fsum(e) for a in e]
        return each_row(x, dim, row)

    @staticmethod
    def forward(x, *, dim):
        output_shape(x.shape, dim=dim)
        rows = np.atleast_1d(x)
        e = np.exp(shifted(rows, dim))
        y = (e / e.sum(dim, keepdims=True)).reshape(x.shape)
        return y, (y, dim)

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        y, dim = saved
        if not needs[0]:
            return (None,)
        rows, g = np.atleast_1d(y), np.atleast_1d(grad_output)
        return ((rows * (g - (g * rows).sum(dim, keepdims=True))).reshape(y.shape),)


class log_softmax:
    @staticmethod
    def spec(x, *, dim):
        def row(v):
            logarithm = math.log(math.fsum(math.exp(a - max(v)) for a in v))
            return [a - max(v) - logarithm for a in v]
        return each_row(x, dim, row)

    @staticmethod
    def forward(x, *, dim):
        output_shape(x.shape, dim=dim)
        z = shifted(np.atleast_1d(x), dim)
        with np.errstate(divide="ignore"):                         # a row without classes: the logarithm of an empty sum
            y = (z - np.log(np.exp(z).sum(dim, keepdims=True))).reshape(x.shape)
        return y, (y, dim)

    @staticmethod
    def backward(grad_output, saved, needs=(True,)):
        y, dim = saved
        if not needs[0]:
            return (None,)
        rows, g = np.atleast_1d(y), np.atleast_1d(grad_output)
        return ((g - np.exp(rows) * g.sum(dim, keepdims=True)).reshape(y.shape),)
