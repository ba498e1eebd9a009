"""A record of what was run on a GPU: DATE-GPU.json, and the same to be read, DATE-GPU.md.  See tests/records/README.md.

A record grows: each run of a piece is added to it. What stands in one is not taken out again, and no other file is written over.
"""
import datetime
import json
import re
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from minicnn.bench import machine
from minicnn.io.atomic import write

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "records"


@dataclass
class Run:
    """One command of a piece.

    outcome: "passed", "failed: exit status 1", "out of time: …", "skipped: …"; shown: what of its output matters; data: what it wrote as
    JSON, of the .json file alone."""
    piece: str
    command: str
    outcome: str
    seconds: float = 0.0
    date: str = ""
    shown: str = ""
    data: Any = None

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"


@dataclass
class Record:
    """name: of the files.  machine: see describe; runs: in the order in which they ended."""
    name: str
    machine: dict[str, Any]
    runs: list[Run] = field(default_factory=list)
    folder: Path = FOLDER

    @property
    def paths(self) -> tuple[Path, Path]:
        return self.folder / f"{self.name}.json", self.folder / f"{self.name}.md"

    def add(self, run: Run) -> None:
        """Add a run, and write both files: an end of the session loses nothing."""
        self.runs.append(run)
        found = {"machine": self.machine, "runs": [asdict(run) for run in self.runs]}
        texts = json.dumps(found, indent=1, ensure_ascii=False) + "\n", self.markdown()
        self.folder.mkdir(parents=True, exist_ok=True)
        for path, text in zip(self.paths, texts):
            write(path, text.encode())

    def markdown(self) -> str:
        lines = [f"# {self.name}", "", *(f"- {key.replace('_', ' ')}: {value}" for key, value in self.machine.items() if value), "",
                 "| piece | outcome | time | date | command |", "| --- | --- | --- | --- | --- |"]
        lines += [f"| {r.piece} | {r.outcome} | {r.seconds:.0f} s | {r.date} | `{r.command.replace('|', '&#124;')}` |" for r in self.runs]
        for run in self.runs:
            if run.shown:
                fence = "`" * max(3, 1 + max(map(len, re.findall("`+", run.shown)), default=0))
                lines += ["", f"## {run.piece}, {run.date}", "", f"`{run.command}`: {run.outcome}", "", fence, run.shown, fence]
        return "\n".join(lines) + "\n"


def opened(name: str, described: dict[str, Any], folder: Path = FOLDER, add: bool = False) -> Record:
    """A record to add to.  FileExistsError where there is one of this name and `add` does not say that it may grow; ValueError where it
    was taken on another GPU or at another commit."""
    record = Record(name, described, folder=folder)
    there = [path for path in record.paths if path.exists()]
    if not there:
        return record
    if not add:
        raise FileExistsError(f"{there[0]} is there and is not written over; --add adds to it, --name NAME begins another record")
    found = json.loads(record.paths[0].read_text(encoding="utf-8"))
    for key in ("gpu", "commit"):
        if found["machine"].get(key) != described.get(key):
            raise ValueError(f"{record.paths[0]}: it is of {key} {found['machine'].get(key)!r}, this is {described.get(key)!r}; "
                             "--name NAME begins another record")
    record.machine, record.runs = found["machine"], [Run(**run) for run in found["runs"]]
    return record


def describe(gpu: dict[str, Any], torch: dict[str, Any], tools: dict[str, str]) -> dict[str, Any]:
    """What a record is of: GPU, driver, clocks, versions, commit, processor.  gpu: chip.describe(); torch: versions; tools: paths."""
    system, smi = machine.system(), machine.nvidia_smi() if not gpu.get("emulated") else {}
    return {"gpu": gpu.get("name", ""), "compute_capability": gpu.get("compute_capability", ""),
            "multiprocessors": gpu.get("multiprocessors", ""), "memory": f"{gpu['total'] / 2 ** 30:.0f} GiB" if gpu.get("total") else "",
            "driver": smi.get("driver", ""), "clocks": ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in smi.items() if "clock" in k
                                                                or k in ("of_at_most", "power_limit")),
            "CUDA": gpu.get("cuda", ""), "CUDA of the driver": gpu.get("cuda_driver", ""), "NVRTC": gpu.get("nvrtc", ""),
            "CuPy": gpu.get("cupy", ""), "PyTorch": torch.get("version", ""), "CUDA of PyTorch": torch.get("cuda", ""),
            "cuDNN": torch.get("cudnn", ""), "compute-sanitizer": tools.get("compute-sanitizer", ""),
            "processor": f"{system['processor']}, {system['cores']} cores", "system": system["system"], "Python": system["python"],
            "NumPy": system["versions"]["numpy"], "commit": commit(), "date": now()}


def commit() -> str:
    """The commit that is checked out, and whether files differ from it; empty without git."""
    try:
        run = [subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
               for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))]
    except (OSError, subprocess.SubprocessError):
        return ""
    return run[0] + " and changes that are not committed" * bool(run[1])


def now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="minutes")


def name_of(gpu: str) -> str:
    """ "NVIDIA H100 80GB HBM3" -> "2026-11-22-nvidia-h100-80gb-hbm3" """
    return f"{datetime.date.today()}-{re.sub('[^a-z0-9]+', '-', gpu.lower()).strip('-') or 'no-gpu'}"
