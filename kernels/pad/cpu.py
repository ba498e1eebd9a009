"""Padding in Numba: every mode is one table of sources, for the rows and for the columns.

The last padded axis gives the columns, all padded axes before it together give the rows, and what is not padded is outside:
x (outside, rows, columns). Sums of gradients are float64. One thread: compiling for several triples the time of the first call, and
this copies.
"""
from math import prod

import numpy as np

from ..jit import jit
from ..memory import empty
from . import output_shape, sources


@jit
def copy_from(x, rows, columns, value, y):
    """y[i,p,q] = x[i, rows[p], columns[q]], value where one of the two is negative."""
    for i in range(x.shape[0]):
        for p in range(rows.size):
            out = y[i, p]
            if rows[p] < 0:
                for q in range(columns.size):
                    out[q] = value
            else:
                row = x[i, rows[p]]
                for q in range(columns.size):
                    out[q] = row[columns[q]] if columns[q] >= 0 else value


@jit
def add_back(grad_output, rows, columns, grad_x):
    total = np.empty(grad_x.shape[1:], np.float64)
    for i in range(grad_x.shape[0]):
        total[:] = 0
        for p in range(rows.size):
            if rows[p] >= 0:
                g, row = grad_output[i, p], total[rows[p]]
                for q in range(columns.size):
                    if columns[q] >= 0:
                        row[columns[q]] += g[q]
        for h in range(grad_x.shape[1]):
            for w in range(grad_x.shape[2]):
                grad_x[i, h, w] = total[h, w]


def tables(sizes, padding, mode):
    """The source of every row, all padded axes but the last taken together, and of every column."""
    *outer, columns = [sources(n, before, after, mode) for n, (before, after) in zip(sizes, padding)]
    rows = np.arange(1)
    for size, source in zip(sizes, outer):
        there = (rows[:, None] >= 0) & (source >= 0)
        rows = np.where(there, rows[:, None] * size + source, -1).ravel()
    return rows, columns


def forward(x, *, padding, mode, value):
    shape = output_shape(x.shape, padding=padding, mode=mode, value=value)
    sizes = x.shape[x.ndim - len(padding):]
    rows, columns = tables(sizes, padding, mode)
    planes = prod(x.shape[:x.ndim - len(padding)]), prod(sizes[:-1]), sizes[-1]
    y = empty(shape, x.dtype)
    copy_from(x.reshape(planes), rows, columns, x.dtype.type(value), y.reshape(planes[0], rows.size, columns.size))
    return y, (x.shape, planes, rows, columns)


def backward(grad_output, saved, needs=(True,)):
    if not needs[0]:
        return (None,)
    shape, planes, rows, columns = saved
    grad_x = empty(shape, grad_output.dtype)
    add_back(grad_output.reshape(planes[0], rows.size, columns.size), rows, columns, grad_x.reshape(planes))
    return (grad_x,)
