"""A run folder: everything that one training leaves behind.

    config.json         what was trained, how, on what
    last.safetensors    all that is needed to go on: weights, optimiser, schedule, average, place in the data, history
    best.safetensors    the weights that did best on the validation images, a plain state_dict; best.json says when, and how well
    metrics.jsonl       one line an epoch
    result.json         the accuracy on the test images, written once, at the end; curves.png, confusion.png
    .lock               empty; held by the process that trains here

Every file is replaced as a whole. What last.json shows is a copy, to be read: the program reads last.safetensors alone, so that the two
cannot disagree after a crash between them.
"""
import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from ..io import atomic
from ..io.checkpoint import load, save
from ..io.lock import held

RESULT = ("test_accuracy", "test_loss", "test_images", "epoch", "validation_accuracy")


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
        if os.path.lexists(path) and (not path.is_dir() or any(path.iterdir())):
            again = f"go on with it by --resume {path}, or " if (path / "config.json").exists() else ""
            raise FileExistsError(f"{path} exists and is not overwritten; {again}choose another --out")
        path.mkdir(parents=True, exist_ok=True)
        write_json(path / "config.json", config)
        return cls(path)

    @classmethod
    def numbered(cls, parent: str | os.PathLike, name: str, config: Mapping[str, Any]) -> "RunFolder":
        """The first of parent/name-1, parent/name-2 … that does not exist.  FileExistsError if the parent is there, but is no folder."""
        number = 1
        if os.path.lexists(parent) and not Path(parent).is_dir():
            raise FileExistsError(f"{parent} is not a folder (a file, or a link to nowhere): move it away, or choose a place by --out")
        Path(parent).mkdir(parents=True, exist_ok=True)
        while True:
            path = Path(parent) / f"{name}-{number}"
            try:
                path.mkdir()
            except FileExistsError:
                number += 1
                continue
            return cls.create(path, config)

    @property
    def config(self) -> dict[str, Any]:
        values = read_json(self.path / "config.json")
        if not isinstance(values, dict):
            raise ValueError(f"{self.path / 'config.json'} should hold a dict, the configuration of a training, got {values!r:.40}; "
                             f"put the file back from a copy, or start a new run")
        return values

    def write_config(self, config: Mapping[str, Any]) -> None:
        write_json(self.path / "config.json", config)

    def locked(self) -> AbstractContextManager[None]:
        """Inside the with block no other process can train here.  BlockingIOError if one does."""
        return held(self.path / ".lock", f"another process is training in {self.path}; wait for it, or stop it by Ctrl-C, then go on")

    @property
    def result(self) -> dict[str, Any] | None:
        """What the test images gave, or None if the run has not come to its end."""
        path = self.path / "result.json"
        if not path.exists():
            return None
        values = read_json(path)
        bad = [name for name in RESULT if not isinstance(values, dict) or not isinstance(values.get(name), (int, float))]
        if bad:
            raise ValueError(f"{path} has no number for {', '.join(bad)}; delete this file, and --resume {self.path} measures again")
        return values

    def save_last(self, state: Mapping[str, Any]) -> None:
        save(state, self.path / "last.safetensors", overwrite=True)
        write_json(self.path / "last.json", {key: state[key] for key in ("epoch", "batch", "best", "history", "generator")})

    def load_last(self) -> dict[str, Any] | None:
        """The state to go on from (Trainer.load_state looks at what is in it), or None if the run was stopped before it began.

        ValueError for a file that holds something else, or if it is missing where a training has been.
        """
        path = self.path / "last.safetensors"
        if not path.exists():
            left = [name for name in ("best.safetensors", "metrics.jsonl", "result.json") if (self.path / name).exists()]
            if left:
                raise FileNotFoundError(f"{path} is missing, so there is nothing to go on from, and starting again would overwrite "
                                        f"{left[0]}; put it back from a copy, or start a new run")
            return None
        state = load(path)
        if not isinstance(state, dict) or not isinstance(state.get("model"), dict):
            what = "weights alone" if isinstance(state, dict) else f"a {type(state).__name__}"
            raise ValueError(f"{path} holds {what}, not the state of a training: there is nothing to go on from; "
                             f"put it back from a copy, or start a new run")
        return state

    def save_best(self, weights: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        save(weights, self.path / "best.safetensors", overwrite=True)
        write_json(self.path / "best.json", record)

    def load_best(self) -> dict[str, Any]:
        """The best weights.  FileNotFoundError if there are none, ValueError if the file holds something else."""
        path = self.path / "best.safetensors"
        if not path.exists():
            if (self.path / "metrics.jsonl").exists():
                raise FileNotFoundError(f"{path}, the best weights, is gone, and no other file of the run holds them; "
                                        f"put it back from a copy, or train again in a new run")
            raise FileNotFoundError(f"{self.path} has no best.safetensors: its training has not finished an epoch yet; "
                                    f"go on by --resume {self.path}")
        weights = load(path)
        if not isinstance(weights, dict) or not all(isinstance(value, np.ndarray) for value in weights.values()):
            raise ValueError(f"{path} should hold a dict of arrays, the weights of a model; put it back from a copy, or train again")
        return weights

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
