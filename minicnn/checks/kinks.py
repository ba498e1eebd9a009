"""Networks without kinks: ReLUs keep the side, and maxima the place, that they had in one run.

Between two points on different sides of a kink a difference quotient is no derivative, and among the millions of ReLUs of a network some
always lie that close. A ReLU that keeps its sides is a product with a fixed mask; the network of such pieces has the same value and the
same derivative at the point where the sides were taken, and is smooth around it.

    with Sides() as sides:
        y = network(x)                  # computed as always; the sides are written down
    with sides.held():
        z = network(x + h)              # the same pieces: smooth in h

Held are relu, relu6, leaky_relu, elu, hardsigmoid, hardswish and the max pools. What is not held: |x|, clamp, maximum of two tensors.
"""
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from .. import kernels
from ..observers import Event, observe


def _piece(x: np.ndarray, *edges: float) -> np.ndarray:
    """Which of the pieces between the edges each number is on. On an edge it is on the flat one, whose slope its backward takes there: the
    piece below the first edge (0 of relu, −3 of hardsigmoid), the piece above the last of two (6 of relu6, 3 of hardsigmoid)."""
    below = np.searchsorted(np.array(edges), x, side="left")
    return (below + ((x == edges[-1]) if len(edges) > 1 else 0)).astype(np.int8)


# kernel -> (edges of its pieces, (x, options) -> what it is on each piece)
PIECES: dict[str, tuple[tuple[float, ...], Callable[[Any, dict], tuple]]] = {
    "relu":        ((0.0,),       lambda x, o: (0 * x, x)),
    "relu6":       ((0.0, 6.0),   lambda x, o: (0 * x, x, 0 * x + 6)),
    "leaky_relu":  ((0.0,),       lambda x, o: (o["negative_slope"] * x, x)),
    "elu":         ((0.0,),       lambda x, o: (o["alpha"] * np.expm1(x), x)),
    "hardsigmoid": ((-3.0, 3.0),  lambda x, o: (0 * x, (x + 3) / 6, 0 * x + 1)),
    "hardswish":   ((-3.0, 3.0),  lambda x, o: (0 * x, x * (x + 3) / 6, x)),
}
POOLS = ("max_pool2d", "adaptive_max_pool2d")
WITH_RELU = ("conv2d_relu", "batch_norm_relu", "add_relu")      # while relu is replaced, these run as the operation and a relu


class Sides:
    """Notes, for every operation with kinks that runs inside the with block, the pieces that its numbers are on, in order."""

    def __init__(self):
        self.noted: list[tuple[str, np.ndarray]] = []
        self.watching = ExitStack()

    def __enter__(self) -> "Sides":
        self.watching.enter_context(observe(self._note))
        return self

    def __exit__(self, *error: Any) -> None:
        self.watching.close()

    def _note(self, event: Event) -> None:
        if event.moment == "forward" and event.op.kernel in PIECES:
            self.noted.append((event.op.kernel, _piece(event.inputs[0].data, *PIECES[event.op.kernel][0])))
        elif event.moment == "forward" and event.op.kernel in WITH_RELU:
            self.noted.append(("relu", _piece(event.outputs[0], *PIECES["relu"][0])))
        elif event.moment == "forward" and event.op.kernel in POOLS:
            self.noted.append((event.op.kernel, event.op.indices))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside, the same operations in the same order are on the noted pieces.  RuntimeError if the order is another."""
        rest = iter(self.noted)

        def noted(kernel: str, shape: tuple[int, ...]) -> np.ndarray:
            found, sides = next(rest, ("nothing", np.zeros(0)))
            if found != kernel or (kernel in PIECES and sides.shape != shape):
                raise RuntimeError(f"held: {kernel} of {shape} runs where {found} of {sides.shape} ran when the sides were taken")
            return sides

        def activation(kernel: str) -> Callable:
            return lambda x, **options: np.choose(noted(kernel, x.shape), PIECES[kernel][1](x, options))

        def pool(kernel: str) -> Callable:
            def forward(x, **options):
                places = noted(kernel, x.shape)
                flat = np.take_along_axis(x.reshape(*x.shape[:2], -1), places.reshape(*places.shape[:2], -1), 2)
                return flat.reshape(places.shape), places
            return forward
        with ExitStack() as replaced:
            for kernel in PIECES:
                replaced.enter_context(kernels.replace(kernel, forward=activation(kernel)))
            for kernel in POOLS:
                replaced.enter_context(kernels.replace(kernel, forward=pool(kernel)))
            yield
        left = [name for name, _ in rest]
        if left:
            raise RuntimeError(f"held: {left[0]} did not run again")
