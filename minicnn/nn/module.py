"""Module: a part of a network, with its parameters, its buffers and the modules it is made of.

    class Block(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv = nn.Conv2d(channels, channels, 3, padding=1)      # found by parameters(), state_dict(), to(), train() …

        def forward(self, x):
            return F.relu(self.conv(x)) + x

Attributes that are Parameters, buffers or Modules are registered by being assigned; names, keys and meanings are PyTorch's.
"""
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from .. import device as devices
from ..observers import observers
from ..tensor import Tensor, tensor_of
from .hooks import RemovableHandle
from .naming import on_path
from .parameter import Parameter, move
from .state import IncompatibleKeys, load_state


class Module:
    training: bool

    def __init__(self):
        for kind in ("_parameters", "_buffers", "_modules", "_pre_hooks", "_hooks"):
            object.__setattr__(self, kind, {})
        object.__setattr__(self, "_transient", set())              # names of buffers that are no part of the state_dict
        object.__setattr__(self, "training", True)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward: define `def forward(self, x):` in the class")

    # --- calling ---

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        if not observers:
            return self._call(*inputs, **options)
        with on_path(self):
            return self._call(*inputs, **options)

    def _call(self, *inputs, **options):
        for hook in list(self._pre_hooks.values()):
            changed = hook(self, inputs)
            if changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        output = self.forward(*inputs, **options)
        for hook in list(self._hooks.values()):
            changed = hook(self, inputs, output)
            output = output if changed is None else changed
        return output

    def register_forward_pre_hook(self, hook: Callable) -> RemovableHandle:
        """hook(module, inputs) runs before forward; what it returns, if not None, replaces the inputs."""
        handle = RemovableHandle(self._pre_hooks)
        self._pre_hooks[handle.number] = hook
        return handle

    def register_forward_hook(self, hook: Callable) -> RemovableHandle:
        """hook(module, inputs, output) runs after forward; what it returns, if not None, replaces the output."""
        handle = RemovableHandle(self._hooks)
        self._hooks[handle.number] = hook
        return handle

    # --- attributes ---

    def __setattr__(self, name: str, value: Any) -> None:
        if "_modules" not in self.__dict__:
            own = type(self).__name__
            raise AttributeError(f"{own}: cannot assign {name!r} yet; call super().__init__() first in {own}.__init__")
        kinds = (self._parameters, Parameter, "Parameter"), (self._modules, Module, "Module"), (self._buffers, Tensor, "Tensor")
        for kind, types, word in kinds:
            if isinstance(value, types) and (kind is not self._buffers or name in kind):
                self._register(kind, name, value)
                return
            if name in kind:                                       # an attribute stays what it was registered as, or becomes None
                if value is not None:
                    raise TypeError(f"{type(self).__name__}.{name} is a {word}: assign a {word} or None, not {type(value).__name__}")
                kind[name] = None
                return
        object.__setattr__(self, name, value)

    def _register(self, kind: dict, name: str, value: Any) -> None:
        for other in (self._parameters, self._buffers, self._modules):
            if other is not kind:
                other.pop(name, None)
        self.__dict__.pop(name, None)
        kind[name] = value

    def __getattr__(self, name: str) -> Any:
        for kind in ("_parameters", "_buffers", "_modules"):
            found = self.__dict__.get(kind, {})
            if name in found:
                return found[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for kind in (self._parameters, self._buffers, self._modules):
            if name in kind:
                del kind[name]
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """A tensor that belongs to the module but is not learnt, such as a running mean.

        tensor: a Tensor, an array, or None.  persistent: whether state_dict() has it.  KeyError for a name that is taken or has a dot.
        """
        if "." in name or not name:
            raise KeyError(f"register_buffer: a name is not empty and has no dot, got {name!r}")
        if name in self._parameters or name in self._modules or name in self.__dict__ or hasattr(type(self), name):
            raise KeyError(f"register_buffer: {type(self).__name__} already has an attribute {name!r}")
        self._buffers[name] = tensor if tensor is None or isinstance(tensor, Tensor) else Tensor(tensor)
        (self._transient.discard if persistent else self._transient.add)(name)

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Like an assignment; None says that the parameter could be there but is not (a layer without bias)."""
        if parameter is not None and not isinstance(parameter, Parameter):
            raise TypeError(f"register_parameter: {name!r} should be a Parameter or None, got {type(parameter).__name__}")
        self._register(self._parameters, name, parameter)

    def add_module(self, name: str, module: "Module | None") -> None:
        """Like an assignment, for names that are no identifiers ("0", "1" …)."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: {name!r} should be a Module, got {type(module).__name__}"
                            + ("; pass an instance, not the class" if isinstance(module, type) else ""))
        if "." in name or not name:
            raise KeyError(f"add_module: a name is not empty and has no dot, got {name!r}")
        self._register(self._modules, name, module)

    # --- walking ---

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        yield from _once((name, m) for name, m in self._modules.items() if m is not None)

    def children(self) -> Iterator["Module"]:
        yield from (module for _, module in self.named_children())

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, "Module"]]:
        """(name, module) of this module, named prefix, and of all below it, each before its own children."""
        pairs = self._walk(prefix)
        yield from _once(pairs) if remove_duplicate else pairs

    def _walk(self, prefix: str) -> Iterator[tuple[str, "Module"]]:
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module._walk(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator["Module"]:
        yield from (module for _, module in self.named_modules())

    def get_submodule(self, target: str) -> "Module":
        """The module of a name such as "features.0".  AttributeError if there is none."""
        module = self
        for name in filter(None, target.split(".")):
            if name not in module._modules:
                raise AttributeError(f"{type(self).__name__} has no module {target!r}: "
                                     f"{type(module).__name__} has {', '.join(module._modules) or 'no modules'}")
            module = module._modules[name]
        return module

    def _named(self, kind: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, tensor in getattr(module, kind).items():
                if tensor is not None:
                    yield f"{path}.{name}" if path else name, tensor

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """(name, parameter), each once, even if modules share it."""
        yield from _once(self._named("_parameters", prefix, recurse))

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        yield from (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        yield from _once(self._named("_buffers", prefix, recurse))

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        yield from (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def apply(self, fn: Callable[["Module"], Any]) -> "Module":
        """Call fn on every module, children first, e.g. to initialise anew.  Returns self."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # --- modes, gradients, devices ---

    def train(self, mode: bool = True) -> "Module":
        """Dropout drops and batch norm measures the batch; train(False) = eval().  Returns self."""
        for module in self.modules():
            object.__setattr__(module, "training", bool(mode))
        return self

    def eval(self) -> "Module":
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> "Module":
        """Learn all parameters from here on, or freeze them.  Returns self."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to 0."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad = tensor_of(np.zeros_like(parameter.grad.data), parameter.grad.device)

    def to(self, *targets: Any, device: str | None = None, dtype: Any = None) -> "Module":
        """Move to a device ("cpu", "cuda", "meta") and/or convert to a float dtype ("float64", np.float32); in place.  Returns self."""
        for target in targets:
            if isinstance(target, str) and target in devices.DEVICES:
                device = target
            else:
                dtype = target
        device = None if device is None else devices.checked_device(device)
        try:
            kind = None if dtype is None else np.dtype(dtype)
        except TypeError:
            raise ValueError(f"to: expected a device ({', '.join(devices.DEVICES)}) or a dtype such as 'float32', got {dtype!r}") from None
        if kind is not None and kind.kind != "f":
            raise TypeError(f"to: parameters are floating-point numbers; expected float32 or float64, got {kind}")
        for parameter in self.parameters():
            parameter.move(device, kind)
        for buffer in self.buffers():
            move(buffer, device, kind if buffer.dtype.kind == "f" else None)
        return self

    def cpu(self) -> "Module":
        return self.to("cpu")

    def cuda(self) -> "Module":
        return self.to("cuda")

    def float(self) -> "Module":
        return self.to(np.float32)

    def double(self) -> "Module":
        return self.to(np.float64)

    # --- state ---

    def state_dict(self) -> dict[str, Tensor]:
        """Name -> parameter or buffer, detached but sharing its memory: copy what should not change with the model."""
        return {name: tensor.detach() for name, tensor in self._state().items()}

    def _state(self) -> dict[str, Tensor]:
        state = {}
        for path, module in self.named_modules(remove_duplicate=False):
            prefix = f"{path}." if path else ""
            for name, tensor in {**module._parameters, **module._buffers}.items():
                if tensor is not None and name not in module._transient:
                    state[prefix + name] = tensor
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Take the values of another model of this architecture: Tensors or arrays by name.

        strict: every name must be there, and no other.  Returns (missing_keys, unexpected_keys).
        StateDictError, a KeyError and a ValueError, lists all that does not fit; the model is then unchanged.
        """
        return load_state(self, state_dict, strict)

    def _before_load(self, prefix: str, state: Mapping[str, Any]) -> None:
        """A lazy layer takes its sizes from here."""

    # --- repr ---

    def extra_repr(self) -> str:
        """What stands between the parentheses of the repr."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = [f"({name}): " + repr(module).replace("\n", "\n  ") for name, module in self._modules.items()]
        if not lines:
            return f"{type(self).__name__}({extra})"
        return f"{type(self).__name__}(" + "".join(f"\n  {line}" for line in filter(None, [extra, *lines])) + "\n)"


def _once(pairs):
    """Each second element only the first time it comes."""
    seen = set()
    for name, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value
