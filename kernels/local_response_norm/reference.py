"""Local response normalisation in NumPy, to be read."""
import numpy as np

from . import output_shape


def window(c, size, channels):
    """The channels that damp channel c."""
    return range(max(0, c - size // 2), min(channels, c + (size - 1) // 2 + 1))


def spec(x, *, size, alpha, beta, k):
    """The formula, one output at a time: the oracle of every other form."""
    y = np.empty(x.shape)
    N, C = x.shape[:2]
    for n, c in np.ndindex(N, C):
        for p in np.ndindex(*x.shape[2:]):
            D = k + alpha / size * sum(float(x[(n, j, *p)]) ** 2 for j in window(c, size, C))
            y[(n, c, *p)] = x[(n, c, *p)] * D ** -beta
    return y


def window_sum(a, before, after):
    """s[n,c] = Σ a[n,j] over c − before ≤ j ≤ c + after: the array added to itself, shifted along the channels."""
    C, s = a.shape[1], np.zeros_like(a)
    for shift in range(max(-before, 1 - C), min(after, C - 1) + 1):
        first, last = max(0, -shift), min(C, C - shift)              # where channel c + shift exists
        s[:, first:last] += a[:, first + shift:last + shift]
    return s


def forward(x, *, size, alpha, beta, k):
    output_shape(x.shape, size=size, alpha=alpha, beta=beta, k=k)
    D = k + alpha / size * window_sum(x * x, size // 2, (size - 1) // 2)
    y = x * D ** -beta
    return y, (x, y, D, size, alpha, beta)


def backward(grad_output, saved, needs):
    x, y, D, size, alpha, beta = saved
    if not needs[0]:
        return (None,)
    own = grad_output * D ** -beta
    # i ∈ window(c)  ⇔  i − (size−1)//2 ≤ c ≤ i + size//2 : the window mirrored
    others = window_sum(grad_output * y / D, (size - 1) // 2, size // 2)
    return (own - 2 * alpha * beta / size * x * others,)
