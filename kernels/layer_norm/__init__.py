"""Layer normalisation: every sample by itself is brought to mean 0 and variance 1 over its last axes.

With d running over the D positions of normalized_shape, and r over the rows, all that stands before it:

    y[r,d] = γ[d] · x̂[r,d] + β[d]                       x̂[r,d] = (x[r,d] − μ[r]) / √(σ²[r] + ε)

    μ[r] = 1/D · Σ_d x[r,d]                             σ²[r] = 1/D · Σ_d (x[r,d] − μ[r])²      (biased)

Nothing depends on the batch, so training and evaluation are the same.

Backward, with g = grad_output and g' = γ·g, the gradient of x̂. As in batch normalisation g' loses its projection on 1 and on x̂;
here γ stands inside the sums, because it varies along the row:

    dβ[d] = Σ_r g[r,d]          dγ[d] = Σ_r g[r,d] · x̂[r,d]
    dx[r,d] = 1/√(σ²[r] + ε) · ( g'[r,d]  −  1/D · Σ_e g'[r,e]  −  x̂[r,d] · 1/D · Σ_e g'[r,e] · x̂[r,e] )

Source: Ba, Kiros, Hinton, "Layer Normalization", 2016, section 3.

    forward(x, weight, bias, *, normalized_shape, eps) -> y, saved
    backward(grad_output, saved, needs) -> (grad_x, grad_weight, grad_bias)

    x, y (…, *normalized_shape).  weight γ, bias β of normalized_shape, None where absent.
"""


def output_shape(x, weight=None, bias=None, *, normalized_shape, eps):
    """(…, *normalized_shape) -> the same.  ValueError if x does not end with normalized_shape, or if weight or bias differ from it."""
    normalized_shape = tuple(normalized_shape)
    if not normalized_shape:
        raise ValueError("layer_norm: normalized_shape should name at least one axis, got ()")
    if tuple(x[-len(normalized_shape):]) != normalized_shape:
        raise ValueError(f"layer_norm: the last axes of the input should be normalized_shape {normalized_shape}, "
                         f"got an input of shape {tuple(x)}")
    for name, shape in (("weight", weight), ("bias", bias)):
        if shape is not None and tuple(shape) != normalized_shape:
            raise ValueError(f"layer_norm: {name} should have the shape of normalized_shape, {normalized_shape}, got {tuple(shape)}")
    if not eps >= 0:
        raise ValueError(f"layer_norm: eps should be at least 0, got {eps}")
    return tuple(x)
