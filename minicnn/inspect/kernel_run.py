"""Running the CUDA kernels of an operation on one of its cases, on the CPU, and recording what their threads do."""
from dataclasses import dataclass, field

import numpy as np

from .. import kernels
from ..kernels import cuda
from ..kernels.case import Case
from ..kernels.cuda.emulator import CudaError
from ..kernels.cuda.emulator.recording import Launch, recording
from .table import shape_text


SIGNS = {"im2col": "columns"}            # by what launches show that they are of a rung of conv2d, where it is not its name


@dataclass
class KernelRun:
    """title: what was run, in words.  products: the shapes of the products of cuBLAS, which nobody can walk through.  fault: what the
    emulator found wrong, or None; the last launch then ends there."""
    op: str
    title: str
    launches: list[Launch] = field(default_factory=list)
    products: list[tuple] = field(default_factory=list)
    fault: CudaError | None = None

    def launch(self, word: str | None) -> Launch:
        """By its number, from 1, or by the name of its kernel; the first, if no word is given.  ValueError where there is none."""
        if not self.launches:
            raise ValueError(f"{self.op} launches no kernel of its own here: cuBLAS does it, or there is nothing to do; a product made by "
                             f"hand is in minicnn step-kernel conv2d --algorithm tiles")
        if word is None:
            return self.launches[0]
        listed = ", ".join(f"{i} {launch.name}" for i, launch in enumerate(self.launches, 1))
        if word.isdigit():
            if not 1 <= int(word) <= len(self.launches):
                raise ValueError(f"there is no launch {word}; there are: {listed}")
            return self.launches[int(word) - 1]
        found = [launch for launch in self.launches if word in (launch.name, launch.name.partition("<")[0])]
        if not found:
            raise ValueError(f"no launch is of a kernel {word!r}; there are: {listed}")
        return found[0]


def operation(word: str) -> str:
    """An operation, also where its folder is named: then the first of the family.  ValueError for an unknown one."""
    member = next((op for op in kernels.names() if kernels.folder(op) == word), word)
    return word if word in kernels.names() else getattr(kernels.module(member), "MEMBERS", (word,))[0]


def choose_case(op: str, word: str | None) -> Case:
    """The case of that name, or the one in whose name the word is; the first, if no word is given.  ValueError for none or several."""
    cases = [case for case in kernels.module(op, "cases").CASES if case.op in (None, op)]
    found = cases[:1] if word is None else ([c for c in cases if c.name == word] or [c for c in cases if word in c.name])
    if len(found) == 1:
        return found[0]
    listed = ", ".join(repr(case.name) for case in found or cases)
    raise ValueError(f"{'no case' if not found else 'more than one case'} of {op} is called {word!r}; there are: {listed}")


def run_kernels(op: str, *, case: str | None = None, algorithm: str | None = None, backward: bool = False, block: int = 0,
                dtype: str = "float32") -> KernelRun:
    """Run an operation on a case, and record one block of each launch.

    algorithm: a rung of its gpu.py; by default gpu.py chooses.  backward: record the gradients of all inputs instead.
    ValueError for what there is not; CudaError where there is no compiler.
    """
    kernels.folder(op)                                                       # or an error with the nearest name
    chosen, formula = choose_case(op, case), kernels.module(op)
    rungs = getattr(kernels.module(op, "gpu"), "ALGORITHMS", ())
    if algorithm and algorithm not in rungs:
        raise ValueError(f"{op} has no algorithm {algorithm!r}; " + (f"there are: {', '.join(rungs)}" if rungs else "it has one alone"))
    rng = np.random.default_rng(0)
    arrays = [None if a is None else np.asarray(a) for a in chosen.arrays(rng)]
    arrays = [None if a is None else np.array(a, dtype if a.dtype.kind == "f" else a.dtype, order="C") for a in arrays]
    sizes = ", ".join("None" if a is None else shape_text(a.shape) for a in arrays)
    found = KernelRun(op, f"{op}{', backward' if backward else ''}, {algorithm + ', ' if algorithm else ''}case {chosen.name!r}: "
                          f"{sizes}; {dtype}")
    with recording(block) as recorded:
        found.launches, found.products = recorded.launches, recorded.products
        kernel, given = kernels.load(op, "cupy"), [None if a is None else cuda.to_device(a) for a in arrays]
        try:
            if hasattr(kernel, "step"):
                if backward:
                    raise ValueError(f"{op} is an optimizer: it has a step, and no backward")
                kernel.step(*given, **chosen.options)
                return found
            output, saved = kernel.forward(*given, **chosen.options, **({"algorithm": algorithm} if algorithm else {}))
            if backward:
                recorded.launches.clear()
                recorded.products.clear()
                first = output[0] if isinstance(output, tuple) else output
                constant = {*getattr(formula, "WRITES", ()), *getattr(formula, "CONSTANTS", ())}
                needs = [a is not None and a.dtype.kind == "f" and i not in constant for i, a in enumerate(arrays)]
                kernel.backward(cuda.to_device(np.array(rng.standard_normal(first.shape), dtype)), saved, needs)
        except CudaError as error:
            if not recorded.launches:                                        # nothing ran: it does not compile
                raise
            found.fault = error
    sign = "naive" if backward and algorithm == "depthwise" else SIGNS.get(str(algorithm), str(algorithm))    # which has its gradients
    if algorithm and op.startswith("conv2d") and not any(sign in f"{one.file} {one.name}" for one in found.launches) \
            and not (algorithm == "im2col" and found.products):
        raise ValueError(f"{algorithm} does not fit the case {chosen.name!r} of {op}, {sizes}, {dtype}: it hands over to "
                         f"{', '.join(one.name for one in found.launches)}; --case chooses another, such as --case {algorithm}")
    return found
