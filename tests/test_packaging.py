"""A wheel built from a checkout carries all that the commands need, and works where the checkout was never seen."""
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CLUTTER = shutil.ignore_patterns(".git", "__pycache__", "*.egg-info", "build", "dist", "runs", "venv", ".venv", ".*_cache", ".hypothesis")
SHIPPED = (".py", ".cu", ".cuh", ".h", ".cpp", ".html", ".css", ".js", ".npz", ".typed", ".md")

# Run outside the checkout.  Arguments: where minicnn and where its kernels should come from.
CHECK = """
import pathlib, sys
import numpy as np
import minicnn as mc, minicnn.functional as F
for module, folder in zip((mc, mc.kernels), sys.argv[1:]):
    assert pathlib.Path(module.__file__).resolve().parent == pathlib.Path(folder).resolve(), module
assert "conv2d" in mc.kernels.names()
x, w = np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4), np.ones((3, 2, 3, 3), np.float32)
with mc.use_backend("reference"):
    y = F.conv2d(mc.Tensor(x), mc.Tensor(w)).numpy()
assert (y[0, 0] == [[18 * 13.0, 18 * 14.0], [18 * 17.0, 18 * 18.0]]).all(), y
with mc.use_backend("numba"):                                   # one small kernel: it is compiled here
    y = F.relu(mc.Tensor(x - 20)).numpy()
assert (y == np.maximum(x - 20, 0)).all(), y
"""


def python(program: list[str], cwd: Path, executable: str = sys.executable, **environment: str) -> str:
    """The output of a Python run that sees nothing of this checkout; AssertionError, with what it wrote, if it fails."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MINICNN", "PYTEST"))}
    done = subprocess.run([executable, *program], cwd=cwd, env=clean | environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(program)[:200]}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def copy_of_checkout(target: Path) -> Path:
    return shutil.copytree(ROOT, target, symlinks=True, ignore=CLUTTER)


def build(kind: str, source: Path, out: Path) -> Path:
    out.mkdir(exist_ok=True)
    name = python(["-c", f"from setuptools import build_meta; print(build_meta.build_{kind}({str(out)!r}))"], source).split()[-1]
    return out / name


def expected_files() -> set[str]:
    """What a wheel must hold: every file of minicnn, kernels and tutorials, under the names that an installed minicnn has."""
    found = set()
    for folder, place in (("minicnn", "minicnn"), ("kernels", "minicnn/kernels"), ("tutorials", "minicnn/tutorials")):
        for parent, directories, names in os.walk(ROOT / folder):
            directories[:] = [d for d in directories if d != "__pycache__"]
            found |= {(Path(place) / Path(parent, n).relative_to(ROOT / folder)).as_posix() for n in names if n.endswith(SHIPPED)}
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    return build("wheel", copy_of_checkout(folder / "checkout"), folder / "dist")


def files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def metadata(wheel: Path, file: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(f".dist-info/{file}"))).decode()


def test_wheel_holds_all_that_the_commands_need(wheel):
    held = files(wheel)
    missing = sorted(expected_files() - held)
    assert not missing, f"not in the wheel: {', '.join(missing)}"
    assert {"minicnn/kernels/conv2d/cpu.py", "minicnn/py.typed", "minicnn/data/files/mnist5k.npz"} <= held


def test_wheel_holds_one_package(wheel):
    """The top-level name `kernels` is another project's, and tests stay at home."""
    tops = {name.split("/")[0] for name in files(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"minicnn"}
    assert not [name for name in files(wheel) if "__pycache__" in name or name.endswith((".nbi", ".nbc"))]


def test_metadata(wheel):
    fields = Parser().parsestr(metadata(wheel, "METADATA"))
    assert (fields["Name"], fields["Requires-Python"]) == ("minicnn-engine", ">=3.11")
    assert "MIT" in (fields["License"], fields["License-Expression"])
    needed = [r for r in fields.get_all("Requires-Dist", []) if "extra ==" not in r]
    assert any(r.startswith("numpy") for r in needed) and not any(r.startswith(("torch", "cupy", "pytest")) for r in needed)
    assert {"test", "oracle", "gpu"} <= set(fields.get_all("Provides-Extra", []))
    assert "minicnn = minicnn.cli:main" in metadata(wheel, "entry_points.txt")
    assert "MIT License" in metadata(wheel, "licenses/LICENSE")


def test_a_source_distribution_builds_the_same_wheel(wheel, tmp_path):
    archive = build("sdist", copy_of_checkout(tmp_path / "checkout"), tmp_path / "dist")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    again = build("wheel", source, tmp_path / "again")
    assert files(again) == files(wheel)


def test_wheel_works_in_an_environment_that_never_saw_the_checkout(wheel, tmp_path):
    """The packages that it depends on are lent by this environment, behind the wheel's own."""
    venv.create(tmp_path / "env", with_pip=False)
    scripts = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    executable = str(scripts / "python")
    pip = ["-m", "pip", "--disable-pip-version-check", "--python", executable]
    python([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], tmp_path)
    site = Path(python(["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], tmp_path, executable).strip())
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")

    places = [str(site / "minicnn"), str(site / "minicnn" / "kernels")]
    python(["-c", CHECK, *places], tmp_path, executable, MINICNN_CACHE=str(tmp_path / "cache"))
    shown = subprocess.run([str(scripts / "minicnn"), "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert shown.returncode == 0 and "train" in shown.stdout, shown.stdout + shown.stderr


def test_checkout_without_symbolic_links(tmp_path):
    """On Windows git writes a link as a small text file that names its target: the kernels are then found in the checkout itself."""
    checkout = copy_of_checkout(tmp_path / "checkout")
    for link in ("kernels", "tutorials"):
        (checkout / "minicnn" / link).unlink()
        (checkout / "minicnn" / link).write_text(f"../{link}")
    places = [str(checkout / "minicnn"), str(checkout / "kernels")]
    python(["-c", CHECK, *places], tmp_path, PYTHONPATH=str(checkout), MINICNN_CACHE=str(tmp_path / "cache"))
