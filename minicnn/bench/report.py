"""What a benchmark found: a table for the terminal, notes on how it was measured, and the same as JSON."""
import datetime
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..inspect.table import render
from . import machine
from .layers import Row
from .networks import Result, Settings, geometric_mean
from .shapes import WEIGHTED

DISTURBED = 0.05                         # of a core: more is told
TF32 = {True: "TF32 on", False: "TF32 off"}


def network_table(results: Sequence[Result]) -> str:
    """A line a network: times, ratios, what of the machine minicnn used, memory; geometric means at the foot."""
    from rich import box
    from rich.table import Table
    measured = [result for result in results if result.timings]
    labels = [timing.label for timing in measured[0].timings] if measured else ["minicnn"]
    others = labels[1:]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("network", no_wrap=True)
    gpu = bool(measured) and measured[0].tf32 is not None
    for name in ("batch", *(f"{label}\nms" for label in labels), *(f"÷ {label}" for label in others), "GFLOP/s",
                 "of\npeak" if gpu else "of FMA\npeak", *(f"{label}\nMiB" for label in labels), *["in arrays\nMiB"] * (not gpu)):
        table.add_column(name, justify="right", no_wrap=True)
    for result in measured:
        ours, speed = result.timings[0], result.flops / result.timings[0].median
        arrays = ours.memory.get("arrays")
        table.add_row(result.model, str(result.batch), *(f"{1e3 * t.median:,.2f}" for t in result.timings),
                      *(f"{result.ratio(i):.2f}" for i in range(1, len(labels))),
                      f"{speed / 1e9:.1f}", f"{100 * result.share():.0f} %",
                      *(mebibytes(t.used) for t in result.timings), *[mebibytes(arrays)] * (not gpu))
    if others and len(measured) > 1:
        table.add_section()
        means = [geometric_mean([result.ratio(i) for result in measured]) for i in range(1, len(labels))]
        worst = [max(result.ratio(i) for result in measured) for i in range(1, len(labels))]
        blank = [""] * (1 + len(labels))
        table.add_row("geometric mean", *blank, *(f"{mean:.2f}" for mean in means), *[""] * (3 - gpu + len(labels)))
        table.add_row("largest", *blank, *(f"{ratio:.2f}" for ratio in worst), *[""] * (3 - gpu + len(labels)))
    return render(table) if measured else ""


def mebibytes(count: float | None) -> str:
    return "?" if count is None else f"{count / 2 ** 20:,.0f}"


def network_notes(results: Sequence[Result], settings: Settings, peaks: dict[str, float]) -> list[str]:
    """How it was measured, what was left out, and the settings that made PyTorch fastest."""
    step = "a training step: forward, backward, SGD with momentum" if settings.training else "a forward in evaluation"
    notes = [f"{step}; dropout off in every engine; ÷: minicnn's time over the other's, below 1 minicnn is faster. Medians of "
             f"{settings.rounds} rounds, in which the engines took turns in processes of their own, and the peak was measured too.",
             "MiB: the process at its peak above what it holds without the network; in arrays: of these, minicnn's arrays at their peak."]
    notes += [f"{result.model}: {result.skipped}" for result in results if result.skipped]
    for result in results:
        for timing in result.timings:
            if timing.tried:
                tried = ", ".join(f"{entry['settings']} {entry['relative']:.2f}" for entry in timing.tried
                                  if entry["settings"] != timing.settings)
                notes.append(f"{result.model}, {timing.label}: {timing.settings}. What else was tried, relative to it, or to the best "
                             f"allocator: {tried}.")
            if timing.idle > 0.02:
                notes.append(f"{result.model}: {timing.label} was not asleep while others computed: it used {timing.idle:.0%} of a core.")
    notes += disturbances({result.model: result.disturbed for result in results})
    first = next((result for result in results if result.timings), None)
    environments = {timing.label: timing.environment for timing in first.timings} if first else {}
    return notes + machine_notes(environments, peaks)


def disturbances(found: dict[str, dict[str, float]]) -> list[str]:
    """What else took processors while something was measured."""
    words = {"others": "other programs took", "stolen": "other machines on the same host took"}
    return [f"Disturbed: while {name} was measured {words[kind]} {share:.0%} of a core; the figures are not to be trusted."
            for name, shares in found.items() for kind, share in shares.items() if share > DISTURBED]


def machine_notes(environments: dict[str, dict[str, Any]], peaks: dict[str, float]) -> list[str]:
    """The machine, and each engine's threads, BLAS and environment."""
    system = machine.system()
    versions = ", ".join(f"{name} {version}" for name, version in system["versions"].items() if version)
    notes = [f"{system['processor']}, {system['cores']} cores; measured: {peaks['flops'] / 1e9:.0f} GFLOP/s of multiply-adds in float32, "
             f"{peaks['bandwidth'] / 1e9:.1f} GB/s from and to memory. {system['system']}, Python {system['python']}, {versions}."]
    for label, found in environments.items():
        words = [f"{found.get('threads')} threads"]
        if found.get("threading_layer"):
            words.append(f"threading layer {found['threading_layer']}")
        if found.get("vectors"):
            words.append(f"{found['vectors']} vectors, compiled for {found['compiled_for']}")
        for blas in found.get("blas", ()):
            kind = f" for {blas['architecture']}" if blas.get("architecture") else ""
            words.append(f"{blas.get('internal_api')} {blas.get('version')}{kind} on {blas.get('num_threads')}")
        environment = " ".join(f"{name}={value}" for name, value in found.get("environment", {}).items())
        notes.append(f"{label}: {', '.join(words)}; environment: {environment or 'nothing set'}.")
    return notes


def layer_table(rows: Sequence[Row], peaks: dict[str, float]) -> str:
    """A line for each direction of a layer in each algorithm; geometric means of the defaults' ratios at the foot."""
    from rich import box
    from rich.table import Table
    beside, exact = any(row.theirs for row in rows), any(row.error is not None for row in rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("layer", "direction", "algorithm"):
        table.add_column(name, no_wrap=True)
    for name in ("ms", "GFLOP/s", "of FMA\npeak", "GB/s", "of\nroofline", *["error"] * exact, *["torch\nms", "÷ torch"] * beside):
        table.add_column(name, justify="right", no_wrap=True)
    before, several = None, len({row.op for row in rows}) > 1
    for row in (row for row in rows if row.seconds):
        if before not in (None, (row.op, row.shape)):
            table.add_section()
        layer = "" if before == (row.op, row.shape) else f"{row.op}: {row.shape}" if several else row.shape
        before = row.op, row.shape
        theirs = row.their_median
        speed, traffic = row.flops / row.median, row.bytes / row.median
        table.add_row(layer, row.direction, row.label, f"{1e3 * row.median:,.3f}", f"{speed / 1e9:.1f}",
                      f"{100 * row.share:.0f} %" if row.op in WEIGHTED else "", f"{traffic / 1e9:.1f}",
                      f"{100 * row.of_roofline(peaks['bandwidth']):.0f} %",
                      *([f"{row.error:.1e}" if row.error is not None else ""] * exact),
                      *([f"{1e3 * theirs:,.3f}", f"{row.ratio:.2f}"] if theirs else ["", ""] * beside))
    means = layer_means(rows)
    if means:
        table.add_section()
        for direction, (mean, largest, count) in means.items():
            table.add_row(f"geometric mean of {count}", direction, "default", *[""] * (6 + exact), f"{mean:.2f}")
            table.add_row("largest", direction, "default", *[""] * (6 + exact), f"{largest:.2f}")
    return render(table)


def layer_means(rows: Sequence[Row]) -> dict[str, tuple[float, float, int]]:
    """Direction -> the geometric mean of the defaults' ratios, the largest, and how many there are."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.algorithm is None and row.ratio is not None:
            found.setdefault(row.direction, []).append(row.ratio)
    return {direction: (geometric_mean(ratios), max(ratios), len(ratios)) for direction, ratios in found.items()}


def layer_notes(rows: Sequence[Row]) -> list[str]:
    """What the columns mean, which algorithms do not take which shapes, and what disturbed."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.refused:
            found.setdefault((f"{row.op}, {row.algorithm}", row.refused), []).append(row.shape)
    refused = [f"{algorithm}: {reason}: {', '.join(names)}" for (algorithm, reason), names in found.items()]
    return [*LAYER_NOTES, *refused, *disturbances({f"{row.op}, {row.shape}": row.disturbed for row in rows})]


def means_of(results: Sequence[Result], labels: Sequence[str]) -> dict[str, float]:
    """Label -> the geometric mean of minicnn's times over its."""
    return {label: geometric_mean([result.ratio(i) for result in results]) for i, label in enumerate(labels, 1)}


LAYER_NOTES = ["Medians; error: max|a − b| / max|b| of float32 against the reference in float64. of roofline: the time that the multiply-"
               "adds or the bytes (each array once) take at least, over the time taken; above 100 % where arrays come from caches.",
               "default: the algorithm that the shape leads to; behind it the one whose bits it has."]


def as_json(command: str, settings: Settings, peaks: dict[str, float], results: Sequence[Result] = (), rows: Sequence[Row] = ()) -> dict:
    """All that was measured: every round, settings and machine."""
    from .. import __version__
    measured = [result for result in results if result.timings]
    labels = [timing.label for timing in measured[0].timings][1:] if measured else []
    found: dict[str, Any] = {
        "minicnn": __version__, "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "command": command,
        "settings": asdict(settings), "machine": machine.system(), "peaks": peaks}
    if results:
        found["networks"] = [asdict(result) | {"ratios": {t.label: result.ratio(i) for i, t in enumerate(result.timings) if i}}
                             for result in results]
        if settings.device == "cpu":
            found["geometric_means"] = means_of(measured, labels)
        else:
            found["geometric_means"] = {TF32[tf32]: means_of([r for r in measured if r.tf32 == tf32], labels) for tf32 in settings.tf32}
    if rows:
        found["layers"] = [asdict(row) | {"ratio": row.ratio} for row in rows]
        found["geometric_means"] = {direction: mean for direction, (mean, _, _) in layer_means(rows).items()}
    return found
