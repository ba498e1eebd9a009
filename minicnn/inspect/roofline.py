"""The roofline: how fast an operation could be on this machine, given what it computes and what it has to read and write.

    seconds ≥ max( floating-point operations / peak,  bytes / bandwidth )

An operation with many computations for each byte, as a 3×3 convolution, is bound by the multiply-adds; one with few, as a ReLU, by the
memory. On a picture with the operations for each byte across and the operations in a second up, the bound is a roof: a slope whose
steepness is the bandwidth, then a flat part at the peak. What lies far below it can be made faster.

Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for multicore architectures", 2009.
"""
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLUMNS = ("GFLOP", "moved", "FLOP/byte", "GFLOP/s", "roof", "reached")


@dataclass(frozen=True)
class Machine:
    """flops: floating-point operations a second at most, in float32; bandwidth: bytes a second to and from memory."""
    flops: float
    bandwidth: float

    @classmethod
    def measured(cls) -> "Machine":
        """This machine, at this moment, with the threads that kernels use: about a second.  ImportError without Numba."""
        try:
            peak = importlib.import_module("minicnn.kernels.peak")
        except ModuleNotFoundError as error:
            raise ImportError(f"what the machine can do is measured by compiled kernels, which need the package {error.name}") from error
        return cls(peak.fma_peak(), peak.bandwidth())

    def seconds(self, flops: float, bytes: float) -> float:
        """What an operation takes at least."""
        return max(flops / self.flops, bytes / self.bandwidth)

    def __str__(self) -> str:
        return f"{self.flops / 1e9:.0f} GFLOP/s of multiply-adds in float32, {self.bandwidth / 1e9:.1f} GB/s from and to memory"


def least(entry: Any, machine: Machine) -> float:
    """Seconds of the forwards and backwards of a profile's entry at least."""
    return sum(machine.seconds(flops, traffic) for flops, traffic in zip(entry.flops, entry.traffic))


def columns(group: Any, members: Sequence[Any], machine: Machine) -> tuple[str, ...]:
    """The columns of one line of a profile: the sum of entries, whose least times add up."""
    flops, traffic, bound = sum(group.flops), sum(group.traffic), sum(least(entry, machine) for entry in members)
    if not bound:
        return ("",) * len(COLUMNS)                            # views: nothing is computed, nothing moved
    rate = f"{flops / group.seconds / 1e9:.1f}" if group.seconds else ""
    return (f"{flops / 1e9:.3g}", f"{traffic / 2**20:,.1f} MiB", f"{flops / traffic:.1f}" if traffic else "", rate,
            f"{flops / bound / 1e9:.1f}", f"{100 * bound / group.seconds:.0f} %" if group.seconds else "")


EXPLAINED = ("GFLOP: floating-point operations; moved: bytes of all arrays read and written, each once; roof: the GFLOP/s that these two "
             "allow on this machine; reached: the time at least over the time taken, above 100 % where arrays come from the caches")


def draw(profile: Any, machine: Machine, path: str | Path, title: str = "") -> None:
    """The roof, and below it a point for the forward and one for the backward of each operation in each layer, as large as its time.

    FileExistsError where the file exists; ValueError where nothing was computed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    if Path(path).exists():
        raise FileExistsError(f"{path} exists and is not overwritten; choose another name")
    points: dict[str, list[tuple[float, float, float]]] = {}                # operation -> (FLOP/byte, FLOP/s, seconds)
    for entry in profile.entries.values():
        for flops, traffic, seconds in zip(entry.flops, entry.traffic, (entry.forward_seconds, entry.backward_seconds)):
            if flops and traffic and seconds:
                points.setdefault(entry.name, []).append((flops / traffic, flops / seconds, seconds))
    if not points:
        raise ValueError("nothing was computed, so there is nothing to draw")
    figure = Figure((9, 5.5), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    most = max(seconds for found in points.values() for *_, seconds in found)
    order = sorted(points, key=lambda name: -sum(seconds for *_, seconds in points[name]))
    for number, name in enumerate(order):
        x, y, seconds = zip(*points[name])
        style = {"color": f"C{number % 10}", "marker": "os^D"[number // 10 % 4], "alpha": 0.6, "edgecolors": "none"}
        axes.scatter(x, [rate / 1e9 for rate in y], [8 + 250 * s / most for s in seconds], label=name, **style)
    ridge, peak, slope = machine.flops / machine.bandwidth, machine.flops / 1e9, machine.bandwidth / 1e9
    intensities = [x for found in points.values() for x, *_ in found]
    left, right = min(0.05, *intensities), 2 * max(ridge, *intensities)
    axes.plot([left, ridge, right], [left * slope, peak, peak], color="black", linewidth=1.5)
    axes.text(right, peak, f"{peak:.0f} GFLOP/s ", ha="right", va="bottom")
    axes.text(left, left * slope, f"{slope:.1f} GB/s", ha="left", va="bottom")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("floating-point operations for each byte moved")
    axes.set_ylabel("GFLOP/s")
    axes.set_title(title or "Roofline: what each operation reaches, and what it could")
    axes.grid(alpha=0.3, which="both")
    legend = figure.legend(loc="outside right upper", title="slowest first")
    for handle in legend.legend_handles:
        handle.set_sizes([40])                                   # type: ignore[union-attr]
    figure.savefig(path)
