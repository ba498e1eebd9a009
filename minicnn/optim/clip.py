"""Gradient clipping: before optimizer.step(), against steps that are too large."""
import math
from collections.abc import Iterable

import numpy as np

from ..tensor import Tensor


def _gradients(name: str, parameters: "Iterable[Tensor] | Tensor") -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for p in parameters:
        if not isinstance(p, Tensor):
            raise TypeError(f"{name}: expected tensors, got {type(p).__name__}; pass model.parameters()")
    return [p.grad for p in parameters if p.grad is not None]


def clip_grad_norm_(parameters: "Iterable[Tensor] | Tensor", max_norm: float, norm_type: float = 2.0,
                    error_if_nonfinite: bool = False) -> Tensor:
    """g ← g · min(1, max_norm / (‖g‖ + 10⁻⁶)), in place, where ‖g‖ = (Σ |g|^norm_type)^(1/norm_type) over all gradients together

    norm_type: a number above 0; inf: the largest |g|.  Returns ‖g‖ before.  ValueError for a max_norm or norm_type out of range,
    RuntimeError for a norm that is NaN or infinite if error_if_nonfinite.  Pascanu et al. 2013, algorithm 1.
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm should be 0 or more, got {max_norm!r}")
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type should be above 0, or inf, got {norm_type!r}")
    gradients = _gradients("clip_grad_norm_", parameters)
    norms = [_norm(g.data, norm_type) for g in gradients]
    # of the norms of all gradients: the same sums, without squaring a large number twice
    total = _norm(np.array(norms), norm_type) if norms else 0.0
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {total}; a gradient is NaN or infinite. "
                           f"minicnn.detect_anomaly() finds the operation that made it")
    if gradients and not max_norm / (total + 1e-6) >= 1:
        for g in gradients:
            g.data *= g.dtype.type(max_norm / (total + 1e-6))
            g.version[0] += 1
    return Tensor(np.asarray(total, gradients[0].dtype if gradients else np.float32), device=gradients[0].device if gradients else "cpu")


def _norm(values: np.ndarray, norm_type: float) -> float:
    """In float64.  Scaled by the largest first: the square of 10²⁰⁰ is no number any more."""
    magnitudes = np.abs(values).astype(np.float64, copy=False)
    largest = float(magnitudes.max()) if magnitudes.size else 0.0
    if norm_type == math.inf or largest == 0 or not math.isfinite(largest):
        return largest
    if norm_type == 2:
        return largest * math.sqrt(float(np.square(magnitudes / largest).sum()))
    return largest * float(((magnitudes / largest) ** norm_type).sum()) ** (1 / norm_type)


def clip_grad_value_(parameters: "Iterable[Tensor] | Tensor", clip_value: float) -> None:
    """g ← min(max(g, −clip_value), clip_value), in place.  ValueError for a clip_value below 0."""
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: clip_value should be 0 or more, got {clip_value!r}")
    for g in _gradients("clip_grad_value_", parameters):
        np.clip(g.data, -clip_value, clip_value, out=g.data)
        g.version[0] += 1
