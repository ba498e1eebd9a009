"""Modules that hold modules."""
from collections.abc import Iterable, Iterator
from typing import Any, overload

from .fused import in_turn
from .module import Module


def _position(container: Module, index: int, word: str = "modules") -> int:
    size = len(container._modules)
    if not -size <= index < size:
        raise IndexError(f"{type(container).__name__}: index {index} is out of range, there are {size} {word}")
    return index % size


class Sequential(Module):
    """y = moduleₙ(… module₁(x))

    Sequential(a, b), or Sequential(OrderedDict(conv=a, relu=b)) to name them.  model[0], model[:3] (shares the modules), len, append.
    A convolution or batch norm and a ReLU behind it run as one, to the same bits, unless somebody looks between them: see fused.py.
    """

    def __init__(self, *modules: Any):
        super().__init__()
        named = modules[0].items() if len(modules) == 1 and isinstance(modules[0], dict) else ((str(i), m) for i, m in enumerate(modules))
        for name, module in named:
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        for module in in_turn(self):
            input = module(input)
        return input

    def __iter__(self) -> Iterator[Module]:
        return iter(list(self._modules.values()))

    def __len__(self) -> int:
        return len(self._modules)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> "Sequential": ...
    def __getitem__(self, index):
        names = list(self._modules)
        if isinstance(index, slice):
            return Sequential({name: self._modules[name] for name in names[index]})
        return self._modules[names[_position(self, index)]]

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(list(self._modules)[_position(self, index)], module)

    def append(self, module: Module) -> "Sequential":
        """Add a module at the end, named by its number.  Returns self."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> "Sequential":
        for module in modules:
            self.append(module)
        return self


class ModuleList(Module):
    """A list of modules whose parameters are found; what to do with them is up to the forward of the module that holds it."""

    def __init__(self, modules: Iterable[Module] = ()):
        super().__init__()
        self.extend(modules)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        raise NotImplementedError("a ModuleList is not called: go through its modules in your forward, or use Sequential")

    def __iter__(self) -> Iterator[Module]:
        return iter(list(self._modules.values()))

    def __len__(self) -> int:
        return len(self._modules)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> "ModuleList": ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return ModuleList(list(self)[index])
        return self._modules[str(_position(self, index))]

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(str(_position(self, index)), module)

    def append(self, module: Module) -> "ModuleList":
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> "ModuleList":
        for module in modules:
            self.append(module)
        return self


class Identity(Module):
    """y = x, whatever arguments it is made with: the place of a layer that is not there."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input
