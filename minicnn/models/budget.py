"""Which architectures fit into a budget of multiply-adds, parameters or memory.

    models.largest("efficientnet", macs=1e9)           the member of a family that uses most of the budget
    models.fitting(macs=600e6, params=5e6)             all that fit, the most accurate first
"""
from collections.abc import Callable
from functools import lru_cache
from math import prod

from ..functional import meta
from ..modes import no_grad
from ..nn import Module
from ..observers import Event, observe
from .registry import ModelInfo, Published, create, info, names

FLOAT32 = 4                              # bytes


@lru_cache(maxsize=None)
def memory(name: str) -> int:
    """Bytes for one image: the weights, and the outputs of all operations.  Found by shapes alone.

    A little more than the memory that mc.summary tells of layers: the positions that max pooling keeps, and what is computed in between.
    """
    found = info(name)
    return given_out(create(found.name).eval(), (1, *found.input_shape)) + FLOAT32 * found.params


def given_out(model: Module, shape: tuple[int, ...]) -> int:
    """Bytes of the outputs of all operations for a batch of this shape; a view of what was there takes none."""
    size = 0

    def count(event: Event) -> None:
        nonlocal size
        if event.moment == "forward" and not event.op.view:
            size += sum(y.dtype.itemsize * prod(y.shape) for y in event.outputs)
    with no_grad(), observe(count):
        model(meta(*shape))
    return size


NEEDS: dict[str, tuple[str, Callable[[ModelInfo], int]]] = {
    "macs": ("multiply-adds", lambda found: found.macs),
    "params": ("parameters", lambda found: found.params),
    "memory": ("bytes of weights and activations for one image", lambda found: memory(found.name)),
}


def result(found: ModelInfo, data: str = "ImageNet") -> Published | None:
    """The published result that can best be compared: on ImageNet with one crop if there is one, else another protocol there."""
    there = [p for p in found.published if p.data == data and p.top1_error is not None]
    return min(there, key=lambda p: not comparable(p)) if there else None


def comparable(published: Published | None) -> bool:
    """Whether a result is the top-1 error of one network on one crop: those of ensembles and of many crops cannot be compared with it."""
    return published is not None and published.protocol.startswith("1 crop")


def rank(found: ModelInfo) -> tuple:
    """Most accurate first; then what was measured otherwise; then what has no result."""
    best = result(found)
    return not comparable(best), best is None, best.top1_error if best else 0, found.macs


def fitting(among: list[str] | None = None, **limits: float | None) -> list[ModelInfo]:
    """The architectures within the limits (macs, params, memory in bytes), the most accurate by published results first.

    among: their names, all by default.
    """
    wanted = _checked(limits)
    return sorted((found for found in map(info, among or names()) if _fits(found, wanted)), key=rank)


def _fits(found: ModelInfo, wanted: dict[str, float]) -> bool:
    # the memory, which takes a forward to be found, only where the weights alone are not too much already
    cheap = {"macs": found.macs, "params": found.params, "memory": FLOAT32 * found.params}
    if any(cheap[word] > limit for word, limit in wanted.items()):
        return False
    return "memory" not in wanted or memory(found.name) <= wanted["memory"]


def largest(family: str, **limits: float | None) -> ModelInfo:
    """The member of a family with the most multiply-adds that fits the limits: largest("efficientnet", macs=1e9, memory=200e6).

    family: the name of its file, such as "resnet", or the beginning of its members' names, such as "efficientnet_lite".
    macs, params: of the architecture as registered; memory: bytes, see memory().
    ValueError for an unknown family, no limit, or a budget that no member fits: then with what the smallest needs.
    """
    wanted = _checked(limits)
    everything = list(map(info, names()))
    members = [m for m in everything if m.family == family] or [m for m in everything if _begins(m.name, family)]
    if not members:
        raise ValueError(f"largest: there is no family {family!r}; there are {', '.join(sorted({found.family for found in everything}))}")
    if not wanted:
        raise ValueError("largest: give a limit: macs=…, params=… or memory=… (bytes)")
    for found in sorted(members, key=lambda found: found.macs, reverse=True):
        if _fits(found, wanted):
            return found
    if all(any(NEEDS[word][1](found) <= limit for found in members) for word, limit in wanted.items()):
        raise ValueError(f"largest: each limit is met by some {family}, but none meets {', '.join(wanted)} together; raise one of them")
    word, limit = min(wanted.items(), key=lambda item: item[1] / min(NEEDS[item[0]][1](found) for found in members))
    unit, need = NEEDS[word]
    least = min(members, key=need)
    raise ValueError(f"largest: no {family} fits {limit:,.0f} {unit}; the smallest, {least.name}, needs {need(least):,}")


def _begins(name: str, family: str) -> bool:
    """Whether a name begins with a family's, up to the end of a word: efficientnet_b0 with "efficientnet_b", resnet18 with "resnet"."""
    return bool(family) and name.startswith(family) and not name[len(family):len(family) + 1].isalpha()


def _checked(limits: dict[str, float | None]) -> dict[str, float]:
    for word, limit in limits.items():
        if word not in NEEDS:
            raise ValueError(f"a budget has {', '.join(NEEDS)}, got {word!r}")
        if limit is not None and (isinstance(limit, (bool, str)) or not limit > 0):
            raise ValueError(f"budget: {word} should be a number above 0, got {limit!r}")
    return {word: limit for word, limit in limits.items() if limit is not None}
