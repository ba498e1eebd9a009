"""Addition and ReLU in one pass: what a residual block does with its residual and its shortcut.

    y[i] = max(a[i] + b[i], 0)

Backward: both inputs receive the same gradient, grad_output where y > 0, else 0. It is read off the output, which alone is kept. NaN in
is NaN out; the bits are those of the two operations one after the other.

Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015, figure 2.

    forward(a, b) -> y, saved                                    a, b, y of one shape
    backward(grad_output, saved, needs) -> (grad_a, grad_b)      one array, if both are needed
"""


def output_shape(a, b):
    """Two times the same shape -> that shape.  ValueError for two shapes."""
    if tuple(a) != tuple(b):
        raise ValueError(f"add_relu: expected two inputs of one shape, got {tuple(a)} and {tuple(b)}")
    return tuple(a)
