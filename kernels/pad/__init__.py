"""Padding: elements put around an array, or cropped from it.

Along each padded axis, of input size n, the output has n + before + after positions, and position j lies t = j − before from the
input's start:

    y[…,j,…] = x[…,σ(j),…]      constant    σ = t where 0 ≤ t < n, and `value` elsewhere
                                reflect     σ = −t below 0, 2(n−1) − t from n on: mirrored at the edge element, which is not repeated
                                replicate   σ = min(max(t, 0), n − 1)
                                circular    σ = t mod n, of what is left after cropping

A negative before or after crops. The axes are independent: an element in a corner is mapped along each of them.

Backward: every output element was copied from one input element, or from `value`:

    dx[i] = Σ_{j : σ(j) = i} g[j]

Source: conventions of PyTorch's torch.nn.functional.pad.

    forward(x, *, padding, mode, value) -> y, saved         padding ((before, after), …) for the last axes of x, in order of the axes
    backward(grad_output, saved, needs) -> (grad_x,)
"""
import numpy as np

MODES = ("constant", "reflect", "replicate", "circular")


def output_shape(x, *, padding, mode, value):
    """Any shape -> the last len(padding) sizes grown by before + after.

    Raises ValueError for more pairs than axes, an unknown mode, crops of more than there is, and padding that the mode cannot take
    from the input: reflect less than the size, circular at most the size after cropping.
    """
    if mode not in MODES:
        raise ValueError(f"pad: mode should be one of {', '.join(map(repr, MODES))}, got {mode!r}")
    if not 1 <= len(padding) <= len(x):
        raise ValueError(f"pad: padding for {len(padding)} axes does not fit an input of shape {tuple(x)}; give 1 … {len(x)} pairs")
    first = len(x) - len(padding)
    for axis, (before, after) in enumerate(padding, first):
        size, what = x[axis], f"pad: padding ({before}, {after}) of axis {axis}"
        left = size + min(before, 0) + min(after, 0)
        if mode == "constant":
            if left < 0:
                raise ValueError(f"{what} crops {size - left} of {size} elements, input shape {tuple(x)}; crop less")
        elif size + before + after < 1 or size < 1:
            raise ValueError(f"{what} leaves nothing of its {size} elements in mode {mode!r}, input shape {tuple(x)}; crop less")
        elif mode == "reflect" and max(before, after) >= size:
            raise ValueError(f"{what} should be less than its size {size} in mode 'reflect', input shape {tuple(x)}; use less padding")
        elif mode == "circular" and (left < 1 or max(before, after) > left):
            raise ValueError(f"{what} should be at most the {max(left, 0)} elements that are there after cropping in mode 'circular', "
                             f"input shape {tuple(x)}; use less padding")
    return (*x[:first], *(size + before + after for size, (before, after) in zip(x[first:], padding)))


def sources(size, before, after, mode):
    """σ of the formula: for each output position along one axis the input position that it copies, −1 for `value`."""
    t = np.arange(size + before + after) - before
    if mode == "constant":
        return np.where((t >= 0) & (t < size), t, -1)
    if mode == "reflect":
        return np.where(t < 0, -t, np.where(t >= size, 2 * (size - 1) - t, t))
    if mode == "replicate":
        return np.clip(t, 0, size - 1)
    start, left = max(-before, 0), size + min(before, 0) + min(after, 0)
    return start + (t - start) % left
