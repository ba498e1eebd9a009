"""Cross entropy of scores: log_softmax and the negative log-likelihood in one, without the array of log-probabilities between them.

    loss[n,…] = −Σ_c q[n,c,…] · (x[n,c,…] − m − ln Σ_j e^(x[n,j,…] − m))         m = max_j x[n,j,…]

    q[n,c,…] = w[c] · ((1 − ε)·[c = target[n,…]] + ε/C)       target: labels; q = 0 where it is ignore_index
    q[n,c,…] = w[c] · ((1 − ε)·target[n,c,…] + ε/C)           target: probabilities
    ε = label_smoothing,  w = 1 without weights

    reduction "none"   loss                              (N, …)
              "sum"    Σ loss                            a number
              "mean"   labels: Σ loss / Σ w[target] over what is not ignored;  probabilities: Σ loss / number of rows;  NaN for nothing

Backward, with Q[n,…] = Σ_c q[n,c,…], as ∂(ln Σ_j e^x[j])/∂x[c] is the probability p[c] = e^(x[c] − m) / Σ_j e^(x[j] − m):

    dx[n,c,…] = (p[n,c,…]·Q[n,…] − q[n,c,…]) · g[n,…]              with g divided as the mean is
    dtarget[n,c,…] = −(1 − ε)·w[c]·ln p[n,c,…] · g[n,…]            where the target is probabilities

Sources: label smoothing  Szegedy et al., arXiv:1512.00567, section 7. The weighted mean and the weights under smoothing are PyTorch's.

    forward(x, target, weight, *, ignore_index, reduction, label_smoothing) -> loss, saved
    backward(grad_output, saved, needs) -> (grad_x, grad_target, None)              weights are constants, as in PyTorch

x (N, C, …) or (C,).  target: whole numbers of shape (N, …) or (), or probabilities of the shape of x.  weight (C,) or None.
output_shape looks at shapes; both forms for the CPU check the labels (kernels/nll_loss); on a GPU a label that is no class makes the
loss NaN. Kept: x, the target, and m and the logarithm of a row.
"""
from ..nll_loss import check_classes, check_target

CONSTANTS = (2,)                          # no gradient for the class weights


def output_shape(x, target, weight=None, *, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """(N, C, …), (N, …) or (N, C, …), (C,) -> (N, …), or () for a mean or sum.

    Raises ValueError for shapes that do not belong together, or a label_smoothing outside 0 … 1.
    """
    check_classes("cross_entropy", x, weight, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing should be from 0 to 1, got {label_smoothing!r}")
    if tuple(target) != tuple(x):                           # not probabilities
        check_target("cross_entropy", x, target)
    rows = tuple(x[:1]) + tuple(x[2:]) if len(x) > 1 else ()
    return rows if reduction == "none" else ()
