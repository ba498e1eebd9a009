"""list the architectures

examples:
  minicnn models
  minicnn summary lenet5        the layers of one of them
"""
import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """No options yet."""


def run(args: argparse.Namespace) -> None:
    from .. import models
    rows = [(info.name, ", ".join(info.aliases), "×".join(map(str, info.input_shape)), f"{info.params:,}", f"{info.macs:,}", info.summary)
            for info in map(models.info, models.names())]
    head = ("name", "also", "input", "parameters", "multiply-adds", "")
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        cells = (cell.rjust(width) if i in (3, 4) else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths)))
        print("  ".join(cells).rstrip())
