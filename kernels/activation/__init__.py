"""Activations: functions of one number, applied to every element.

                          y(x)                                   dy/dx, and its value at a kink
    relu                  max(x, 0)                              1 where y > 0, else 0
    relu6                 min(max(x, 0), 6)                      1 where 0 < y < 6, else 0
    leaky_relu            x, or negative_slope·x for x ≤ 0       1, or negative_slope for x ≤ 0
    elu                   x, or alpha·(eˣ − 1) for x ≤ 0         1, or alpha·eˣ for x ≤ 0
    sigmoid               σ(x) = 1 / (1 + e⁻ˣ)                   y·(1 − y)
    tanh                  (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)                1 − y²
    scaled_tanh           A·tanh(S·x), A = 1.7159, S = 2/3       A·S − S/A·y²
    silu                  x·σ(x)                                 σ·(1 + x·(1 − σ))
    gelu  "none"          x·Φ(x), Φ(x) = erfc(−x/√2) / 2         Φ(x) + x·φ(x),  φ(x) = e^(−x²/2) / √(2π)
    gelu  "tanh"          x/2·(1 + tanh u)                       (1 + t)/2 + x/2·(1 − t²)·du/dx,  t = tanh u
                          u = √(2/π)·(x + 0.044715·x³)           du/dx = √(2/π)·(1 + 3·0.044715·x²)
    hardsigmoid           min(max(x + 3, 0), 6) / 6              1/6 where −3 < x < 3, else 0
    hardswish             x·hardsigmoid(x)                       0 for x ≤ −3, x/3 + 1/2 up to 3, 1 from x ≥ 3

Backward: grad_input = grad_output · dy/dx. The derivative of relu, relu6, sigmoid and the two tanh is read off the output, so that the
input need not be kept. NaN in is NaN out. The conventions at the kinks are PyTorch's.

Sources: ReLU  Nair, Hinton, ICML 2010 · ReLU6  Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010 · leaky  Maas et al.,
2013 · ELU  Clevert et al., arXiv:1511.07289 · scaled tanh  LeCun et al., "Gradient-Based Learning Applied to Document Recognition",
1998, appendix A · GELU  Hendrycks, Gimpel, arXiv:1606.08415 · SiLU  Ramachandran et al., arXiv:1710.05941 · hard sigmoid and hard
swish  Howard et al., "Searching for MobileNetV3", arXiv:1905.02244, section 5.2.

    forward(x) -> y, saved            leaky_relu: negative_slope; elu: alpha; gelu: approximate;   x, y of any one shape
    backward(grad_output, saved, needs) -> (grad_x,)
"""
MEMBERS = ("relu", "relu6", "leaky_relu", "elu", "sigmoid", "tanh", "scaled_tanh", "silu", "gelu", "hardsigmoid", "hardswish")

A, S = 1.7159, 2 / 3                     # the scaled tanh: about 1 at 1 and −1 at −1, with its strongest curvature there


def output_shape(x, *, negative_slope=None, alpha=None, approximate="none"):
    """Any shape -> the same.  Raises ValueError for an approximate other than "none" and "tanh"."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate should be 'none' (x·Φ(x)) or 'tanh' (its approximation), got {approximate!r}")
    return x
