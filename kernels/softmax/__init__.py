"""Softmax over one dimension: scores x become probabilities y, positive and adding up to 1; and its logarithm.

    softmax        y[c] = e^(x[c] − m) / Σ_j e^(x[j] − m)               m = max_j x[j]: e^0 is the largest term, nothing overflows
    log_softmax    y[c] = x[c] − m − ln Σ_j e^(x[j] − m)                never the logarithm of a probability that came out as 0

Every other index is carried along:  y[…, c, …] depends on x[…, j, …] alone.  Backward: every y[c] contains every x[j],
∂y[c]/∂x[j] = y[c]·([c = j] − y[j]), so

    softmax        dx[j] = y[j] · (g[j] − Σ_c g[c]·y[c])
    log_softmax    dx[j] = g[j] − e^(y[j]) · Σ_c g[c]

Source: Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs", 1990.

    forward(x, *, dim) -> y, saved                        x, y of one shape;  dim from −rank to rank − 1
    backward(grad_output, saved, needs) -> (grad_x,)
"""
MEMBERS = ("softmax", "log_softmax")


def output_shape(x, *, dim):
    """Any shape -> the same.  Raises ValueError for a dimension that x does not have; a number has one, 0."""
    rank = max(len(x), 1)
    if not -rank <= dim < rank:
        raise ValueError(f"softmax: an input of shape {x} has dimensions {-rank} … {rank - 1}, got dim={dim}")
    return x


def as_rows(shape, dim):
    """The shape as (outer, C, inner): softmax runs over the middle one."""
    shape = shape or (1,)
    dim %= len(shape)
    outer = inner = 1
    for n in shape[:dim]:
        outer *= n
    for n in shape[dim + 1:]:
        inner *= n
    return outer, shape[dim], inner
