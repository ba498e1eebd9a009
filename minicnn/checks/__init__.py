"""Gradients held against finite differences."""
import importlib
from typing import TYPE_CHECKING

from .directional import check_directions
from .gradcheck import gradcheck
from .numerical import numerical_backward
from .report import Hypothesis, Report, Row
from .second_order import gradgradcheck

if TYPE_CHECKING:
    from .networks import check_model
    from .suite import check_operation, operations

__all__ = ["Hypothesis", "Report", "Row", "check_directions", "check_model", "check_operation", "gradcheck",
           "gradgradcheck", "numerical_backward", "operations"]


LATE = {"check_model": ".networks", "check_operation": ".suite", "operations": ".suite"}


def __getattr__(name: str):
    """With these come all operations and architectures, for which a gradcheck in somebody's test should not wait."""
    if name not in LATE:
        raise AttributeError(f"module 'minicnn.checks' has no attribute {name!r}")
    return getattr(importlib.import_module(LATE[name], __name__), name)
