"""The pictures of a benchmark.  matplotlib is imported when one is drawn, and needs no screen."""
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .layers import Row
from .networks import Result, geometric_mean
from .report import TF32


def figure_of(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure((width, height), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    return figure


def draw_networks(results: Sequence[Result], path: Path, title: str) -> None:
    """minicnn's time over each other engine's, a bar a network; alone: the share of the FMA peak.  ValueError for nothing measured."""
    measured = [result for result in results if result.timings]
    if not measured:
        raise ValueError("nothing was measured, so there is nothing to draw")
    labels, comparable = [timing.label for timing in measured[0].timings], len(measured) > 1 and len({r.tf32 for r in measured}) == 1
    figure = figure_of(9, 1.9 + 0.32 * len(measured) * max(1, len(labels) - 1))
    axes = figure.subplots()
    places = list(range(len(measured)))
    for number, label in enumerate(labels[1:], 1):
        height, ratios = 0.8 / (len(labels) - 1), [result.ratio(number) for result in measured]
        mean = geometric_mean(ratios)                                    # of measurements with TF32 and without there is none
        bars = axes.barh([p + (number - 1) * height for p in places], ratios, height, color=f"C{number - 1}",
                         label=f"÷ {label}" + (f", geometric mean {mean:.2f}" if comparable else ""))
        axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
        if comparable:
            axes.axvline(mean, color=f"C{number - 1}", linestyle=":")
    if len(labels) > 1:
        axes.axvline(1, color="black", linewidth=1)
        axes.set_xlabel("minicnn's time over the other's: left of 1 minicnn is faster")
        axes.set_xlim(right=1.12 * max(1.0, *(result.ratio(i) for result in measured for i in range(1, len(labels)))))
        figure.legend(loc="outside lower center", ncols=len(labels) - 1)
    else:
        axes.barh(places, [100 * result.share() for result in measured])
        axes.set_xlabel("% of the measured peak of multiply-adds")
    names = [f"{result.model}, {result.batch}" for result in measured]
    axes.set_yticks(places, [name if r.tf32 is None else f"{name}, {TF32[r.tf32]}" for name, r in zip(names, measured)])
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.set_title(title)
    figure.savefig(path)


def draw_layers(rows: Sequence[Row], bandwidth: float, path: Path, title: str) -> None:
    """The share of the roofline that every algorithm reaches, and PyTorch, on each layer; a panel a direction."""
    there = [row for row in rows if row.seconds]
    names, directions = list(dict.fromkeys((row.op, row.shape) for row in there)), list(dict.fromkeys(row.direction for row in there))
    algorithms = list(dict.fromkeys(row.algorithm for row in there))
    series = [*algorithms, *["torch"] * any(row.theirs for row in there)]
    figure = figure_of(4 + 4 * len(directions), 1.6 + 0.16 * len(names) * (len(series) + 1))
    for axes, direction in zip(figure.subplots(1, len(directions), squeeze=False, sharey=True)[0], directions):
        for number, algorithm in enumerate(series):
            found = [row for row in there if row.direction == direction and row.algorithm == (None if algorithm == "torch" else algorithm)]
            axes.barh([names.index((row.op, row.shape)) + 0.85 * number / len(series) for row in found],
                      [100 * row.of_roofline(bandwidth, algorithm == "torch") for row in found], 0.85 / len(series),
                      color=f"C{number}", label=algorithm or "default")
        axes.set_title(direction)
        axes.set_xlabel("% of the roofline")
        axes.grid(axis="x", alpha=0.3)
        axes.set_yticks(range(len(names)), [shape for _, shape in names])
        if direction == directions[0]:
            axes.invert_yaxis()
            figure.legend(loc="outside lower center", ncols=len(series))
    figure.suptitle(title)
    figure.savefig(path)
