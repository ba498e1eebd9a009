"""Whether a checkpoint is a state of this training: looked at as a whole, before anything is changed."""
from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .trainer import Trainer

RECORD = ("epoch", "loss", "accuracy", "validation_loss", "validation_accuracy", "lr", "seconds")        # of one epoch, in the history


def check_state(state: Any, trainer: "Trainer") -> None:
    """ValueError that says the first thing that cannot be in a state of this trainer.

    Most of it must be built like the trainer's own state; what grows with the training (the optimiser's memory, the history, the place
    in the data) has its own rules.
    """
    own = trainer.state()
    expect(isinstance(state, Mapping), "the state", "a dict", state)
    missing = [name for name in own if name not in state]
    expect(not missing, "the state", f"with {', '.join(missing)}", list(state))
    for name in ("model", "schedule", "average", "generator", "sums"):
        check_alike(own[name], state[name], name)
    check_optimizer(own["optimizer"], state["optimizer"], [p.shape for group in trainer.optimizer.param_groups for p in group["params"]])
    check_place(state, trainer)


def check_place(state: Mapping[str, Any], trainer: "Trainer") -> None:
    """Epoch, batch, and what has been counted up to there."""
    epoch, batch, batches = state["epoch"], state["batch"], len(trainer.loader)
    expect(whole(epoch) and epoch <= trainer.epochs, "epoch", f"a whole number from 0 to {trainer.epochs}", epoch)
    last = batches - 1 if epoch < trainer.epochs else 0
    expect(whole(batch) and batch <= last, "batch", f"a whole number from 0 to {last}", batch)
    images = batch * trainer.loader.batch_size
    expect(state["sums"]["images"] == images, "sums.images", f"{images}, {batch} batches of {trainer.loader.batch_size}",
           state["sums"]["images"])
    expect(min(state["generator"]) >= 0, "generator", "two whole numbers from 0 on", state["generator"])
    history, best = state["history"], state["best"]
    expect(isinstance(history, list) and len(history) == epoch, "history", f"a list of {epoch} records, one an epoch", history)
    for i, record in enumerate(history):
        good = isinstance(record, Mapping) and all(number(record.get(name)) for name in RECORD) and record["epoch"] == i + 1
        expect(good, f"history[{i}]", f"a dict with epoch {i + 1} and numbers for {', '.join(RECORD[1:])}", record)
    if history:
        expect(best in history, "best", "one of the records of history", best)
    else:
        expect(best is None, "best", "None before the first epoch is done", best)


def check_optimizer(own: Mapping[str, Any], given: Any, shapes: list[tuple[int, ...]]) -> None:
    """The groups like the optimiser's own; of each parameter, arrays of its shape and numbers, under the same names."""
    expect(isinstance(given, Mapping) and own.keys() <= given.keys(), "optimizer", "a dict with state and param_groups", given)
    check_alike(own["param_groups"], given["param_groups"], "optimizer.param_groups")
    for i, (a, b) in enumerate(zip(own["param_groups"], given["param_groups"])):
        expect(a["params"] == b["params"], f"optimizer.param_groups.{i}.params", str(a["params"]), b["params"])
    memory = given["state"]
    expect(isinstance(memory, Mapping), "optimizer.state", "a dict", memory)
    names = None
    for key, values in memory.items():
        place = f"optimizer.state.{key}"
        expect(str(key) in map(str, range(len(shapes))), "optimizer.state", f"for parameters 0 to {len(shapes) - 1}", key)
        expect(isinstance(values, Mapping), place, "a dict", values)
        names = values.keys() if names is None else names
        expect(values.keys() == names, place, f"a dict of {', '.join(names)}, as for the other parameters", list(values))
        for name, value in values.items():
            good = tuple(value.shape) == shapes[int(key)] and value.dtype.kind == "f" if hasattr(value, "shape") else number(value)
            expect(good, f"{place}.{name}", f"an array of shape {shapes[int(key)]}, or a number", value)


def check_alike(own: Any, given: Any, place: str) -> None:
    """The same keys, lengths, shapes and kinds of values at every depth."""
    if isinstance(own, Mapping):
        expect(isinstance(given, Mapping), place, "a dict", given)
        missing, unknown = [k for k in own if k not in given], [k for k in given if k not in own]
        expect(not missing, place, f"with {', '.join(missing[:3])}" + (" and more" if len(missing) > 3 else ""), list(given))
        expect(not unknown, place, "without " + ", ".join(map(str, unknown[:3])), list(given))
        for key in own:
            check_alike(own[key], given[key], f"{place}.{key}")
    elif isinstance(own, (list, tuple)):
        expect(isinstance(given, (list, tuple)) and len(given) == len(own), place, f"a list of {len(own)}", given)
        for i, (a, b) in enumerate(zip(own, given)):
            check_alike(a, b, f"{place}.{i}")
    elif hasattr(own, "shape"):
        good = hasattr(given, "shape") and tuple(given.shape) == tuple(own.shape) and given.dtype.kind == own.dtype.kind
        expect(good, place, f"an array {own.dtype} {tuple(own.shape)}", given)
    elif isinstance(own, bool) or own is None or isinstance(own, str):
        expect(type(given) is type(own), place, "None" if own is None else type(own).__name__, given)
    elif isinstance(own, int):
        expect(isinstance(given, int) and not isinstance(given, bool), place, "a whole number", given)
    else:
        expect(number(given), place, "a finite number", given)


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def expect(good: bool, place: str, expected: str, got: Any) -> None:
    if not good:
        shown = f"an array {got.dtype} {tuple(got.shape)}" if hasattr(got, "shape") else repr(got)
        raise ValueError(f"{place} should be {expected}, got {shown if len(shown) <= 80 else shown[:77] + '…'}")
