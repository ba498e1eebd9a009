"""A whole network in one gradient check: all parameters and the input move together along random directions.

    L(θ, x) = Σ u · f(θ, x)                     ∇L · d  ≈  (L(θ + h·d) − L(θ − h·d)) / 2h

Three evaluations of the network for each direction, however many parameters it has, so that the largest can be checked in full size. An
error anywhere shows if it is not small against the sum: for the last digit of every single parameter there is gradcheck.

Every parameter moves in proportion to its own size, d = rms(θ) · normal: a step of h is the same relative change in every layer. The
error is measured against √(Σ_θ (∇_θL · d_θ)²), the size that the sum of the parameters' contributions has unless they cancel.

ReLUs and max pools keep their sides while the network is moved, see kinks.py: of millions of them some are always near a kink.
"""
from typing import Any

import numpy as np

from ..kernels.random import default_generator
from ..modes import enable_grad, no_grad
from ..nn import Module
from ..tensor import Tensor
from .gradcheck import Report, Row
from .kinks import Sides

# Relative steps. What is not linear falls with step², rounding rises as about 1e-16 / step; in very deep networks the first is large. Where
# the two sides agree at one step the check has passed: a wrong gradient is wrong at every step.
STEPS = (1e-7, 1e-8, 1e-9)


def check_directions(model: Module, x: np.ndarray, *, tolerance: float = 1e-5, seed: int = 0, directions: int = 2) -> Report:
    """Check the gradient of a network with respect to its input and all parameters at once, in float64.

    model: as it is, in training or in evaluation mode; it is converted to float64, and has its values back afterwards, in float64.
    Returns a Report with a row a direction; a direction without any gradient, a NaN or a graph that is cut fails.
    """
    model.to("float64")
    image = Tensor(np.asarray(x, np.float64), requires_grad=True)
    leaves = {"input": image, **{name: p for name, p in model.named_parameters() if p.requires_grad}}
    buffers = {name: buffer.numpy().copy() for name, buffer in model.named_buffers()}
    rng, state = np.random.default_rng(seed), default_generator.state
    upstream: list[np.ndarray] = []

    def scores() -> list[Tensor]:
        default_generator.state = state                                   # the same dropout masks every time
        result = model(image)
        outputs = list(result) if isinstance(result, tuple) else [result]
        upstream.extend(rng.standard_normal(y.shape) for y in outputs[len(upstream):])
        return outputs

    def loss() -> float:
        with no_grad():
            return sum(float((u * y.numpy()).sum()) for y, u in zip(scores(), upstream))

    report = Report(tolerance)
    with enable_grad():
        with Sides() as sides:
            outputs = scores()
        total: Any = sum(((y * Tensor(u)).sum() for y, u in zip(outputs[1:], upstream[1:])), (outputs[0] * Tensor(upstream[0])).sum())
        total.backward()
    del outputs, total
    report.problems += [f"{name} gets no gradient" for name, leaf in leaves.items() if leaf.grad is None]
    gradients = {name: leaf.grad.numpy() for name, leaf in leaves.items() if leaf.grad is not None}
    for leaf in leaves.values():
        leaf.grad = None
    start = {name: leaf.numpy().copy() for name, leaf in leaves.items()}
    try:
        for number in range(directions):
            moves = {name: rng.standard_normal(a.shape) * (np.sqrt(np.mean(a * a)) or 1.0) for name, a in start.items()}
            parts = [float((gradients[name] * moves[name]).sum()) for name in gradients]
            analytic, size = sum(parts), float(np.sqrt(np.sum(np.square(parts))))
            row = Row(f"direction {number + 1} of all {len(leaves)} tensors", (sum(a.size for a in start.values()),), 0, float("inf"))
            for step in STEPS:
                losses = []
                for sign in (1, -1):
                    with no_grad():
                        for name, leaf in leaves.items():
                            leaf.write(start[name] + sign * step * moves[name])
                    with sides.held():
                        losses.append(loss())
                numeric = (losses[0] - losses[1]) / (2 * step)
                error = abs(numeric - analytic) / size if size > 0 else float("nan")
                if not error >= row.error:
                    row = Row(row.name, row.shape, row.checked, error, f"at step {step:g}", numeric, analytic)
                row.checked += 1
                if not error > tolerance:                                 # or NaN, which no other step makes good
                    break
            report.rows.append(row)
    finally:
        with no_grad():
            for name, leaf in leaves.items():
                leaf.write(start[name])
            for name, buffer in model.named_buffers():
                buffer.write(buffers[name])
        default_generator.state = state
    return report
