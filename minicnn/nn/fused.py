"""Layers that compute the ReLU behind them in the same pass over memory.

In a Sequential, a convolution or a batch norm followed by a ReLU runs as F.conv2d_relu or F.batch_norm_relu; and a block that ends in
relu(a + b) says add_then(self.relu, a, b), which is F.add_relu. The numbers are the same, to the last bit.

Nobody can tell that there are two modules: as soon as either has a hook, is of a class with a forward of its own, or an operation is
observed (mc.summary, detect_anomaly …), each runs alone.
"""
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .. import functional as F
from ..observers import observers, of_layers
from .activation import ReLU
from .conv import Conv2d
from .module import Module
from .naming import on_path
from .norm import BatchNorm2d

#         forward               the same with a ReLU behind it
WITH_RELU: dict[Any, Callable[[Any, Any], Any]] = {
    Conv2d.forward:             Conv2d.forward_relu,
    BatchNorm2d.forward:        BatchNorm2d.forward_relu,          # and BatchNorm1d's, which is the same function
}
RELU = ReLU.forward


def rule(module: Module) -> Any:
    """The function that a module's forward is: that of its class, or what somebody put there."""
    return getattr(module.forward, "__func__", None)


def watched(*modules: Module) -> bool:
    """Whether somebody looks at what goes into one of the modules, or comes out."""
    return bool(of_layers) or any(module._hooks or module._pre_hooks for module in modules)


def in_turn(modules: Iterable[Module]) -> Iterator[Callable[[Any], Any]]:
    """The modules one after the other; in the place of two that can run as one, the function that both are together."""
    rest = iter(modules)
    module = next(rest, None)
    while module is not None:
        following, together = next(rest, None), None
        if following is not None and rule(following) is RELU and not watched(module, following):
            together = WITH_RELU.get(rule(module))
        if together is None:
            yield module
            module = following
        else:
            yield called(module, together)
            module = next(rest, None)


def called(module: Module, forward: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """forward as the module calls its own: observers hear its name."""
    def run(input: Any) -> Any:
        if not observers:
            return forward(module, input)
        with on_path(module):
            return forward(module, input)
    return run


def add_then(activation: Module, a: Any, b: Any) -> Any:
    """activation(a + b):  for a ReLU in one pass, F.add_relu."""
    if rule(activation) is RELU and not watched(activation):
        return F.add_relu(a, b)
    return activation(a + b)
