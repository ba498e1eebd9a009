"""Dropout: in training every value is set to 0 with probability p, and what stays is scaled up by as much as is lost on average.

    y[i] = x[i] · m[i] / (1 − p)          m[i] = 1 if u[i] ≥ p else 0,   u[i] uniform in [0, 1)

channels=True drops whole planes of x (N, C, …): i then counts the N·C planes, and all values of plane i share m[i].

u is the stream of random numbers of `key` (kernels/random.py): u[i] is the upper 24 bits of word i of the stream, divided by 2²⁴. It is
a function of (key, i) alone, so every backend, with any number of threads, draws the same mask.

Backward: y is x times constants, so dx = g · m / (1 − p) is dropout itself, applied to g with the same key. Nothing is saved but the key:
drawing the mask a second time costs about 0.7 ns a value on one core (measured), and between forward and backward no memory is held.

Source: Hinton, Srivastava, Krizhevsky, Sutskever, Salakhutdinov, "Improving neural networks by preventing co-adaptation of feature
detectors", 2012; whole channels: Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015, section 3.2.
Deviation: the paper leaves what stays as it is and multiplies by 1 − p at test time; here, as in PyTorch, the factor 1/(1 − p) is applied
in training and evaluation needs nothing ("inverted" dropout). inverted=False gives the paper's y[i] = x[i] · m[i].

    forward(x, *, p, key, channels, inverted=True) -> y, saved            x, y of any shape; with channels (N, C, …)
    backward(grad_output, saved, needs) -> (grad_x,)
"""


def output_shape(x, *, p, key=None, channels=False, inverted=True):
    """(…) -> the same.  ValueError for a p outside 0 … 1, or for channels=True without an axis of channels."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is the probability to drop a value and should lie in 0 … 1, got {p}")
    if channels and len(x) < 2:
        raise ValueError(f"dropout: whole channels can be dropped from an input (N, C, …) only, got shape {tuple(x)}")
    return tuple(x)


def factor(p: float, inverted: bool) -> float:
    """What a kept value is multiplied with.  With p = 1 nothing is kept, and the factor is 0 rather than 1/0."""
    return 0.0 if p == 1 else 1 / (1 - p) if inverted else 1.0
