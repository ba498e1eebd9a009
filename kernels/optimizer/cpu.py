"""Optimisers in Numba: one pass over memory, fixed blocks on many threads, in float64 inside and rounded once to the array's type.

A state that a form does without arrives as an empty array, and so do its slices.
"""
import math

import numpy as np
from numba import prange

from ..jit import jit
from ..memory import empty

BLOCK = 4096                             # elements: parameter, gradient and three states of a block, 80 KB, stay in the L2 cache


@jit(parallel=True)
def sgd_blocks(param, grad, buffer, lr, momentum, fresh, weight_decay, nesterov, sign):
    """fresh = 1 − dampening: the weight of a new gradient in the buffer.  sign: −1 to maximise."""
    for block in prange((param.size + BLOCK - 1) // BLOCK):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        p, gs, m = param[here], grad[here], buffer[here]
        if m.size == 0:
            for i in range(p.size):
                p[i] -= lr * (sign * gs[i] + weight_decay * p[i])
        else:
            for i in range(p.size):
                g = sign * gs[i] + weight_decay * p[i]
                velocity = momentum * m[i] + fresh * g
                m[i] = velocity
                p[i] -= lr * (g + momentum * velocity if nesterov else velocity)


@jit(parallel=True)
def adam_blocks(param, grad, first, second, largest, step_size, beta1, beta2, eps, shrink, weight_decay, root, sign):
    """step_size = lr / (1 − β₁ᵗ), root = √(1 − β₂ᵗ);  shrink: what decoupled decay leaves of the parameter."""
    for block in prange((param.size + BLOCK - 1) // BLOCK):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        p, gs, m, v, top = param[here], grad[here], first[here], second[here], largest[here]
        for i in range(p.size):
            value = np.float64(p[i]) * shrink
            g = sign * gs[i] + weight_decay * value
            average = beta1 * m[i] + (1.0 - beta1) * g
            square = beta2 * v[i] + (1.0 - beta2) * g * g
            m[i] = average
            v[i] = square
            if top.size:
                square = square if not square <= top[i] else np.float64(top[i])        # NaN wins
                top[i] = square
            p[i] = value - step_size * average / (math.sqrt(square) / root + eps)


@jit(parallel=True)
def rmsprop_blocks(param, grad, squares, averages, buffer, lr, alpha, eps, weight_decay, momentum, eps_inside, sign):
    for block in prange((param.size + BLOCK - 1) // BLOCK):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        p, gs, v, a, m = param[here], grad[here], squares[here], averages[here], buffer[here]
        for i in range(p.size):
            g = sign * gs[i] + weight_decay * p[i]
            V = alpha * v[i] + (1.0 - alpha) * g * g
            v[i] = V
            if a.size:
                average = alpha * a[i] + (1.0 - alpha) * g
                a[i] = average
                V = V - average * average
                V = 0.0 if V < 0 else V
            step = g / (math.sqrt(V + eps) if eps_inside else math.sqrt(V) + eps)
            if m.size:
                step = momentum * m[i] + step
                m[i] = step
            p[i] -= lr * step


@jit(parallel=True)
def adagrad_blocks(param, grad, total, lr, weight_decay, eps, sign):
    for block in prange((param.size + BLOCK - 1) // BLOCK):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        p, gs, s = param[here], grad[here], total[here]
        for i in range(p.size):
            g = sign * gs[i] + weight_decay * p[i]
            square = s[i] + g * g
            s[i] = square
            p[i] -= lr * g / (math.sqrt(square) + eps)


def flat(*arrays):
    """Each array as one row, an absent one as an empty row."""
    return [empty(0, arrays[0].dtype) if a is None else a.reshape(-1) for a in arrays]


class sgd:
    @staticmethod
    def step(param, grad, buffer, *, lr, momentum, dampening, weight_decay, nesterov, maximize):
        sgd_blocks(*flat(param, grad, buffer if momentum else None), float(lr), float(momentum), 1.0 - dampening,
                   float(weight_decay), bool(nesterov), -1.0 if maximize else 1.0)


class adam:
    @staticmethod
    def step(param, grad, m, v, vmax, *, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize, t, shrink=1.0):
        adam_blocks(*flat(param, grad, m, v, vmax if amsgrad else None), lr / (1 - beta1 ** t), float(beta1), float(beta2), float(eps),
                    float(shrink), float(weight_decay), math.sqrt(1 - beta2 ** t), -1.0 if maximize else 1.0)


class adamw:
    @staticmethod
    def step(param, grad, m, v, vmax, *, lr, weight_decay, **options):
        adam.step(param, grad, m, v, vmax, lr=lr, weight_decay=0.0, shrink=1 - lr * weight_decay, **options)


class rmsprop:
    @staticmethod
    def step(param, grad, v, average, buffer, *, lr, alpha, eps, weight_decay, momentum, centered, eps_inside, maximize):
        rmsprop_blocks(*flat(param, grad, v, average if centered else None, buffer if momentum else None), float(lr), float(alpha),
                       float(eps), float(weight_decay), float(momentum), bool(eps_inside), -1.0 if maximize else 1.0)


class adagrad:
    @staticmethod
    def step(param, grad, total, *, lr, lr_decay, weight_decay, eps, maximize, t):
        adagrad_blocks(*flat(param, grad, total), lr / (1 + (t - 1) * lr_decay), float(weight_decay), float(eps), -1.0 if maximize else 1.0)
