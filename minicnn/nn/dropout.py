"""Dropout: in training, each number, or each channel, is 0 with probability p, and the rest is divided by 1 − p."""
from typing import Any

from .. import functional as F
from .module import Module


class Dropout(Module):
    """y = x · m / (1 − p),  m[i] = 1 with probability 1 − p, else 0, drawn anew each time; in evaluation y = x

    paper=True is the form of 2012: no division in training, times 1 − p in evaluation.
    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, 2014.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False, *, paper: bool = False):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p is a probability, from 0 to 1, got {p!r}")
        self.p, self.paper = p, paper

    def forward(self, input: Any) -> Any:
        return F.dropout(input, self.p, self.training, paper=self.paper)

    def extra_repr(self) -> str:
        return f"p={self.p}" + (", paper=True" if self.paper else "")


class Dropout2d(Dropout):
    """Dropout of whole channels: m[n,c] for the plane x[n,c,:,:]"""

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__(p, inplace)

    def forward(self, input: Any) -> Any:
        return F.dropout2d(input, self.p, self.training)


class DropPath(Dropout):
    """y[n] = x[n] · m[n] / (1 − p): the whole of a sample is dropped, so that only the shortcut beside it is left ("stochastic depth")

    Any shape (N, …) → the same.  Huang, Sun, Liu, Sedra, Weinberger, "Deep Networks with Stochastic Depth", 2016; divided by 1 − p in
    training instead of multiplied in evaluation.
    """

    def __init__(self, p: float = 0.0):
        super().__init__(p)

    def forward(self, input: Any) -> Any:
        if not self.training or self.p == 0 or not input.shape[0]:
            return input
        return F.dropout2d(input.reshape(1, input.shape[0], -1), self.p, True).reshape(*input.shape)
