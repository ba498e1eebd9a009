"""A fully connected layer: every output is a weighted sum of all inputs.

    y[…,k] = b[k] + Σ_c x[…,c] · w[k,c]                        y = x · wᵀ + b

Backward, g = grad_output:

    dx[…,c] = Σ_k g[…,k] · w[k,c]                              dx = g · w
    dw[k,c] = Σ_… g[…,k] · x[…,c]                              dw = gᵀ · x, over all leading axes
    db[k]   = Σ_… g[…,k]

Source: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", 1986.

    forward(x, weight, bias) -> y, saved             x (…, C) · weight (K, C) · bias (K,) or None · y (…, K)
    backward(grad_output, saved, needs) -> (grad_x, grad_weight, grad_bias)
"""


def output_shape(x, weight, bias=None) -> tuple[int, ...]:
    """(…, C), (K, C), (K,) or None -> (…, K).  ValueError if they do not fit together."""
    if len(weight) != 2:
        raise ValueError(f"linear: expected a weight (K, C), got shape {tuple(weight)}")
    K, C = weight
    if not x or x[-1] != C:
        hint = ""
        if len(x) > 2 and x[1] * x[-1] * (x[2] if len(x) == 4 else 1) == C:
            hint = ", or flatten it first: x.flatten(1)"
        raise ValueError(f"linear: the last axis of the input should be {C}, as weight {tuple(weight)} takes {C} numbers, "
                         f"but the input shape is {tuple(x)}; give the layer in_features={x[-1] if x else 1}{hint}")
    if bias is not None and tuple(bias) != (K,):
        raise ValueError(f"linear: bias has shape {tuple(bias)}, expected ({K},): one number for each of the {K} outputs")
    return (*x[:-1], K)
