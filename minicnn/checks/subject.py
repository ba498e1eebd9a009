"""What is checked, behind one face: a pair of NumPy functions, or a function of Tensors, an Op, a layer, a model.

    subject.leaves              {name: array}: the inputs and parameters whose gradients are checked; the checker moves them in place
    subject.outputs()           the outputs at the present values of the leaves
    subject.gradients(u, v …)   {name: gradient, or None} for the upstream gradients u, one an output; of several, the sum of theirs
    subject.along(name, d)      the path t -> all outputs at x + t·d, in one row

What a user's function raises arrives as a Complaint with its file and line, and ends as a sentence of the report.
"""
import copy
import traceback
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import device as devices
from ..kernels.random import default_generator
from ..modes import enable_grad, no_grad
from ..nn import Module
from ..tensor import Op, Tensor, grad

Arrays = list[np.ndarray]
HERE = Path(__file__).resolve().parents[1]


class Complaint(Exception):
    """Something about the user's function that ends the check; str() is a sentence for the report."""


def called(what: str, fn: Callable, *args: Any, **options: Any) -> Any:
    """fn(*args, **options); what it raises becomes a Complaint that names the user's own line."""
    try:
        return fn(*args, **options)
    except (Exception, SystemExit) as error:              # sys.exit() in somebody's function must not end the check as if it had passed
        frames = traceback.extract_tb(error.__traceback__)
        users = [f for f in frames if not Path(f.filename).resolve().is_relative_to(HERE)]
        place = f" ({Path(users[-1].filename).name}, line {users[-1].lineno}, in {users[-1].name})" if users else ""
        raise Complaint(f"{what} raised {type(error).__name__}: {error}{place}") from error


def checked_output(y: Any, what: str) -> np.ndarray:
    """y as an array of float64, or a Complaint that says what it is instead."""
    if not isinstance(y, (np.ndarray, np.floating, float)):
        raise Complaint(f"{what} returned {'nothing (None): is a return missing?' if y is None else f'a {type(y).__name__}, not an array'}")
    if isinstance(y, np.ma.MaskedArray):
        raise Complaint(f"{what} returned a masked array: return a plain one")
    y = np.asarray(y)
    if y.dtype != np.float64:
        raise Complaint(f"{what} returned {y.dtype} for inputs of float64: differences need all the digits; keep the dtype of the input")
    return y


class Subject:
    """See the head of this file.  Every run starts from the same random state, so that dropout draws the same mask each time."""

    values: list                                          # the inputs, leaves among them
    options: dict

    def __init__(self, leaves: dict[str, np.ndarray]):
        if not leaves:
            raise ValueError("gradcheck: nothing to check: no input is floating-point and no parameter asks for a gradient")
        if not any(x.size for x in leaves.values()):
            raise ValueError(f"gradcheck: nothing to check: {', '.join(leaves)} has no elements")
        self.leaves, self.problems = leaves, []
        self.random, self.draws = default_generator.state, True
        self.legacy: Any = np.random.get_state()

    def begin(self) -> None:
        default_generator.state = self.random
        if self.draws:                                    # it costs more than many a small function
            np.random.set_state(self.legacy)              # what np.random.rand and the like draw from

    def settle_random(self) -> None:
        """After a forward and a backward: whether they drew from np.random, which must then go back before every run."""
        now: Any = np.random.get_state()
        self.draws = not np.array_equal(now[1], self.legacy[1]) or now[2:] != self.legacy[2:]

    def outputs(self) -> Arrays:
        raise NotImplementedError

    def gradients(self, *upstreams: Arrays) -> dict[str, np.ndarray | None]:
        raise NotImplementedError

    def alone(self, name: str, upstream: Arrays) -> np.ndarray | None:
        """The gradient of one leaf where nobody asks for those of the others; for a pair of functions there is no such thing."""
        return self.gradients(upstream)[name]

    def row(self) -> np.ndarray:
        """All outputs in one row."""
        return np.concatenate([y.reshape(-1) for y in self.outputs()])

    def along(self, name: str, d: Any) -> Callable[[complex], np.ndarray]:
        """d: an index, for a single coordinate, or an array like x.  Afterwards x is as it was."""
        x, where = self.leaves[name], d if isinstance(d, tuple) else ...
        before, direction = x[where].copy(), 1.0 if isinstance(d, tuple) else d

        def path(t: complex) -> np.ndarray:
            x[where] = before + t * direction
            try:
                return self.row()
            finally:
                x[where] = before
        return path

    def complain(self, text: str) -> None:
        if text not in self.problems:
            self.problems.append(text)


class Pair(Subject):
    """forward(*arrays, **options) -> an array, and backward(grad_output, *arrays, **options) -> a gradient for each array, in order."""

    def __init__(self, forward: Callable, backward: Callable, values: list, options: dict, constants: Collection[int] = (),
                 written: Collection[int] = ()):
        super().__init__({f"input {i}": v for i, v in enumerate(values)
                          if isinstance(v, np.ndarray) and v.dtype.kind == "f" and i not in {*constants, *written}})
        self.forward, self.backward, self.values, self.options, self.written = forward, backward, values, options, written

    def arguments(self) -> list:
        return [v.copy() if isinstance(v, np.ndarray) else v for v in self.values]

    def unchanged(self, what: str, given: list) -> None:
        for i, (after, before) in enumerate(zip(given, self.values)):
            if isinstance(before, np.ndarray) and i not in self.written and after.tobytes() != before.tobytes():
                self.complain(f"{what} changes its input {i} in place: work on a copy")

    def outputs(self) -> Arrays:
        self.begin()
        given = self.arguments()
        result = called("forward", self.forward, *given, **self.options)
        self.unchanged("forward", given)
        if isinstance(result, tuple):
            raise Complaint("forward returned a tuple; return the output alone, and let backward compute again what it needs")
        return [checked_output(result, "forward").copy()]

    def along(self, name: str, d: Any) -> Callable[[complex], np.ndarray]:
        i, real = int(name.split()[1]), super().along(name, d)

        def path(t: complex) -> np.ndarray:
            if not isinstance(t, complex):
                return real(t)
            self.begin()
            given = self.arguments()
            given[i] = given[i].astype(complex)
            given[i][d if isinstance(d, tuple) else ...] += t * (1.0 if isinstance(d, tuple) else d)
            return np.asarray(self.forward(*given, **self.options)).reshape(-1)
        return path

    def gradients(self, *upstreams: Arrays) -> dict[str, np.ndarray | None]:
        self.outputs()                                    # a forward that keeps things for its backward has kept those of these values
        upstream = np.sum([u[0] for u in upstreams], axis=0)       # of a sum of losses: what a backward is given where paths meet
        given, g = self.arguments(), upstream.copy()
        found = called(f"backward, given a grad_output of shape {g.shape},", self.backward, g, *given, **self.options)
        self.unchanged("backward", given)
        if g.tobytes() != upstream.tobytes():
            self.complain("backward changes its grad_output in place: work on a copy")
        if found is None:
            raise Complaint("backward returned nothing (None): is a return missing?")
        found = list(found) if isinstance(found, (tuple, list)) else [found]
        if len(found) != len(self.values):
            raise Complaint(f"backward returned {len(found)} gradients for {len(self.values)} inputs: return one an input, in order, "
                            "None for an input without a gradient")
        return {name: self.checked(i, found[i]) for name, i in ((name, int(name.split()[1])) for name in self.leaves)}

    def checked(self, i: int, g: Any) -> np.ndarray | None:
        if g is None:
            return None
        if isinstance(g, np.ma.MaskedArray):
            raise Complaint(f"input {i}: backward's gradient is a masked array: return a plain one")
        g, shape = np.asarray(g), self.values[i].shape
        if g.dtype.kind not in "fiub":
            raise Complaint(f"input {i}: backward's gradient is no array of numbers but {g.dtype}")
        if g.dtype != np.float64:
            self.complain(f"input {i}: backward's gradient is {g.dtype}, the input float64; keep the dtype of the input")
        if g.shape != shape:
            raise Complaint(f"input {i}: backward's gradient has shape {g.shape}, the input {shape}; they must be the same")
        return g.astype(np.float64)


class Tensors(Subject):
    """A function of Tensors: the engine's own backward finds the gradients.  On another device than the CPU the leaves are copies on the
    host, which are moved there before every run."""

    def __init__(self, fn: Any, values: list, options: dict, constants: Collection[int] = (), device: str = "cpu"):
        self.fn = fn.apply if isinstance(fn, type) and issubclass(fn, Op) else fn
        self.options, self.device = options, device
        self.values = values
        self.tensors = [Tensor(v, v.dtype.kind == "f" and i not in constants, device=device) if isinstance(v, np.ndarray) else v
                        for i, v in enumerate(values)]
        self.sources = {f"input {i}": t for i, t in enumerate(self.tensors) if isinstance(t, Tensor) and t.requires_grad}
        if isinstance(fn, Module):
            self.fn = copy.deepcopy(fn).to("float64", device)             # the user's module stays as it is
            self.sources |= {name: p for name, p in self.fn.named_parameters() if p.requires_grad}
        super().__init__({name: t.numpy() for name, t in self.sources.items()})

    def run(self) -> list[Tensor]:
        self.begin()
        if self.device != "cpu":
            for name, t in self.sources.items():
                t.data[...] = devices.values(self.leaves[name], self.device)
        before = {name: a.tobytes() for name, a in self.leaves.items()} if self.watched() else {}
        try:
            result = called("the function", self.fn, *self.tensors, **self.options)
        except Complaint as complaint:
            if isinstance(complaint.__cause__, (TypeError, AttributeError)):
                raise Complaint(f"{complaint}. It was called with Tensors; is it a function of NumPy arrays? Then pass backward= too"
                                ) from complaint.__cause__
            raise
        for name, bits in before.items():
            if self.sources[name].numpy().tobytes() != bits:
                self.complain(f"the function changes its {name} in place: compute a new tensor instead")
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        if not all(isinstance(y, Tensor) for y in results):
            kind = next(type(y).__name__ for y in results if not isinstance(y, Tensor))
            raise Complaint(f"the function returned {'nothing (None)' if kind == 'NoneType' else f'a {kind}'} where a Tensor was expected"
                            + ("; for NumPy functions pass backward= too" if kind == "ndarray" else ""))
        floating = [y for y in results if y.dtype.kind == "f"]
        if not floating:
            raise Complaint("the function returned no floating-point tensor: there is nothing to differentiate")
        return floating

    def watched(self) -> bool:
        """Whether inputs are small enough to be compared with what they were at every run."""
        return sum(a.size for a in self.leaves.values()) <= 100_000

    def outputs(self) -> Arrays:
        with no_grad():
            return [checked_output(y.numpy(), "the function").copy() for y in self.run()]

    def gradients(self, *upstreams: Arrays) -> dict[str, np.ndarray | None]:
        before = {name: a.tobytes() for name, a in self.leaves.items()} if self.watched() else {}
        with enable_grad():                               # several runs share one graph, and their gradients add up in its leaves
            pairs = [(y, Tensor(u.copy(), device=y.device))
                     for upstream in upstreams for y, u in zip(self.run(), upstream) if y.requires_grad]
            given = [g.numpy().tobytes() for _, g in pairs]
            if not pairs:
                return dict.fromkeys(self.leaves)
            found = called("backward", grad, [y for y, _ in pairs], list(self.sources.values()), [u for _, u in pairs])
        if [g.numpy().tobytes() for _, g in pairs] != given:
            self.complain("backward changes its grad_output in place: work on a copy")
        for name, bits in before.items():
            if self.sources[name].numpy().tobytes() != bits:       # nothing that is measured from here on would mean anything
                raise Complaint(f"backward changes {name} in place: work on a copy")
        return {name: None if g is None else self.checked(name, g.numpy()) for name, g in zip(self.sources, found)}

    def alone(self, name: str, upstream: Arrays) -> np.ndarray | None:
        with enable_grad():
            pairs = [(y, Tensor(u.copy(), device=y.device)) for y, u in zip(self.run(), upstream) if y.requires_grad]
            outputs, given = [y for y, _ in pairs], [u for _, u in pairs]
            found = called("backward, asked for one gradient alone,", grad, outputs, [self.sources[name]], given)
        return None if found[0] is None else self.checked(name, found[0].numpy())

    def checked(self, name: str, g: np.ndarray) -> np.ndarray:
        if type(g) is not np.ndarray or g.dtype.kind not in "fiu":
            raise Complaint(f"{name}: backward's gradient is a {type(g).__name__} of {g.dtype}: return a plain array of numbers")
        if g.shape != self.leaves[name].shape:
            raise Complaint(f"{name}: backward's gradient has shape {g.shape}, the input {self.leaves[name].shape}; they must be the same")
        if g.dtype != np.float64:
            self.complain(f"{name}: backward's gradient is {g.dtype}, the input float64; keep the dtype of the input")
        return g.astype(np.float64)


def subject_of(fn: Any, inputs: Any, backward: Callable | None = None, options: dict | None = None, constants: Collection[int] = (),
               operation: Any = None, device: str | None = None) -> Subject:
    """The Subject for what gradcheck was given.  TypeError if fn cannot be called, ValueError if there is nothing to check.

    constants: the places of inputs that have no gradient.  operation: what the function should be, with its own constants and the places
    that it writes to.  device: where a function of Tensors is computed; None: where its inputs and parameters are.
    """
    if not callable(fn):
        raise TypeError(f"gradcheck: fn should be a function, an Op or a layer, got {type(fn).__name__}")
    if backward is not None and not callable(backward):
        raise TypeError(f"gradcheck: backward should be a function, got {type(backward).__name__}")
    values = [inputs] if isinstance(inputs, (Tensor, np.ndarray, np.generic, float, int)) else list(inputs)
    device = device or device_of(fn, values)
    values = [float64(x.numpy() if isinstance(x, Tensor) else x) for x in values]
    if not all(isinstance(i, int) and 0 <= i < len(values) for i in constants):
        raise ValueError(f"gradcheck: constants should hold places of inputs, 0 to {len(values) - 1}, got {tuple(constants)}")
    written = () if operation is None else operation.written
    constants = {*constants, *(() if operation is None else operation.constants)}
    if options is not None and not isinstance(options, Mapping):
        raise TypeError(f"gradcheck: options should be a dict of keywords, got {options!r}")
    for i, v in enumerate(values):
        if isinstance(v, np.ndarray) and v.dtype.kind == "f" and not np.isfinite(v).all():
            raise ValueError(f"gradcheck: input {i} holds a NaN or an infinity; there is no derivative to check there")
    if backward is not None:
        return Pair(fn, backward, values, options or {}, constants, written)
    return Tensors(fn, values, options or {}, {*constants, *written}, device)


def device_of(fn: Any, inputs: list) -> str:
    """Where the inputs and the parameters of a function are: "cuda" if one of them is there."""
    tensors = [*(x for x in inputs if isinstance(x, Tensor)), *(fn.parameters() if isinstance(fn, Module) else ())]
    return "cuda" if any(t.device == "cuda" for t in tensors) else "cpu"


def float64(x: Any) -> Any:
    """Numbers, nested lists of them and floating arrays as fresh float64 arrays, others as they are."""
    if isinstance(x, (list, tuple)) and np.asarray(x).dtype.kind in "fiu":
        x = np.asarray(x)
    if isinstance(x, (np.ndarray, np.generic, float, int)) and not isinstance(x, bool):
        x = np.asarray(x)
        return x.astype(np.float64) if x.dtype.kind == "f" else x
    return x
