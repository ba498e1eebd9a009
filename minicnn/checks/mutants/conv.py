"""Mutants of convolution: what goes wrong with padding, overlap, stride, groups, axes and sums.

x (N, C, H, W) · weight (K, C/G, R, S) · bias (K,) or None · y and g (N, K, P, Q).
"""
import numpy as np

from ...kernels.conv2d import output_shape
from .mutant import REFERENCE, add, wrong_backward, wrong_forward
from .operation import from_kernel
from .windows import laid_down, off_centre, overlap, overwritten, overwritten_by_windows, patches, places, wrong_gradient

CONV = from_kernel("conv2d")
X, WEIGHT, BIAS = 0, 1, 2                                                    # the places of the inputs, and of their gradients


# When a mistake shows.

def seen(arrays, options, output=None):
    x, weight = arrays[0].shape, arrays[1].shape
    if output is None:
        output = output_shape(x, weight, **options)[2:]
    return places(x[2:], weight[2:], output, options["stride"], options["padding"], options["dilation"])


def sees(arrays, options):
    return bool((seen(arrays, options) >= 0).any())                          # else every window sees nothing but padding


def changed(arrays, options, **wrong):
    """Whether a forward with these wrong options sees other pixels than backward believes, size of the output apart."""
    try:
        found = seen(arrays, options | wrong)
    except ValueError:                                                       # the window does not fit any more
        return True
    return not np.array_equal(found, seen(arrays, options, found.shape[:2]))


def moved(arrays, options, **wrong):
    """Whether a backward with these wrong options sees other pixels than the forward."""
    right = seen(arrays, options)
    return not np.array_equal(right, seen(arrays, options | wrong, right.shape[:2]))


def images(arrays, options):
    return arrays[X].shape[0] > 1 and sees(arrays, options)


def images_and_channels(arrays, options):
    return arrays[WEIGHT].shape[0] > 1 and images(arrays, options)


def groups(arrays, options):
    return options["groups"] > 1 and sees(arrays, options)


def biased(arrays, options):
    return arrays[BIAS] is not None


# The gradient of x: overlap and crop.

@wrong_gradient(CONV, X, "overlap-overwrites", "Windows that overlap overwrite each other's gradient of x: add with += where you now "
                "assign with =.", lambda a, o: overlap(seen(a, o)))
def overlap_overwrites(g, x, weight, bias, *, stride, padding, dilation, groups):
    return overwritten(patches(g, weight, groups), x.shape[2:], stride, padding, dilation)


@wrong_gradient(CONV, X, "overlapping-windows-overwrite", "Windows that overlap overwrite each other's gradient of x, the last one wins: "
                "add with += where you now assign with =.", lambda a, o: overlap(seen(a, o)))
def overlapping_windows_overwrite(g, x, weight, bias, *, stride, padding, dilation, groups):
    return overwritten_by_windows(patches(g, weight, groups), x.shape[2:], stride, padding, dilation)


@wrong_gradient(CONV, X, "everything-overwrites", "The windows, and the output channels too, overwrite each other's gradient of x: add "
                "with += where you now assign with =.", lambda a, o: a[WEIGHT].shape[0] > o["groups"] and sees(a, o))
def everything_overwrites(g, x, weight, bias, *, stride, padding, dilation, groups):
    K = weight.shape[0]
    last = np.arange(K // groups - 1, K, K // groups)                        # of each group: the channel that is written last
    return overwritten_by_windows(patches(g[:, last], weight[last], groups), x.shape[2:], stride, padding, dilation)


@wrong_gradient(CONV, X, "crop-without-padding", "The gradient of x is empty where there is no padding: a[p:-p] with p = 0 is a[0:0]. Crop "
                "with [top:top + H, left:left + W].", lambda a, o: 0 in (o["padding"][0][1], o["padding"][1][1]))
def crop_without_padding(g, x, weight, bias, *, stride, padding, dilation, groups):
    (top, bottom), (left, right) = padding
    return laid_down(patches(g, weight, groups), x.shape[2:], stride, padding, dilation)[:, :, top:-bottom, left:-right]


@wrong_gradient(CONV, X, "padding-kept", "The gradient of x still has its padding, so it is larger than x: cut it off with [top:top + H, "
                "left:left + W].", lambda a, o: o["padding"] != ((0, 0), (0, 0)))
def padding_kept(g, x, weight, bias, *, stride, padding, dilation, groups):
    return laid_down(patches(g, weight, groups), x.shape[2:], stride, padding, dilation)


@wrong_gradient(CONV, X, "crop-by-one", "The crop of the gradient of x is [1:-1], which is right for a padding of 1 only: cut off the "
                "padding that was added, [top:top + H, left:left + W].", lambda a, o: {sum(p) for p in o["padding"]} != {2})
def crop_by_one(g, x, weight, bias, *, stride, padding, dilation, groups):
    return laid_down(patches(g, weight, groups), x.shape[2:], stride, padding, dilation)[:, :, 1:-1, 1:-1]


@wrong_gradient(CONV, X, "crop-swapped", "The crop of the gradient of x takes the left padding for the top one: height comes first, "
                "[top:top + H, left:left + W].", lambda a, o: moved(a, o, padding=o["padding"][::-1]))
def crop_swapped(g, x, weight, bias, *, stride, padding, dilation, groups):
    (H, W), ((top, _), (left, _)) = x.shape[2:], padding
    return laid_down(patches(g, weight, groups), (H, W), stride, padding, dilation)[:, :, left:left + H, top:top + W]


# The gradient of x: which weight meets which window.

@wrong_gradient(CONV, X, "x-kernel-turned", "The gradient of x is made with the kernel turned round: tap (r, s) hands back to the pixel "
                "that it saw. (Written as a full correlation of g, that takes one turn of the kernel, no more and no less.)",
                lambda a, o: off_centre(seen(a, o)))
def x_kernel_turned(g, x, weight, bias, **options):
    return CONV.backward(g, x, weight[:, :, ::-1, ::-1], bias, **options)[X]


@wrong_gradient(CONV, X, "x-weight-not-transposed", "In the gradient of x, the weight's axes of input and output channels are in the "
                "forward's order: backward needs the transpose, Σ_k g[n,k] · w[k,c].",
                lambda a, o: o["groups"] == 1 and a[WEIGHT].shape[:2] != (1, 1) and sees(a, o))
def x_weight_not_transposed(g, x, weight, bias, **options):
    return CONV.backward(g, x, weight.swapaxes(0, 1), None, **options)[X]


@wrong_gradient(CONV, X, "x-last-channel", "Only the last output channel reaches the gradient of x: sum over all output channels, += "
                "instead of = in the loop over k.", lambda a, o: a[WEIGHT].shape[0] > o["groups"] and sees(a, o))
def x_last_channel(g, x, weight, bias, **options):
    each = weight.shape[0] // options["groups"]
    last = np.where(np.arange(weight.shape[0]) % each == each - 1, 1.0, 0.0)             # what came before is overwritten
    return CONV.backward(g * last[:, None, None], x, weight, bias, **options)[X]


@wrong_gradient(CONV, X, "x-first-group", "The gradients of all groups are added onto the channels of the first: give each group its own "
                "channels of x.", groups)
def x_first_group(g, x, weight, bias, **options):
    N, C, H, W = x.shape
    grad_x = CONV.backward(g, x, weight, bias, **options)[X].reshape(N, options["groups"], -1, H, W)
    grad_x[:, 0], grad_x[:, 1:] = grad_x.sum(axis=1), 0
    return grad_x.reshape(x.shape)


# The gradients of weight and bias: what is summed, and over what.

@wrong_gradient(CONV, WEIGHT, "weight-first-image", "The weight's gradient comes from the first image alone: sum over the batch; perhaps a "
                "return stands inside the loop.", images)
def weight_first_image(g, x, weight, bias, **options):
    return CONV.backward(g[:1], x[:1], weight, bias, **options)[WEIGHT]


@wrong_gradient(CONV, WEIGHT, "weight-last-image", "Every image overwrites the weight's gradient of the one before: += instead of = in the "
                "loop over the batch.", images)
def weight_last_image(g, x, weight, bias, **options):
    grad_weight = np.zeros_like(weight)
    for n in range(len(x)):
        grad_weight = CONV.backward(g[n:n + 1], x[n:n + 1], weight, bias, **options)[WEIGHT]
    return grad_weight


@wrong_gradient(CONV, WEIGHT, "weight-batch-mean", "The weight's gradient is divided by the batch size: it is a sum over the images; the "
                "mean is the loss's business.", images)
def weight_batch_mean(g, x, weight, bias, **options):
    return CONV.backward(g, x, weight, bias, **options)[WEIGHT] / len(x)


@wrong_gradient(CONV, WEIGHT, "weight-batch-times", "The weight's gradient is too large by the batch size: the sum over the batch is taken "
                "again for every image.", images)
def weight_batch_times(g, x, weight, bias, **options):
    return sum(CONV.backward(g, x, weight, bias, **options)[WEIGHT] for _ in x)


@wrong_gradient(CONV, WEIGHT, "weight-reshaped", "For the weight's gradient, g (N, K, P, Q) is reshaped to (K, N·P·Q), which mixes images "
                "and channels: move the channels to the front first, g.transpose(1, 0, 2, 3).", images_and_channels)
def weight_reshaped(g, x, weight, bias, **options):
    N, K, P, Q = g.shape
    return CONV.backward(g.reshape(K, N, P, Q).swapaxes(0, 1), x, weight, bias, **options)[WEIGHT]


@wrong_gradient(CONV, WEIGHT, "weight-kernel-turned", "The weight's gradient is turned round, as a convolution in the sense of mathematics "
                "would: correlate g with x without turning.", lambda a, o: off_centre(seen(a, o)))
def weight_kernel_turned(g, x, weight, bias, **options):
    return CONV.backward(g, x, weight, bias, **options)[WEIGHT][:, :, ::-1, ::-1]


@wrong_gradient(CONV, WEIGHT, "weight-first-group", "The weight's gradients of all groups are made with the channels of the first: each "
                "group saw its own channels of x.", groups)
def weight_first_group(g, x, weight, bias, **options):
    return CONV.backward(g, first_group(x, weight, options), weight, bias, **options)[WEIGHT]


@wrong_gradient(CONV, BIAS, "bias-every-image", "The bias gradient has one row for every image: one number serves the whole batch, so sum "
                "over N as well, axis=(0, 2, 3).", biased)
def bias_every_image(g, x, weight, bias, **options):
    return g.sum(axis=(2, 3))                                                # (N, K)


@wrong_gradient(CONV, BIAS, "bias-every-position", "The bias gradient is still a plane: one number serves all positions, so sum over P and "
                "Q as well, axis=(0, 2, 3).", biased)
def bias_every_position(g, x, weight, bias, **options):
    return g.sum(axis=0)                                                     # (K, P, Q)


# All gradients.

@wrong_backward(CONV, "stride-ignored", "Backward reads and lays down patches as if the stride were 1: window (p, q) starts at p·stride − "
                "top, as in the forward.", lambda a, o: moved(a, o, stride=(1, 1)))
def stride_ignored(g, x, weight, bias, **options):
    return CONV.backward(g, x, weight, bias, **options | {"stride": (1, 1)})


@wrong_backward(CONV, "dilation-ignored", "Backward reads and lays down patches without gaps: tap (r, s) stands at r·dilation, s·dilation, "
                "as in the forward.", lambda a, o: moved(a, o, dilation=(1, 1)))
def dilation_ignored(g, x, weight, bias, **options):
    return CONV.backward(g, x, weight, bias, **options | {"dilation": (1, 1)})


@wrong_backward(CONV, "upstream-ignored", "Backward takes no account of the gradient that comes from above, as if it were all ones: by the "
                "chain rule every term is multiplied by grad_output.", sees)
def upstream_ignored(g, x, weight, bias, **options):
    return CONV.backward(np.ones_like(g), x, weight, bias, **options)


# The forward.

@wrong_forward(CONV, "kernel-turned", "The forward turns the kernel round, as a convolution in the sense of mathematics does: the field's "
               "convolution is a correlation, tap (r, s) sees pixel (p + r, q + s).", lambda a, o: off_centre(seen(a, o)))
def kernel_turned(x, weight, bias, **options):
    return CONV.forward(x, weight[:, :, ::-1, ::-1], bias, **options)


def kernel_turned_in_both(g, x, weight, bias, **options):
    grad_x, grad_weight, grad_bias = CONV.backward(g, x, weight[:, :, ::-1, ::-1], bias, **options)
    return grad_x, grad_weight[:, :, ::-1, ::-1], grad_bias


add(CONV, "kernel-turned-in-both", "Forward and backward agree with each other, but both turn the kernel round: that is a convolution in "
    "the sense of mathematics, where the field means a correlation. Weights of others would not fit.", kernel_turned, kernel_turned_in_both,
    lambda a, o: off_centre(seen(a, o)), REFERENCE)


@wrong_forward(CONV, "last-window-missing", "The output is one row and column short: (H + top + bottom − R) // stride counts the steps "
               "from window to window; the number of windows is one more.", lambda a, o: min(seen(a, o).shape[:2]) > 1, REFERENCE)
def last_window_missing(x, weight, bias, **options):
    return CONV.forward(x, weight, bias, **options)[:, :, :-1, :-1]


def rounded_up(stride, padding):
    """Padding at the end that leaves no rest: the division by stride then rounds up."""
    return tuple((before, after + step - 1) for (before, after), step in zip(padding, stride))


@wrong_forward(CONV, "size-rounded-up", "The output has a row or column too many: where the stride leaves a rest, the size is rounded "
               "down, with //.", lambda a, o: seen(a, o).shape != seen(a, o | {"padding": rounded_up(o["stride"], o["padding"])}).shape)
def size_rounded_up(x, weight, bias, **options):
    return CONV.forward(x, weight, bias, **options | {"padding": rounded_up(options["stride"], options["padding"])})


@wrong_forward(CONV, "stride-swapped", "The vertical and the horizontal stride are swapped: stride is (height, width).",
               lambda a, o: changed(a, o, stride=o["stride"][::-1]))
def stride_swapped(x, weight, bias, **options):
    return CONV.forward(x, weight, bias, **options | {"stride": options["stride"][::-1]})


@wrong_forward(CONV, "padding-swapped", "The vertical and the horizontal padding are swapped: padding is ((top, bottom), (left, right)).",
               lambda a, o: changed(a, o, padding=o["padding"][::-1]))
def padding_swapped(x, weight, bias, **options):
    return CONV.forward(x, weight, bias, **options | {"padding": options["padding"][::-1]})


def square(arrays, options):
    R, S = arrays[WEIGHT].shape[2:]
    return R == S and not np.array_equal(seen(arrays, options), seen(arrays, options).swapaxes(2, 3))


@wrong_forward(CONV, "window-transposed", "Rows and columns of the kernel are swapped: weight is (K, C/G, R, S), rows first.", square)
def window_transposed(x, weight, bias, **options):
    return CONV.forward(x, weight.swapaxes(2, 3), bias, **options)


@wrong_forward(CONV, "output-reshaped", "The product (K, N·P·Q) is reshaped to (N, K, P, Q), which mixes images and channels: reshape it "
               "to (K, N, P, Q), then swap the first two axes.", images_and_channels)
def output_reshaped(x, weight, bias, **options):
    y = CONV.forward(x, weight, None, **options)
    y = np.ascontiguousarray(y.swapaxes(0, 1)).reshape(y.shape)
    return y if bias is None else y + bias[:, None, None]


def first_group(x, weight, options):
    """The channels of the first group, for every group."""
    return np.concatenate([x[:, :weight.shape[1]]] * options["groups"], axis=1)


@wrong_forward(CONV, "groups-ignored", "Every group sees the channels of the first: group j sees channels j·C/G … (j + 1)·C/G − 1.", groups)
def groups_ignored(x, weight, bias, **options):
    return CONV.forward(first_group(x, weight, options), weight, bias, **options)


@wrong_forward(CONV, "groups-interleaved", "The output channels of the groups are interleaved: all of the first group come first "
               "(reshape(N, K, P, Q) of (N, G, K/G, P, Q), not of (N, K/G, G, P, Q)).",
               lambda a, o: a[WEIGHT].shape[0] > o["groups"] and groups(a, o))
def groups_interleaved(x, weight, bias, **options):
    y = CONV.forward(x, weight, bias, **options)
    N, K, P, Q = y.shape
    return y.reshape(N, options["groups"], -1, P, Q).swapaxes(1, 2).reshape(y.shape)


@wrong_forward(CONV, "last-input-channel", "Only the last input channel reaches the output: sum over all input channels, += instead of = "
               "in the loop over c.", lambda a, o: a[WEIGHT].shape[1] > 1 and sees(a, o))
def last_input_channel(x, weight, bias, **options):
    last = np.arange(weight.shape[1]) == weight.shape[1] - 1
    return CONV.forward(x, weight * last[:, None, None], bias, **options)


@wrong_forward(CONV, "bias-missing", "The bias is not added: y += bias[:, None, None].", biased)
def bias_missing(x, weight, bias, **options):
    return CONV.forward(x, weight, None, **options)
