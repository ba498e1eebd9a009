"""Files: checkpoints in the safetensors format, and writing that a crash cannot halve."""
from .checkpoint import load, save

__all__ = ["load", "save"]
