"""Loading a state_dict: everything is compared before anything is changed, and everything that does not fit is told at once."""
import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import device as devices
from ..modes import no_grad
from ..tensor import Tensor
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module

SHOWN = 8                                         # names listed of each kind; the rest is counted


class IncompatibleKeys(NamedTuple):
    """What load_state_dict(strict=False) skipped."""
    missing_keys: list[str]
    unexpected_keys: list[str]


class StateDictError(KeyError, ValueError):
    """A state_dict does not fit the model."""

    def __str__(self) -> str:
        return str(self.args[0])                  # KeyError would quote it


def as_array(name: str, value: Any) -> np.ndarray:
    """The numbers of a Tensor, an array, or anything that NumPy can read (a tensor of another framework on the CPU)."""
    if isinstance(value, Tensor):
        if value.device == "meta":
            raise ValueError(f"load_state_dict: {name} is on device 'meta' and has no values to load")
        return devices.move(value.data, value.device, "cpu")
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"load_state_dict: {name} should be a tensor or an array of numbers, got {type(value).__name__}")
    return array


def _whole(array: np.ndarray) -> bool:
    """Whether an array of integers can hold all its numbers (NaN and inf are none of them)."""
    return array.dtype.kind != "f" or bool(((array == np.trunc(array)) & (np.abs(array) < 2.0 ** 63)).all())


def _listed(title: str, names: list[str]) -> list[str]:
    rest = [f"    … and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return [f"  {title}:", *(f"    {name}" for name in names[:SHOWN]), *rest] if names else []


def load_state(model: "Module", state_dict: Mapping[str, Any], strict: bool) -> IncompatibleKeys:
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"load_state_dict: expected a dict of tensors by name, as state_dict() returns it, got {type(state_dict).__name__}")
    if any(tensor.device == "meta" for tensor in (*model.parameters(), *model.buffers())):
        raise ValueError(f"load_state_dict: this {type(model).__name__} is on device 'meta', which has no memory for values; "
                         f"build it on the CPU")
    given = {name: as_array(name, value) for name, value in state_dict.items()}
    modules = [(f"{path}." if path else "", module) for path, module in model.named_modules(remove_duplicate=False)]
    lazy = tuple(prefix for prefix, module in modules if hasattr(module, "set_size"))
    _compare(model, given, strict, sizeless=lazy)
    for prefix, module in modules:                                             # lazy layers take their sizes
        module._before_load(prefix, given)
    missing, unexpected = _compare(model, given, strict)
    for name, tensor in model._state().items():
        if name not in given:
            continue
        if isinstance(tensor, Parameter):
            tensor.load(given[name])
        else:
            with no_grad():
                tensor.write(devices.move(np.asarray(given[name], tensor.dtype), "cpu", tensor.device))
    return IncompatibleKeys(missing, unexpected)


def _compare(model: "Module", given: Mapping[str, np.ndarray], strict: bool, sizeless: tuple[str, ...] = ()) -> tuple[list[str], list[str]]:
    """The names (missing, unexpected).  StateDictError that lists everything that does not fit, if that is not allowed.

    sizeless: beginnings of names whose shapes are not known yet.
    """
    own = model._state()
    missing = [name for name in own if name not in given]
    unexpected = [name for name in given if name not in own]
    shapes = [f"{name}: {given[name].shape} was given, the model has {tensor.shape}" for name, tensor in own.items()
              if name in given and not name.startswith(sizeless) and given[name].shape != tensor.shape]
    broken = [f"{name}: {given[name].ravel()[:3]} was given, the model counts in whole numbers ({tensor.dtype})"
              for name, tensor in own.items() if name in given and tensor.dtype.kind in "iu" and not _whole(given[name])]
    if shapes or broken or strict and (missing or unexpected):
        near = {name: difflib.get_close_matches(name, missing, 1) for name in unexpected[:SHOWN]}
        unknown = [f"{name}   (did you mean {near[name][0]}?)" if near.get(name) else name for name in unexpected]
        lines = (_listed("missing", missing) + _listed("unexpected", unknown)) if strict else []
        advice = "; strict=False loads the names that agree" if strict and not shapes and not broken else ""
        raise StateDictError("\n".join([f"load_state_dict: this state_dict does not fit {type(model).__name__}; nothing was loaded{advice}",
                                        *lines, *_listed("wrong shape", shapes), *_listed("not whole", broken)]))
    return missing, unexpected
