"""What the debugging information of a library says: the source lines that machine code comes from, and the types of shared arrays."""
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

HERE = Path(__file__).resolve().parent
ENTRY = re.compile(r"^ <\d+><(?P<at>\w+)>: Abbrev Number: \d+ \(DW_TAG_(?P<tag>\w+)\)")
FACT = re.compile(r"DW_AT_(?P<name>type|abstract_origin|location|byte_size|encoding|upper_bound)\s*:\s*(?:\(\w+\) )?(?P<value>.*)")
ENCODINGS = {2: "b", 4: "f", 5: "i", 6: "i", 7: "u", 8: "u"}             # DW_ATE_boolean, float, signed, signed char, unsigned, …


class Place(NamedTuple):
    """A line of a source.  calls: the lines, from the inside out, of the functions that lead to it; the last is in the kernel itself."""
    path: str
    line: int
    calls: tuple[tuple[str, int], ...] = ()


def places_of(library: Path, base: int, codes: Sequence[int]) -> dict[int, Place]:
    """Where each address of machine code (one behind a call) stands in the source.  What the emulator itself has is left out."""
    command = ["addr2line", "-a", "-i", "-e", str(library), *(hex(code - 1 - base) for code in codes)]       # −1: inside the call
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines() if len(codes) else []
    frames: list[list[tuple[str, int]]] = []
    for line in lines:
        if line.startswith("0x"):
            frames.append([])
            continue
        path, _, number = re.sub(r" \(.*", "", line).rpartition(":")
        if Path(path).parent != HERE:
            frames[-1].append((path, int(number) if number.isdigit() else 0))
    return {code: Place(*found[0], tuple(found[1:])) if found else Place("?", 0) for code, found in zip(codes, frames)}


def types_of(library: Path) -> dict[int, tuple[np.dtype, tuple[int, ...]]]:
    """(type of an element, shape) of each array that has a fixed address in a library, by address.

    An array of structures counts as one of their members, as if all were of the type of the first.
    """
    text = subprocess.run(["readelf", "--debug-dump=info", str(library)], capture_output=True, text=True, check=True).stdout
    entries: dict[str, dict[str, Any]] = {}
    array, structure = {}, {"members": []}
    variables = []

    def referred(facts: dict, name: str) -> dict:
        return entries.get(facts.get(name, "").partition(">")[0].removeprefix("<0x"), {})

    for line in text.splitlines():
        if begins := ENTRY.match(line):
            facts = entries[begins["at"]] = {"tag": begins["tag"]}
            if begins["tag"] == "array_type":
                array = facts
                array["axes"] = []
            elif begins["tag"] == "subrange_type":                              # an axis of the array before it
                array["axes"].append(facts)
            elif begins["tag"] in ("structure_type", "class_type"):
                structure = facts
                structure["members"] = []
            elif begins["tag"] == "member":
                structure["members"].append(facts)
            elif begins["tag"] == "variable":
                variables.append(facts)
        elif fact := FACT.search(line):
            facts[fact["name"]] = fact["value"].strip()
    found = {}
    for facts in variables:
        fixed = re.search(r"\(DW_OP_addr: (\w+)\)", facts.get("location", ""))
        while "type" not in facts and "abstract_origin" in facts:               # of a function that was inlined: it is described there
            facts = referred(facts, "abstract_origin")
        declared = referred(facts, "type")
        if not fixed or declared.get("tag") != "array_type":
            continue
        axes = [int(axis["upper_bound"]) + 1 if axis.get("upper_bound", "").isdigit() else 0 for axis in declared["axes"]]
        while "type" in declared or declared.get("members"):                    # through const, names of types, and into structures
            if "members" in declared:
                axes.append(len(declared["members"]))
                declared = declared["members"][0]
            declared = referred(declared, "type")
        if "encoding" in declared:
            letter = ENCODINGS.get(int(declared["encoding"].split()[0]), "V")
            found[int(fixed[1], 16)] = np.dtype(f"{letter}{declared['byte_size']}"), tuple(axes)
    return found
