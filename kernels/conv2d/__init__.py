"""Convolution: the same small window of weights slides over every image, and each output is a weighted sum of what it sees.

    y[n,k,p,q] = b[k] + Σ_{c,r,s} x[n, j·C/G + c, p·stride_h − top + r·dilation_h, q·stride_w − left + s·dilation_w] · w[k,c,r,s]

    c counts 0 … C/G − 1, and j = k // (K/G) is the group of output channel k: with groups = G > 1 it sees only the C/G input channels of
    its own group. G = C is a depthwise convolution. x counts as 0 outside its plane: that is the padding, ((top, bottom), (left, right)).
    (Strictly this is a correlation: a convolution in the sense of mathematics would turn the window around. Weights are learnt, so the
    field does not mind.)

Backward. y is linear in x, in w and in b, so each gradient is the same triple product summed over other letters, g = grad_output:

    dw[k,c,r,s] = Σ_{n,p,q} g[n,k,p,q] · x[n, …, p·stride_h − top + r·dilation_h, …]            over everything that this weight touched
    dx[n,c,h,w] = Σ_{k,r,s,p,q} g[n,k,p,q] · w[k,c,r,s]    with p·stride_h − top + r·dilation_h = h, likewise w: all windows that saw it
    db[k]       = Σ_{n,p,q} g[n,k,p,q]

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998, section II.A. Computed as a matrix
product: Chellapilla, Puri, Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006, section 3.

    forward(x, weight, bias, *, stride, padding, dilation, groups) -> y, saved
        x (N, C, H, W) · weight (K, C/G, R, S) · bias (K,) or None
        y (N, K, P, Q),   P = (H + top + bottom − dilation_h·(R − 1) − 1) // stride_h + 1
        stride, dilation: pairs (vertical, horizontal) · padding: ((top, bottom), (left, right)) · groups: G
    backward(grad_output, saved, needs) -> (grad_x, grad_weight, grad_bias)
"""
from numbers import Integral

from ..geometry import Padding, Pair, plane_output


def check_groups(op: str, groups: int) -> None:
    """ValueError unless groups is a whole number of at least 1."""
    if not isinstance(groups, Integral) or groups < 1:
        raise ValueError(f"{op}: groups should be a whole number of at least 1, got {groups!r}")


def check_bias(op: str, bias, K: int) -> None:
    """ValueError unless the bias is absent or has one number an output channel."""
    if bias is not None and tuple(bias) != (K,):
        raise ValueError(f"{op}: bias has shape {tuple(bias)}, expected ({K},): one number for each of the {K} output channels")


def output_shape(x, weight, bias=None, *, stride: Pair, padding: Padding, dilation: Pair, groups: int) -> tuple[int, int, int, int]:
    """(N, C, H, W), (K, C/G, R, S), (K,) or None -> (N, K, P, Q).

    ValueError if x or weight is not 4-D, the channels do not fit together, groups does not divide them, the bias does not have K numbers,
    or the window is larger than the padded input.
    """
    if len(x) != 4:
        raise ValueError(f"conv2d: expected an input (N, C, H, W), got shape {tuple(x)}")
    if len(weight) != 4:
        raise ValueError(f"conv2d: expected a weight (K, C/groups, R, S), got shape {tuple(weight)}")
    (N, C, H, W), (K, Cg, R, S) = x, weight
    if min(R, S) < 1:
        raise ValueError(f"conv2d: the window of weight {tuple(weight)} is empty; R and S should be at least 1")
    check_groups("conv2d", groups)
    if C != Cg * groups:
        raise ValueError(f"conv2d: input has {C} channels but weight {tuple(weight)} takes {Cg * groups} (groups={groups}). "
                         f"Input shape {tuple(x)}; give the layer in_channels={C}, or an input of {Cg * groups} channels")
    if K % groups:
        raise ValueError(f"conv2d: groups={groups} does not divide the {K} output channels of weight {tuple(weight)}")
    check_bias("conv2d", bias, K)
    P, Q = plane_output("conv2d", (H, W), (R, S), stride, padding, dilation)
    return N, K, P, Q
