"""Looking at models and operations: layers and their sizes, where time goes, the code of an operation in all its forms, and what the
threads of its CUDA kernels do (kernel_*.py, the command step-kernel)."""
from .profile import Profile, profile, profile_model
from .roofline import Machine
from .show import show
from .summary import Row, Summary, summary
from .table import table

__all__ = ["Machine", "Profile", "Row", "Summary", "profile", "profile_model", "show", "summary", "table"]
