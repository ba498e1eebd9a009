"""Which type a result has, as in PyTorch: floating point wins over whole numbers, these over truth values; only then does size count."""
from typing import Any

import numpy as np


def promote(*dtypes) -> np.dtype:
    """The type of a result of these types: int64 beside float32 is float32, where NumPy would say float64."""
    floats = [d for d in dtypes if d.kind == "f"]
    return np.result_type(*(floats or dtypes))


def number_beside(value: Any, dtype: np.dtype) -> np.ndarray:
    """One of Python's numbers as an array, for arithmetic with a tensor of dtype: it widens the type only where its kind is another.

    ValueError for a whole number that the tensor's type cannot hold.
    """
    if isinstance(value, float) and dtype.kind != "f":
        dtype = np.dtype(np.float32)
    elif dtype.kind == "b" and not isinstance(value, bool):
        dtype = np.dtype(np.int64)
    try:
        return np.asarray(value, dtype)
    except OverflowError:
        raise ValueError(f"{value} does not fit into a tensor of {dtype}; convert the tensor first: x.long()") from None
