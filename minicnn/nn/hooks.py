"""Hooks: functions that run before or after a module's forward, until they are taken away."""
from itertools import count

numbers = count()


class RemovableHandle:
    """What registering a hook returns: `handle.remove()`, or `with handle:`, takes the hook away again."""

    def __init__(self, hooks: dict):
        self.hooks, self.number = hooks, next(numbers)

    def remove(self) -> None:
        self.hooks.pop(self.number, None)

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, *exception) -> None:
        self.remove()
