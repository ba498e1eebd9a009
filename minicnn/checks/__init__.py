"""Gradients held against finite differences."""
import importlib
from typing import TYPE_CHECKING

from .directional import check_directions
from .gradcheck import gradcheck
from .numerical import numerical_backward
from .report import Hypothesis, Report, Row
from .second_order import gradgradcheck

if TYPE_CHECKING:
    from .suite import check_model, check_operation, operations

__all__ = ["Hypothesis", "Report", "Row", "check_directions", "check_model", "check_operation", "gradcheck",
           "gradgradcheck", "numerical_backward", "operations"]


def __getattr__(name: str):
    """What suite.py has: with it come all architectures, for which a gradcheck in somebody's test should not wait."""
    if name not in ("check_model", "check_operation", "operations"):
        raise AttributeError(f"module 'minicnn.checks' has no attribute {name!r}")
    return getattr(importlib.import_module(".suite", __name__), name)
