"""One comparison for the whole test house: `error`, the measure of the design, and `compare`, a function of ours against PyTorch's.

    from .compare import compare

    compare(lambda x, w: F.conv2d(x, w, stride=2),                     # on Tensors, under use_backend(backend)
            lambda x, w: torch.nn.functional.conv2d(x, w, stride=2),   # on torch tensors in float64, of the values cast to dtype
            [rng.standard_normal((2, 3, 5, 7)), rng.standard_normal((4, 3, 3, 2))],
            backend="numba", dtype=np.float32)

An error is max|a − b| / max|b|, with b in float64 from the oracle. Torch is needed by `compare` only.
"""
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

TOLERANCE = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 2e-6}


def error(a, b) -> float:
    """max|a − b| / max|b|, b the oracle; the plain max|a − b| where b is zero everywhere, and 0 for empty arrays.

    Infinite, so that it passes no tolerance, where the shapes differ, or where b is NaN or infinite and a is not the same, or the
    other way round: a NaN is right only where the oracle has one too.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return math.inf
    a, b = a.astype(np.float64), b.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)) or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return math.inf
    if not finite.any():
        return 0.0
    scale = float(np.abs(b[finite]).max())
    return float(np.abs(a[finite] - b[finite]).max()) / (scale or 1.0)


def check(name: str, found: np.ndarray, oracle: np.ndarray, dtype=None, tolerance: float | None = None) -> float:
    """The error of `found`.  AssertionError that says where and by how much, if it passes the tolerance, or for a wrong shape or dtype.

    dtype: what `found` should have; its tolerance holds unless another is given. Integers (indices, labels) must be equal.
    """
    found, oracle = np.asarray(found), np.asarray(oracle)
    dtype = found.dtype if dtype is None else np.dtype(dtype)
    if found.shape != oracle.shape:
        raise AssertionError(f"{name}: shape {found.shape}, expected {oracle.shape}")
    if found.dtype != dtype:
        raise AssertionError(f"{name}: dtype {found.dtype}, expected {dtype}")
    exact = found.dtype.kind not in "fc"
    limit = 0.0 if exact else TOLERANCE[dtype] if tolerance is None else tolerance
    measured = error(found, oracle)
    if measured <= limit:
        return measured
    a, b = found.astype(np.float64), oracle.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    worst = tuple(int(i) for i in np.unravel_index(np.argmax(np.where(np.isnan(difference), np.inf, difference)), a.shape))
    bad = int(np.sum(~(difference <= limit * np.abs(b[np.isfinite(b)]).max(initial=0.0))))
    raise AssertionError(f"{name}: error {measured:.3g} passes {limit:.3g}; {bad} of {a.size} elements are off, the worst at {worst}: "
                         f"{found[worst]!r}, expected {oracle[worst]!r}. Shape {a.shape}, {dtype}")


def _outputs(result) -> list:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def compare(ours: Callable, theirs: Callable, arrays: Sequence[Any], *, backend: str = "numba", dtype: Any = np.float64,
            grads: Sequence[bool] | None = None, seed: int = 0, tolerance: float | None = None) -> float:
    """Outputs and all gradients of `ours` against `theirs`; the largest error.  AssertionError if one passes the tolerance.

    ours:    Tensors -> Tensor or several.  theirs: torch tensors -> tensor or several, in the same order.
    arrays:  NumPy arrays, one an argument: floats are cast to `dtype` (and for `theirs` back to float64: both see the same numbers),
             integers stay; None stays None.
    grads:   which arguments ask for a gradient; default: all that are floats.
    Gradients flow from each output that needs one in PyTorch, with a random upstream gradient each (ones would hide a wrong place).
    An output that needs none (indices, running statistics handed out by the function) is compared and no more.
    """
    import torch

    import minicnn as mc

    dtype = np.dtype(dtype)
    cast = [None if a is None else np.array(a, dtype if np.asarray(a).dtype.kind == "f" else None, order="C") for a in arrays]
    asks = [a is not None and a.dtype.kind == "f" and (grads is None or bool(grads[i])) for i, a in enumerate(cast)]
    rng = np.random.default_rng(seed)

    torch_inputs = [None if a is None else torch.from_numpy(a.astype(np.float64 if a.dtype.kind == "f" else a.dtype)).requires_grad_(ask)
                    for a, ask in zip(cast, asks)]
    expected = _outputs(theirs(*torch_inputs))
    upstream = [rng.standard_normal(tuple(y.shape)).astype(dtype) if y.requires_grad else None for y in expected]

    with mc.use_backend(backend):
        inputs = [None if a is None else mc.Tensor(a.copy(), requires_grad=ask) for a, ask in zip(cast, asks)]
        outputs = _outputs(ours(*inputs))
        if len(outputs) != len(expected):
            raise AssertionError(f"{len(outputs)} outputs, expected {len(expected)}")
        label = "output" if len(outputs) == 1 else "output {}"
        largest = 0.0
        for i, (y, reference) in enumerate(zip(outputs, expected)):
            name, values = label.format(i), reference.detach().numpy()
            kept = y.numpy()
            largest = max(largest, check(name, kept, values, dtype if values.dtype.kind == "f" else kept.dtype, tolerance))
            if bool(y.requires_grad) != reference.requires_grad:
                raise AssertionError(f"{name}: requires_grad is {y.requires_grad}, expected {reference.requires_grad}")
        last = max((i for i, g in enumerate(upstream) if g is not None), default=-1)
        for i, (y, g) in enumerate(zip(outputs, upstream)):
            if g is not None:
                y.backward(mc.Tensor(g), retain_graph=i < last)

    torch.autograd.backward([y for y, g in zip(expected, upstream) if g is not None],
                            [torch.from_numpy(g.astype(np.float64)) for g in upstream if g is not None])
    for i, (x, reference, ask) in enumerate(zip(inputs, torch_inputs, asks)):
        if not ask:
            if x is not None and x.grad is not None:
                raise AssertionError(f"input {i} got a gradient that nobody asked for")
            continue
        ours_grad, theirs_grad = x.grad, reference.grad
        if (ours_grad is None) != (theirs_grad is None):
            which = "is missing" if ours_grad is None else "exists, and PyTorch has none"
            raise AssertionError(f"gradient of input {i} {which}")
        if ours_grad is not None:
            largest = max(largest, check(f"gradient of input {i}", ours_grad.numpy(), theirs_grad.numpy(), dtype, tolerance))
    return largest
