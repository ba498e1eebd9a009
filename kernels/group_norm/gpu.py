"""Group normalisation on a GPU: shapes and launches; the kernels are in gpu.cu."""
from math import prod

import numpy as np

from ..cuda import block_for, empty, grid_for, load
from ..cuda.loader import countable
from ..cuda.normalise import forms, GRID, real
from . import output_shape

kernels = load(__file__, forms=forms("normalise", "plane_sums", "gradient"))


class Plan:
    """Of x (N, C, …) in so many groups: the launch of kernels by groups; and the type of the arithmetic."""

    def __init__(self, x, num_groups: int):
        (self.N, self.C), self.P, self.G = x.shape[:2], prod(x.shape[2:]), num_groups
        self.groups, self.width = self.N * num_groups, self.C // num_groups
        self.D = self.width * self.P
        countable("group_norm", self.D, "numbers of a group")
        self.real = real(self.D)
        self.shape = np.int64(self.groups), *(np.int32(n) for n in (self.G, self.width, self.P))

    def launch(self, kernel, *arguments):
        kernels[f"{kernel}<{{T}}, {self.real}>"]((max(1, min(self.groups, GRID)),), block_for(self.D, most=512), arguments)


def forward(x, weight, bias, *, num_groups, eps):
    output_shape(*(getattr(a, "shape", None) for a in (x, weight, bias)), num_groups=num_groups, eps=eps)
    plan = Plan(x, num_groups)
    y, statistics = empty(x.shape, x.dtype), empty((plan.groups, 2), np.float64)
    plan.launch("normalise", x, weight, bias, y, statistics, *plan.shape, np.float64(eps))
    return y, (x, weight, statistics, num_groups)


def backward(grad_output, saved, needs):
    x, weight, statistics, num_groups = saved
    need_x, need_weight, need_bias = (bool(need) for need in needs)
    if not any(needs):
        return None, None, None
    plan, i32 = Plan(x, num_groups), np.int32
    planes, sums = plan.N * plan.C, empty((2, plan.N, plan.C), np.float64)
    kernels[f"plane_sums<{{T}}, {plan.real}>"](*grid_for(32 * planes), (grad_output, x, statistics, sums, np.int64(planes), i32(plan.width),
                                                                       i32(plan.P)))
    grad_x = grad_weight = grad_bias = None
    if need_x:
        grad_x = empty(x.shape, x.dtype)
        plan.launch("gradient", grad_output, x, weight, statistics, sums, grad_x, *plan.shape)
    if need_weight or need_bias:
        grad_weight, grad_bias = empty((plan.C,), x.dtype), empty((plan.C,), x.dtype)
        kernels.add_images(*grid_for(plan.C), (grad_weight, grad_bias, sums, i32(plan.N), i32(plan.C)))
    return grad_x, grad_weight if need_weight else None, grad_bias if need_bias else None
