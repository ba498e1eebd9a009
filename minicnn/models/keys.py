"""Weights of the same network built by others: their names in ours.

A file of this folder registers rules: keys={"torchvision.resnet50": ((r"^layer(\\d)", r"body.stage\\1"), …)}. Each rule is a regular
expression and what takes its place, applied to every name in turn; a function from name to name serves as well. A name that becomes
None or "" is left out (a counter, a table that we compute).
"""
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..nn import Module
from .registry import info, names

Rules = Sequence[tuple[str, str]] | Callable[[str], str | None]


def rename(key: str, rules: Rules) -> str | None:
    """A name there -> the name here, or None for what has no place here."""
    if callable(rules):
        return rules(key)
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key or None


def translate(state: Mapping[str, Any], model: Module, source: str) -> dict[str, np.ndarray]:
    """The weights of another library under our names: model.load_state_dict(translate(state, model, "torchvision.resnet50")).

    state: arrays by name.  model: a network of models.create.  source: a name among models.info(model.name).keys.
    A linear layer there may be a 1×1 convolution here and the reverse: shapes that differ only in sides of 1 are fitted.
    ValueError for an unknown source, and for weights that do not belong to this network, all of them listed.
    """
    name = getattr(model, "name", None)
    if name not in names(aliases=True):
        raise ValueError(f"translate: expected a network made by models.create, whose names are known, got {type(model).__name__}")
    known = info(model.name).keys
    if source not in known:
        there = f"there are rules for {', '.join(known)}" if known else "there are rules for none"
        raise ValueError(f"translate: {model.name} has no rules for weights of {source!r}; {there}")
    own, found, problems = model.state_dict(), {}, []
    for key, value in state.items():
        name, array = rename(key, known[source]), np.asarray(value)
        if name is None:
            continue
        if name not in own:
            problems.append(f"{key} (would be {name})")
        elif name in found:
            problems.append(f"{key} (a second {name})")
        elif [n for n in array.shape if n > 1] != [n for n in own[name].shape if n > 1]:
            problems.append(f"{key} of shape {array.shape} ({name} has {own[name].shape})")
        else:
            found[name] = array.reshape(own[name].shape)
    problems += [f"nothing for {name}" for name in own if name not in found]
    if problems:
        raise ValueError(f"translate: these weights of {source} do not fit {model.name}: {'; '.join(problems[:8])}"
                         + (f" … and {len(problems) - 8} more" if len(problems) > 8 else ""))
    return found
