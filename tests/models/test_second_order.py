"""Second derivatives of whole networks: a Hessian times a vector, as create_graph makes it, against differences of gradients.

    H·v  =  ∂(Σ ∇L · v) / ∂θ  ≈  (∇L(θ + h·v) − ∇L(θ − h·v)) / 2h             L(θ) = Σ u · f(θ)

Of a reduced member of every family, element by element, with respect to all parameters and the image.
"""
import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor

from .reduced import REDUCED, reduced

STEPS = (1e-6, 1e-7, 1e-8)          # smaller ones step out of the reach of kinks; a wrong second derivative agrees with none
TOLERANCE = 1e-5                    # relative to the largest element of a parameter's part, or to a thousandth of the largest of all


@pytest.mark.parametrize("name", REDUCED)
def test_hessian_times_a_vector(name):
    model, image = reduced(name, training=True)
    model.to("float64")
    x = Tensor(image, requires_grad=True)
    leaves, rng = [x, *model.parameters()], np.random.default_rng(2)
    start = [leaf.numpy().copy() for leaf in leaves]
    v = [rng.standard_normal(a.shape) * (np.sqrt(np.mean(a * a)) or 1.0) for a in start]
    upstream: list[Tensor] = []

    def gradients(move, create_graph=False):
        with mc.no_grad():
            for leaf, a, d in zip(leaves, start, v):
                leaf.write(a + move * d)
        mc.manual_seed(3)                                                # dropout draws the same masks
        scores = model(x)
        scores = scores if isinstance(scores, tuple) else (scores,)
        upstream.extend(Tensor(rng.standard_normal(y.shape)) for y in scores[len(upstream):])
        total = sum((y * u).sum() for y, u in zip(scores, upstream))
        return mc.grad(total, leaves, create_graph=create_graph)

    first = gradients(0.0, create_graph=True)
    found = mc.grad(sum((g * Tensor(d)).sum() for g, d in zip(first, v)), leaves)
    errors = []
    for step in STEPS:
        ahead, behind = gradients(step), gradients(-step)
        numeric = [(a.numpy() - b.numpy()) / (2 * step) for a, b in zip(ahead, behind)]
        largest = np.max([np.abs(n).max() for n in numeric])
        assert largest > 1e-3
        got = [np.zeros(leaf.shape) if g is None else g.numpy() for g, leaf in zip(found, leaves)]
        errors.append(np.max([np.abs(g - n).max() / np.maximum(np.abs(n).max(), 1e-3 * largest) for g, n in zip(got, numeric)]))
        if errors[-1] <= TOLERANCE:
            break
    assert errors[-1] <= TOLERANCE, errors
