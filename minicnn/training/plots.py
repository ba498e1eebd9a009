"""The two pictures of a run folder.  matplotlib is imported when one is drawn, and needs no screen."""
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .evaluation import rank


def _figure(width: float, height: float):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure((width, height), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    return figure


def draw_curves(history: Sequence[dict[str, Any]], path: Path, title: str) -> None:
    """Loss and accuracy by epoch, in training and in validation; a dot at the epoch whose weights were kept."""
    figure = _figure(9, 3.6)
    figure.suptitle(title)
    epochs = [record["epoch"] for record in history]
    best = max(history, key=rank)
    for axes, quantity in zip(figure.subplots(1, 2), ("loss", "accuracy")):
        factor = 100 if quantity == "accuracy" else 1
        for name, key in (("training (distorted images)", quantity), ("validation", f"validation_{quantity}")):
            axes.plot(epochs, [record[key] * factor for record in history], label=name, marker="." if len(epochs) == 1 else None)
        axes.plot(best["epoch"], best[f"validation_{quantity}"] * factor, "o", color="C1", label=f"kept: epoch {best['epoch']}")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylabel("loss" if factor == 1 else "accuracy, %")
        axes.grid(alpha=0.3)
        axes.legend()
        if quantity == "loss":
            axes.set_yscale("log")
    figure.savefig(path)


def draw_confusion(confusion: np.ndarray, classes: Sequence[str], path: Path, title: str) -> None:
    """Which class was taken for which: a row a true class, a column a predicted one."""
    n = len(classes)
    figure = _figure(max(5, 0.45 * n + 1.5), max(4.6, 0.45 * n + 1.1))
    axes = figure.subplots()
    share = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if n <= 30:
        for i, j in np.argwhere(confusion > 0):
            axes.text(j, i, str(confusion[i, j]), ha="center", va="center", color="white" if share[i, j] > 0.5 else "black", fontsize=8)
    axes.set_xticks(range(n), classes)
    axes.set_yticks(range(n), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title)
    figure.savefig(path)
