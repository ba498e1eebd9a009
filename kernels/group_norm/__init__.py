"""Group normalisation: in every image, each group of channels is brought to mean 0 and variance 1 over its channels and its plane.

    y[n,c,h,w] = γ[c] · x̂[n,c,h,w] + β[c]               x̂[n,c,h,w] = (x[n,c,h,w] − μ[n,k]) / √(σ²[n,k] + ε)

    k = c // (C/G), the group of channel c              D = C/G · H·W
    μ[n,k] = 1/D · Σ_{c∈k,h,w} x[n,c,h,w]               σ²[n,k] = 1/D · Σ_{c∈k,h,w} (x[n,c,h,w] − μ[n,k])²      (biased)

One group is layer normalisation over (C, H, W), with γ and β a channel; C groups are instance normalisation.

Backward, with g = grad_output and g' = γ·g, the gradient of x̂. As in batch normalisation g' loses its projection on 1 and on x̂:

    dβ[c] = Σ_{n,h,w} g          dγ[c] = Σ_{n,h,w} g · x̂
    dx[n,c,h,w] = 1/√(σ²[n,k] + ε) · ( g'[n,c,h,w]  −  1/D · Σ_{c∈k,h,w} g'  −  x̂[n,c,h,w] · 1/D · Σ_{c∈k,h,w} g'·x̂ )

Source: Wu, He, "Group Normalization", 2018, section 3.

    forward(x, weight, bias, *, num_groups, eps) -> y, saved
    backward(grad_output, saved, needs) -> (grad_x, grad_weight, grad_bias)

    x, y (N, C) or (N, C, …).  weight γ, bias β (C,), None where absent.
"""
from math import prod


def output_shape(x, weight=None, bias=None, *, num_groups, eps):
    """(N, C, …) -> (N, C, …).  ValueError for groups that do not divide the channels, wrong shapes, or a single value a group in all."""
    if len(x) < 2:
        raise ValueError(f"group_norm: expected an input (N, C) or (N, C, …), got shape {tuple(x)}")
    if num_groups < 1 or x[1] % num_groups:
        raise ValueError(f"group_norm: num_groups should divide the channels evenly, got {num_groups} for {x[1]} channels. "
                         f"Input shape {tuple(x)}")
    for name, shape in (("weight", weight), ("bias", bias)):
        if shape is not None and tuple(shape) != (x[1],):
            raise ValueError(f"group_norm: input has {x[1]} channels, so {name} should have the shape ({x[1]},), got {tuple(shape)}. "
                             f"Input shape {tuple(x)}")
    if x[0] * (x[1] // num_groups) * prod(x[2:]) == 1:
        raise ValueError(f"group_norm: one value a group has no variance; got an input of shape {tuple(x)} with num_groups={num_groups}. "
                         f"Use fewer groups")
    if not eps >= 0:
        raise ValueError(f"group_norm: eps should be at least 0, got {eps}")
    return tuple(x)
