"""Convolution on a GPU: which rung of the ladder, and its launches. The rungs are explained, and written, in gpu.cu.

    naive · im2col · tiles · tensor_cores · depthwise

The choice: depthwise where a group has one channel; for 1×1 windows with stride 1 cuBLAS, since the columns are x itself; tensor cores
where TF32 is allowed (cuda.allow_tf32); else tiles. A rung that was asked for and does not fit hands over to this choice.
"""
from functools import lru_cache
from typing import Any

import numpy as np

from .. import cuda
from ..cuda import empty, grid_for, load
from ..cuda.loader import countable
from . import output_shape

kernels, tensor_cores = load(__file__), load(__file__, "gpu_tensor_cores.cu")
ALGORITHMS = ("naive", "im2col", "tiles", "tensor_cores", "depthwise")
TILE, THREADS, WARPS_THREADS = 64, 256, 128            # as product.cuh and tensor_cores.cuh have them
COLUMNS = 1 << 28                                      # bytes of columns at a time
PARTS = 256                                            # blocks that a weight gradient is cut into, where its tiles are fewer
LEAST = 1024                                           # outputs that a part sums at least


@lru_cache(maxsize=512)
def geometry(mode: str, *numbers: int) -> Any:
    """struct Geometry of geometry.cuh on the device."""
    return cuda.table(numbers, np.int32)


class Convolution:
    """The shapes of a convolution.  C and K: channels of a group."""

    def __init__(self, x, weight, output, stride, padding, dilation, groups):
        (self.N, _, self.H, self.W), (K, self.C, self.R, self.S) = x, weight
        self.G, self.K, (self.P, self.Q), self.stride, self.dilation = groups, K // groups, output, stride, dilation
        self.before = padding[0][0], padding[1][0]
        self.taps, self.outputs = self.C * self.R * self.S, self.N * self.P * self.Q
        countable("conv2d", max(self.outputs, self.N * self.H * self.W), "pixels of a channel")
        # 1×1 windows that see every pixel once: x is its own columns
        self.is_product = (self.R, self.S) == (1, 1) and stride == (1, 1) and (self.P, self.Q) == (self.H, self.W)

    def on_device(self, images: int | None = None) -> Any:
        """images: another N."""
        N = self.N if images is None else images
        return geometry(cuda.mode(), N, self.G, self.C, self.H, self.W, self.K, self.R, self.S, self.P, self.Q, *self.stride, *self.before,
                        *self.dilation)


def choose(z: Convolution, dtype, algorithm: str | None = None) -> str:
    """The rung."""
    if algorithm == "depthwise" and z.C > 1 or algorithm == "tensor_cores" and not (dtype == np.float32 and cuda.has_tf32()):
        algorithm = None
    if algorithm:
        return algorithm
    if z.C == 1 and z.G > 1:
        return "depthwise"
    if z.is_product:
        return "im2col"
    return "tensor_cores" if dtype == np.float32 and cuda.tf32_allowed() else "tiles"


def tiles(rows: int, columns: int, layers: int, threads: int = THREADS):
    """(grid, block) of a product of so many rows and columns."""
    return (max(1, -(-columns // TILE)), max(1, -(-rows // TILE)), layers), (threads,)


def images_at_once(z: Convolution, itemsize: int) -> int:
    return max(1, min(z.N, COLUMNS // max(1, z.G * z.taps * z.P * z.Q * itemsize)))


def columns_of(z: Convolution, x, together: bool):
    """x (N, G·C, H, W) -> (N, G, C·R·S, P·Q), or together (G, C·R·S, N·P·Q)."""
    N, plane = len(x), z.P * z.Q
    if z.is_product and not together:
        return x.reshape(N, z.G, z.C, plane)
    out = empty((z.G, z.taps, N * plane) if together else (N, z.G, z.taps, plane), x.dtype)
    kernels.columns(*grid_for(out.size), (x, out, z.on_device(N), np.int32(together)))
    return out


def forward_im2col(z: Convolution, x, weight, bias, y):
    some, rows = images_at_once(z, x.itemsize), weight.reshape(1, z.G, z.K, z.taps)
    for n in range(0, z.N, some):
        out = y[n:n + some]
        cuda.matmul(rows, columns_of(z, x[n:n + some], False), out.reshape(len(out), z.G, z.K, z.P * z.Q))
    if bias is not None:
        kernels.add_bias(*grid_for(y.size), (y, bias, np.int32(z.N), np.int32(z.G * z.K), np.int32(z.P * z.Q)))


def gradient_x_im2col(z: Convolution, grad_output, weight, dx):
    some, rows = images_at_once(z, dx.itemsize), weight.reshape(1, z.G, z.K, z.taps)
    for n in range(0, z.N, some):
        g, out = grad_output[n:n + some], dx[n:n + some]
        seen = (len(g), z.G, z.taps, z.P * z.Q)
        columns = out.reshape(seen) if z.is_product else empty(seen, dx.dtype)
        cuda.matmul(rows, g.reshape(len(g), z.G, z.K, z.P * z.Q), columns, transpose_a=True)
        if not z.is_product:
            kernels.gather(*grid_for(out.size), (columns, out, z.on_device(len(g))))


def gradient_weight_im2col(z: Convolution, x, grad_output, dw):
    """The products of some images at a time, added up in order."""
    some, i32 = images_at_once(z, x.itemsize), np.int32
    parts = -(-z.N // some)
    partial = empty((parts, z.G, z.K, z.taps), x.dtype)
    for part in range(parts):
        g, seen = grad_output[part * some:(part + 1) * some], x[part * some:(part + 1) * some]
        rows = empty((z.G, z.K, len(g) * z.P * z.Q), g.dtype)
        kernels.side_by_side(*grid_for(g.size), (g, rows, i32(len(g)), i32(z.G * z.K), i32(z.P * z.Q)))
        cuda.matmul(rows, columns_of(z, seen, True), partial[part], transpose_b=True)
    sum_parts(partial, dw)


def sum_parts(partial, total):
    kernels.sum_parts(*grid_for(total.size), (partial, total, np.int32(len(partial)), np.int64(total.size)))


def parts_of(z: Convolution) -> int:
    """Into how many parts the sum of a weight gradient is cut, so that there are blocks enough; a rule of shapes alone."""
    blocks = max(1, z.G * -(-z.K // TILE) * -(-z.taps // TILE))
    return max(1, min(-(-PARTS // blocks), z.outputs // LEAST))


def forward(x, weight, bias=None, *, stride, padding, dilation, groups, algorithm=None):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    shape = output_shape(x.shape, weight.shape, None if bias is None else bias.shape, **options)
    y = convolve(x, weight, bias, shape[2:], **options, algorithm=algorithm)
    return y, (x, weight, {**options, "algorithm": algorithm})


def convolve(x, weight, bias, output, *, stride, padding, dilation, groups, algorithm=None):
    """y (N, K, P, Q).  output: (P, Q)."""
    z, y = Convolution(x.shape, weight.shape, output, stride, padding, dilation, groups), empty((len(x), len(weight), *output), x.dtype)
    if not y.size:
        return y
    rung, arguments = choose(z, x.dtype, algorithm), (x, weight, bias, y, z.on_device())
    if rung == "im2col":
        forward_im2col(z, x, weight, bias, y)
    elif rung == "tiles":
        kernels.forward_tiles(*tiles(z.K, z.outputs, z.G), arguments)
    elif rung == "tensor_cores":
        tensor_cores.forward(*tiles(z.K, z.outputs, z.G, WARPS_THREADS), arguments)
    else:
        {"naive": kernels.forward_naive, "depthwise": kernels.forward_depthwise}[rung](*grid_for(y.size), arguments)
    return y


def gradients(x, weight, grad_output, plane, needs, *, stride, padding, dilation, groups, algorithm=None):
    """(grad_x, grad_weight, grad_bias) of convolve, None where needs is False.  plane: (H, W).  x: None will do without grad_weight."""
    N, K = grad_output.shape[:2]
    shape = (N, weight.shape[1] * groups, *plane)
    z = Convolution(shape, weight.shape, grad_output.shape[2:], stride, padding, dilation, groups)
    dtype, device, i32 = grad_output.dtype, z.on_device(), np.int32
    rung = choose(z, dtype, algorithm)
    grad_x = grad_weight = grad_bias = None
    if needs[0]:
        grad_x = empty(shape, dtype)
        if rung == "im2col":
            gradient_x_im2col(z, grad_output, weight, grad_x)
        elif rung == "tiles" and grad_x.size:
            kernels.gradient_x_tiles(*tiles(z.C, N * z.H * z.W, z.G), (grad_output, weight, grad_x, device))
        elif rung == "tensor_cores" and grad_x.size:
            tensor_cores.gradient_x(*tiles(z.C, N * z.H * z.W, z.G, WARPS_THREADS), (grad_output, weight, grad_x, device))
        elif grad_x.size:
            kernels.gradient_x_naive(*grid_for(grad_x.size), (grad_output, weight, grad_x, device))
    if needs[1]:
        grad_weight = empty(weight.shape, dtype)
        if rung == "im2col" and z.outputs:
            gradient_weight_im2col(z, x, grad_output, grad_weight)
        elif rung in ("tiles", "tensor_cores") and z.outputs:
            parts = parts_of(z)
            partial = empty((parts, *weight.shape), dtype)
            launch, threads = (kernels.gradient_weight_tiles, THREADS) if rung == "tiles" else (tensor_cores.gradient_weight, WARPS_THREADS)
            launch(*tiles(z.K, z.taps, z.G * parts, threads), (x, grad_output, partial, device, i32(parts)))
            sum_parts(partial, grad_weight)
        else:
            kernels.gradient_weight_naive((min(weight.size, 4096),), (THREADS,), (x, grad_output, grad_weight, device))
    if needs[2]:
        grad_bias = empty((K,), dtype)
        kernels.gradient_bias((min(K, 4096),), (THREADS,), (grad_output, grad_bias, i32(N), i32(K), i32(z.P * z.Q)))
    return grad_x, grad_weight, grad_bias


def backward(grad_output, saved, needs):
    x, weight, options = saved
    return gradients(x, weight, grad_output, x.shape[2:], needs, **options)
