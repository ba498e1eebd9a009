"""Mistakes that no list knows: gradcheck fails each, passes its right twin, and invents no cause.

A row is a function that minicnn does not have, with the shapes of its inputs: its gradients with a mistake, and without. says: the causes
that the report may give, each judged by hand to be true of the mistake that the row's name states; none, where nothing simple can be said.
"""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from minicnn import Tensor, nn
from minicnn.checks import gradcheck
from minicnn.tensor import Op


@dataclass
class Bug:
    name: str
    shapes: list
    forward: Callable
    right: Callable
    wrong: Callable
    says: tuple = ()
    positive: bool = False

    def attempt(self, backward):
        arrays = [np.random.default_rng(3 + i).standard_normal(shape) for i, shape in enumerate(self.shapes)]
        return gradcheck(self.forward, [np.abs(a) + 0.3 for a in arrays] if self.positive else arrays, backward=backward)


BUGS: list[Bug] = []
THIRDS = np.array([-2, -1, 0, 1, 2]) / 3
DECAY = 0.1 * 0.9**np.arange(4, -1, -1)[:, None]
TARGET = np.where(np.arange(6) % 2, 1.0, -1.0)
IDS = np.array([2, 0, 2, 1, 2])


def bug(*row, **more):
    BUGS.append(Bug(*row, **more))


def total(a):
    return a.sum(axis=1, keepdims=True)


def length(x):
    return np.sqrt(total(x * x))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / total(np.exp(x))


def largest(x):
    return x == x.max(axis=1, keepdims=True)


def normalise(g, x):
    return g / length(x) - x * total(g * x) / length(x)**3


def cosine(g, a, b, power):
    size, other = np.sqrt(a @ a), np.sqrt(b @ b)
    return g * (b / (size * other) - (a @ b) * a / (size**power * other))


def instance_norm(g, x, coefficient):
    s = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    y = (x - x.mean(axis=1, keepdims=True)) / s
    return (g - g.mean(axis=1, keepdims=True) - coefficient * y * (g * y).mean(axis=1, keepdims=True)) / s


def rms_norm(g, x, epsilon):
    r = np.sqrt((x * x).mean(axis=1, keepdims=True) + epsilon)
    return g / r - x * (g * x).mean(axis=1, keepdims=True) / r**3


def attention(g, q, k, v, root):
    p = softmax(q @ k.T / 2)
    scores = p * (g @ v.T - total(p * (g @ v.T))) / root
    return scores @ k, scores.T @ q, p.T @ g


def gated_unit(g, a, n, h, sign):
    z = sigmoid(a)
    return sign * g * (h - np.tanh(n)) * z * (1 - z), g * (1 - z) * (1 - np.tanh(n)**2), g * z


def circular(x, w):
    return np.array([sum(x[j] * w[i - j] for j in range(len(x))) for i in range(len(x))])


def correlate(g, w):
    return np.array([sum(g[i] * w[i - j] for i in range(len(g))) for j in range(len(g))])


def states(x):
    """h ← tanh(x_t + h/2), from 0: all of them."""
    found = [np.zeros(x.shape[1])]
    for row in x:
        found.append(np.tanh(row + found[-1] / 2))
    return found


def through_time(g, x, first):
    grad, h = np.zeros_like(x), states(x)
    for t in range(len(x) - 1, first - 1, -1):
        grad[t] = g * (1 - h[t + 1]**2)
        g = grad[t] / 2
    return grad


def looked_up(g, table, add):
    grad = np.zeros_like(table)
    if add:
        np.add.at(grad, IDS, g)
    else:
        grad[IDS] = g
    return grad


def overwritten(grad):
    grad[-1, -1] = grad[0, 0]
    return grad


def corners(a, b):
    return np.array([[(1 - a) * (1 - b), (1 - a) * b], [a * (1 - b), a * b]])


def coordinates(x, a, b):
    return (1 - b) * (x[1, 0] - x[0, 0]) + b * (x[1, 1] - x[0, 1]), (1 - a) * (x[0, 1] - x[0, 0]) + a * (x[1, 1] - x[1, 0])


bug("log-sum-exp: the maximum taken out gets a gradient too", [(4, 5)], lambda x: np.log(np.exp(x).sum(axis=1)),
    lambda g, x: g[:, None] * softmax(x), lambda g, x: g[:, None] * (softmax(x) + largest(x)))
bug("cosine similarity: |a|² where |a|³ belongs", [(6,), (6,)], lambda a, b: np.asarray(a @ b / np.sqrt((a @ a) * (b @ b))),
    lambda g, a, b: (cosine(g, a, b, 3), cosine(g, b, a, 3)), lambda g, a, b: (cosine(g, a, b, 2), cosine(g, b, a, 3)))
bug("x/|x|: the length is taken as a constant", [(4, 5)], lambda x: x / length(x), normalise, lambda g, x: g / length(x))
bug("softplus: σ(−x) for σ(x)", [(4, 5)], lambda x: np.log1p(np.exp(x)), lambda g, x: g * sigmoid(x), lambda g, x: g * sigmoid(-x))
bug("PReLU: the slope's gradient sums all x, not the negative ones", [(5, 6), (6,)], lambda x, a: np.where(x > 0, x, a * x),
    lambda g, x, a: (g * np.where(x > 0, 1, a), (g * np.minimum(x, 0)).sum(axis=0)),
    lambda g, x, a: (g * np.where(x > 0, 1, a), (g * x).sum(axis=0)))
bug("Huber loss: the branch asks x > 1 for |x| > 1", [(5, 6)], lambda x: np.where(np.abs(x) > 1, np.abs(x) - 0.5, x * x / 2),
    lambda g, x: g * np.clip(x, -1, 1), lambda g, x: g * np.minimum(x, 1))
bug("instance norm: coefficient 0.9 of the variance's term", [(4, 8)],
    lambda x: (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5),
    lambda g, x: instance_norm(g, x, 1.0), lambda g, x: instance_norm(g, x, 0.9))
bug("weight norm s·v/|v|: the gain's gradient is not divided by |v|", [(5, 1), (5, 4)], lambda s, v: s * v / length(v),
    lambda g, s, v: (total(g * v) / length(v), s * normalise(g, v)), lambda g, s, v: (total(g * v), s * normalise(g, v)))
bug("depth to space: rows and columns of a block exchanged", [(4, 3, 3)],
    lambda x: x.reshape(2, 2, 3, 3).transpose(2, 0, 3, 1).reshape(6, 6),
    lambda g, x: g.reshape(3, 2, 3, 2).transpose(1, 3, 0, 2).reshape(x.shape),
    lambda g, x: g.reshape(3, 2, 3, 2).transpose(3, 1, 0, 2).reshape(x.shape))
bug("cumulative sum: forward again, not from the end", [(3, 6)], lambda x: np.cumsum(x, axis=1),
    lambda g, x: np.cumsum(g[:, ::-1], axis=1)[:, ::-1], lambda g, x: np.cumsum(g, axis=1))
bug("outer product: both gradients from the rows of g", [(5,), (5,)], np.outer,
    lambda g, a, b: (g @ b, a @ g), lambda g, a, b: (g @ b, g @ a))
bug("Mahalanobis: 2·A·x for (A + Aᵀ)·x", [(5,), (5, 5)], lambda x, A: np.asarray(x @ A @ x),
    lambda g, x, A: (g * (A + A.T) @ x, g * np.outer(x, x)), lambda g, x, A: (2 * g * A @ x, g * np.outer(x, x)))
bug("maximum over an axis: to the largest |x|", [(5, 6)], lambda x: x.max(axis=1),
    lambda g, x: g[:, None] * largest(x), lambda g, x: g[:, None] * largest(np.abs(x)))
bug("top 3: four get a gradient", [(5, 7)], lambda x: np.sort(x, axis=1)[:, -3:].sum(axis=1),
    lambda g, x: g[:, None] * (x >= np.sort(x, axis=1)[:, -3:-2]), lambda g, x: g[:, None] * (x >= np.sort(x, axis=1)[:, -4:-3]))
bug("sort: the order is applied again, not undone", [(7,)], np.sort,
    lambda g, x: g[np.argsort(np.argsort(x))], lambda g, x: g[np.argsort(x)])
bug("clip: no lower bound in backward", [(5, 6)], lambda x: np.clip(x, -0.5, 0.7),
    lambda g, x: g * ((x > -0.5) & (x < 0.7)), lambda g, x: g * (x < 0.7))
bug("product: of all, not of the others", [(4, 5)], lambda x: x.prod(axis=1),
    lambda g, x: g[:, None] * x.prod(axis=1, keepdims=True) / x, lambda g, x: g[:, None] * x.prod(axis=1, keepdims=True) * np.ones(5))
bug("variance: divided by n = 6, in forward by n − 1", [(4, 6)], lambda x: x.var(axis=1, ddof=1),
    lambda g, x: 2 * g[:, None] * (x - x.mean(axis=1, keepdims=True)) / 5,
    lambda g, x: 2 * g[:, None] * (x - x.mean(axis=1, keepdims=True)) / 6, ("factor",))
bug("Gram matrix: the second x of x·xᵀ is a constant", [(4, 5)], lambda x: x @ x.T, lambda g, x: (g + g.T) @ x, lambda g, x: g @ x)
bug("circular convolution: convolved again, not correlated", [(7,), (7,)], circular,
    lambda g, x, w: (correlate(g, w), correlate(g, x)), lambda g, x, w: (circular(g, w), correlate(g, x)))
bug("embedding: row 2, looked up three times, keeps the last gradient", [(4, 3)], lambda table: table[IDS],
    lambda g, table: looked_up(g, table, True), lambda g, table: looked_up(g, table, False))
bug("einsum ij,jk,kl->il: square c not transposed for b", [(3, 4), (4, 5), (5, 5)], lambda a, b, c: np.einsum("ij,jk,kl->il", a, b, c),
    lambda g, a, b, c: (g @ (b @ c).T, a.T @ g @ c.T, (a @ b).T @ g), lambda g, a, b, c: (g @ (b @ c).T, a.T @ g @ c, (a @ b).T @ g))
bug("GRU (1 − z)·n + z·h: sign of the gate's gradient", [(4, 3)] * 3, lambda a, n, h: (1 - sigmoid(a)) * np.tanh(n) + sigmoid(a) * h,
    lambda g, a, n, h: gated_unit(g, a, n, h, 1), lambda g, a, n, h: gated_unit(g, a, n, h, -1), ("factor",))
bug("attention: 1/√d = ½ missing in backward, for queries and keys", [(3, 4), (5, 4), (5, 2)], lambda q, k, v: softmax(q @ k.T / 2) @ v,
    lambda g, q, k, v: attention(g, q, k, v, 2), lambda g, q, k, v: attention(g, q, k, v, 1), ("factor", "factor"))
bug("bilinear sampling: coordinates exchanged", [(2, 2), (6,), (6,)], lambda x, a, b: np.einsum("rs,rsi->i", x, corners(a, b)),
    lambda g, x, a, b: (corners(a, b) @ g, *(g * slope for slope in coordinates(x, a, b))),
    lambda g, x, a, b: (corners(a, b) @ g, *(g * slope for slope in coordinates(x, a, b)[::-1])))
bug("x^2.5: exponent not lowered", [(4, 5)], lambda x: x**2.5, lambda g, x: 2.5 * g * x**1.5, lambda g, x: 2.5 * g * x**2.5,
    positive=True)
bug("cube: gradient clipped to ±1", [(4, 5)], lambda x: x**3, lambda g, x: 3 * g * x * x, lambda g, x: np.clip(3 * g * x * x, -1, 1))
bug("exp: fixed noise of a thousandth", [(4, 5)], np.exp, lambda g, x: g * np.exp(x),
    lambda g, x: g * np.exp(x) * (1 + 1e-3 * np.random.default_rng(0).standard_normal(x.shape)))
bug("sin: backward in float16", [(4, 5)], np.sin, lambda g, x: g * np.cos(x),
    lambda g, x: (g.astype(np.float16) * np.cos(x.astype(np.float16))).astype(np.float64))
bug("slope Σ t·x/3: whole-number division of t", [(3, 5)], lambda x: (x * THIRDS).sum(axis=1),
    lambda g, x: g[:, None] * THIRDS, lambda g, x: g[:, None] * ((3 * THIRDS) // 3))
bug("RMS norm: another epsilon in backward", [(4, 6)], lambda x: x / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-5),
    lambda g, x: rms_norm(g, x, 1e-5), lambda g, x: rms_norm(g, x, 1e-2))
bug("x²: one element overwritten by another", [(4, 5)], lambda x: x * x, lambda g, x: 2 * g * x,
    lambda g, x: overwritten(2 * g * x), ("some are wrong",))
bug("recurrence: the first step, row 0, is left out", [(5, 3)], lambda x: states(x)[-1],
    lambda g, x: through_time(g, x, 0), lambda g, x: through_time(g, x, 1), ("some are zero",))
bug("a scale for each row: broadcast to columns", [(4, 4), (4,)], lambda x, s: x * s[:, None],
    lambda g, x, s: (g * s[:, None], (g * x).sum(axis=1)), lambda g, x, s: (g * s, (g * x).sum(axis=1)))
bug("moving average: 0.1 missing", [(5, 3)], lambda x: (DECAY * x).sum(axis=0), lambda g, x: DECAY * g, lambda g, x: 10 * DECAY * g,
    ("factor",))
bug("determinant: inverse not transposed", [(4, 4)], lambda A: np.asarray(np.linalg.det(A)),
    lambda g, A: g * np.linalg.det(A) * np.linalg.inv(A).T, lambda g, A: g * np.linalg.det(A) * np.linalg.inv(A), ("transposed",))
bug("Σ p·log(p/q): the 1 of log(p/q) + 1 is missing", [(4, 3), (4, 3)], lambda p, q: (p * np.log(p / q)).sum(axis=1),
    lambda g, p, q: (g[:, None] * (np.log(p / q) + 1), -g[:, None] * p / q),
    lambda g, p, q: (g[:, None] * np.log(p / q), -g[:, None] * p / q), ("constant term",), positive=True)
bug("roll by 2: rolled the same way again", [(3, 7)], lambda x: np.roll(x, 2, axis=1),
    lambda g, x: np.roll(g, -2, axis=1), lambda g, x: np.roll(g, 2, axis=1))
bug("hinge: nothing where 0 < t·x < 1", [(5, 6)], lambda x: np.maximum(0, 1 - TARGET * x),
    lambda g, x: np.where(TARGET * x < 1, -TARGET * g, 0), lambda g, x: np.where(TARGET * x < 0, -TARGET * g, 0), ("some are zero",))
bug("(Σ|x|³)^⅓: sign of x missing", [(4, 5)], lambda x: (np.abs(x)**3).sum(axis=1)**(1 / 3),
    lambda g, x: g[:, None] * total(np.abs(x)**3)**(-2 / 3) * x * np.abs(x),
    lambda g, x: g[:, None] * total(np.abs(x)**3)**(-2 / 3) * x * x)
bug("distances |a − b|²: sign of b's gradient", [(4, 3), (5, 3)], lambda a, b: ((a[:, None] - b) ** 2).sum(axis=2),
    lambda g, a, b: (np.einsum("ij,ijk->ik", 2 * g, a[:, None] - b), np.einsum("ij,ijk->jk", -2 * g, a[:, None] - b)),
    lambda g, a, b: (np.einsum("ij,ijk->ik", 2 * g, a[:, None] - b), np.einsum("ij,ijk->jk", 2 * g, a[:, None] - b)), ("factor",))
bug("trace: the gradient fills the matrix", [(4, 4)], lambda A: np.asarray(np.trace(A)), lambda g, A: g * np.eye(4),
    lambda g, A: g * np.ones((4, 4)))


@pytest.mark.parametrize("row", BUGS, ids=lambda row: row.name)
def test_the_right_twin_passes(row):
    report = row.attempt(row.right)
    assert report, report


@pytest.mark.parametrize("row", BUGS, ids=lambda row: row.name)
def test_fails_without_an_invented_cause(row):
    report = row.attempt(row.wrong)
    assert not report, report
    assert tuple(h.cause for h in report.hypotheses) == row.says, report


class Swapped(Op):
    """a·b, square, with the two gradients in the wrong order."""

    def forward(self, a, b):
        self.a, self.b = a, b
        return a @ b

    def backward(self, g, needs):
        return self.a.T @ g, g @ self.b.T


class Detached(nn.Linear):
    """The weight's gradient is cut off by its .data."""

    def forward(self, x):
        return x @ Tensor(self.weight.data).transpose(0, 1) + self.bias


def a(*shape):
    return np.random.default_rng(5).standard_normal(shape)


TENSORS = {
    "gate cut: half of the product rule":
        (lambda x: x * Tensor(x.data).sigmoid(), lambda x: x * x.sigmoid(), [a(4, 5)], "silu: only one term of the product rule"),
    "an Op with exchanged gradients": (Swapped, lambda a, b: a @ b, [a(4, 4), a(5, 4, 4)[1]], "matmul: operands-swapped"),
    "Σ exp(x/max x): the maximum is a constant":
        (lambda x: (x / x.max().item()).exp().sum(), lambda x: (x / x.max()).exp().sum(), [a(4, 5)], "some are wrong"),
}


@pytest.mark.parametrize("wrong, right, inputs, says", TENSORS.values(), ids=TENSORS.keys())
def test_functions_of_tensors(wrong, right, inputs, says):
    assert gradcheck(right, inputs)
    report = gradcheck(wrong, inputs)
    assert not report and [h.cause for h in report.hypotheses] == [says], report


def test_a_layer_whose_weight_is_cut_off():
    report = gradcheck(Detached(3, 4), a(5, 3))
    assert not report and "weight gets no gradient" in str(report) and not report.hypotheses, report
