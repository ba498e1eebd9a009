"""A run folder: everything that one training leaves behind.

    config.json         what was trained, how, on what
    last.safetensors    all that is needed to go on: weights, optimiser, schedule, average, place in the data, history
    best.safetensors    the weights that did best on the validation images, a plain state_dict; best.json says when, and how well
    metrics.jsonl       one line an epoch
    result.json         the accuracy on the test images, written once, at the end; curves.png, confusion.png

Every file is replaced as a whole. What last.json shows is a copy, to be read: the program reads last.safetensors alone, so that the two
cannot disagree after a crash between them.
"""
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..io import atomic
from ..io.checkpoint import load, save


class RunFolder:
    """The files of one run.  RunFolder(path) for one that exists, create(…) or numbered(…) for a new one."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        if not self.path.is_dir():
            raise FileNotFoundError(f"no run folder {self.path}")
        if not (self.path / "config.json").exists():
            raise FileNotFoundError(f"{self.path} is not a run folder: it has no config.json")

    @classmethod
    def create(cls, path: str | os.PathLike, config: Mapping[str, Any]) -> "RunFolder":
        """A new folder of that name.  FileExistsError if there is one with anything in it: earlier runs are never overwritten."""
        path = Path(path)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            again = f"go on with it by --resume {path}, or " if (path / "config.json").exists() else ""
            raise FileExistsError(f"{path} exists and is not overwritten; {again}choose another --out")
        path.mkdir(parents=True, exist_ok=True)
        write_json(path / "config.json", config)
        return cls(path)

    @classmethod
    def numbered(cls, parent: str | os.PathLike, name: str, config: Mapping[str, Any]) -> "RunFolder":
        """The first of parent/name-1, parent/name-2 … that does not exist."""
        number = 1
        while True:
            path = Path(parent) / f"{name}-{number}"
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                number += 1
                continue
            return cls.create(path, config)

    @property
    def config(self) -> dict[str, Any]:
        return read_json(self.path / "config.json")

    @property
    def result(self) -> dict[str, Any] | None:
        """What the test images gave, or None if the run has not come to its end."""
        return read_json(self.path / "result.json") if (self.path / "result.json").exists() else None

    def save_last(self, state: Mapping[str, Any]) -> None:
        save(state, self.path / "last.safetensors", overwrite=True)
        write_json(self.path / "last.json", {key: state[key] for key in ("epoch", "batch", "best", "history", "generator")})

    def load_last(self) -> dict[str, Any] | None:
        """The state to go on from, or None if the run was stopped before its first checkpoint."""
        path = self.path / "last.safetensors"
        if not path.exists():
            return None
        state = load(path)
        if not isinstance(state.get("model"), dict) or not {"optimizer", "epoch", "batch", "history"} <= state.keys():
            raise ValueError(f"{path} holds weights alone, not the state of a training: there is nothing to go on from")
        return state

    def save_best(self, weights: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        save(weights, self.path / "best.safetensors", overwrite=True)
        write_json(self.path / "best.json", record)

    def load_best(self) -> dict[str, Any]:
        path = self.path / "best.safetensors"
        if not path.exists():
            raise FileNotFoundError(f"{self.path} has no best.safetensors: its training has not finished an epoch yet; "
                                    f"go on by --resume {self.path}")
        return load(path)

    def write_metrics(self, history: list[dict[str, Any]]) -> None:
        """metrics.jsonl anew from the history of the last checkpoint: a line can neither be lost nor doubled."""
        atomic.write(self.path / "metrics.jsonl", "".join(json.dumps(record) + "\n" for record in history).encode())

    def write_result(self, result: Mapping[str, Any]) -> None:
        write_json(self.path / "result.json", result)


def write_json(path: Path, value: Any) -> None:
    atomic.write(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """ValueError, with the file's name, if it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
