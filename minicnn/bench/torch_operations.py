"""One operation on one shape, in PyTorch's process."""
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from .engine import PLAN, WEIGHTS
from .operations import LR, MOMENTUM, repeated
from .plan import load
from .replay import Replay
from .shapes import FUSED, OPTIMIZER, WEIGHTED


class Theirs:
    """The requests about operations that PyTorch's process answers."""

    def __init__(self, choose_threads: Callable[[dict], None]):
        self.choose_threads = choose_threads
        self.run: dict[str, Callable[[], Any]] = {}

    def operation(self, op: str, name: str, folder: str, settings: dict[str, Any], shapes: list[list[int]] | None = None) -> None:
        """Prepare what minicnn's process wrote down, a plan of one step and its arrays; or, for an optimiser, parameters of shapes."""
        self.choose_threads(settings)
        self.run.clear()
        if op == OPTIMIZER:
            parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes or ()]
            for parameter in parameters:
                parameter.grad = torch.randn(parameter.shape)
            self.run["step"] = torch.optim.SGD(parameters, lr=LR, momentum=MOMENTUM, fused=name.endswith(FUSED) or None).step
            return
        with safe_open(Path(folder) / WEIGHTS, framework="pt") as arrays:
            model = Replay(load(Path(folder) / PLAN), arrays.get_tensor)
            x = arrays.get_tensor("x").requires_grad_()

        def forward() -> torch.Tensor:
            with torch.no_grad():
                return model(x)[0]
        y = model(x)[0]
        grad, weights = torch.randn_like(y), list(model.parameters())
        asked = {"input gradient": [x], "weight gradient": weights[:1]} if op in WEIGHTED else {"backward": [x, *weights]}
        self.run["forward"] = forward
        for name, inputs in asked.items():
            self.run[name] = lambda inputs=inputs: torch.autograd.grad(y, inputs, grad, retain_graph=True)
        for run in self.run.values():
            run()

    def run_operation(self, direction: str, least: float) -> dict[str, Any]:
        return {"seconds": repeated(self.run[direction], least)}

    def handlers(self) -> dict[str, Callable[..., Any]]:
        return {"operation": self.operation, "run_operation": self.run_operation}
