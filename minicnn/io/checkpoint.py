"""Checkpoints: anything made of arrays, numbers, text, lists and dicts, in one safetensors file.

A safetensors file is a length (8 bytes), a header in JSON (name, dtype, shape and place of each array; a `__metadata__` of text), and
the arrays' bytes: other programs read it, and reading it runs no code. A flat dict of arrays, as a state_dict is, is stored as just
that. Of a nested state the header's metadata holds the rest, as JSON in which {"$array": name} stands for an array.
"""
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..tensor import Tensor
from . import atomic

DTYPES = {"F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
          "U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?"}
FORMAT = "minicnn-1"


def save(model_or_state: Any, path: str | os.PathLike, overwrite: bool = False) -> None:
    """Write a model's state_dict, or any state made of arrays, numbers, text, lists and dicts, as a whole or not at all.

    FileExistsError if the file exists and overwrite is not set; TypeError for a value that cannot be stored.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"save: {path} exists and is not overwritten; choose another name, or save(…, overwrite=True)")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"save: there is no folder {path.parent} to write {path.name} into; make it first")
    state = model_or_state.state_dict() if hasattr(model_or_state, "state_dict") else model_or_state
    atomic.write(path, to_bytes(state))


def load(path: str | os.PathLike) -> Any:
    """What save wrote: its dicts, lists, numbers and text, and NumPy arrays where it was given arrays or Tensors.

    Any safetensors file is read, as a dict of arrays.  FileNotFoundError if there is none; ValueError, with the file's name, for one
    that is truncated, damaged, or not such a file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"load: no such file: {path}")
    if path.is_dir():
        inside = ", ".join(sorted(p.name for p in path.glob("*.safetensors"))) or "missing"
        raise ValueError(f"load: {path} is a folder; its checkpoints are {inside}")
    try:
        return from_bytes(path.read_bytes())
    except (ValueError, TypeError, LookupError, RecursionError) as error:          # nonsense in the header or in the JSON of the state
        raise ValueError(f"load: {path} is not a whole safetensors file: {error}. Take another copy") from error


def to_bytes(state: Any) -> bytes:
    """The content of a checkpoint file."""
    from safetensors.numpy import save as serialise
    arrays: dict[str, np.ndarray] = {}
    tree = _flatten(state, "", arrays)
    flat = isinstance(state, Mapping) and all(value == {"$array": key} for key, value in tree.items())
    return serialise(arrays, None if flat else {"format": FORMAT, "state": json.dumps(tree)})


def from_bytes(content: bytes) -> Any:
    """The state in the content of a checkpoint file.  ValueError if it is none."""
    from safetensors import SafetensorError, deserialize
    if len(content) < 8:
        raise ValueError(f"it has {len(content)} bytes, and the length of the header alone takes 8")
    length = int.from_bytes(content[:8], "little")
    if content[8:9] != b"{":
        raise ValueError(f"its header should start with '{{' at byte 8, there is {content[8:9]!r}")
    if length > len(content) - 8:
        raise ValueError(f"its header should have {length:,} bytes, the file has {len(content) - 8:,} after the length: truncated")
    try:
        header = json.loads(content[8:8 + length])
        metadata = header.pop("__metadata__", {})
        unknown = {f"{name} ({entry.get('dtype')})" for name, entry in header.items() if entry.get("dtype") not in DTYPES}
        if unknown:
            raise ValueError(f"NumPy has no such dtype: {', '.join(sorted(unknown))}; minicnn reads {', '.join(DTYPES)}")
        arrays = {name: np.frombuffer(entry["data"], np.dtype(DTYPES[entry["dtype"]]).newbyteorder("<")).reshape(entry["shape"]).copy()
                  for name, entry in deserialize(content)}
    except (SafetensorError, UnicodeDecodeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    if "state" not in metadata:
        return arrays
    if metadata.get("format") != FORMAT:
        raise ValueError(f"it is of format {metadata.get('format')!r}, this version of minicnn reads {FORMAT!r}")
    return _restore(json.loads(metadata["state"]), arrays)


def _flatten(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """The JSON form of a value; the arrays in it go into `arrays` under their path."""
    if isinstance(value, Tensor) or hasattr(value, "__cuda_array_interface__"):
        value = Tensor(value).numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.hasobject or array.dtype.newbyteorder("<") not in map(np.dtype, DTYPES.values()):
            raise TypeError(f"save: {name or 'the array'} is {array.dtype}, which cannot be stored; there are {', '.join(DTYPES)}")
        if name in arrays:
            raise ValueError(f"save: two arrays would be called {name!r}")
        arrays[name] = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
        return {"$array": name}
    if isinstance(value, Mapping):
        prefix = name + "." if name else ""
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _flatten(item, prefix + key, arrays) for key, item in value.items()}
        return {"$dict": [[_flatten(key, "", {}), _flatten(item, f"{prefix}{key}", arrays)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        items = [_flatten(item, f"{name}.{i}" if name else str(i), arrays) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"save: {name or 'the state'} is a {type(value).__name__}; "
                    f"a checkpoint holds arrays, numbers, text, lists and dicts of them")


def _restore(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(tree, list):
        return [_restore(item, arrays) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if "$array" in tree:
        if tree["$array"] not in arrays:
            raise ValueError(f"the array {tree['$array']!r} is missing")
        return arrays[tree["$array"]]
    if "$tuple" in tree:
        return tuple(_restore(item, arrays) for item in tree["$tuple"])
    if "$dict" in tree:
        return {_restore(key, arrays): _restore(item, arrays) for key, item in tree["$dict"]}
    return {key: _restore(item, arrays) for key, item in tree.items()}
