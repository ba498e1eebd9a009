"""Which module is being called: kept for observers, and only while there are any."""
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..observers import module_path


class _Names:
    """Module -> its name in the model that is being called; None outside every call."""
    names: dict[Any, str] | None = None


@contextmanager
def on_path(module: Any) -> Iterator[None]:
    """While a module is called, module_path is its full name in the outermost one, even if it was reached past those in between."""
    outer, names = list(module_path), _Names.names
    if names is None:
        _Names.names = {below: name for name, below in module.named_modules()}
    name = (_Names.names or {}).get(module)
    module_path[:] = outer + [type(module).__name__] if name is None else [name] if name else []
    try:
        yield
    finally:
        module_path[:], _Names.names = outer, names
