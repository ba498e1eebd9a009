"""Optimisers in NumPy, to be read: `spec` one number at a time, `step` on whole arrays."""
import math

import numpy as np


class sgd:
    @staticmethod
    def spec(param, grad, buffer, *, lr, momentum, dampening, weight_decay, nesterov, maximize):
        for i in np.ndindex(param.shape):
            g = (-grad[i] if maximize else grad[i]) + weight_decay * param[i]
            if momentum:
                buffer[i] = momentum * buffer[i] + (1 - dampening) * g
                g = g + momentum * buffer[i] if nesterov else buffer[i]
            param[i] = param[i] - lr * g
        return param

    @staticmethod
    def step(param, grad, buffer, *, lr, momentum, dampening, weight_decay, nesterov, maximize):
        g = (-grad if maximize else grad) + weight_decay * param
        if momentum:
            buffer[...] = momentum * buffer + (1 - dampening) * g
            g = g + momentum * buffer if nesterov else buffer
        param -= lr * g


class adam:
    @staticmethod
    def spec(param, grad, m, v, vmax, *, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize, t):
        for i in np.ndindex(param.shape):
            g = (-grad[i] if maximize else grad[i]) + weight_decay * param[i]
            m[i] = beta1 * m[i] + (1 - beta1) * g
            v[i] = beta2 * v[i] + (1 - beta2) * g ** 2
            second = v[i]
            if amsgrad:
                second = vmax[i] = max(vmax[i], v[i])
            param[i] -= lr * (m[i] / (1 - beta1 ** t)) / (math.sqrt(second / (1 - beta2 ** t)) + eps)
        return param

    @staticmethod
    def step(param, grad, m, v, vmax, *, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize, t):
        g = (-grad if maximize else grad) + weight_decay * param
        m[...] = beta1 * m + (1 - beta1) * g
        v[...] = beta2 * v + (1 - beta2) * g * g
        second = v
        if amsgrad:
            second = np.maximum(vmax, v, out=vmax)
        param -= lr / (1 - beta1 ** t) * m / (np.sqrt(second) / math.sqrt(1 - beta2 ** t) + eps)


class adamw:
    """Adam, with the decay taken from the parameter itself instead of added to the gradient."""

    @staticmethod
    def spec(param, grad, m, v, vmax, *, lr, weight_decay, **options):
        for i in np.ndindex(param.shape):
            param[i] -= lr * weight_decay * param[i]
        return adam.spec(param, grad, m, v, vmax, lr=lr, weight_decay=0.0, **options)

    @staticmethod
    def step(param, grad, m, v, vmax, *, lr, weight_decay, **options):
        param *= 1 - lr * weight_decay
        adam.step(param, grad, m, v, vmax, lr=lr, weight_decay=0.0, **options)


class rmsprop:
    @staticmethod
    def spec(param, grad, v, average, buffer, *, lr, alpha, eps, weight_decay, momentum, centered, eps_inside, maximize):
        for i in np.ndindex(param.shape):
            g = (-grad[i] if maximize else grad[i]) + weight_decay * param[i]
            v[i] = alpha * v[i] + (1 - alpha) * g ** 2
            V = v[i]
            if centered:
                average[i] = alpha * average[i] + (1 - alpha) * g
                V = max(v[i] - average[i] ** 2, 0.0)
            step = g / (math.sqrt(V + eps) if eps_inside else math.sqrt(V) + eps)
            if momentum:
                step = buffer[i] = momentum * buffer[i] + step
            param[i] -= lr * step
        return param

    @staticmethod
    def step(param, grad, v, average, buffer, *, lr, alpha, eps, weight_decay, momentum, centered, eps_inside, maximize):
        g = (-grad if maximize else grad) + weight_decay * param
        v[...] = alpha * v + (1 - alpha) * g * g
        V = v
        if centered:
            average[...] = alpha * average + (1 - alpha) * g
            V = np.maximum(v - average * average, 0)
        step = g / (np.sqrt(V + eps) if eps_inside else np.sqrt(V) + eps)
        if momentum:
            buffer[...] = momentum * buffer + step
            step = buffer
        param -= lr * step


class adagrad:
    @staticmethod
    def spec(param, grad, total, *, lr, lr_decay, weight_decay, eps, maximize, t):
        for i in np.ndindex(param.shape):
            g = (-grad[i] if maximize else grad[i]) + weight_decay * param[i]
            total[i] += g ** 2
            param[i] -= lr / (1 + (t - 1) * lr_decay) * g / (math.sqrt(total[i]) + eps)
        return param

    @staticmethod
    def step(param, grad, total, *, lr, lr_decay, weight_decay, eps, maximize, t):
        g = (-grad if maximize else grad) + weight_decay * param
        total += g * g
        param -= lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(total) + eps)
