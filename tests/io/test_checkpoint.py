"""Checkpoints come back as they were, other programs read them, and a damaged one is told."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import minicnn as mc
from minicnn.io import atomic, load, save

STATE = {"model": {"conv.weight": np.arange(12.0).reshape(3, 4), "conv.bias": np.float32(2.5)},
         "optimizer": {"state": {0: {"momentum_buffer": np.ones((2, 0), np.float32), "step": 3}}, "betas": (0.9, 0.999)},
         "lr": 1e-3, "exact": 0.1 + 0.2, "done": False, "nothing": None, "names": ["a", "b"],
         "masks": [np.array([True, False]), np.array(7)]}


def same(a, b):
    if isinstance(a, (np.ndarray, np.generic)):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def test_a_nested_state_comes_back_exactly(tmp_path):
    save(STATE, tmp_path / "state.safetensors")
    assert same(STATE, load(tmp_path / "state.safetensors"))


def test_a_flat_state_is_a_plain_safetensors_file_and_the_other_way_round(tmp_path):
    flat = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::-1], "count": np.array(3)}
    save(flat, tmp_path / "flat.safetensors")
    read = safetensors.numpy.load_file(tmp_path / "flat.safetensors")
    assert read.keys() == flat.keys() and all(np.array_equal(read[name], flat[name]) for name in flat)
    safetensors.numpy.save_file({"x": np.ones(3, np.float16)}, tmp_path / "theirs.safetensors", {"format": "pt"})
    assert same({"x": np.ones(3, np.float16)}, load(tmp_path / "theirs.safetensors"))


def test_a_model_is_saved_by_its_state_dict(tmp_path):
    mc.manual_seed(1)
    model, other = mc.nn.Linear(3, 2), mc.nn.Linear(3, 2)
    mc.save(model, tmp_path / "model.safetensors")
    other.load_state_dict(mc.load(tmp_path / "model.safetensors"))
    assert all(np.array_equal(a.data, b.data) for a, b in zip(model.parameters(), other.parameters()))


def test_an_existing_file_is_not_overwritten_silently(tmp_path):
    path = tmp_path / "state.safetensors"
    save({"x": np.zeros(1)}, path)
    with pytest.raises(FileExistsError, match=r"save: .*state.safetensors exists and is not overwritten; choose another name, or save\("):
        save({"x": np.ones(1)}, path)
    assert load(path)["x"] == 0
    save({"x": np.ones(1)}, path, overwrite=True)
    assert load(path)["x"] == 1
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        save({}, tmp_path / "nowhere" / "state.safetensors")


@pytest.mark.parametrize("value, message", [
    (np.array(["text"]), "save: a.b is <U4, which cannot be stored"), (np.ones(2, complex), "save: a.b is complex128"),
    (np.array([None]), "save: a.b is object"), (object(), "save: a.b is a object; a checkpoint holds arrays, numbers, text")])
def test_what_cannot_be_stored_is_refused(tmp_path, value, message):
    with pytest.raises(TypeError, match=message):
        save({"a": {"b": value}}, tmp_path / "state.safetensors")
    assert list(tmp_path.iterdir()) == []


def damaged():
    whole = safetensors.numpy.save({"x": np.arange(8.0)})
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8:8 + length])

    def with_dtype(dtype):
        text = json.dumps({"x": {**header["x"], "dtype": dtype}}).encode()
        return len(text).to_bytes(8, "little") + text + whole[8 + length:]
    return [
        ("empty", b"", "it has 0 bytes"),
        ("in the header", whole[:30], r"its header should have \d+ bytes, the file has 22 after the length: truncated"),
        ("in the arrays", whole[:-5], "incomplete"), ("magic of NumPy", b"\x93NUMPY" + whole, "its header should start with '{' at byte 8"),
        ("zip", b"PK\x03\x04" * 30, "its header should start with"),
        ("header of 2^60", (1 << 60).to_bytes(8, "little") + whole[8:], "truncated"),
        ("dtype unknown", with_dtype("F9"), r"NumPy has no such dtype: x \(F9\)"), ("bfloat16", with_dtype("BF16"), r"x \(BF16\)"),
        ("dtype of another size", with_dtype("F32"), "x|invalid|tensor"),
        ("header is no JSON", whole[:9] + b"\xff" + whole[10:], "utf-8|JSON|invalid"),
        ("header is a list", (2 + 6).to_bytes(8, "little") + b'{"a":[]}' + b"", "list|invalid|attribute")]


@pytest.mark.parametrize("content, message", [pytest.param(*rest, id=name) for name, *rest in damaged()])
def test_a_damaged_file_is_one_clear_error(tmp_path, content, message):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"(?s)load: .*bad.safetensors is not a whole safetensors file: .*({message})"):
        load(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="load: no such file: .*none.safetensors"):
        load(tmp_path / "none.safetensors")
    save({}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="is a folder; its checkpoints are a.safetensors"):
        load(tmp_path)


def test_a_failure_before_the_renaming_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    atomic.write(path, b"old")

    def crash(*_):
        raise OSError("the disk is gone")
    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="the disk is gone"):
        atomic.write(path, b"new")
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_process_killed_before_the_renaming_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    atomic.write(path, b"old")
    script = f"import os; os.replace = lambda *_: os._exit(9)\nfrom minicnn.io import atomic; atomic.write({str(path)!r}, b'new' * 1000)"
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2])
    assert done.returncode == 9 and path.read_bytes() == b"old"
    atomic.write(path, b"newer")
    assert path.read_bytes() == b"newer"


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_new_file_has_the_usual_permissions(tmp_path):
    atomic.write(tmp_path / "ours", b"")
    (tmp_path / "usual").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode
