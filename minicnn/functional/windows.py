"""Sliding windows as a view, and zero padding: what convolution and pooling are made of, as operations of their own.

They serve the definitions that second derivatives are built from, and a reader who wants to write a convolution out of tensors:

    windows = F.windows(F.zero_pad(x, ((1, 1), (1, 1))), (3, 3), (1, 1), (1, 1))       # (N, C, P, Q, R, S)
    y = (windows.permute(0, 2, 3, 1, 4, 5).reshape(N * P * Q, C * R * S) @ w.reshape(K, -1).T) …
"""
from ..device import strided_view
from ..kernels import memory
from ..kernels.geometry import Padding, Pair, output_size
from ..tensor import Op, Tensor


class Windows(Op):
    """y[n,c,p,q,r,s] = x[n,c, p·stride + r·dilation, q·stride + s·dilation]: a view, no element is copied."""
    view, reads_inputs, reads_outputs = True, False, False

    def forward(self, x, window, stride, dilation):
        self.shape = x.shape
        (_, _, P, Q, R, S), (n, c, h, w) = self.infer(x, window, stride, dilation), x.strides
        strides = (n, c, h * stride[0], w * stride[1], h * dilation[0], w * dilation[1])
        return strided_view(x, (*x.shape[:2], P, Q, R, S), strides)

    def infer(self, x, window, stride, dilation):
        N, C, H, W = x.shape
        P, Q = (output_size(size, window[i], stride[i], (0, 0), dilation[i]) for i, size in enumerate((H, W)))
        return (N, C, P, Q, *window)

    def backward(self, g, needs):
        return (fold(g, self.shape, self.options["stride"], self.options["dilation"], self.device),)

    def backward_graph(self, g):
        return (Fold.apply(g, shape=self.shape, **self.options),)


class Fold(Op):
    """The adjoint of Windows: every window added back at its place."""
    reads_inputs = reads_outputs = False

    def forward(self, g, shape, window, stride, dilation):
        return fold(g, shape, stride, dilation, self.device)

    def infer(self, g, shape, **options):
        return shape

    def backward(self, g, needs):
        options = {k: v for k, v in self.options.items() if k != "shape"}
        return (Windows().forward(g, **options),)

    def backward_graph(self, g):
        return (Windows.apply(g, **{k: v for k, v in self.options.items() if k != "shape"}),)


def fold(g, shape: tuple, stride: Pair, dilation: Pair, device: str):
    """x[n,c,h,w] = Σ g[n,c,p,q,r,s] over all windows that hold (h, w); one strided addition a tap (r, s)."""
    x = memory.zeros(shape, g.dtype, device)
    _, _, P, Q, R, S = g.shape
    for r in range(R):
        for s in range(S):
            h, w = r * dilation[0], s * dilation[1]
            x[:, :, h:h + (P - 1) * stride[0] + 1:stride[0], w:w + (Q - 1) * stride[1] + 1:stride[1]] += g[:, :, :, :, r, s]
    return x


class ZeroPad(Op):
    """Zeros around the plane; the gradient is the part inside."""
    reads_inputs = reads_outputs = False

    def forward(self, x, padding):
        self.shape = x.shape
        y = memory.zeros(self.infer(x, padding), x.dtype, self.device)
        y[self.inside()] = x
        return y

    def infer(self, x, padding):
        (top, bottom), (left, right) = padding
        return (*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right)

    def inside(self):
        (top, _), (left, _) = self.options["padding"]
        return ..., slice(top, top + self.shape[2]), slice(left, left + self.shape[3])

    def backward(self, g, needs):
        return (g[self.inside()],)

    def backward_graph(self, g):
        return (g[self.inside()],)


def windows(input: Tensor, window: Pair, stride: Pair = (1, 1), dilation: Pair = (1, 1)) -> Tensor:
    """x (N, C, H, W) -> (N, C, P, Q, R, S), the R×S windows of every position, as a view."""
    return Windows.apply(input, window=tuple(window), stride=tuple(stride), dilation=tuple(dilation))


def zero_pad(input: Tensor, padding: Padding) -> Tensor:
    """x (N, C, H, W) with zeros around it: ((top, bottom), (left, right))."""
    return ZeroPad.apply(input, padding=padding)
