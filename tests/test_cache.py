"""What Numba compiled is found again by the next process, all of it; and an edit anywhere below a kernel file is compiled anew."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")
ROOT = Path(__file__).resolve().parent.parent

# Runs one case of every operation, forward and backward, and prints the functions that had to be compiled.
PROGRAM = """
import gc
from numba.core.dispatcher import Dispatcher
from tests.test_kernels import SUBJECTS, kernels, outputs

seen = set()
for subject in SUBJECTS:
    arrays = subject.copies("float32")
    if subject.op in seen or 0 in [a.size for a in arrays if a is not None]:
        continue
    seen.add(subject.op)
    kernel = kernels.load(subject.op, "numba")
    if subject.steps:
        kernel.step(*arrays, **subject.case.options)
    else:
        output, saved = kernel.forward(*arrays, **subject.case.options)
        kernel.backward(outputs(output)[0].copy(), saved, subject.needs)
assert seen == set(kernels.names())
mine = [d for d in gc.get_objects() if isinstance(d, Dispatcher) and d.py_func.__module__.startswith("minicnn.")]
assert sum(len(d.signatures) for d in mine) > len(seen)
print(*sorted(f"{d.py_func.__module__}.{d.py_func.__qualname__}" for d in mine if d.stats.cache_misses), sep="\\n")
"""


def compiled_by_a_process() -> list[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_second_process_compiles_nothing():
    compiled_by_a_process()
    again = compiled_by_a_process()
    assert not again, f"never found in the cache: {', '.join(again)}"


def test_an_edit_of_an_imported_file_is_seen(tmp_path, monkeypatch):
    """The key of a kernel file covers what it imports, however far below."""
    from minicnn.kernels import jit
    (tmp_path / "op").mkdir()
    files = {"op/cpu.py": "from ..middle import (e,\n    f)", "middle.py": "def g():\n    from . import \\\n        low",
             "low.py": "f = 1", "other.py": ""}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(jit, "HERE", tmp_path)

    def key():
        jit._key.cache_clear()
        jit._read.cache_clear()
        return jit._key(tmp_path / "op" / "cpu.py")

    before = key()
    assert key() == before
    (tmp_path / "other.py").write_text("x = 1")
    assert key() == before
    (tmp_path / "low.py").write_text("f = 2")
    assert key() != before
    jit._key.cache_clear()


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("content", ["", "half", "noise"])
def test_a_damaged_file_is_compiled_anew(content, suffix, tmp_path):
    """Cut short, by a full disk or a process that was stopped, or overwritten."""
    program = ("import numpy as np, sys; from minicnn.kernels.add_relu.cpu import forward\n"
               "x = np.array([-3., 1.]); print(forward(x, x)[0].tolist())")

    def run():
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=os.environ | {"MINICNN_CACHE": str(tmp_path)},
                              capture_output=True, text=True)
        assert done.stdout == "[0.0, 2.0]\n", done.stderr
    run()
    files = list(tmp_path.rglob(f"*.{suffix}"))
    assert files
    for file in files:
        whole = file.read_bytes()
        file.write_bytes({"": b"", "half": whole[:len(whole) // 2], "noise": bytes(range(256))}[content])
    run()
    assert all(file.stat().st_size for file in tmp_path.rglob(f"*.{suffix}"))


def test_nowhere_to_keep_what_is_compiled(tmp_path):
    """It is said, and nothing is left behind."""
    (tmp_path / "file").write_text("")
    program = "from minicnn.kernels.jit import cache_root; print(cache_root())"
    environment = os.environ | {"MINICNN_CACHE": str(tmp_path / "file")}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert f"compiled kernels cannot be kept in {tmp_path / 'file'}" in done.stderr
    assert "minicnn-" in done.stdout and not Path(done.stdout.strip()).exists()
