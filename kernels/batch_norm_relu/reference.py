"""Batch normalisation and ReLU in NumPy, to be read: one after the other."""
from ..activation.reference import relu
from ..batch_norm import reference as batch_norm


def spec(x, weight, bias, running_mean, running_var, *, training, momentum, eps):
    """The formula, one output at a time: the oracle of every other form."""
    y = batch_norm.spec(x, weight, bias, running_mean, running_var, training=training, momentum=momentum, eps=eps)
    for i, value in enumerate(y.flat):
        y.flat[i] = 0.0 if value <= 0 else value
    return y


def forward(x, weight, bias, running_mean, running_var, *, training, momentum, eps):
    z, saved = batch_norm.forward(x, weight, bias, running_mean, running_var, training=training, momentum=momentum, eps=eps)
    y, _ = relu.forward(z)
    return y, (y, saved)


def backward(grad_output, saved, needs):
    y, saved = saved
    u, = relu.backward(grad_output, y)
    return batch_norm.backward(u, saved, needs)
