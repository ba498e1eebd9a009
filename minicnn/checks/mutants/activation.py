"""Mutants of activations: which side the gradient passes on, whether a derivative is read off x or y, and what the product rule adds."""
import math
from dataclasses import replace

import numpy as np
from scipy.special import erfc

from ...kernels.activation import A, S
from ...kernels.activation.reference import logistic
from ...kernels.case import Case
from .mutant import REFERENCE, wrong_backward, wrong_forward
from .operation import from_kernel

RELU, RELU6, LEAKY, ELU, SIGMOID, TANH, SCALED, SILU, GELU, HARDSIGMOID, HARDSWISH = map(from_kernel, (
    "relu", "relu6", "leaky_relu", "elu", "sigmoid", "tanh", "scaled_tanh", "silu", "gelu", "hardsigmoid", "hardswish"))


# relu and its kin: the sides of a kink.

def whole_numbers(dice):
    """Whole numbers, of which some are 0: where the kink is."""
    return Case("whole numbers", (dice.integers(2, 2, 4),), {}, lambda rng, case: [rng.integers(-1, 2, case.shapes[0]) * 1.0], smooth=False)


RELU_AT_0 = replace(RELU, draw=whole_numbers)


def negative(arrays, options):
    return (arrays[0] < 0).any()


@wrong_backward(RELU, "gradient passes everywhere",
                "The gradient seems to pass where x is negative too. There the output is 0 whatever x is: 0.", shows=negative)
def passes_everywhere(grad_output, x):
    return (grad_output,)


@wrong_backward(RELU, "gradient passes on the wrong side",
                "The mask seems to be turned round: the gradient passes where x > 0, and is 0 elsewhere.")
def wrong_side(grad_output, x):
    return (np.where(x > 0, 0, grad_output),)


@wrong_backward(RELU, "mask from grad_output",
                "The mask seems to come from the sign of grad_output. It comes from forward: x > 0.", shows=lambda a, o: a[0].size >= 20)
def mask_of_gradient(grad_output, x):
    return (np.where(grad_output > 0, grad_output, 0),)


@wrong_backward(RELU_AT_0, "derivative 1 at 0",
                "At x = 0 the gradient seems to pass. By convention the derivative of ReLU at 0 is 0: x > 0, not x >= 0.",
                shows=lambda a, o: (a[0] == 0).any(), found_by=REFERENCE)
def passes_at_0(grad_output, x):
    return (np.where(x >= 0, grad_output, 0),)


@wrong_forward(RELU, "input overwritten",
               "forward seems to write into x, which others may still need. Work on a copy: np.maximum(x, 0) makes one.", shows=negative)
def overwrites_input(x):
    x[x < 0] = 0
    return x


@wrong_backward(RELU6, "no upper bound in backward",
                "The gradient seems to pass above 6, where the output stays 6 whatever x is: 0 there too.",
                shows=lambda a, o: (a[0] > 6).any())
def unbounded(grad_output, x):
    return (np.where(x > 0, grad_output, 0),)


@wrong_backward(LEAKY, "slope missing in backward",
                "For x < 0 the gradient seems to be 0. There it is negative_slope · g.",
                shows=lambda a, o: (a[0] < 0).sum() > 2 and abs(o["negative_slope"]) > 1e-3)
def no_slope(grad_output, x, *, negative_slope):
    return (np.where(x > 0, grad_output, 0),)


@wrong_backward(LEAKY, "slope on the wrong side",
                "negative_slope seems to act on the positive side. It belongs to x <= 0.",
                shows=lambda a, o: abs(o["negative_slope"] - 1) > 0.01)
def slope_on_the_wrong_side(grad_output, x, *, negative_slope):
    return (np.where(x > 0, negative_slope * grad_output, grad_output),)


@wrong_backward(ELU, "alpha missing in backward",
                "For x < 0 the gradient seems to lack the factor alpha: it is alpha · eˣ · g.",
                shows=lambda a, o: abs(o["alpha"] - 1) > 0.01 and (a[0] < 0).sum() > 2)
def no_alpha(grad_output, x, *, alpha):
    return (np.where(x > 0, grad_output, grad_output * np.exp(np.minimum(x, 0))),)


@wrong_backward(ELU, "derivative is the output",
                "For x < 0 the derivative seems to be y. It is alpha · eˣ, which is y + alpha.", shows=negative)
def output_for_derivative(grad_output, x, *, alpha):
    return (np.where(x > 0, grad_output, grad_output * alpha * np.expm1(np.minimum(x, 0))),)


@wrong_forward(ELU, "1 not subtracted",
               "For x < 0 the output seems to be alpha · eˣ. Subtract 1 first: alpha · (eˣ − 1), which meets x at 0.",
               shows=negative, found_by=REFERENCE)
def jump_at_0(x, *, alpha):
    return np.where(x > 0, x, alpha * np.exp(np.minimum(x, 0)))


# sigmoid and tanh: derivatives read off the output y.

@wrong_backward(SIGMOID, "x for y in the derivative", "The derivative seems to be x·(1 − x). In σ' = y·(1 − y), y is the output.")
def sigmoid_of_x(grad_output, x):
    return (grad_output * x * (1 - x),)


@wrong_backward(SIGMOID, "factor 1 − y missing", "The derivative seems to be y. It is y·(1 − y).")
def no_complement(grad_output, x):
    return (grad_output * logistic(x),)


@wrong_backward(SIGMOID, "grad_output missing", "backward seems to return y·(1 − y) alone. Multiply it with grad_output: the chain rule.")
def no_chain(grad_output, x):
    y = logistic(x)
    return (y * (1 - y),)


@wrong_backward(TANH, "1 − y for 1 − y²", "The derivative seems to be 1 − y. It is 1 − y².")
def not_squared(grad_output, x):
    return (grad_output * (1 - np.tanh(x)),)


@wrong_backward(TANH, "x for y in the derivative", "The derivative seems to be 1 − x². In 1 − y², y is the output.")
def tanh_of_x(grad_output, x):
    return (grad_output * (1 - x * x),)


@wrong_backward(TANH, "grad_output overwritten",
                "backward seems to write into grad_output (g *= …), which other branches still need. Return a new array.",
                shows=lambda a, o: (np.abs(a[0]) > 0.1).any())
def overwrites_gradient(grad_output, x):
    grad_output *= 1 - np.tanh(x) ** 2
    return (grad_output,)


@wrong_backward(SCALED, "inner factor missing",
                "The derivative seems to lack the factor 2/3 of A·tanh(2/3·x): the chain rule goes inside, too.")
def no_inner_factor(grad_output, x):
    return (grad_output * A * (1 - np.tanh(S * x) ** 2),)


# Products with x: the product rule.

@wrong_backward(SILU, "only one term of the product rule",
                "The derivative of x·σ(x) seems to be σ(x). Add the other term, x·σ'(x) = x·σ·(1 − σ).")
def no_second_term(grad_output, x):
    return (grad_output * logistic(x),)


@wrong_backward(SILU, "derivative of the sigmoid alone", "The derivative of x·σ(x) seems to be σ'(x). It is σ(x) + x·σ'(x).")
def of_sigmoid(grad_output, x):
    s = logistic(x)
    return (grad_output * s * (1 - s),)


def exact(arrays, options):
    return options["approximate"] == "none"


def slopes_differ(arrays, options):
    """In at least three numbers, as any one of them may get a small gradient."""
    slopes = [GELU.backward(np.ones_like(arrays[0]), arrays[0], approximate=how)[0] for how in ("none", "tanh")]
    return exact(arrays, options) and (np.abs(slopes[0] - slopes[1]) > 5e-4).sum() > 2


@wrong_backward(GELU, "derivative of the tanh approximation",
                "backward seems to differentiate the approximation by tanh, while forward takes x·Φ(x) itself (approximate='none').",
                shows=slopes_differ)
def approximate_backward(grad_output, x, *, approximate):
    return GELU.backward(grad_output, x, approximate="tanh")


@wrong_backward(GELU, "only one term of the product rule",
                "The derivative of x·Φ(x) seems to be Φ(x). Add the other term, x·φ(x), φ the density of the normal distribution.",
                shows=exact)
def no_density(grad_output, x, *, approximate):
    return (grad_output * erfc(-x / math.sqrt(2)) / 2,)


@wrong_forward(GELU, "x·σ(1.702·x)",
               "The output looks like x·σ(1.702·x), the coarser approximation of GELU. Take x·Φ(x), or the one by tanh.")
def by_sigmoid(x, *, approximate):
    return x * logistic(1.702 * x)


@wrong_backward(HARDSIGMOID, "slope everywhere",
                "The gradient seems to pass outside −3 … 3, where the output is constant: 0 there.",
                shows=lambda a, o: (np.abs(a[0]) > 3).any())
def never_flat(grad_output, x):
    return (grad_output / 6,)


@wrong_backward(HARDSWISH, "only one term of the product rule",
                "Between −3 and 3 the derivative of x·(x + 3)/6 seems to be (x + 3)/6. It is (2x + 3)/6.",
                shows=lambda a, o: ((np.abs(a[0]) < 3) & (np.abs(a[0]) > 0.3)).any())
def one_factor(grad_output, x):
    return (grad_output * np.where(x <= -3, 0, np.where(x < 3, (x + 3) / 6, 1)),)
