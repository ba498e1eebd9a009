"""Mean squared error.

    loss[i] = (x[i] − t[i])²             reduction "none": loss;   "sum": Σ loss;   "mean": Σ loss / count, NaN for nothing

Backward:  dx[i] = 2·(x[i] − t[i])·g,  dt = −dx,  with g divided by the count for the mean.

    forward(x, target, *, reduction) -> loss, saved              x, target of one shape
    backward(grad_output, saved, needs) -> (grad_x, grad_target)
"""


def output_shape(x, target, *, reduction="mean"):
    """The shape of both, or () for a mean or sum.  Raises ValueError for different shapes or an unknown reduction."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"mse_loss: reduction should be 'none', 'mean' or 'sum', got {reduction!r}")
    if tuple(x) != tuple(target):
        raise ValueError(f"mse_loss: input {tuple(x)} and target {tuple(target)} should have one shape")
    return tuple(x) if reduction == "none" else ()
