"""The outcome of a gradient check: what was found, where, and what may be behind it."""
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Row:
    """What was found for one input or parameter.

    error       the largest |numeric − analytic|, relative to the largest gradient; NaN if any is
    index       of the worst element, with its numeric and analytic value, for one of the random upstream gradients
    kinks       how many probes lay on a kink and were made again beside it
    resolution  how much of the error the differences themselves may have made (an estimate)
    """
    name: str
    shape: tuple[int, ...]
    checked: int
    error: float
    index: tuple[int, ...] | str = ()
    numeric: float = 0.0
    analytic: float = 0.0
    kinks: int = 0
    resolution: float = 0.0
    method: str = "central differences"
    numeric_values: np.ndarray | None = field(default=None, repr=False)      # all elements, where all were measured; NaN where not
    analytic_values: np.ndarray | None = field(default=None, repr=False)
    curve: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)     # steps, |D(step) − analytic| relative

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass
class Hypothesis:
    """What may be wrong, and the evidence for it.  cause: the name of a known mistake, or of a pattern in the numbers."""
    cause: str
    text: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.text}\n        evidence: {self.evidence}"


@dataclass
class Report:
    """The outcome of a gradient check: true where it passed; str() explains.

    problems     sentences on what is wrong besides numbers: an exception, a shape, an input changed in place
    notes        what is good to know and no mistake: kinks beside which was checked
    hypotheses   what may be wrong, the likeliest first
    """
    tolerance: float
    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hypotheses: list[Hypothesis] = field(default_factory=list)
    name: str = ""
    seconds: float = 0.0

    @property
    def error(self) -> float:
        """The largest error of all inputs; NaN if any is NaN."""
        return float(np.max([row.error for row in self.rows])) if self.rows else 0.0

    @property
    def kinks(self) -> int:
        return sum(row.kinks for row in self.rows)

    def passed(self, row: Row) -> bool:
        return row.error <= self.tolerance                                   # of NaN this is false

    def __bool__(self) -> bool:
        return not self.problems and bool(self.rows) and all(self.passed(row) for row in self.rows)

    @property
    def worst(self) -> Row | None:
        """The row with the largest error, or the first with a NaN."""
        return max(self.rows, key=lambda row: np.inf if np.isnan(row.error) else row.error, default=None)

    def __str__(self) -> str:
        head = f"{self.name + ': ' if self.name else ''}gradcheck {'passed' if self else 'FAILED'}"
        head += f": largest error {self.error:.1e}, tolerance {self.tolerance:.0e}" if self.rows else ""
        lines = [head, *(f"  {problem}" for problem in self.problems)]
        for row in self.rows:
            lines.append(f"  {'ok ' if self.passed(row) else 'BAD'} {row.name} {row.shape}: {row.error:.1e} over {row.checked} checks")
            if not self.passed(row):
                place = row.index if isinstance(row.index, str) else f"at {row.index}"
                lines.append(f"      {place}: finite differences say {row.numeric:.9g}, backward says {row.analytic:.9g}")
        for number, hypothesis in enumerate(self.hypotheses):
            lines.append(f"    {'perhaps: ' if number == 0 else 'or:      '}{hypothesis}")
        lines += [f"  note: {note}" for note in self.notes]
        bad = self.worst
        if bad is not None and not self.passed(bad):
            from .picture import heat_map
            lines += [f"  {line}" for line in heat_map(bad)]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """All of it in Python's own types, for json.dumps; a NaN is the text "nan"."""
        return {"name": self.name, "passed": bool(self), "error": plain(self.error), "tolerance": self.tolerance,
                "seconds": round(self.seconds, 3), "kinks": self.kinks, "problems": list(self.problems), "notes": list(self.notes),
                "rows": [{"name": row.name, "shape": list(row.shape), "passed": self.passed(row), "error": plain(row.error),
                          "checked": row.checked, "index": row.index if isinstance(row.index, str) else list(row.index),
                          "numeric": plain(row.numeric), "analytic": plain(row.analytic), "kinks": row.kinks,
                          "resolution": plain(row.resolution), "method": row.method} for row in self.rows],
                "hypotheses": [vars(hypothesis) for hypothesis in self.hypotheses]}

    def save_picture(self, path: Any, overwrite: bool = False) -> None:
        """A PNG (or what the suffix says) of the worst input: numeric, analytic, error over the array, and the V-curve.

        Of an input of more than 2,000 elements, whose gradient is not measured as a whole, the worst element and the V-curve.
        ValueError if the check ended before anything was measured, FileExistsError if the file is there and overwrite is not said.
        """
        from .picture import save
        save(self, path, overwrite)


def plain(x: float) -> float | str:
    return float(x) if np.isfinite(x) else str(float(x))


