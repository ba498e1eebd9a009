"""gradcheck over what is installed: the operations of kernels/, on their own cases, and the architectures of models/."""
import math
from collections.abc import Iterator

import numpy as np

from .. import functional, kernels, models  # noqa: F401  (functional: importing it defines the Ops)
from ..device import use_backend
from ..functional.kernel_op import KernelOp
from ..tensor import Op, Tensor
from .directional import check_directions
from .gradcheck import Report, gradcheck


def operations() -> dict[str, type[Op]]:
    """Operation of kernels/ -> the Op that runs on it."""
    found, queue = {}, [KernelOp]
    while queue:
        cls = queue.pop()
        queue.extend(cls.__subclasses__())
        if cls.kernel and cls.__module__.startswith("minicnn."):         # not what somebody derives from them
            found[cls.kernel] = cls
    return dict(sorted(found.items()))


def check_operation(op: str, backend: str = "numba", tolerance: float = 1e-6, seed: int = 0) -> Iterator[tuple[str, Report]]:
    """(case, report) for each smooth case of an operation.  ValueError for an unknown one."""
    kernels.folder(op)
    if op not in operations():
        raise ValueError(f"{op!r} has no gradient to check: it is not a function of tensors")
    for case in kernels.module(op, "cases").CASES:
        if case.smooth and case.op in (None, op) and not any(s is not None and math.prod(s) == 0 for s in case.shapes):
            yield case.name, _check_case(op, case, backend, tolerance, seed)


def _check_case(op, case, backend, tolerance, seed) -> Report:
    cls, arrays = operations()[op], case.arrays(np.random.default_rng(seed))
    written = getattr(kernels.module(op), "WRITES", ())              # running statistics are written to: not inputs to differentiate

    present = [i for i, a in enumerate(arrays) if a is not None and i not in written]

    def run(*tensors: Tensor):
        places = dict(zip(present, tensors))
        inputs = [places[i] if i in places else None if a is None else Tensor(a.copy()) for i, a in enumerate(arrays)]
        return cls.apply(*inputs, **case.options)

    with use_backend(backend):
        return gradcheck(run, [arrays[i] for i in present], tolerance=tolerance, seed=seed)


SMALL = 10_000_000             # multiply-adds: up to here a network is evaluated for every single parameter


def check_model(name: str, batch: int = 2, tolerance: float = 1e-5, seed: int = 0, directions: int = 3, coordinates: int = 64) -> Report:
    """Gradients of an architecture with respect to its input and its parameters, in training mode, at the size of its paper.

    A small one parameter by parameter; one of more than SMALL multiply-adds along random directions of all parameters at once.
    """
    model, found = models.create(name), models.info(name)
    x = np.random.default_rng(seed).standard_normal((batch, *found.input_shape))
    if found.macs > SMALL:
        return check_directions(model, x, tolerance=tolerance, seed=seed)
    return gradcheck(model, x, tolerance=tolerance, seed=seed, directions=directions, coordinates=coordinates)
