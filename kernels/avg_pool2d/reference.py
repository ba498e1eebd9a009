"""Average pooling in NumPy, to be read."""
import numpy as np

from . import output_shape, windows


def spec(x, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    """The formula, one output at a time: the oracle of every other form."""
    (R, S), ((top, bottom), (left, right)), (H, W) = kernel_size, padding, x.shape[2:]
    y = np.empty(output_shape(x.shape, kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode,
                              count_include_pad=count_include_pad, divisor_override=divisor_override), x.dtype)
    for n, c, p, q in np.ndindex(*y.shape):
        total, seen, counted = 0.0, 0, 0
        for r in range(R):
            for s in range(S):
                h, w = p * stride[0] - top + r, q * stride[1] - left + s
                if 0 <= h < H and 0 <= w < W:
                    total, seen = total + x[n, c, h, w], seen + 1
                if h < H + bottom and w < W + right:
                    counted += 1
        y[n, c, p, q] = total / (divisor_override or (counted if count_include_pad else seen))
    return y


def forward(x, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    shape = output_shape(x.shape, kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode,
                         count_include_pad=count_include_pad, divisor_override=divisor_override)
    top, bottom, rows = windows(x.shape[2], shape[2], kernel_size[0], stride[0], padding[0], count_include_pad)
    left, right, columns = windows(x.shape[3], shape[3], kernel_size[1], stride[1], padding[1], count_include_pad)
    divisor = np.outer(rows, columns) if divisor_override is None else np.full(shape[2:], divisor_override)
    y = np.empty(shape, x.dtype)
    for p, q in np.ndindex(*shape[2:]):
        window = x[:, :, top[p]:bottom[p], left[q]:right[q]]                              # (N, C, ≤R, ≤S)
        y[:, :, p, q] = window.sum((2, 3), dtype=np.float64) / divisor[p, q]
    return y, (x.shape, top, bottom, left, right, divisor)


def backward(grad_output, saved, needs=(True,)):
    if not needs[0]:
        return (None,)
    shape, top, bottom, left, right, divisor = saved
    grad_x = np.zeros(shape)
    for p, q in np.ndindex(*divisor.shape):
        grad_x[:, :, top[p]:bottom[p], left[q]:right[q]] += grad_output[:, :, p, q, None, None] / divisor[p, q]
    return (grad_x.astype(grad_output.dtype),)
