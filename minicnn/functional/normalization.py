"""Normalisation: over the batch, over a sample, over groups of channels, over neighbouring channels."""
from collections.abc import Sequence
from typing import Any

from ..tensor import Tensor, tensor_of
from .checkpoint import replaying
from .kernel_op import KernelOp, contiguous
from .windows import windows, zero_pad


def _standardized(x: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    """(x − mean) / √(variance + eps) over dims, the variance biased."""
    centred = x - x.mean(dims, keepdim=True)
    return centred / ((centred * centred).mean(dims, keepdim=True) + eps).sqrt()


def _scaled(x: Tensor, weight: Tensor | None, bias: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    """x · weight + bias, where each is present, in the shape that broadcasts over x."""
    if weight is not None:
        x = x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


class BatchNorm(KernelOp):
    """The Op of kernels/batch_norm: formula, source and derivation stand there."""
    kernel = "batch_norm"

    def forward(self, *arrays, **options):
        running = [None if a is None else contiguous(a, self.device) for a in arrays[3:]]
        output = super().forward(*arrays[:3], *running, **options)
        for written, array in zip(running, arrays[3:]):
            if options["training"] and written is not array:         # the kernel wrote into a contiguous copy
                array[...] = written
        return output

    def keep_inputs(self, arrays):
        """The running values change under way: evaluation keeps its own copy of them, training does not read them."""
        running = [None if a is None or self.options["training"] else a.copy() for a in arrays[3:]]
        super().keep_inputs((*arrays[:3], *running))

    def definition(self, x, weight, bias, running_mean, running_var, *, training, momentum, eps):
        per_channel = (1, -1, *[1] * (len(x.shape) - 2))
        if training:
            normalised = _standardized(x, (0, *range(2, len(x.shape))), eps)
        else:
            normalised = (x - running_mean.reshape(per_channel)) / (running_var.reshape(per_channel) + eps).sqrt()
        return _scaled(normalised, weight, bias, per_channel)


class LayerNorm(KernelOp):
    """The Op of kernels/layer_norm: formula, source and derivation stand there."""
    kernel = "layer_norm"

    def definition(self, x, weight, bias, *, normalized_shape, eps):
        return _scaled(_standardized(x, tuple(range(-len(normalized_shape), 0)), eps), weight, bias, normalized_shape)


class GroupNorm(KernelOp):
    """The Op of kernels/group_norm: formula, source and derivation stand there."""
    kernel = "group_norm"

    def definition(self, x, weight, bias, *, num_groups, eps):
        N, C = x.shape[:2]
        groups = x.reshape(N, num_groups, x.data.size // max(N * num_groups, 1))
        return _scaled(_standardized(groups, (2,), eps).reshape(x.shape), weight, bias, (1, C, *[1] * (len(x.shape) - 2)))


class LocalResponseNorm(KernelOp):
    """The Op of kernels/local_response_norm: formula, source and derivation stand there."""
    kernel = "local_response_norm"

    def definition(self, x, *, size, alpha, beta, k):
        N, C = x.shape[:2]
        plane = (x * x).reshape(N, 1, C, x.data.size // max(N * C, 1))                     # channels as rows, under a size×1 window
        squares = windows(zero_pad(plane, ((size // 2, (size - 1) // 2), (0, 0))), (size, 1)).sum((1, 4, 5))
        return x * (k + alpha / size * squares.reshape(x.shape)) ** -beta


def normalise(op: type[BatchNorm], input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None,
              bias: Tensor | None, training: bool, momentum: float, eps: float) -> Tensor:
    """BatchNorm, or an Op that takes the same, with the arguments of batch_norm."""
    running: list[Any] = [running_mean, running_var]
    if training and replaying():
        running = [None, None]
    for name, tensor in zip(("running_mean", "running_var"), running):
        if tensor is not None and tensor.requires_grad:
            raise ValueError(f"batch_norm: {name} is a statistic that has no gradient; pass it with requires_grad=False, "
                             f"e.g. {name}.detach()")
    # The Op gets Tensors of its own around the running values: its backward does not read them, so writing them again, in a second
    # forward before the first backward, must not make it refuse.
    own = [None if t is None else tensor_of(t.data, t.device) for t in running]
    output = op.apply(input, weight, bias, *own, training=bool(training), momentum=momentum, eps=eps)
    if training and output.device != "meta":
        for tensor in running:
            if tensor is not None:
                tensor.version[0] += 1
    return output


def batch_norm(input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
               bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """y[n,c,h,w] = γ[c] · (x[n,c,h,w] − μ[c]) / √(σ²[c] + ε) + β[c]

    input: (N, C) or (N, C, …). weight γ, bias β, running_mean, running_var: (C,) or None. Returns the shape of the input.
    training: μ and σ² are the mean and the biased variance of the batch; running_mean and running_var are written in place,
    running = (1 − momentum) · running + momentum · batch, with the unbiased variance. Else μ and σ² are the running values.
    While a checkpointed block is computed again the running values are left alone: its first forward has written them.
    Raises ValueError for wrong shapes, for training with one value a channel, for evaluation without running values, for eps ≤ 0.
    Ioffe and Szegedy 2015, algorithm 1.
    """
    return normalise(BatchNorm, input, running_mean, running_var, weight, bias, training, momentum, eps)


def layer_norm(input: Tensor, normalized_shape: int | Sequence[int], weight: Tensor | None = None, bias: Tensor | None = None,
               eps: float = 1e-5) -> Tensor:
    """y[r,d] = γ[d] · (x[r,d] − μ[r]) / √(σ²[r] + ε) + β[d],   d over normalized_shape, r over all axes before it

    input: (…, *normalized_shape). weight γ, bias β: normalized_shape, or None. Returns the shape of the input.
    Raises ValueError if the input does not end with normalized_shape.
    Ba, Kiros, Hinton 2016, section 3.
    """
    shape = tuple(normalized_shape) if isinstance(normalized_shape, Sequence) else (int(normalized_shape),)
    return LayerNorm.apply(input, weight, bias, normalized_shape=shape, eps=eps)


def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """y[n,c,h,w] = γ[c] · (x[n,c,h,w] − μ[n,k]) / √(σ²[n,k] + ε) + β[c],   k = c // (C/num_groups), the group of channel c

    input: (N, C) or (N, C, …). weight γ, bias β: (C,) or None. Returns the shape of the input.
    Raises ValueError if num_groups does not divide the channels.
    Wu and He 2018, section 3.
    """
    return GroupNorm.apply(input, weight, bias, num_groups=num_groups, eps=eps)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """y[n,c,h,w] = x[n,c,h,w] · (k + alpha/size · Σ_{j ∈ window(c)} x[n,j,h,w]²)^(−beta)

    input: (N, C, …) with at least 3 axes, usually (N, C, H, W). size: channels in the window, ≥ 1. Returns the shape of the input.
    Raises ValueError for an input without a plane or a size < 1.
    Krizhevsky et al. 2012, section 3.3, with alpha divided by size: AlexNet's α = 1e-4, k = 2, n = 5 is
    local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2).
    """
    return LocalResponseNorm.apply(input, size=size, alpha=alpha, beta=beta, k=k)
