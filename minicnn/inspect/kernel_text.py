"""What was recorded of a kernel, for the terminal: launches, source lines with counts, a walk, costs, who touches an element."""
import re
from collections.abc import Iterator
from itertools import groupby

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.rule import Rule
from rich.table import Table

from ..kernels.cuda.emulator.recording import Access, ADDS, Launch, MEETS, PASSES, Place, READS, WAITS, WRITES
from .kernel_run import KernelRun
from .kernel_words import block_text, MEMORY, number, plural, ranges, takes, thread_text, touched, VERBS
from .table import shape_text

HEAD = 12                      # lines from a function's first one to the first that ran, at most
CONTEXT = 2                    # lines of source around one that ran
SHOWN = 6                      # elements of a step of a thread, requests of a step of a warp
COLOURS = {READS: "cyan", WRITES: "magenta", ADDS: "magenta"}
ELEMENT = re.compile(r"(?P<name>\w+)\s*(?:\[(?P<places>[\d\s,]*)\])?")


def grid(*columns: str, numbers: tuple[str, ...] = ()) -> Table:
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        found.add_column(column, justify="right" if column in numbers else "left", overflow="fold", no_wrap=column in numbers)
    return found


def title(console: Console, text: str) -> None:
    console.print()
    console.print(Rule(f"[bold]{escape(text)}", align="left", style="dim"))


def at(launch: Launch, place: Place) -> str:
    """A line, with the lines that lead to it: "conv2d/geometry.cuh:21 ← gpu.cu:27"."""
    calls = "".join(f" ← {path.rpartition('/')[2]}:{line}" for path, line in place.calls)
    return f"{launch.label(place.path)}:{place.line}[dim]{calls}[/dim]"


def code(launch: Launch, place: Place) -> str:
    lines = launch.source(place.path)
    return escape(lines[place.line - 1].strip()) if 0 < place.line <= len(lines) else ""


def show_launches(console: Console, run: KernelRun, chosen: Launch) -> None:
    """A line a launch: kernel, grid, block, what it was called with."""
    table = grid("", "launch", "kernel", "blocks", "threads a block", "arrays")
    for i, launch in enumerate(run.launches, 1):
        arrays = ", ".join(f"{a.name} {shape_text(a.shape)}{'' if a.dtype == 'f4' else f' {a.dtype}'}" for a in launch.arguments)
        table.add_row("▶" if launch is chosen else "", str(i), escape(launch.name), shape_text(launch.grid), shape_text(launch.block),
                      escape(arrays))
    console.print(table)
    for a, b, out in run.products:
        console.print(f"and a product of cuBLAS, {shape_text(a)} by {shape_text(b)} = {shape_text(out)}: NVIDIA's own, nobody can walk "
                      "through it; minicnn step-kernel matmul --algorithm tiles is one made by hand", highlight=False)


def show_source(console: Console, launch: Launch) -> None:
    """The lines that ran, with some around them: by how many threads, how often each, what is touched there."""
    lines, verbs, shared = launch.lines, {}, {i for i, a in enumerate(launch.arrays) if a.shared}
    for cost in launch.costs:
        name = launch.arrays[cost.array].name + (" (shared)" if cost.array in shared else "")
        verbs.setdefault((cost.path, cost.line), {}).setdefault(VERBS[cost.act], []).append(name)
    waits = {launch.places[int(c)][:2] for c in np.unique(launch.events["code"][launch.events["act"] == WAITS])}
    for path in sorted({path for path, _ in lines}, key=lambda path: launch.label(path) != launch.file):
        source, ran = launch.source(path), {line for of, line in lines if of == path}
        near = {n for line in ran for n in range(line - CONTEXT, line + CONTEXT + 1) if 0 < n <= len(source)}
        head = next((n for n in range(min(ran), 0, -1) if "__global__" in source[n - 1] or "__device__" in source[n - 1]), min(ran))
        near = sorted(near | {n for n in range(head, min(ran)) if min(ran) - head <= HEAD})           # with the name of the kernel
        table = grid("line", "threads", "each", launch.label(path), "touches", numbers=("line", "threads", "each"))
        before = None
        for n in near:
            if before is not None and n > before + 1:
                table.add_row("⋮")
            before, count = n, lines.get((path, n))
            what = "; ".join(f"{verb} {', '.join(dict.fromkeys(names))}" for verb, names in verbs.get((path, n), {}).items())
            text = source[n - 1].replace("\t", "    ")
            if (path, n) in waits:
                what = "[bold yellow]barrier: all threads wait[/]"
            table.add_row(str(n), str(count.threads) if count else "", f"{count.times / count.threads:.3g}" if count else "",
                          f"{escape(text)}", what, style="" if count else "dim")
        console.print(table)
        console.print()
    console.print("[dim]A line without numbers ran along with its neighbours, or not at all.[/]")


def accesses(launch: Launch, found: list[Access]) -> str:
    """"loads x[0, 1] = 0.5, x[0, 2] = 1.5" """
    words = []
    for act, together in groupby(found[:SHOWN], key=lambda access: access.act):
        each = []
        for access in together:
            array = launch.arrays[access.array]
            for k, value in enumerate(access.values):
                each.append(f"{array.element(access.index + k)} {'=' if act == READS else '←'} {number(value)}")
            if access.count > len(access.values):
                each.append(f"… {array.element(access.index + access.count - 1)}")
        words.append(f"[{COLOURS[act]}]{VERBS[act]}[/] {escape(', '.join(each))}")
    left = len(found) - SHOWN
    return "; ".join(words) + (f" [dim]… and {left} more[/]" if left > 0 else "")


def barrier(console: Console, launch: Launch, place: Place, phase: int) -> None:
    console.print(Rule(f"[yellow]phase {phase} | barrier, {at(launch, place)} | phase {phase + 1}[/]", style="yellow", align="left"))


def exchanges(launch: Launch, places: list[Place]) -> str:
    """Of lanes that meet, one place after the other."""
    lines = ", ".join(dict.fromkeys(f":{place.line}" for place in places[1:] if place.line != places[0].line))
    return f"[green]lanes of the warp exchange numbers[/], {plural(len(places), 'time')}" + (f", also at {lines}" if lines else "")


def show_walk(console: Console, launch: Launch, thread: int, most: int) -> None:
    """What a thread did, place after place, up to `most` of them (0: all)."""
    steps = [list(together) for _, together in groupby(launch.walk(thread), key=lambda s: s.act if s.act == MEETS else id(s))]
    for step in steps[:most or None]:
        if step[0].act == WAITS:
            barrier(console, launch, step[0].place, step[0].phase)
            continue
        table = grid("", "", "")
        table.show_header, table.expand = False, True
        for column, ratio in zip(table.columns, (4, 5, 6)):
            column.ratio = ratio
        what = exchanges(launch, [s.place for s in step]) if step[0].act == MEETS else accesses(launch, step[0].accesses)
        table.add_row(at(launch, step[0].place), code(launch, step[0].place), what)
        console.print(table)
    if not steps:
        console.print("it touched no element")
    left_out(console, len(steps), most)


def left_out(console: Console, count: int, most: int) -> None:
    if most and count > most:
        console.print(f"[dim]… {count - most} steps more; --steps {count} shows all[/]")


def show_warp(console: Console, launch: Launch, warp: int, most: int) -> None:
    """What the lanes of a warp did together: for each line, which elements, and what that costs."""
    requests = [r for r in launch.requests(warp) if r.act != PASSES]
    steps = [list(together) for _, together in
             groupby(requests, key=lambda r: (r.act if r.act > PASSES else launch.places[r.code], r.phase))]
    for step in steps[:most or None]:
        place = launch.places[step[0].code]
        if step[0].act == WAITS:
            barrier(console, launch, place, step[0].phase)
            continue
        console.print(f"{at(launch, place)}  [bold]{code(launch, place)}[/]", highlight=False)
        if step[0].act == MEETS:
            console.print(f"   {exchanges(launch, [launch.places[r.code] for r in step])}", highlight=False)
            continue
        table = grid("", "", "")
        table.show_header = False
        for request in step[:SHOWN]:
            cost = launch.cost(request)
            style = "red" if cost.takes > cost.best else "dim"
            table.add_row(f"   [{COLOURS[request.act]}]{VERBS[request.act]}[/]", escape(touched(launch, request)),
                          f"[{style}]{takes(cost, launch.arrays[launch.array_of(request)].shared)}[/]")
        console.print(table)
        if len(step) > SHOWN:
            console.print(f"   [dim]… and {len(step) - SHOWN} requests more here[/]")
    if not steps:
        console.print("it touched no element")
    left_out(console, len(steps), most)


def show_costs(console: Console, launch: Launch) -> None:
    """For each line and array: requests of warps, and what each takes beside the best possible."""
    table = grid("line", "", "memory", "requests", "each takes", "at best", "worst", "",
                 numbers=("requests", "each takes", "at best", "worst"))
    for cost in sorted(launch.costs, key=lambda c: (launch.label(c.path) != launch.file, c.path, c.line)):
        array = launch.arrays[cost.array]
        unit, ratio = "round" if array.shared else "sector", cost.each / cost.best
        conflict = f"{cost.worst}-way bank conflicts" if cost.best == 1 else f"up to {cost.worst} rounds of the banks"
        note = f"[red]{conflict if array.shared else f'{ratio:.3g} times the best'}[/]" if ratio > 1.005 else ""
        table.add_row(f"{launch.label(cost.path)}:{cost.line}", f"{VERBS[cost.act]} {array.name}", "shared" if array.shared else "global",
                      str(cost.requests), plural(cost.each, unit), f"{cost.best:.3g}", str(cost.worst), note)
    console.print(table)
    console.print(f"[dim]{MEMORY}[/]", highlight=False)


def parse_element(launch: Launch, word: str) -> tuple[int, int]:
    """"x[0,2,3]" -> (number of the array, flat index).  ValueError, with what there is."""
    match = ELEMENT.fullmatch(word.strip())
    if not match:
        raise ValueError(f"--element: expected a name and places, such as x[0,1], got {word!r}")
    numbers = [i for i, array in enumerate(launch.arrays) if array.name == match["name"]]
    if not numbers:
        there = ", ".join(f"{a.name} {shape_text(a.shape)}" for a in launch.arrays)
        raise ValueError(f"--element: {launch.name} has no array {match['name']!r}; there are: {there}")
    return numbers[0], launch.arrays[numbers[0]].index(tuple(int(n) for n in re.findall(r"\d+", match["places"] or "")))


def show_element(console: Console, launch: Launch, which: int, index: int) -> None:
    """Who reads and who writes an element, line by line, and with which value.  which: the number of its array; index: flat."""
    array = launch.arrays[which]
    readers, writers = launch.readers_and_writers(which)
    title(console, f"{array.element(index)}{' (shared)' if array.shared else ''}")
    for verb, who in (("read by", readers.get(index, [])), ("written by", writers.get(index, []))):
        several = "threads" if len(who) > 1 else "thread"
        console.print(f"{verb} {f'{several} {ranges(who)}' if who else 'nobody'} of {block_text(launch)}", highlight=False)
    if not readers.get(index) and not writers.get(index) and launch.blocks > 1:
        console.print(f"(one block is recorded; --block 0 to {launch.blocks - 1} choose)", highlight=False)
    table = grid("phase", "line", "", "threads", "values")
    for (phase, place, act), (threads, values) in touches(launch, which, index):
        seen = ", ".join(number(v) for v in list(dict.fromkeys(values))[:SHOWN]) + (" …" if len(set(values)) > SHOWN else "")
        table.add_row(str(phase), at(launch, place), VERBS[act], ranges(set(threads)), seen)
    if table.row_count:
        console.print(table)


def touches(launch: Launch, array: int, index: int) -> Iterator[tuple[tuple[int, Place, int], tuple[list[int], list[float]]]]:
    """((phase, place, act), (threads, values)) of an element, by phase."""
    size = launch.arrays[array].dtype.itemsize
    events = launch.events[launch.events["region"] == array]
    first = events["offset"] // size
    found: dict[tuple[int, Place, int], tuple[list[int], list[float]]] = {}
    for event in events[(first <= index) & (index < first + events["size"] // size)]:
        access = launch.access(event)
        threads, values = found.setdefault((access.phase, access.place, access.act), ([], []))
        threads.append(access.thread)
        if index - access.index < len(access.values):
            values.append(access.values[index - access.index])
    yield from sorted(found.items(), key=lambda item: item[0][0])


def show_kernel(console: Console, run: KernelRun, launch: Launch, *, thread: int | None, warp: int | None,
                element: tuple[int, int] | None, steps: int) -> None:
    """All of it.  thread or warp: whom to walk with; element: whose readers and writers to show in place of a walk."""
    console.print(f"[bold]{escape(run.title)}[/]; on the CPU, by the emulator", highlight=False)
    if run.fault:
        console.print("[bold red]The emulator found a fault; it is told at the end.[/]")
    console.print()
    show_launches(console, run, launch)
    if element is not None:
        show_element(console, launch, *element)
        return
    title(console, f"{launch.name}, {block_text(launch)}: its lines, by how many threads, and how often each")
    show_source(console, launch)
    if warp is not None:
        title(console, f"warp {warp}: threads {warp * 32}–{min(warp * 32 + 31, launch.threads - 1)}, in step")
        show_warp(console, launch, warp, steps)
    else:
        title(console, f"the walk of {thread_text(launch, thread or 0)}")
        show_walk(console, launch, thread or 0, steps)
    title(console, "what the loads and stores of all warps of the block cost")
    show_costs(console, launch)
    if launch.cut:
        console.print("[yellow]the block does more than was recorded: what follows is left out; a smaller --case shows all[/]")
