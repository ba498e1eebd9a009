"""Activations in Numba.

An activation is two formulas of one element: its value, and the gradient that goes back through it. The loop around them is written
once, for all: fixed blocks on many threads, inside a block one element after the other, which the compiler turns into vector
instructions because exp is arithmetic here (../elementary.py). Formulas compute in float64 and are rounded to the array's type.

    ns an element of 2¹⁷ float32, 1 thread      relu   leaky   sigmoid   tanh   silu   gelu "tanh"   gelu "none"
                                     forward     0.4    0.5     2.2       2.3    2.2    2.8           25      erfc is a call,
                                     backward    0.6    0.6     0.6       0.6    2.5    3.2           34      like tanh of the C library: 26

One rung stands. The next: one pass for the bias, normalisation or addition before an activation together with it.
"""
import math
from typing import Any

from numba.extending import register_jitable

from ..elementary import choose, exp, expm1
from ..memory import empty
from ..task import task
from . import A, S, output_shape

BLOCK = 8192                           # elements: fewer are done before a second thread has woken up
ROOT_HALF, DENSITY, SLOPE = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi), math.sqrt(2 / math.pi)


def formula(function):
    """A function of numbers that loops take up."""
    return staticmethod(register_jitable(function))


def value_task(value, name):
    def run(block, x, a, y):
        xs, ys = x[block * BLOCK:(block + 1) * BLOCK], y[block * BLOCK:(block + 1) * BLOCK]
        for i in range(xs.size):
            ys[i] = value(xs[i], a)
    run.__name__ = run.__qualname__ = f"{name}_value"          # each loop has a name, and a cache file, of its own
    return task("int64, T[::1], float64, T[::1]")(run)


def gradient_task(gradient, name):
    def run(block, g, kept, a, dx):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        gs, ks, ds = g[here], kept[here], dx[here]
        for i in range(gs.size):
            ds[i] = gradient(gs[i], ks[i], a)
    run.__name__ = run.__qualname__ = f"{name}_gradient"
    return task("int64, T[::1], T[::1], float64, T[::1]")(run)


def blocks(array) -> int:
    return -(-array.size // BLOCK)


class Elementwise:
    """A subclass has the formulas value(x, a) and gradient(g, kept, a): a is its option, kept its output or its input."""
    keeps_output = False
    value: Any
    gradient: Any

    def __init_subclass__(cls):
        cls.values, cls.gradients = value_task(cls.value, cls.__name__), gradient_task(cls.gradient, cls.__name__)

    @classmethod
    def forward(cls, x, a=0.0):
        y = empty(x.shape, x.dtype)
        cls.values.run(blocks(y), x.reshape(-1), float(a), y.reshape(-1))
        return y, (y if cls.keeps_output else x, float(a))

    @classmethod
    def backward(cls, grad_output, saved, needs=(True,)):
        if not needs[0]:
            return (None,)
        kept, a = saved
        dx = empty(kept.shape, kept.dtype)
        cls.gradients.run(blocks(dx), grad_output.reshape(-1), kept.reshape(-1), a, dx.reshape(-1))
        return (dx,)


class relu(Elementwise):
    keeps_output = True
    value = formula(lambda x, a: choose(x <= 0, 0.0, x))                     # NaN is not ≤ 0 and travels on
    gradient = formula(lambda g, y, a: choose(y <= 0, 0.0, g))


class relu6(Elementwise):
    keeps_output = True
    value = formula(lambda x, a: choose(x <= 0, 0.0, choose(x >= 6, 6.0, x)))
    gradient = formula(lambda g, y, a: choose((y <= 0) | (y >= 6), 0.0, g))


class leaky_relu(Elementwise):
    value = formula(lambda x, slope: choose(x > 0, x, slope * x))
    gradient = formula(lambda g, x, slope: choose(x > 0, g, slope * g))

    @classmethod
    def forward(cls, x, *, negative_slope):
        return super().forward(x, negative_slope)


class elu(Elementwise):
    value = formula(lambda x, alpha: choose(x <= 0, alpha * expm1(-abs(x)), x))
    gradient = formula(lambda g, x, alpha: choose(x <= 0, g * alpha * exp(-abs(x)), g))

    @classmethod
    def forward(cls, x, *, alpha):
        return super().forward(x, alpha)


@register_jitable
def logistic(x):
    """1 / (1 + e⁻ˣ) by e^(−|x|) ≤ 1, which never overflows."""
    e = exp(-abs(x))
    return choose(x < 0, e, 1.0) / (1.0 + e)


class sigmoid(Elementwise):
    keeps_output = True
    value = formula(lambda x, a: logistic(x))
    gradient = formula(lambda g, y, a: g * y * (1.0 - y))


@register_jitable
def hyperbolic_tangent(x):
    """|tanh x| = −e / (e + 2) with e = e^(−2|x|) − 1, which keeps all digits of a small x; the sign is that of x."""
    e = expm1(-2.0 * abs(x))
    return math.copysign(e / (e + 2.0), x)


class tanh(Elementwise):
    keeps_output = True
    value = formula(lambda x, a: hyperbolic_tangent(x))
    gradient = formula(lambda g, y, a: g * (1.0 - y * y))


class scaled_tanh(Elementwise):
    keeps_output = True
    value = formula(lambda x, a: A * hyperbolic_tangent(S * x))
    gradient = formula(lambda g, y, a: g * (A * S - S / A * y * y))


@register_jitable
def silu_gradient(g, x, a):
    s = logistic(x)
    return g * s * (1.0 + x * (1.0 - s))


class silu(Elementwise):
    value = formula(lambda x, a: x * logistic(x))
    gradient = staticmethod(silu_gradient)


@register_jitable
def normal_distribution(x):
    return 0.5 * math.erfc(-ROOT_HALF * x)


class gelu_exact(Elementwise):
    value = formula(lambda x, a: x * normal_distribution(x))
    gradient = formula(lambda g, x, a: g * (normal_distribution(x) + x * DENSITY * exp(-0.5 * x * x)))


@register_jitable
def gelu_tanh_gradient(g, x, a):
    t = hyperbolic_tangent(SLOPE * (x + 0.044715 * x * x * x))
    du = SLOPE * (1.0 + 3 * 0.044715 * x * x)
    return g * (0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * du)


class gelu_tanh(Elementwise):
    value = formula(lambda x, a: 0.5 * x * (1.0 + hyperbolic_tangent(SLOPE * (x + 0.044715 * x * x * x))))
    gradient = staticmethod(gelu_tanh_gradient)


class gelu:
    """Its two forms, by the option `approximate`."""
    FORMS = {"none": gelu_exact, "tanh": gelu_tanh}

    @classmethod
    def forward(cls, x, *, approximate):
        output_shape(x.shape, approximate=approximate)
        y, saved = cls.FORMS[approximate].forward(x)
        return y, (approximate, saved)

    @classmethod
    def backward(cls, grad_output, saved, needs=(True,)):
        approximate, saved = saved
        return cls.FORMS[approximate].backward(grad_output, saved, needs)


class hardsigmoid(Elementwise):
    value = formula(lambda x, a: choose(x <= -3, 0.0, choose(x >= 3, 1.0, (x + 3.0) / 6.0)))
    gradient = formula(lambda g, x, a: choose((x > -3) & (x < 3), g / 6.0, 0.0))


class hardswish(Elementwise):
    value = formula(lambda x, a: choose(x <= -3, 0.0, choose(x >= 3, x, x * ((x + 3.0) / 6.0))))
    gradient = formula(lambda g, x, a: choose(x <= -3, 0.0, choose(x < 3, g * (x / 3.0 + 0.5), g)))
