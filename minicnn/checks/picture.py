"""Pictures of a failed check: where the gradient is wrong, and how the differences behave."""
from pathlib import Path
from typing import Any

import numpy as np

from .report import Report, Row

SHADES = " ·░▒▓█"
WIDE, TALL = 64, 12           # what a terminal shows of a plane


def plane(a: np.ndarray) -> np.ndarray:
    """An array as a plane: the last axis across, all others below each other; what is too large is the largest of each block."""
    a = a.reshape(-1, a.shape[-1]) if a.ndim else a.reshape(1, 1)
    rows, columns = (-(-n // most) for n, most in zip(a.shape, (TALL, WIDE)))
    padded = np.pad(a, ((0, -a.shape[0] % rows), (0, -a.shape[1] % columns)))
    return padded.reshape(padded.shape[0] // rows, rows, padded.shape[1] // columns, columns).max((1, 3))


def errors(row: Row) -> np.ndarray | None:
    """|numeric − analytic| relative to the largest gradient, for every element; None where not all were measured."""
    if row.numeric_values is None or row.analytic_values is None or not row.size:
        return None
    difference = np.abs(row.numeric_values - row.analytic_values)
    scale = max(float(np.nanmax(np.abs(row.numeric_values), initial=0)), float(np.nanmax(np.abs(row.analytic_values), initial=0)), 1e-300)
    return np.nan_to_num(difference / scale, nan=0.0)


def heat_map(row: Row) -> list[str]:
    """The error over the array in characters, a decade a shade; nothing for a single number or an array not measured as a whole."""
    found = errors(row)
    if found is None or row.size < 2:
        return []
    decades = np.clip((np.log10(np.maximum(plane(found), 1e-300)) + 6).astype(int), 0, len(SHADES) - 1)
    lines = ["".join(SHADES[d] for d in line) for line in decades]
    head = f"error over {row.name} {row.shape}: the last axis across, the others down; from {SHADES[1]} 1e-5 to {SHADES[-1]} 1e-1 and more"
    return [head, *(f"|{line}|" for line in lines)]


def save(report: Report, path: Any, overwrite: bool = False) -> None:
    """Numeric, analytic and error over the worst input, and its V-curve, as a picture.

    ValueError if there is nothing to draw, FileExistsError if the file is there and overwrite is not said.
    """
    if Path(path).exists() and not overwrite:
        raise FileExistsError(f"save_picture: {path} is there already; give another name, or overwrite=True")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
    row = report.worst
    if row is None:
        raise ValueError("save_picture: the check ended before anything was measured: " + "; ".join(report.problems))
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{report.name + ': ' if report.name else ''}{row.name} {row.shape}, largest error {row.error:.1e}")
    grid, found = figure.add_gridspec(2, 3), errors(row)
    if found is not None and row.numeric_values is not None and row.analytic_values is not None:
        limit = float(np.nanmax(np.abs(np.stack([row.numeric_values, row.analytic_values])), initial=0)) or 1.0
        panels = {"from differences": row.numeric_values, "from backward": row.analytic_values,
                  "log₁₀ of the relative error": np.log10(np.maximum(found, 1e-16))}
        for number, (title, values) in enumerate(panels.items()):
            axes = figure.add_subplot(grid[0, number])
            flat = values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, 1)
            colours, low, high = ("magma", -16.0, 0.0) if title.startswith("log") else ("RdBu_r", -limit, limit)
            figure.colorbar(axes.imshow(flat, aspect="auto", interpolation="nearest", cmap=colours, vmin=low, vmax=high), ax=axes)
            axes.set_title(title)
            axes.set_xlabel("the last axis")
            axes.set_ylabel("the others, in order" if values.ndim > 2 else "")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        figure.text(0.5, 0.75, f"{row.size} elements, of which {row.checked} probes were made.\nThe worst: {row.index}\n"
                    f"differences say {row.numeric:.6g}, backward says {row.analytic:.6g}", ha="center", va="center")
    axes = figure.add_subplot(grid[1, :])
    if row.curve is not None:
        steps, off = row.curve
        axes.loglog(steps, np.maximum(off, 1e-17), "o-")
        axes.axhline(report.tolerance, color="grey", linestyle=":", label="tolerance")
        axes.legend()
    axes.set_title("Backward against the difference quotient along a random direction: a V where it is right, flat where it is wrong")
    axes.set_xlabel("step")
    axes.set_ylabel("relative difference")
    figure.savefig(Path(path), dpi=120)
