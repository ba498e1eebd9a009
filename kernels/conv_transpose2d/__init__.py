"""Transposed convolution: every input pixel stamps its window of weights onto the output; stamps that overlap add up.

    y[n,k,h,w] = b[k] + Σ_{c,r,s,p,q} x[n,c,p,q] · w[c,k,r,s]     over all (p, r) with p·stride_h − top + r·dilation_h = h, likewise (q, s)

    With groups = G, output channel k hears only the C/G input channels of its own group.

It is the input gradient of a convolution whose weight is w read from right to left: from K channels and a plane (H, W) to C channels and
a plane (P, Q). So a stride here spreads the input apart, and padding here cuts the output. Several planes H have the same P after a
convolution with stride; output_padding, added at the bottom and on the right, says which one is meant.

Backward. As y is a convolution's input gradient, the gradient of x is that convolution itself, and w's is the convolution's weight
gradient with the two planes in exchanged roles:

    dx[n,c,p,q] = Σ_{k,r,s} g[n,k, p·stride_h − top + r·dilation_h, …] · w[c,k,r,s]
    dw[c,k,r,s] = Σ_{n,p,q} g[n,k, p·stride_h − top + r·dilation_h, …] · x[n,c,p,q]              db[k] = Σ_{n,h,w} g[n,k,h,w]

Source: Zeiler, Krishnan, Taylor, Fergus, "Deconvolutional Networks", 2010; Dumoulin, Visin, "A guide to convolution arithmetic for deep
learning", 2016, chapter 4.

    forward(x, weight, bias, *, stride, padding, output_padding, dilation, groups) -> y, saved
        x (N, C, P, Q) · weight (C, K/G, R, S) · bias (K,) or None
        y (N, K, H, W),   H = (P − 1)·stride_h − top − bottom + dilation_h·(R − 1) + output_padding_h + 1
    backward(grad_output, saved, needs) -> (grad_x, grad_weight, grad_bias)
"""
from ..conv2d import check_bias, check_groups
from ..geometry import Padding, Pair


def output_shape(x, weight, bias=None, *, stride: Pair, padding: Padding, output_padding: Pair, dilation: Pair,
                 groups: int) -> tuple[int, int, int, int]:
    """(N, C, P, Q), (C, K/G, R, S), (K,) or None -> (N, K, H, W).

    ValueError if x or weight is not 4-D, the channels do not fit together, groups does not divide them, the bias does not have K numbers,
    output_padding is not smaller than stride or dilation, or nothing is left of the output.
    """
    op = "conv_transpose2d"
    if len(x) != 4:
        raise ValueError(f"{op}: expected an input (N, C, H, W), got shape {tuple(x)}")
    if len(weight) != 4:
        raise ValueError(f"{op}: expected a weight (C, K/groups, R, S), got shape {tuple(weight)}")
    (N, C, P, Q), (Cw, Kg, R, S) = x, weight
    if min(R, S) < 1:
        raise ValueError(f"{op}: the window of weight {tuple(weight)} is empty; R and S should be at least 1")
    if C != Cw:
        raise ValueError(f"{op}: input has {C} channels but weight {tuple(weight)} takes {Cw}. "
                         f"Input shape {tuple(x)}; give the layer in_channels={C}, or an input of {Cw} channels")
    check_groups(op, groups)
    if C % groups:
        raise ValueError(f"{op}: groups={groups} does not divide the {C} input channels of weight {tuple(weight)}")
    K = Kg * groups
    check_bias(op, bias, K)
    if any(output_padding[i] >= max(stride[i], dilation[i]) for i in (0, 1)):
        raise ValueError(f"{op}: output_padding {output_padding} must be smaller than stride {stride} or dilation {dilation}: "
                         f"it chooses among the sizes that stride leaves open")
    H, W = (((P, Q)[i] - 1) * stride[i] - sum(padding[i]) + dilation[i] * ((R, S)[i] - 1) + output_padding[i] + 1 for i in (0, 1))
    if min(P, Q, H, W) < 1:
        raise ValueError(f"{op}: an output of {H}×{W} is empty (input {P}×{Q}, window {R}×{S}, stride {stride}, padding {padding}, "
                         f"output_padding {output_padding}); use less padding or a larger input")
    return N, K, H, W
