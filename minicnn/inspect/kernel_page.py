"""A page to step through what a warp did: one file, which needs no network. kernel_page.html, .css and .js are its parts."""
import html
import json
import re
from math import prod
from pathlib import Path
from typing import Any

from ..kernels.cuda.emulator.lockstep import WARP
from ..kernels.cuda.emulator.recording import Launch, MEETS, PASSES, WAITS
from .kernel_run import KernelRun
from .kernel_words import block_text, MEMORY, number, ranges, takes, touched
from .table import shape_text

HERE = Path(__file__).resolve().parent
MOST = 16                      # bytes of a load or store of which the values are known
STEPS = 3000                   # in a page
PLANES = 24                    # that are drawn of an array
TOUCHED = 20_000               # elements of which the page knows who touches them
NOTES = ("256 × 8 beside a line: 256 threads of the block came there, 8 times each; a line without numbers ran along with its neighbours, "
         f"or not at all. {MEMORY}")


def write_page(path: str | Path, run: KernelRun, launch: Launch, thread: int = 0) -> None:
    """Write the page of the warp of a thread.  OSError where that cannot be written."""
    data = json.dumps(page_data(run, launch, thread), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    parts = {"TITLE": html.escape(f"{launch.name} · {run.title}"), "STYLE": part("css"), "SCRIPT": part("js"),
             "DATA": data.replace("<", "\\u003c")}                           # so that no word in it ends the block
    page = re.sub("|".join(parts), lambda found: parts[found[0]], part("html"))
    Path(path).write_text(page, encoding="utf-8")


def part(kind: str) -> str:
    return (HERE / f"kernel_page.{kind}").read_text(encoding="utf-8")


def page_data(run: KernelRun, launch: Launch, thread: int) -> dict[str, Any]:
    """What the page shows; kernel_page.js reads it."""
    warp = thread // WARP
    requests = [r for r in launch.requests(warp) if r.act != PASSES]
    places = {place: i for i, place in enumerate(dict.fromkeys(launch.places[r.code] for r in requests))}
    steps = [step(launch, request, places) for request in requests[:STEPS]]
    notes = NOTES
    if len(requests) > STEPS or launch.cut:
        notes = f"Only the first {len(steps)} steps are here; a smaller case shows all. {notes}"
    return {
        "title": run.title, "notes": notes, "faults": [] if run.fault is None else run.fault.reports or [str(run.fault)],
        "launch": f"{launch.name}, {block_text(launch)}, {shape_text(launch.block)} threads, warp {warp}",
        "lane": thread % WARP, "first": warp * WARP, "lanes": min(WARP, launch.threads - warp * WARP), "steps": steps,
        "places": [{"file": launch.label(p.path), "line": p.line, "calls": [[launch.label(f), n] for f, n in p.calls]} for p in places],
        "sources": sources(launch), "arrays": arrays(launch, warp),
    }


def step(launch: Launch, request, places: dict) -> dict[str, Any]:
    """lanes: the first element of each, null where one takes no part; values: of each, as text; width: elements a lane."""
    found: dict[str, Any] = {"place": places[launch.places[request.code]], "act": request.act, "phase": request.phase}
    if request.act == WAITS:
        return found
    if request.act == MEETS:
        return found | {"lanes": [0 if event >= 0 else None for event in request.events.tolist()]}
    array = launch.array_of(request)
    size, cost = launch.arrays[array].dtype.itemsize, launch.cost(request)
    events: list[Any] = [launch.events[e] if e >= 0 else None for e in request.events]
    return found | {
        "array": array, "width": max(1, int(events[request.lanes[0]]["size"]) // size), "takes": cost.takes, "best": cost.best,
        "cost": takes(cost, launch.arrays[array].shared), "words": touched(launch, request),
        "lanes": [None if e is None else int(e["offset"]) // size for e in events],
        "values": [None if e is None else ", ".join(map(number, launch.values(e))) + ", …" * int(e["size"] > MOST) for e in events],
    }


def sources(launch: Launch) -> dict[str, Any]:
    """{file: its lines, and of those that ran, by how many threads and how often each}"""
    found: dict[str, Any] = {}
    for (path, line), count in launch.lines.items():
        of = found.setdefault(launch.label(path), {"lines": launch.source(path), "ran": {}})
        of["ran"][line] = [count.threads, round(count.times / count.threads, 1)]
    return found


def arrays(launch: Launch, warp: int) -> list[dict[str, Any]]:
    """All arrays.  planes: the numbers of those, of the last two axes, that are drawn: of what the warp touches, the first ones."""
    found, used = [], launch.touched()
    for i, array in enumerate(launch.arrays):
        plane = prod(array.shape[-2:]) if len(array.shape) > 1 else max(1, prod(array.shape))
        events = launch.events[(launch.events["region"] == i) & (launch.events["thread"] // WARP == warp)]
        reached = sorted({int(offset) // array.dtype.itemsize // plane for offset in set(events["offset"].tolist())})
        all_ = range(prod(array.shape) // plane)
        readers, writers = launch.readers_and_writers(i) if i in used else ({}, {})
        known = sorted({*readers, *writers})
        who = {index: [ranges(readers.get(index, [])), ranges(writers.get(index, []))] for index in known[:TOUCHED]}
        found.append({"name": array.name, "shape": list(array.shape), "type": str(array.dtype), "itemsize": array.dtype.itemsize,
                      "shared": array.shared, "planes": [] if i not in used else list(all_) if len(all_) <= PLANES else reached[:PLANES],
                      "who": who, "told": known[TOUCHED - 1] if len(known) > TOUCHED else None})
    return found
