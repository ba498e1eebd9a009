"""A Summary as a table for the terminal."""
from io import StringIO
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from .summary import Row, Summary

PARTS = ("stem", "body", "head")


def shape_text(shape: tuple) -> str:
    if shape and isinstance(shape[0], tuple):
        return ", ".join(map(shape_text, shape))
    return "×".join(map(str, shape)) or "1"


def bytes_text(count: float) -> str:
    return f"{count / 1024:,.1f} KiB" if count < 1 << 20 else f"{count / (1 << 20):,.1f} MiB"


def field_text(field: tuple[int, int] | None) -> str:
    return "?" if field is None else str(field[0]) if field[0] == field[1] else shape_text(field)


def _numbers(row: "Row | Summary") -> tuple[str, str, str]:
    return f"{row.params:,}", f"{row.macs:,}", bytes_text(row.activation_bytes)


def sections(summary: "Summary") -> list[tuple[str, list["Row"]]]:
    """("stem", its rows) …, and ("", all rows) of a model that is not made of stem, body and head."""
    first = [row.name.partition(".")[0] for row in summary.rows]
    if not set(PARTS) <= set(first):
        return [("", summary.rows)]
    others = [name for name in dict.fromkeys(first) if name not in PARTS]           # such as auxiliary heads
    return [(part, [row for row, of in zip(summary.rows, first) if of == part]) for part in (*PARTS, *others)]


def stages(summary: "Summary") -> list["Row"]:
    """A row for the stem, each stage of the body, the head and what else there is; all rows where there are no such parts."""
    names = dict.fromkeys(".".join(row.name.split(".")[:2]) if part == "body" else part for part, rows in sections(summary) for row in rows)
    return [summary.part(name) for name in names] if "" not in names else summary.rows


def render(table: Any) -> str:
    """A rich table as plain text, as wide as it has to be."""
    text = StringIO()
    Console(file=text, width=400, color_system=None, legacy_windows=False).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n")


def table(summary: "Summary", by_stage: bool = False) -> str:
    """The layers of a Summary with sums of each part; by_stage: a line a stage."""
    by_stage = by_stage and sections(summary)[0][0] != ""
    grid = Table(box=box.SIMPLE_HEAD, show_footer=False, pad_edge=False)
    for name in ("stage" if by_stage else "layer", "" if by_stage else "type", "output", "sees", "parameters", "multiply-adds", "memory"):
        grid.add_column(name, justify="right" if name in ("sees", "parameters", "multiply-adds", "memory") else "left", no_wrap=True)
    for part, rows in [("", stages(summary))] if by_stage else sections(summary):
        for row in rows:
            grid.add_row(row.name, row.type, shape_text(row.output_shape), field_text(row.receptive_field), *_numbers(row))
        if part:
            grid.add_section()
            sums = summary.part(part)
            grid.add_row(f"{part}, together", "", shape_text(sums.output_shape), field_text(sums.receptive_field), *_numbers(sums))
        grid.add_section()
    grid.add_row(summary.model, "", "", "", *_numbers(summary))
    lines = [render(grid)]
    if summary.trainable_params != summary.params:
        lines.append(f"{summary.trainable_params:,} of the parameters are trainable")
    if summary.not_called:
        lines.append(f"not used here: {', '.join(summary.not_called)}")
    return "\n".join([*lines, f"for one input of {shape_text(summary.input_shape)}; sees: the receptive field in pixels (? where "
                      "attention leaves it open); memory: what each layer gives out"])
