"""Which operation a function is, found by trying: the one whose outputs it has, with which options.

Only a failed check asks, so that the mutants of that operation can be tried on it. The outputs must agree to nine digits.
"""
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .manners import alike
from .mutants import MUTANTS, Operation
from .mutants import operation as operation_of
from .subject import Complaint, Subject

MANY = 3_000                  # outputs are small enough to be computed over and over
FEW = 16                      # choices of options that are tried with the forwards that are wrong, too
EPS = (1e-5, 1e-3, 1e-8, 1e-6, 1e-12, 0.5, 0.1)


def pairs(*numbers: int) -> list[tuple[int, int]]:
    return [(n, n) for n in numbers] + [(a, b) for a in numbers for b in numbers if a != b]


def around(*numbers: int) -> list:
    return [((a, a), (b, b)) for a, b in pairs(*numbers)]


# Operation -> the options worth trying, the commoner first; what depends on the input is a function of it. Operations of kernels/ that are
# not in this table are not recognised.
OPTIONS: dict[str, dict[str, list]] = {
    "conv2d": {"stride": pairs(1, 2, 3), "padding": around(0, 1, 2, 3), "dilation": pairs(1, 2), "groups": [1, 2, 3, 4]},
    "conv_transpose2d": {"stride": pairs(1, 2, 3), "padding": around(0, 1, 2), "output_padding": pairs(0, 1), "dilation": [(1, 1)],
                         "groups": [1, 2]},
    "max_pool2d": {"kernel_size": pairs(2, 3, 1, 4), "stride": pairs(2, 1, 3), "padding": around(0, 1), "dilation": [(1, 1)],
                   "ceil_mode": [False, True]},
    "avg_pool2d": {"kernel_size": pairs(2, 3, 1, 4), "stride": pairs(2, 1, 3), "padding": around(0, 1), "ceil_mode": [False, True],
                   "count_include_pad": [True, False], "divisor_override": [None]},
    "batch_norm": {"training": [True, False], "momentum": [0.1], "eps": list(EPS)},
    "layer_norm": {"normalized_shape": [lambda x: x.shape[-1:], lambda x: x.shape[1:]], "eps": list(EPS)},
    "group_norm": {"num_groups": [1, 2, 3, 4], "eps": list(EPS)},
    "softmax": {"dim": [-1, 1, 0]}, "log_softmax": {"dim": [-1, 1, 0]},
    "leaky_relu": {"negative_slope": [0.01, 0.1, 0.2]}, "elu": {"alpha": [1.0]}, "gelu": {"approximate": ["none", "tanh"]},
    "cross_entropy": {"reduction": ["mean", "sum", "none"], "label_smoothing": [0.0, 0.1], "ignore_index": [-100]},
    "nll_loss": {"reduction": ["mean", "sum", "none"], "ignore_index": [-100]}, "mse_loss": {"reduction": ["mean", "sum", "none"]},
    "channel_shuffle": {"groups": [2, 3, 4]},
    **{name: {} for name in ("linear", "matmul", "add_relu", "relu", "relu6", "sigmoid", "tanh", "silu", "hardsigmoid", "hardswish")},
}
OPTIONS.update(conv2d_relu=OPTIONS["conv2d"], batch_norm_relu=OPTIONS["batch_norm"])        # the fused take what their first half takes


@dataclass(frozen=True)
class Likeness:
    """An operation and the options with which a function is held to be it.

    whole: the function itself takes all inputs and options of the operation, so that it can be tried on others.
    """
    operation: Operation
    options: dict
    whole: bool = False

    def arrays(self, values: list) -> list:
        """The operation's inputs: those that a function goes without, such as a bias, are None."""
        return [*values, *[None] * (self.operation.arity - len(values))]


def in_pairs(options: dict) -> dict:
    """Options as kernels take them: stride=2 is (2, 2), padding=1 is ((1, 1), (1, 1))."""
    full = dict(options)
    for name in {"stride", "dilation", "kernel_size", "output_padding", "padding"} & set(full):
        if isinstance(full[name], int):
            full[name] = (full[name], full[name])
        if name == "padding" and all(isinstance(n, int) for n in full[name]):
            full[name] = tuple((n, n) for n in full[name])
    return full


def liken(subject: Subject, operation: Operation, options: dict) -> Likeness | None:
    """To the operation that the user names. Options that he does not give are found by trying; None if none of the usual fits."""
    given = in_pairs(options)
    missing = [name for name in operation.options if name not in given]
    whole = not missing and given == options and len(subject.values) == operation.arity
    if not missing:
        return Likeness(operation, given, whole)
    y = subject.outputs()[0]
    for choice in choices(operation, subject.values[0]):
        likeness = Likeness(operation, choice | given)
        if gives(operation, likeness.arrays(subject.values), likeness.options, y):
            return likeness
    return None


def recognise(subject: Subject, y: np.ndarray) -> Likeness | None:
    """The operation whose output is y, that of the subject, with its options if it has such; else the one that gives y with a known mistake
    in its forward; None if there is none, or the subject has parameters of its own."""
    if y.size > MANY or any(not name.startswith("input ") for name in subject.leaves):
        return None
    right = list({m.operation.name: m.operation for m in MUTANTS}.values())
    wrong = [replace(m.operation, forward=m.forward) for m in MUTANTS if m.forward is not m.operation.forward]
    given = in_pairs(subject.options)
    for operation in [*right, *wrong]:
        arrays = [*subject.values, *[None] * (operation.arity - len(subject.values))]
        if len(arrays) != operation.arity:
            continue
        complete = bool(given) and set(operation.options) <= set(given)
        if operation in wrong and not complete and len(list(choices(operation, arrays[0]))) > FEW:
            continue                                        # too many options to try on every mistake: whoever passes them is answered
        for options in [given] if complete else (choice | given for choice in choices(operation, arrays[0])):
            if gives(operation, arrays, options, y):
                if not elsewhere(subject, operation, arrays, options, y):
                    break
                whole = complete and given == subject.options and len(subject.values) == operation.arity
                return Likeness(operation_of(operation.name), options, whole)
    return None


def elsewhere(subject: Subject, operation: Operation, arrays: list, options: dict, y: np.ndarray) -> bool:
    """Whether the two also agree at −x and at other numbers, and not because the output is always the same (x on x > 0 is no relu)."""
    before, rng, changed = {name: x.copy() for name, x in subject.leaves.items()}, np.random.default_rng(3), False
    try:
        for move in (lambda x: -x, lambda x: rng.standard_normal(x.shape), lambda x: rng.standard_normal(x.shape) - 1):
            for name, x in subject.leaves.items():
                x[...] = move(before[name])
            others = [subject.leaves.get(f"input {i}", a) for i, a in enumerate(arrays)]
            found = subject.outputs()[0]
            if not gives(operation, others, options, found):
                return False
            changed = changed or not alike(found, y)
    except Complaint:                                       # not defined there: who knows
        return False
    finally:
        for name, x in subject.leaves.items():
            x[...] = before[name]
    return changed


def choices(operation: Operation, x: np.ndarray) -> Iterator[dict]:
    options = OPTIONS.get(operation.name, {} if operation.shape is None else None)
    if options is not None:
        for values in itertools.product(*options.values()):
            yield {name: value(x) if callable(value) else value for name, value in zip(options, values)}


def gives(operation: Operation, arrays: list, options: dict, y: np.ndarray) -> bool:
    try:
        if operation.shape is not None:                     # a look at the shape alone is quick
            shape = operation.shape(*(None if a is None else np.shape(a) for a in arrays), **options)
            if tuple(shape[0] if shape and isinstance(shape[0], tuple) else shape) != y.shape:
                return False
        found = operation.forward(*(a.copy() if isinstance(a, np.ndarray) else a for a in arrays), **options)
        return alike(np.asarray(found, np.float64), y)
    except Exception:                                       # noqa: BLE001  inputs that the operation does not take
        return False
