"""Mutants of a function and the ReLU behind it in one: what the ReLU lets through, and which gradients have to know."""
import numpy as np

from ...kernels.batch_norm.reference import per_channel
from .mutant import wrong_backward, wrong_forward
from .operation import from_kernel

CONV_RELU, NORM_RELU, ADD_RELU = map(from_kernel, ("conv2d_relu", "batch_norm_relu", "add_relu"))
CONV, NORM = map(from_kernel, ("conv2d", "batch_norm"))


def copies(arrays):
    """What the forward of a batch norm may write to."""
    return [None if a is None else a.copy() for a in arrays]


def cuts(before):
    """shows: what comes before the ReLU is positive in some places and negative in others."""
    def shows(arrays, options):
        z = before(*copies(arrays), **options)
        return (z > 0).any() and (z < 0).any()
    return shows


# relu(conv2d(x, weight, bias)).

def before_the_bias(arrays, options):
    """Convolutions that come out negative, and a bias that would not be added to them."""
    if arrays[2] is None:
        return False
    right, wrong = CONV_RELU.forward(*arrays, **options), bias_last(*arrays, **options)
    return np.abs(right - wrong).max(initial=0.0) > 0.05


@wrong_forward(CONV_RELU, "ReLU before the bias",
               "The bias seems to be added behind the ReLU. It belongs to the convolution: max(Σ x·w + b, 0).", shows=before_the_bias)
def bias_last(x, weight, bias, **options):
    y = CONV_RELU.forward(x, weight, None, **options)
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


@wrong_backward(CONV_RELU, "ReLU forgotten in backward",
                "The gradients seem to be those of the convolution alone. Where y is 0 the ReLU lets nothing through: first "
                "g = g · [y > 0].", shows=cuts(CONV.forward))
def conv_unmasked(grad_output, *arrays, **options):
    return CONV.backward(grad_output, *arrays, **options)


@wrong_backward(CONV_RELU, "ReLU forgotten in grad_weight and grad_bias",
                "grad_weight and grad_bias seem to count outputs that the ReLU made 0. They need g · [y > 0], as grad_x does.",
                shows=cuts(CONV.forward))
def conv_masked_for_x_alone(grad_output, *arrays, **options):
    return CONV_RELU.backward(grad_output, *arrays, **options)[0], *CONV.backward(grad_output, *arrays, **options)[1:]


# relu(batch_norm(x)).

def mask(x, weight, bias, *running, **options):
    return NORM.forward(x, weight, bias, *copies(running), **options) > 0


def affine_cuts(arrays, options):
    """Weights and biases that put other numbers below 0 than x̂ has there."""
    right, wrong = (f(*copies(arrays), **options) for f in (NORM_RELU.forward, affine_last))
    return np.abs(right - wrong).max(initial=0.0) > 0.05


@wrong_forward(NORM_RELU, "ReLU before weight and bias",
               "The ReLU seems to be taken of x̂. It comes last: max(γ·x̂ + β, 0).", shows=affine_cuts)
def affine_last(x, weight, bias, *running, **options):
    y = NORM_RELU.forward(x, None, None, *running, **options)
    y = y if weight is None else y * per_channel(weight, y)
    return y if bias is None else y + per_channel(bias, y)


def leaves_something(arrays, options):
    """In training two values a channel are ±1 whatever they are: dx is nearly 0, with any mask."""
    x = arrays[0]
    return cuts(NORM.forward)(arrays, options) and (not options["training"] or x.size // x.shape[1] > 2)


@wrong_backward(NORM_RELU, "ReLU forgotten in backward",
                "The gradients seem to be those of batch norm alone. Where y is 0 the ReLU lets nothing through: first g = g · [y > 0].",
                shows=leaves_something)
def norm_unmasked(grad_output, *arrays, **options):
    return NORM.backward(grad_output, *arrays, **options)


@wrong_backward(NORM_RELU, "masked behind batch norm's backward",
                "The mask of the ReLU seems to be laid on grad_x. It comes first, on g: what the ReLU stopped moves neither mean nor "
                "variance, but in training every x of a channel gets a gradient through them.",
                shows=lambda a, o: o["training"] and leaves_something(a, o))
def norm_masked_last(grad_output, *arrays, **options):
    dx, *others = NORM.backward(grad_output, *arrays, **options)
    return dx * mask(*arrays, **options), *NORM_RELU.backward(grad_output, *arrays, **options)[1:]


@wrong_backward(NORM_RELU, "ReLU forgotten in grad_weight and grad_bias",
                "grad_weight and grad_bias seem to count outputs that the ReLU made 0. They need g · [y > 0], as grad_x does.",
                shows=lambda a, o: cuts(NORM.forward)(a, o) and (a[1] is not None or a[2] is not None))
def norm_masked_for_x_alone(grad_output, *arrays, **options):
    return NORM_RELU.backward(grad_output, *arrays, **options)[0], *NORM.backward(grad_output, *arrays, **options)[1:]


# relu(a + b).

def signs_differ(arrays, options):
    a, b = arrays
    return ((a > 0) != (a + b > 0)).any() and ((b > 0) != (a + b > 0)).any()


@wrong_backward(ADD_RELU, "ReLU forgotten in backward",
                "The gradient seems to pass where the sum is negative too. There y is 0: g · [a + b > 0] for both.", shows=cuts(np.add))
def sum_unmasked(grad_output, a, b):
    return grad_output, grad_output


@wrong_backward(ADD_RELU, "shortcut not masked",
                "b seems to receive g as it came. It goes through the ReLU of the sum as a does: g · [a + b > 0].", shows=cuts(np.add))
def shortcut_unmasked(grad_output, a, b):
    return grad_output * (a + b > 0), grad_output


@wrong_backward(ADD_RELU, "each masked by its own sign",
                "The masks seem to be a > 0 and b > 0. There is one ReLU, and it sees the sum: a + b > 0 for both.", shows=signs_differ)
def own_signs(grad_output, a, b):
    return grad_output * (a > 0), grad_output * (b > 0)


@wrong_backward(ADD_RELU, "gradient halved",
                "The gradient seems to be shared out between a and b. Each of them moves the sum by as much: both get all of it.",
                shows=lambda a, o: (a[0] + a[1] > 0).any())
def halved(grad_output, a, b):
    half = grad_output * (a + b > 0) / 2
    return half, half
