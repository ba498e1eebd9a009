"""The benchmark of single operations: every subject is sound, every algorithm has its rows."""
import json

import pytest

import minicnn as mc
from minicnn import cli, kernels
from minicnn.bench import layers, shapes
from minicnn.bench.layers import Row, rows_of
from minicnn.bench.operations import Call, drawn
from minicnn.bench.plan import name_of
from minicnn.commands import bench

IDS = [f"{subject.op}, {subject.name}" for subject in shapes.SUBJECTS]


@pytest.mark.parametrize("subject", shapes.SUBJECTS, ids=IDS)
def test_a_subject_is_one_operation_of_its_name(subject):
    found = []
    tensors = [mc.meta(*shape, dtype="int64" if subject.classes and shape == subject.shapes[-1] else "float32")
               for shape in subject.shapes if shape is not None]
    with mc.observe(lambda event: found.append(name_of(event.op)) if event.moment == "forward" else None):
        subject.call(*tensors)
    assert found == [subject.op]
    assert subject is shapes.find(subject.op, subject.name)                    # no two of one name


def test_labels_are_drawn_as_labels():
    subject = shapes.find("cross_entropy", "MNIST, 64 of 10")
    scores, labels = drawn(subject)
    assert scores.shape == (64, 10) and labels.dtype.kind == "i" and set(labels) <= set(range(10))
    assert [name for name, _ in Call(subject, [scores, labels]).named_buffers()] == ["a1"]


def test_the_operations_are_those_of_the_kernels():
    known = {*kernels.names(), "add", "cat", shapes.OPTIMIZER}
    assert set(shapes.operations()) <= known and {"conv2d", "linear", "max_pool2d", "optimizer"} <= set(shapes.operations())
    assert layers.chosen(["conv2d"], "vgg 64@224") == [("conv2d", "VGG 64@224")]
    with pytest.raises(ValueError, match="--shape Nonesuch: no shape of conv2d has this in its name; there are LeNet conv1"):
        layers.chosen(["conv2d"], "Nonesuch")


def test_rows_of_a_reply():
    facts = {"flops": 4, "bytes": 2, "error": 1e-7}
    reply = {"default": None, "algorithms": [
        {"algorithm": None, "directions": {"forward": {**facts, "same": ["b"]}, "backward": {**facts, "same": ["a", "b"]}}},
        {"algorithm": "a", "directions": {"forward": facts, "backward": facts}},
        {"algorithm": "b", "refused": "too large"}]}
    rows = rows_of("op", "shape", reply)
    assert [(row.direction, row.label, row.refused) for row in rows] == [
        ("forward", "default: b", ""), ("forward", "a", ""), ("backward", "default", ""), ("backward", "a", ""), ("", "b", "too large")]


def test_a_slow_algorithm_has_one_round(monkeypatch):
    class Fake:
        def ask(self, do, algorithm=None, direction="", least=0.0):
            return 50.0 if do == "peak" else {"seconds": 1.0 if algorithm is None else 100.0}
    monkeypatch.setattr(layers, "PAUSE", 0.0)
    rows = [Row("op", "shape", "forward", None, 10, 20), Row("op", "shape", "forward", "slow")]
    layers.take_turns(Fake(), [], rows, 3)
    assert [row.seconds for row in rows] == [[1.0] * 3, [100.0]]
    assert rows[0].share == 10 / 50 and rows[0].of_roofline(40.0) == 20 / 40 and rows[0].of_roofline(400.0) == 10 / 50


def test_operations_from_the_command_line(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "peaks", lambda say: {"flops": 2e9, "bandwidth": 1e9})
    words = ["bench", "conv2d", "--shape", "LeNet conv1", "--rounds", "2", "--json", "found.json", "--chart", "f.svg"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    rows = [row for row in found["layers"] if not row["refused"]]
    assert {row["direction"] for row in rows} == {"forward", "input gradient", "weight gradient"}
    for direction in ("forward", "input gradient", "weight gradient"):
        names = [row["algorithm"] for row in rows if row["direction"] == direction]
        assert names[0] is None and set(names[1:]) <= set(kernels.algorithms("conv2d")) and len(names) > 1
    assert all(row["error"] < 2e-6 and row["flops"] == 2 * 64 * 6 * 28 * 28 * 25 and 1 <= len(row["seconds"]) <= 2 for row in rows)
    assert (tmp_path / "f.svg").stat().st_size > 1000 and "LeNet conv1" in out and "of\nroofline" not in out and "GFLOP/s" in out
    assert cli.main(["bench", "conv2d", "--algorithm", "guess", "--shape", "LeNet conv1"]) == 2
    assert "--algorithm guess: conv2d has depthwise, direct" in capsys.readouterr().err
