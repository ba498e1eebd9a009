"""Optimisers: one step of a parameter against its gradient.  Written in place; there is no backward.

θ parameter, g gradient, η learning rate, λ weight_decay. First, for all:  g ← −g with maximize;  g ← g + λ·θ, but for adamw θ ← θ − η·λ·θ.

    sgd        m ← momentum·m + (1 − dampening)·g                       without momentum: θ ← θ − η·g
               θ ← θ − η·m,  or with nesterov  θ ← θ − η·(g + momentum·m)

    adam       m ← β₁·m + (1 − β₁)·g      v ← β₂·v + (1 − β₂)·g²        step t counts from 1:
    adamw      θ ← θ − η · m̂ / (√v̂ + eps)      m̂ = m / (1 − β₁ᵗ)      v̂ = v / (1 − β₂ᵗ)
               with amsgrad the largest v so far stands in for v in v̂

    rmsprop    v ← α·v + (1 − α)·g²                                     centered: a ← α·a + (1 − α)·g, and V = v − a² instead of V = v
               d = √V + eps,  or with eps_inside  d = √(V + eps)        the two forms: PyTorch's, and TensorFlow's
               θ ← θ − η·g/d,  or with momentum  m ← momentum·m + g/d,  θ ← θ − η·m

    adagrad    s ← s + g²      θ ← θ − η/(1 + (t − 1)·lr_decay) · g / (√s + eps)

All states start at 0, adagrad's at a value of choice. The first step of sgd takes m = g, undamped: its caller passes dampening = 0.
v − a² is never below 0 but by rounding, and then counts as 0.

Sources: momentum  Polyak 1964; Sutskever et al., "On the Importance of Initialization and Momentum in Deep Learning", 2013 ·
Adam  Kingma, Ba, arXiv:1412.6980, algorithm 1 · AdamW  Loshchilov, Hutter, arXiv:1711.05101, algorithm 2 · AMSGrad  Reddi et al.,
arXiv:1904.09237 · RMSprop  Hinton, "Neural Networks for Machine Learning", lecture 6e, 2012; centered  Graves, arXiv:1308.0850 ·
Adagrad  Duchi et al., JMLR 12, 2011.

    step(param, grad, *state, **scalars) -> None        all arrays of one shape; state: None where a form does without

    sgd      state: m            lr, momentum, dampening, weight_decay, nesterov, maximize
    adam(w)  state: m, v, vmax   lr, beta1, beta2, eps, weight_decay, amsgrad, maximize, t
    rmsprop  state: v, a, m      lr, alpha, eps, weight_decay, momentum, centered, eps_inside, maximize
    adagrad  state: s            lr, lr_decay, weight_decay, eps, maximize, t
"""
MEMBERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad")
WRITES = (0, 2, 3, 4)                    # everything but the gradient


def output_shape(param, grad, *state, **scalars):
    """The shape of the parameter.  Raises ValueError if the gradient or a state has another."""
    for name, shape in (("gradient", grad), *(("state", s) for s in state)):
        if shape is not None and tuple(shape) != tuple(param):
            raise ValueError(f"optimizer: the parameter has shape {tuple(param)}, its {name} {tuple(shape)}; they must be the same")
    return tuple(param)
