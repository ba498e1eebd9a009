"""Batch normalisation on a GPU, alone or with a ReLU behind it (../batch_norm_relu): shapes and launches; the kernels are in gpu.cu."""
from math import prod

import numpy as np

from ..cuda import block_for, empty, grid_for, load
from ..cuda.loader import countable
from ..cuda.normalise import forms, real
from . import output_shape

BLOCKS = 1024                         # of a launch, if there is work for them: what a large GPU runs at once
LEAST = 4096                          # numbers of a part, 16 a thread
MOST = 64                             # parts of a channel: they are put together one after another
NO_FLOOR = float("nan")

kernels = load(__file__, forms=forms("moments", "normals", "normalise", "sums", "gradient"))


class Plan:
    """Of x (N, C, …): the launch of a kernel that works by channels, a block for a part of a channel; and the type of the arithmetic."""

    def __init__(self, x, training: bool):
        self.N, self.C, self.P = *x.shape[:2], prod(x.shape[2:])
        self.M = self.N * self.P
        countable("batch_norm", self.M, "numbers of a channel")
        self.of_real = real(self.M if training else x.size)
        self.real = x.dtype if self.of_real == "{T}" else np.dtype(np.float64)
        self.parts = max(1, min(MOST, -(-BLOCKS // max(self.C, 1)), self.M // LEAST))
        self.shape = tuple(np.int32(n) for n in (self.N, self.C, self.P, self.parts))

    def launch(self, kernel, *arguments):
        grid = (max(1, min(self.C * self.parts, 1 << 20)),)
        kernels[f"{kernel}<{{T}}, {self.of_real}>"](grid, block_for(self.M // self.parts), arguments)


def forward(x, weight, bias, running_mean, running_var, *, training, momentum, eps, floor=NO_FLOOR):
    output_shape(*(getattr(a, "shape", None) for a in (x, weight, bias, running_mean, running_var)),
                 training=training, momentum=momentum, eps=eps)
    plan, T, i32 = Plan(x, training), x.dtype.type, np.int32
    parts = plan.parts if training and plan.M else 0
    y, normals, partial = empty(x.shape, x.dtype), empty((plan.C, 3), plan.real), empty((parts, plan.C, 3), np.float64)
    if parts:
        plan.launch("moments", x, partial, *plan.shape)
    form = "float" if x.dtype == np.float32 else "double"                 # by name: there may be no running value to tell it
    kernels[f"normals<{form}, {plan.of_real.format(T=form)}>"](
        *grid_for(plan.C), (running_mean, running_var, partial, normals, i32(plan.C), i32(parts), np.float64(momentum), np.float64(eps)))
    plan.launch("normalise", x, weight, bias, normals, y, *plan.shape, T(floor))
    return y, (x, weight, bias, normals, bool(training), float(floor))


def backward(grad_output, saved, needs):
    x, weight, bias, normals, training, floor = saved
    need_x, need_weight, need_bias = (bool(need) for need in needs[:3])
    plan, floor = Plan(x, training), x.dtype.type(floor)
    grad_x = grad_weight = grad_bias = totals = None
    if need_weight or need_bias or training and need_x:
        grad_weight, grad_bias = empty((plan.C,), x.dtype), empty((plan.C,), x.dtype)
        partial, totals = empty((plan.parts, plan.C, 2), np.float64), empty((2, plan.C), np.float64)
        plan.launch("sums", grad_output, x, weight, bias, normals, partial, *plan.shape, floor)
        kernels.totals(*grid_for(plan.C), (grad_weight, grad_bias, partial, totals, np.int32(plan.C), np.int32(plan.parts)))
    if need_x:
        grad_x = empty(x.shape, x.dtype)
        plan.launch("gradient", grad_output, x, weight, bias, normals, totals if training else None, grad_x, *plan.shape, floor)
    return grad_x, grad_weight if need_weight else None, grad_bias if need_bias else None, None, None
