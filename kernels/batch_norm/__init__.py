"""Batch normalisation: every channel is brought to mean 0 and variance 1 over the batch, then scaled and shifted by what is learnt.

    y[n,c,h,w] = γ[c] · x̂[n,c,h,w] + β[c]              x̂[n,c,h,w] = (x[n,c,h,w] − μ[c]) / √(σ²[c] + ε)

    training      μ[c] = 1/M · Σ_{n,h,w} x[n,c,h,w]     σ²[c] = 1/M · Σ_{n,h,w} (x[n,c,h,w] − μ[c])²     M = N·H·W
    evaluation    μ[c] = running_mean[c]                σ²[c] = running_var[c]

What training leaves for evaluation, with m = momentum:

    running_mean[c] ← (1 − m) · running_mean[c] + m · μ[c]
    running_var[c]  ← (1 − m) · running_var[c]  + m · σ²[c] · M/(M − 1)

Conventions (PyTorch's): the variance is biased (divided by M) in the output and unbiased (by M − 1) in the running value; momentum
weighs the new value. An empty batch leaves the running values as they are.

Backward, with g = grad_output:

    dβ[c] = Σ_{n,h,w} g                  dγ[c] = Σ_{n,h,w} g · x̂

In evaluation μ and σ² are constants: dx = γ/√(σ² + ε) · g. In training each x also moves the mean and the variance of its channel.
What that takes away from g is its projection on the two directions that normalisation removes, the constant 1 and x̂ itself:

    dx[n,c,h,w] = γ[c]/√(σ²[c] + ε) · ( g[n,c,h,w]  −  dβ[c]/M  −  x̂[n,c,h,w] · dγ[c]/M )

Source: Ioffe, Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift", 2015,
algorithm 1 and the equations below it.

    forward(x, weight, bias, running_mean, running_var, *, training, momentum, eps) -> y, saved
    backward(grad_output, saved, needs) -> (grad_x, grad_weight, grad_bias, None, None)

    x, y (N, C) or (N, C, …).  weight γ, bias β, running_mean, running_var: (C,), None where absent; in training both running values
    are written in place.  No gradient goes to the running values.
"""
from math import prod
from numbers import Real

WRITES = (3, 4)


def output_shape(x, weight=None, bias=None, running_mean=None, running_var=None, *, training, momentum, eps):
    """(N, C, …) -> (N, C, …).  ValueError for a wrong shape, for evaluation without running values, for one value a channel in training."""
    if len(x) < 2:
        raise ValueError(f"batch_norm: expected an input (N, C) or (N, C, …), got shape {tuple(x)}")
    for name, shape in (("weight", weight), ("bias", bias), ("running_mean", running_mean), ("running_var", running_var)):
        if shape is not None and tuple(shape) != (x[1],):
            raise ValueError(f"batch_norm: input has {x[1]} channels, so {name} should have the shape ({x[1]},), got {tuple(shape)}. "
                             f"Input shape {tuple(x)}")
    if (running_mean is None) != (running_var is None):
        raise ValueError("batch_norm: pass both running_mean and running_var, or neither")
    if not training and running_mean is None:
        raise ValueError("batch_norm: evaluation (training=False) normalises by running_mean and running_var; pass both, or training=True")
    if training and x[0] * prod(x[2:]) == 1:
        raise ValueError(f"batch_norm: one value a channel has no variance, so training needs more than one; got an input of "
                         f"shape {tuple(x)}. Use a larger batch, or evaluation")
    if training and running_mean is not None and not isinstance(momentum, Real):
        raise ValueError(f"batch_norm: momentum should be a number, the weight of the new value, got {momentum!r}")
    if not eps >= 0 or training and eps == 0:
        raise ValueError(f"batch_norm: eps should be positive (it may be 0 in evaluation), got {eps}")
    return tuple(x)
