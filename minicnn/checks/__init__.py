"""Gradients held against finite differences."""
from .gradcheck import Report, gradcheck
from .suite import check_model, check_operation, operations

__all__ = ["Report", "check_model", "check_operation", "gradcheck", "operations"]
