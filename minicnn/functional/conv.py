"""Convolution and its transpose.  Formulas, derivations and sources: kernels/conv2d, kernels/conv_transpose2d."""
from collections.abc import Sequence
from typing import Any

from ..kernels.geometry import Padding, padding_pairs, pair
from ..tensor import Tensor
from .kernel_op import KernelOp
from .shapes import reshape
from .windows import Fold, windows, zero_pad

Size = int | Sequence[int]


class Conv2d(KernelOp):
    """x (N, C, H, W), weight (K, C/G, R, S), bias (K,) or None -> (N, K, P, Q)."""
    kernel = "conv2d"
    reads_outputs = False

    def definition(self, x, weight, bias, *, stride, padding, dilation, groups):
        """Windows of the padded input, then for each group one product of patches and weights."""
        N, (K, Cg, R, S) = x.shape[0], weight.shape
        patches: Any = windows(zero_pad(x, padding), (R, S), stride, dilation)               # (N, C, P, Q, R, S)
        P, Q = patches.shape[2:4]
        patches = patches.reshape(N, groups, Cg, P, Q, R, S).permute(1, 0, 3, 4, 2, 5, 6).reshape(groups, N * P * Q, Cg * R * S)
        rows = weight.reshape(groups, K // groups, Cg * R * S)
        y = patches @ rows.transpose(1, 2)                                                   # (G, N·P·Q, K/G)
        y = y.reshape(groups, N, P, Q, K // groups).permute(1, 0, 4, 2, 3).reshape(N, K, P, Q)
        return y if bias is None else y + bias.reshape(K, 1, 1)


class ConvTranspose2d(KernelOp):
    """x (N, C, P, Q), weight (C, K/G, R, S), bias (K,) or None -> (N, K, H, W)."""
    kernel = "conv_transpose2d"
    reads_outputs = False

    def definition(self, x, weight, bias, *, stride, padding, output_padding, dilation, groups):
        """For each group one product makes a patch of every pixel; the patches are added up where they belong."""
        (N, C, P, Q), (_, Kg, R, S) = x.shape, weight.shape
        _, K, H, W = self.infer(x, weight, bias, **self.options)
        pixels = x.reshape(N, groups, C // groups, P * Q).permute(1, 0, 3, 2).reshape(groups, N * P * Q, C // groups)
        patches = pixels @ weight.reshape(groups, C // groups, Kg * R * S)                   # (G, N·P·Q, K/G·R·S)
        patches = patches.reshape(groups, N, P, Q, Kg, R, S).permute(1, 0, 4, 2, 3, 5, 6).reshape(N, K, P, Q, R, S)
        plane = tuple((n - 1) * s + d * (r - 1) + 1 for n, s, d, r in zip((P, Q), stride, dilation, (R, S)))
        folded = Fold.apply(patches, shape=(N, K, *plane), window=(R, S), stride=stride, dilation=dilation)
        y: Any = zero_pad(folded, ((0, output_padding[0]), (0, output_padding[1])))
        (top, _), (left, _) = padding
        y = y[:, :, top:top + H, left:left + W]
        return y if bias is None else y + bias.reshape(K, 1, 1)


def _as_batch(input: Tensor, weight: Tensor, op: str) -> Tensor:
    """(N, C, H, W) as it is, (C, H, W) as a batch of one.  ValueError for anything else, or a weight that is not 4-D."""
    if len(input.shape) not in (3, 4):
        raise ValueError(f"{op}: expected an input (N, C, H, W) or (C, H, W), got shape {input.shape}")
    if len(weight.shape) != 4:
        axes = "(K, C/groups, R, S)" if op == "conv2d" else "(C, K/groups, R, S)"
        raise ValueError(f"{op}: expected a weight {axes}, got shape {weight.shape}")
    return reshape(input, (1, *input.shape)) if len(input.shape) == 3 else input


def _as_before(y: Tensor, input: Tensor) -> Tensor:
    return reshape(y, y.shape[1:]) if len(input.shape) == 3 else y


def convolve(op: type[Conv2d], input: Tensor, weight: Tensor, bias: Tensor | None, stride, padding, dilation, groups) -> Tensor:
    """Conv2d, or an Op that takes the same, with the arguments of conv2d."""
    x = _as_batch(input, weight, "conv2d")
    strides, dilations = pair(stride, "conv2d", "stride"), pair(dilation, "conv2d", "dilation")
    pads = padding_pairs(padding, "conv2d", x.shape[2:], (weight.shape[2], weight.shape[3]), strides, dilations)
    return _as_before(op.apply(x, weight, bias, stride=strides, padding=pads, dilation=dilations, groups=groups), input)


def conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Size = 1,
           padding: Size | Sequence[Sequence[int]] | str = 0, dilation: Size = 1, groups: int = 1) -> Tensor:
    """y[n,k,p,q] = b[k] + Σ_{c,r,s} x[n, j·C/G + c, p·stride_h − top + r·dilation_h, q·stride_w − left + s·dilation_w] · w[k,c,r,s]

    j = k // (K/G) is the group of output channel k; x is 0 outside its plane.
    input: (N, C, H, W), or (C, H, W) for one image.  weight: (K, C/G, R, S).  bias: (K,) or None.
    stride, dilation: a number or (vertical, horizontal).  groups: G, divides C and K; G = C is a depthwise convolution.
    padding: p, (vertical, horizontal), ((top, bottom), (left, right)), "valid" (none), or "same": the output is as large as the input, or
    with a stride has ceil(H / stride) rows, the odd pixel of padding after the plane, as in TensorFlow (PyTorch allows stride 1 only).
    Returns (N, K, P, Q),  P = (H + top + bottom − dilation_h·(R−1) − 1) // stride_h + 1.
    ValueError for shapes that do not fit together, groups that do not divide, or a window larger than the padded input; TypeError for
    dtypes that differ or are not floating-point.  LeCun et al. 1998, section II.A.
    """
    return convolve(Conv2d, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Size = 1,
                     padding: Size | Sequence[Sequence[int]] = 0, output_padding: Size = 0, groups: int = 1, dilation: Size = 1) -> Tensor:
    """y[n,k,h,w] = b[k] + Σ_{c,r,s,p,q} x[n,c,p,q] · w[c,k,r,s]     over all p·stride_h − top + r·dilation_h = h, likewise w

    The input gradient of a convolution, as a layer: every input pixel stamps the window of weights onto the output.
    input: (N, C, P, Q), or (C, P, Q) for one image.  weight: (C, K/G, R, S).  bias: (K,) or None.
    stride, dilation: a number or (vertical, horizontal).  padding: p, (vertical, horizontal) or ((top, bottom), (left, right)), cut off the
    output.  output_padding: rows at the bottom and columns on the right in addition, fewer than stride or dilation.  groups: G.
    Returns (N, K, H, W),  H = (P − 1)·stride_h − top − bottom + dilation_h·(R − 1) + output_padding_h + 1.
    ValueError for shapes that do not fit together, groups that do not divide, or an empty output; TypeError for dtypes that differ or are
    not floating-point.  Dumoulin, Visin 2016, chapter 4.
    """
    op = "conv_transpose2d"
    x = _as_batch(input, weight, op)
    strides, dilations = pair(stride, op, "stride"), pair(dilation, op, "dilation")
    if isinstance(padding, str):
        raise ValueError(f"{op}: padding should be a number, a pair or ((top, bottom), (left, right)), got {padding!r}")
    pads: Padding = padding_pairs(padding, op, x.shape[2:], (weight.shape[2], weight.shape[3]), strides, dilations)
    y = ConvTranspose2d.apply(x, weight, bias, stride=strides, padding=pads, output_padding=pair(output_padding, op, "output_padding", 0),
                              dilation=dilations, groups=groups)
    return _as_before(y, input)
