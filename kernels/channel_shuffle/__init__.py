"""Channel shuffle: the channels of all groups, dealt out in turn.

    y[n, j·G + g, …] = x[n, g·(C/G) + j, …]              0 ≤ g < G, 0 ≤ j < C/G

The channels written as a G × (C/G) table, read by columns: after a grouped convolution, each group of the next one sees every group
of the last.

Backward: a permutation; its inverse deals C/G groups:

    dx[n, g·(C/G) + j, …] = g[n, j·G + g, …]             dx = shuffle of the gradient with C/G groups

Source: Zhang, Zhou, Lin, Sun, "ShuffleNet", 2017, section 3.1.

    forward(x, *, groups) -> y, saved                    x, y (N, C, …)
    backward(grad_output, saved, needs) -> (grad_x,)
"""


def output_shape(x, *, groups):
    """(N, C, …) -> (N, C, …).  Raises ValueError for an x of fewer than 3 axes, or groups that do not divide the channels."""
    if len(x) < 3:
        raise ValueError(f"channel_shuffle: expected an input (N, C, …) of at least 3 axes, got shape {tuple(x)}")
    if groups < 1 or x[1] % groups:
        raise ValueError(f"channel_shuffle: groups should divide the channels, got {groups} groups for {x[1]} channels, "
                         f"input shape {tuple(x)}")
    return tuple(x)
