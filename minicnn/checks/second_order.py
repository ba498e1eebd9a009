"""gradgradcheck: the gradient of the gradient, against finite differences of the gradient.

    G(x, u) = ∂(Σ u·f(x)) / ∂x,  built with create_graph=True,  is a function like any other: gradcheck checks ∂G/∂x and ∂G/∂u.

A gradient penalty |∂L/∂x|² and a Hessian times a vector need no more than this: both are products with ∂G/∂x.
"""
import copy
from typing import Any

import numpy as np

from ..modes import enable_grad, no_grad
from ..nn import Module
from ..tensor import Op, Tensor, grad
from .gradcheck import gradcheck
from .report import Report
from .subject import called, Complaint, device_of, float64


class _Gradient(Module):
    """(x …, u …) -> the gradients of Σ u·f(x) with respect to the floating-point inputs and the parameters of f."""

    def __init__(self, fn: Any, count: int, options: dict):
        super().__init__()
        self.fn, self.count, self.options = fn, count, options

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        inputs, upstream = tensors[:self.count], tensors[self.count:]
        with enable_grad():
            outputs = [y for y in _several(self.fn(*inputs, **self.options)) if y.dtype.kind == "f"]
            leaves = [t for t in (*inputs, *self.parameters()) if isinstance(t, Tensor) and t.requires_grad]
            pairs = [(y, u) for y, u in zip(outputs, upstream) if y.requires_grad]
            found = grad([y for y, _ in pairs], leaves, [u.to(y.device) for y, u in pairs], create_graph=True)
        return tuple(g for g in found if g is not None)


def gradgradcheck(fn: Any, inputs: Any, *, options: dict | None = None, tolerance: float = 1e-6, seed: int = 0, directions: int = 3,
                  coordinates: int = 64, name: str = "", device: str | None = None) -> Report:
    """Check the second derivatives of a function of Tensors, an Op, a layer or a model, in float64: see gradcheck for the arguments.

    Returns a Report: a row for each input and parameter, and one for each upstream gradient, called "upstream 0" …
    ValueError if there is nothing to check.

    >>> assert mc.gradgradcheck(lambda x: (x * x * x).sum(), mc.randn(3, 4))
    """
    values = [inputs] if isinstance(inputs, (Tensor, np.ndarray, np.generic, float, int)) else list(inputs)
    device = device or device_of(fn, values)
    values = [float64(x.numpy() if isinstance(x, Tensor) else x) for x in values]
    if isinstance(fn, Module):
        fn = copy.deepcopy(fn).to("float64", device)
    function = fn.apply if isinstance(fn, type) and issubclass(fn, Op) else fn
    try:
        with no_grad():
            tensors = [Tensor(v.copy(), device=device) if isinstance(v, np.ndarray) else v for v in values]
            outputs = _several(called("the function", function, *tensors, **(options or {})))
    except Complaint as complaint:
        return Report(tolerance, problems=[f"{complaint}. Second derivatives are those of a function of Tensors"], name=name)
    rng = np.random.default_rng(seed)
    upstream = [rng.standard_normal(y.shape) for y in outputs if y.dtype.kind == "f"]
    report = gradcheck(_Gradient(function, len(values), options or {}), [*values, *upstream], tolerance=tolerance, seed=seed,
                       directions=directions, coordinates=coordinates, name=name, device=device)
    for row in report.rows:
        place = int(row.name.split()[1]) if row.name.startswith("input ") else -1
        row.index = row.index.removeprefix("fn.") if isinstance(row.index, str) else row.index
        row.name = f"upstream {place - len(values)}" if place >= len(values) else row.name.removeprefix("fn.")
    # A first derivative that is constant has no second: that is no mistake, and were it not constant, the directions would show it.
    report.notes = [note for note in report.notes if "does not depend on it" not in note]
    report.problems = [problem for problem in report.problems if not problem.endswith(" gets no gradient")]
    return report


def _several(result: Any) -> list:
    return list(result) if isinstance(result, (tuple, list)) else [result]
