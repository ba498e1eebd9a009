"""Average pooling in Numba.

    1  boxes    a window is a box of rows and columns: first the rows of the box are added, all columns at once,
                then each window adds its columns. R + S steps a window, not R·S; any boxes (adaptive average pooling).
                A single box as wide as the plane is one run of memory: so is the average of a whole plane.
    2  flat     one addition a tap, for all windows at once: the taps are shifted views of flat phase planes, as
                kernels/phases.py explains. Backward adds to those views, and collects the phases.
    3  pairs    2×2 windows with stride 2, inside the plane: the loop over windows alone, its four additions written out.

`choose` takes the highest that fits. The second step of rung 1 goes from window to window, a few numbers at a time: that pays
for large windows. Rung 2 has its price for every row, which pays unless rows are short or windows tiny.

The sums of a window are float64 in both precisions, and every window adds its own elements anew: nothing slides, so nothing that left
a window stays in its sum. Threads take planes (n, c).
"""
import numpy as np

from ..memory import empty
from ..phases import collect, deal, layout
from ..task import task
from . import output_shape, windows

STRIP = 4096                     # numbers in the phases of a strip: 16 KB of float32, and its sums
CHUNK = 8192                     # numbers of x that a thread takes at a time: planes of together so many
TAPS = 64                        # a larger window takes rung 1


@task("int64, T[:,:,::1], int64, int64[::1], int64[::1], int64[::1], int64[::1], float64[:,::1], T[:,:,::1]")
def average_boxes(number, x, chunk, top, bottom, left, right, scale, y):
    """y[plane,p,q] = scale[p,q] · Σ of x[plane] over top[p] ≤ h < bottom[p], left[q] ≤ w < right[q], for planes number·chunk, …"""
    planes, H, W = x.shape
    P, Q = y.shape[1:]
    runs = Q == 1 and right[0] - left[0] == W                            # a box is a run of memory
    flat, total = x.reshape(-1), np.empty(W, np.float64)                 # total: of one column, over the rows of the box
    for plane in range(number * chunk, min(planes, (number + 1) * chunk)):
        for p in range(P):
            if runs:
                box, run = 0.0, flat[(plane * H + top[p]) * W:(plane * H + bottom[p]) * W]
                for i in range(run.size):
                    box += run[i]
                y[plane, p, 0] = box * scale[p, 0]
                continue
            for w in range(W):
                total[w] = 0
            for h in range(top[p], bottom[p]):
                for w in range(W):
                    total[w] += x[plane, h, w]
            for q in range(Q):
                box = 0.0
                for w in range(left[q], right[q]):
                    box += total[w]
                y[plane, p, q] = box * scale[p, q]


@task("int64, T[:,:,::1], int64, int64[::1], int64[::1], int64[::1], int64[::1], float64[:,::1], T[:,:,::1]")
def spread_boxes(number, grad_output, chunk, top, bottom, left, right, scale, grad_x):
    planes, H, W = grad_x.shape
    P, Q = grad_output.shape[1:]
    runs = Q == 1 and right[0] - left[0] == W
    flat, share = grad_x.reshape(-1), np.empty(W, np.float64)            # share: what one output row gives to a column
    for plane in range(number * chunk, min(planes, (number + 1) * chunk)):
        for h in range(H):
            for w in range(W):
                grad_x[plane, h, w] = 0
        for p in range(P):
            if runs:
                slope, run = grad_output[plane, p, 0] * scale[p, 0], flat[(plane * H + top[p]) * W:(plane * H + bottom[p]) * W]
                for i in range(run.size):
                    run[i] += slope
                continue
            for w in range(W):
                share[w] = 0
            for q in range(Q):
                slope = grad_output[plane, p, q] * scale[p, q]
                for w in range(left[q], right[q]):
                    share[w] += slope
            for h in range(top[p], bottom[p]):
                for w in range(W):
                    grad_x[plane, h, w] += share[w]


@task("int64, T[:,:,::1], int64, UniTuple(int64, 9), int64[::1], float64[:,::1], T[:,:,::1]")
def average_flat(number, x, chunk, layout, shifts, scale, y):
    strip, stride_h, stride_w, top, left, height, pitch, outputs, room = layout
    P, Q = y.shape[1:]
    flat, total, line = np.empty(room, x.dtype), np.empty(outputs, np.float64), np.empty(pitch * stride_w, x.dtype)
    phases = flat[:stride_h * stride_w * height * pitch].reshape(stride_h, stride_w, height, pitch)
    sums = total[:strip * pitch].reshape(strip, pitch)
    for j in range(line.size):
        line[j] = 0                                                      # the padding
    for plane in range(number * chunk, min(x.shape[0], (number + 1) * chunk)):
        for first in range(0, P, strip):
            deal(x[plane], first, top, left, 0.0, line, phases)
            for i in range(outputs):
                total[i] = 0
            for tap in range(shifts.size):
                seen = flat[shifts[tap]:]
                for i in range(outputs):
                    total[i] += seen[i]
            for p in range(min(strip, P - first)):
                for q in range(Q):
                    y[plane, first + p, q] = sums[p, q] * scale[first + p, q]


@task("int64, T[:,:,::1], int64, UniTuple(int64, 9), int64[::1], float64[:,::1], T[:,:,::1]")
def spread_flat(number, grad_output, chunk, layout, shifts, scale, grad_x):
    _, stride_h, stride_w, top, left, height, pitch, outputs, room = layout
    P, Q = grad_output.shape[1:]
    flat, share, line = np.empty(room, np.float64), np.empty(outputs, np.float64), np.empty(pitch * stride_w, np.float64)
    phases = flat[:stride_h * stride_w * height * pitch].reshape(stride_h, stride_w, height, pitch)
    shares = share[:P * pitch].reshape(P, pitch)
    for i in range(outputs):
        share[i] = 0                                                     # and stays so between the rows
    for plane in range(number * chunk, min(grad_x.shape[0], (number + 1) * chunk)):
        for p in range(P):
            for q in range(Q):
                shares[p, q] = grad_output[plane, p, q] * scale[p, q]
        for i in range(room):
            flat[i] = 0
        for tap in range(shifts.size):
            seen = flat[shifts[tap]:]
            for i in range(outputs):
                seen[i] += share[i]
        collect(phases, top, left, line, grad_x[plane])


@task("int64, T[:,:,::1], int64, float64[:,::1], T[:,:,::1]")
def average_pairs(number, x, chunk, scale, y):
    planes, P, Q = y.shape
    for plane in range(number * chunk, min(planes, (number + 1) * chunk)):
        for p in range(P):
            for q in range(Q):
                upper = np.float64(x[plane, 2 * p, 2 * q]) + x[plane, 2 * p, 2 * q + 1]
                lower = np.float64(x[plane, 2 * p + 1, 2 * q]) + x[plane, 2 * p + 1, 2 * q + 1]
                y[plane, p, q] = (upper + lower) * scale[p, q]


@task("int64, T[:,:,::1], int64, float64[:,::1], T[:,:,::1]")
def spread_pairs(number, grad_output, chunk, scale, grad_x):
    planes, H, W = grad_x.shape
    P, Q = grad_output.shape[1:]
    for plane in range(number * chunk, min(planes, (number + 1) * chunk)):
        for p in range(P):
            for q in range(Q):
                slope = grad_output[plane, p, q] * scale[p, q]
                grad_x[plane, 2 * p, 2 * q] = slope
                grad_x[plane, 2 * p, 2 * q + 1] = slope
                grad_x[plane, 2 * p + 1, 2 * q] = slope
                grad_x[plane, 2 * p + 1, 2 * q + 1] = slope
            for w in range(2 * Q, W):                                    # what no window holds
                grad_x[plane, 2 * p, w] = 0
                grad_x[plane, 2 * p + 1, w] = 0
        for h in range(2 * P, H):
            for w in range(W):
                grad_x[plane, h, w] = 0


def chunks(planes):
    """(how many chunks, of how many planes each)"""
    chunk = max(1, CHUNK // max(1, planes.shape[1] * planes.shape[2]))
    return -(-len(planes) // chunk), chunk


def place_boxes(boxes, placed):
    return boxes, boxes


def place_flat(boxes, placed):
    return layout(*placed, STRIP), layout(*placed, 1 << 62)              # backward: the whole plane is one strip


def place_pairs(boxes, placed):
    return (), ()


ALGORITHMS = {"boxes": (place_boxes, average_boxes, spread_boxes),       # name -> where the windows are, forward, backward
              "flat": (place_flat, average_flat, spread_flat),
              "pairs": (place_pairs, average_pairs, spread_pairs)}


def choose(plane, placed, asked=None) -> str:
    """The algorithm: the one that is asked for, unless the windows do not fit it, or the best."""
    (P, Q), kernel_size, stride, before, _ = placed
    pairs = kernel_size == stride == (2, 2) and before == (0, 0) and 2 * P <= plane[0] and 2 * Q <= plane[1]
    if asked and (pairs or asked != "pairs"):
        return asked
    return "pairs" if pairs else "flat" if kernel_size[0] * kernel_size[1] <= TAPS else "boxes"


def average(algorithm, x, boxes, placed, scale):
    """(y, saved) of x (N, C, H, W).  boxes: (top, bottom, left, right).  placed: (output, kernel_size, stride, before, dilation)."""
    place, run, _ = ALGORITHMS[algorithm]
    planes, y, (where, where_back) = x.reshape(-1, *x.shape[2:]), empty((*x.shape[:2], *scale.shape), x.dtype), place(boxes, placed)
    count, chunk = chunks(planes)
    run.run(count, planes, chunk, *where, scale, y.reshape(-1, *scale.shape))
    return y, (algorithm, x.shape, where_back, scale)


def forward(x, *, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, algorithm=None):
    P, Q = output_shape(x.shape, kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode,
                        count_include_pad=count_include_pad, divisor_override=divisor_override)[2:]
    top, bottom, rows = windows(x.shape[2], P, kernel_size[0], stride[0], padding[0], count_include_pad)
    left, right, columns = windows(x.shape[3], Q, kernel_size[1], stride[1], padding[1], count_include_pad)
    counted = np.multiply.outer(rows, columns)
    scale = 1 / (counted if divisor_override is None else counted * 0 + divisor_override)
    placed = (P, Q), kernel_size, stride, (padding[0][0], padding[1][0]), (1, 1)
    return average(choose(x.shape[2:], placed, algorithm), x, (top, bottom, left, right), placed, scale)


def backward(grad_output, saved, needs=(True,)):
    if not needs[0]:
        return (None,)
    algorithm, shape, where, scale = saved
    grad_x, spread = empty(shape, grad_output.dtype), ALGORITHMS[algorithm][2]
    planes = grad_x.reshape(-1, *shape[2:])
    count, chunk = chunks(planes)
    spread.run(count, grad_output.reshape(-1, *scale.shape), chunk, *where, scale, planes)
    return (grad_x,)
