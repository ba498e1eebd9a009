"""Optimizer: parameters in groups, each with its options, and what an optimiser remembers about each parameter."""
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from .. import device as devices
from .. import kernels
from ..functional.kernel_op import contiguous
from ..kernels import memory
from ..modes import no_grad
from ..tensor import Tensor


class Optimizer:
    """A subclass names its kernel, checks its options, and says in `arguments` with which state and options the kernel runs.

    param_groups   dicts: "params", a list of Tensors, and the options (lr, weight_decay …) that hold for them; a schedule writes lr here
    state          parameter -> dict of arrays and numbers, made at its first step
    """
    kernel = ""

    def __init__(self, params: Iterable, defaults: dict[str, Any]):
        self.defaults, self.param_groups, self.state = defaults, [], {}
        name = type(self).__name__
        if isinstance(params, (Tensor, Mapping)) or not isinstance(params, Iterable):
            raise TypeError(f"{name}: expected an iterable of tensors or of groups (dicts), got {type(params).__name__}; "
                            f"pass model.parameters(), or [tensor]")
        groups = list(params)
        if not groups:
            raise ValueError(f"{name}: there are no parameters to optimise; does the model have layers, and was the generator "
                             f"model.parameters() used up before?")
        for group in groups if isinstance(groups[0], Mapping) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Optimise more parameters: {"params": tensors, …} with options of their own, the defaults for the rest.

        TypeError for what is not a Tensor; ValueError for one that is in a group already or is not a leaf, and for wrong options.
        """
        name = type(self).__name__
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise TypeError(f"{name}: a group of parameters should be a dict with the key 'params', got {param_group!r}")
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        seen = {id(p) for group in self.param_groups for p in group["params"]}
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{name}: parameter {i} should be a Tensor, got {type(p).__name__}; pass model.parameters(), "
                                f"not model.named_parameters() or a state_dict")
            if p.op is not None:
                raise ValueError(f"{name}: parameter {i}, of shape {p.shape}, is the result of an operation; only leaves can be optimised")
            if p.dtype not in (np.float32, np.float64):
                raise TypeError(f"{name}: parameter {i}, of shape {p.shape}, is {p.dtype}; the kernels take float32 and float64")
            if not getattr(p.data.flags, "writeable", True) or any(n > 1 and s == 0 for n, s in zip(p.shape, p.data.strides)):
                raise ValueError(f"{name}: parameter {i}, of shape {p.shape}, is read-only memory; make it of a copy, Tensor(array.copy())")
            if id(p) in seen:
                raise ValueError(f"{name}: parameter {i}, of shape {p.shape}, comes twice; each can be in one group only")
            seen.add(id(p))
        unknown = set(param_group) - set(self.defaults) - {"params", "initial_lr"}
        if unknown:
            raise ValueError(f"{name}: unknown options {', '.join(sorted(unknown))} of a group; there are {', '.join(self.defaults)}")
        self.refuse_shared([p for group in self.param_groups for p in group["params"]] + params)
        group = {**self.defaults, **param_group, "params": params}
        self.check(group)
        self.param_groups.append(group)

    def refuse_shared(self, params: list[Tensor]) -> None:
        """ValueError where two parameters lie in the same memory: all are changed at the same time."""
        places = sorted((*bounds(p.data), i) for i, p in enumerate(params) if p.data.size)
        for (_, end, i), (start, _, j) in zip(places, places[1:]):
            if start < end:
                raise ValueError(f"{type(self).__name__}: parameters {min(i, j)} and {max(i, j)} share memory; pass one Tensor for both, "
                                 "and use it in both places")

    def check(self, group: dict[str, Any]) -> None:
        """ValueError for an option out of range: every optimiser's own check adds to this one."""
        self.at_least_zero(group, "lr", "weight_decay")

    def at_least_zero(self, group: dict[str, Any], *names: str) -> None:
        for name in names:
            if not _is_number(group[name]) or group[name] < 0:
                raise ValueError(f"{type(self).__name__}: {name} should be a finite number, 0 or more, got {group[name]!r}")

    def decays(self, group: dict[str, Any], name: str, values: Iterable) -> None:
        for value in values:
            if not _is_number(value) or not 0 <= value < 1:
                raise ValueError(f"{type(self).__name__}: {name} should be from 0 to below 1, got {group[name]!r}")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients; or, with set_to_none=False, fill them with zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p.grad is None:
                    p.grad = None
                else:
                    p.grad = p.grad.detach()
                    p.grad.write(0)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient, in place.  Returns what closure, which may recompute the loss, returns."""
        loss = closure() if closure is not None else None
        with no_grad():
            for group in self.param_groups:
                self.check(group)                          # somebody may have set a rate of NaN meanwhile
                self._step([p for p in group["params"] if p.grad is not None], group)
        return loss

    def _step(self, params: list[Tensor], group: dict[str, Any]) -> None:
        """One step of the parameters of a group: their arrays are collected, and the kernel takes them all at once, if it can."""
        for p in params:                                                           # before anything is counted or changed
            if p.grad.device != p.device:
                raise RuntimeError(f"{type(self).__name__}: a parameter of shape {p.shape} is on {p.device!r}, its gradient on "
                                   f"{p.grad.device!r}; move one with .to(device)")
            if p.grad.shape != p.shape:
                kernels.module(self.kernel).output_shape(p.shape, p.grad.shape)
        calls: dict[str, list] = {}                                                # device -> [(arrays, options)], as step takes them
        copied = []
        for p in params:
            param, grad, state = contiguous(p.data, p.device), p.grad.data, self.state.setdefault(p, {})
            if grad.dtype != p.dtype or not grad.flags.c_contiguous:
                grad = contiguous(grad.astype(p.dtype, copy=False), p.device)
            for name, value in state.items():
                if hasattr(value, "flags") and (value.dtype != p.dtype or not value.flags.c_contiguous):
                    state[name] = contiguous(value.astype(p.dtype), p.device)     # the model was converted meanwhile
            arrays, options = self.arguments(p, state, group)
            if any(a is not None and a.shape != param.shape for a in (grad, *arrays)):
                shapes = [None if a is None else a.shape for a in (grad, *arrays)]
                kernels.module(self.kernel).output_shape(param.shape, *shapes)     # says what is wrong
            calls.setdefault(p.device, []).append(((param, grad, *arrays), options))
            if param is not p.data:
                copied.append((p, param))
        for device, batch in calls.items():
            kernel = devices.kernel(self.kernel, device)
            if hasattr(kernel, "steps"):
                kernel.steps(batch)
            else:
                for arrays, options in batch:
                    kernel.step(*arrays, **options)
        for p, param in copied:
            p.data[...] = param
        for p in params:
            p.version[0] += 1

    def arguments(self, p: Tensor, state: dict[str, Any], group: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """What the kernel's step takes beside a parameter and its gradient: the arrays of state, and the options."""
        raise NotImplementedError

    def array(self, state: dict[str, Any], name: str, p: Tensor, fill: float = 0.0):
        """The array of a parameter's state; at the first step a new one."""
        if name not in state:
            state[name] = memory.empty(p.shape, p.dtype, p.device)
            state[name][...] = fill
        return state[name]

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything but the parameters: {"state": {"0": {name: array or number}}, "param_groups": [options, "params": [0, …]]}.

        Parameters are numbered in the order of the groups. Only numbers, strings, lists and arrays: JSON and safetensors can hold it.
        """
        number = {id(p): i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        state = {str(number[id(p)]): {k: np.array(devices.move(v, p.device, "cpu")) if hasattr(v, "flags") else v
                                      for k, v in values.items()} for p, values in self.state.items()}
        groups = [{k: [number[id(p)] for p in v] if k == "params" else list(v) if isinstance(v, tuple) else v for k, v in group.items()}
                  for group in self.param_groups]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a state_dict of an optimiser of the same parameters, in the same groups.  ValueError if they are others."""
        name = type(self).__name__
        if not {"state", "param_groups"} <= set(state_dict):
            raise ValueError(f"{name}: a state of an optimiser has the keys 'state' and 'param_groups', "
                             f"got {', '.join(map(str, state_dict)) or 'none'}")
        groups = state_dict["param_groups"]
        sizes, expected = [len(g["params"]) for g in groups], [len(g["params"]) for g in self.param_groups]
        if sizes != expected:
            raise ValueError(f"{name}: the state is for groups of {sizes} parameters, this optimiser has groups of {expected}")
        missing = sorted({k for g in groups for k in self.defaults if k not in g})
        if missing:
            raise ValueError(f"{name}: the state has no {', '.join(missing)}: it belongs to another optimiser")
        params = dict(zip((i for g in groups for i in g["params"]), (p for g in self.param_groups for p in g["params"])))
        state = {}
        for key, values in state_dict["state"].items():
            if int(key) not in params:
                raise ValueError(f"{name}: the state has something for a parameter {key}, which is in none of its groups")
            p = params[int(key)]
            state[p] = {k: self._loaded(name, k, v, key, p) for k, v in values.items()}
        merged = []
        for own, group in zip(self.param_groups, groups):
            options = {k: tuple(v) if isinstance(own.get(k), tuple) else v for k, v in group.items() if k != "params"}
            self.check({**own, **options})
            merged.append({**own, **options})
        for own, group in zip(self.param_groups, merged):            # nothing is changed before everything has been checked
            own.update(group)
        self.state = state

    @staticmethod
    def _loaded(name: str, key: str, value: Any, number: Any, p: Tensor) -> Any:
        if not hasattr(value, "shape"):
            return value
        if tuple(value.shape) != p.shape:
            raise ValueError(f"{name}: {key} of parameter {number} has shape {tuple(value.shape)}, the parameter {p.shape}")
        array = memory.empty(p.shape, p.dtype, p.device)
        array[...] = devices.values(value, p.device)
        return array

    def __repr__(self) -> str:
        groups = [f"{len(g['params'])} parameters, " + ", ".join(f"{k}={v!r}" for k, v in g.items() if k != "params")
                  for g in self.param_groups]
        return f"{type(self).__name__}({'; '.join(groups)})"


def bounds(array: Any) -> tuple[int, int]:
    """Where an array's memory begins and ends, on the host or on a GPU."""
    if isinstance(array, np.ndarray):
        return byte_bounds(array)
    steps = [(n - 1) * s for n, s in zip(array.shape, array.strides)]
    first = array.data.ptr + sum(s for s in steps if s < 0)
    return first, first + sum(abs(s) for s in steps) + array.itemsize


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool) and math.isfinite(value)
