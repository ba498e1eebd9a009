"""A running average of the weights, with which one predicts: a[t] = a[t−1] + (1 − d)·(w[t] − a[t−1]).

The last steps of a training wander around a minimum; their mean lies nearer to it (Polyak, Juditsky, "Acceleration of stochastic
approximation by averaging", 1992). The decay d starts low, (1 + t)/(10 + t), so that the first weights are soon forgotten.
"""
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..device import move, values
from ..modes import no_grad
from ..nn import Module
from ..tensor import tensor_of


class WeightAverage:
    """The average of a model's parameters; its buffers (running statistics) are averages already, and stay the model's own."""

    def __init__(self, model: Module, decay: float):
        self.model, self.decay, self.steps = model, decay, 0
        self.values = {name: parameter.data.copy() for name, parameter in model.named_parameters()}

    def update(self) -> None:
        """Call after each step of the optimiser."""
        self.steps += 1
        rate = 1 - min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, parameter in self.model.named_parameters():
            average = self.values[name]
            average += (parameter.data - average) * average.dtype.type(rate)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside the with block the model has the averaged weights."""
        parameters = dict(self.model.named_parameters())
        own = {name: parameter.data.copy() for name, parameter in parameters.items()}
        self._write(parameters, self.values)
        try:
            yield
        finally:
            self._write(parameters, own)

    @staticmethod
    def _write(parameters: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        with no_grad():
            for name, parameter in parameters.items():
                parameter.write(tensor_of(values[name], parameter.device))

    def state_dict(self) -> dict[str, Any]:
        parameters = dict(self.model.named_parameters())
        return {"steps": self.steps, "values": {name: move(a, parameters[name].device, "cpu") for name, a in self.values.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.steps, parameters = state["steps"], dict(self.model.named_parameters())
        for name, average in self.values.items():
            average[...] = values(state["values"][name], parameters[name].device)
