"""Local response normalisation: a response is damped where its neighbours across channels are strong.

    y[n,c,h,w] = x[n,c,h,w] · D[n,c,h,w]^(−β)         D[n,c,h,w] = k + α/size · Σ_{j ∈ window(c)} x[n,j,h,w]²

    window(c) = { j : c − size//2 ≤ j ≤ c + (size−1)//2  and  0 ≤ j < C }

Backward: channel i stands in the D of every c whose window holds it, hence a second sum, over the mirrored window:

    dx[i] = g[i] · D[i]^(−β)  −  2αβ/size · x[i] · Σ_{c : i ∈ window(c)} g[c] · y[c] / D[c]

Source: Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 3.3.
Deviation: the paper does not divide α by size; here, as in Caffe and PyTorch, it is divided. AlexNet passes size · α.

    forward(x, *, size, alpha, beta, k) -> y, saved              x, y (N, C, …), usually (N, C, H, W)
    backward(grad_output, saved, needs) -> (grad_x,)
"""


def output_shape(x, *, size, alpha, beta, k):
    """(N, C, …) -> (N, C, …).  ValueError for an x without a plane or a size < 1."""
    if len(x) < 3:
        raise ValueError(f"local_response_norm: expected an input (N, C, H, W), or (N, C, …) with at least 3 axes, got shape {tuple(x)}")
    if size < 1:
        raise ValueError(f"local_response_norm: size counts channels and must be at least 1, got {size}")
    return tuple(x)
