"""Gradients held against finite differences."""
from .directional import check_directions
from .gradcheck import Report, gradcheck
from .suite import check_model, check_operation, operations

__all__ = ["Report", "check_directions", "check_model", "check_operation", "gradcheck", "operations"]
