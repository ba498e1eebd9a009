"""Batch normalisation and ReLU in one pass: what almost every convolution of a network is followed by.

    y[n,c,h,w] = max(γ[c] · x̂[n,c,h,w] + β[c], 0)           x̂ = (x − μ) / √(σ² + ε),  μ, σ² and the running values as in ../batch_norm

Backward: with u = g where y > 0, else 0, the gradients are those of batch normalisation for u in the place of g:

    dβ[c] = Σ_{n,h,w} u        dγ[c] = Σ_{n,h,w} u · x̂        training   dx = γ/√(σ² + ε) · (u − dβ/M − x̂ · dγ/M),   M = N·H·W
                                                               evaluation dx = γ/√(σ² + ε) · u

What stands between the two operations is never written to memory. The bits are those of the two one after the other.

Source: Ioffe, Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift", 2015, section 3.2:
it is put "immediately before the nonlinearity".

    forward(x, weight, bias, running_mean, running_var, *, training, momentum, eps) -> y, saved
    backward(grad_output, saved, needs) -> (grad_x, grad_weight, grad_bias, None, None)          all as in ../batch_norm
"""
from ..batch_norm import WRITES, output_shape

__all__ = ["WRITES", "output_shape"]
