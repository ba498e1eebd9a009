"""Max pooling in NumPy, to be read."""
import numpy as np

from . import output_shape


def spec(x, *, kernel_size, stride, padding, dilation, ceil_mode):
    """The formula, one output at a time: the oracle of every other form."""
    (R, S), ((top, _), (left, _)), (H, W) = kernel_size, padding, x.shape[2:]
    shape, _ = output_shape(x.shape, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    y, indices = np.empty(shape, x.dtype), np.empty(shape, np.int32)
    for n, c, p, q in np.ndindex(*shape):
        winner = None
        for r in range(R):
            for s in range(S):
                h, w = p * stride[0] - top + r * dilation[0], q * stride[1] - left + s * dilation[1]
                if 0 <= h < H and 0 <= w < W:
                    value = x[n, c, h, w]
                    if winner is None or value > x[n, c, winner[0], winner[1]] or np.isnan(value):
                        winner = h, w
        assert winner is not None                                          # output_shape refuses a window that sees padding alone
        y[n, c, p, q] = x[n, c, winner[0], winner[1]]
        indices[n, c, p, q] = winner[0] * W + winner[1]
    return y, indices


def forward(x, *, kernel_size, stride, padding, dilation, ceil_mode):
    (R, S), ((top, _), (left, _)), (N, C, H, W) = kernel_size, padding, x.shape
    shape, _ = output_shape(x.shape, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode)
    P, Q = shape[2:]
    # all that the windows reach: padding, and what ceil mode adds beyond it, is −∞ and has no position
    reach_h, reach_w = (P - 1) * stride[0] + dilation[0] * (R - 1) + 1, (Q - 1) * stride[1] + dilation[1] * (S - 1) + 1
    padded = np.full((N, C, max(reach_h, top + H), max(reach_w, left + W)), -np.inf, x.dtype)
    position = np.full(padded.shape[2:], -1, np.int32)
    padded[:, :, top:top + H, left:left + W] = x
    position[top:top + H, left:left + W] = np.arange(H * W).reshape(H, W)

    y, indices = np.full(shape, -np.inf, x.dtype), np.full(shape, -1, np.int32)
    for r, s in np.ndindex(R, S):                                          # in row-major order: the first of equals stays
        rows = slice(r * dilation[0], r * dilation[0] + (P - 1) * stride[0] + 1, stride[0])
        columns = slice(s * dilation[1], s * dilation[1] + (Q - 1) * stride[1] + 1, stride[1])
        value, here = padded[:, :, rows, columns], position[rows, columns]              # tap (r, s) of every window
        wins = (value > y) | np.isnan(value) | ((indices < 0) & (here >= 0))
        y, indices = np.where(wins, value, y), np.where(wins, here, indices)
    return (y, indices), (x.shape, indices)


def backward(grad_output, saved, needs=(True,)):
    if not needs[0]:
        return (None,)
    (N, C, H, W), indices = saved
    grad_x = np.zeros((N * C, H * W), grad_output.dtype)
    planes = N * C, indices.shape[2] * indices.shape[3]
    np.add.at(grad_x, (np.arange(N * C)[:, None], indices.reshape(planes)), grad_output.reshape(planes))
    return (grad_x.reshape(N, C, H, W),)
