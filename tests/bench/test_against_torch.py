"""The benchmark beside PyTorch itself, in a process of its own."""
import json
import os

import numpy as np
import pytest

from minicnn import cli
from minicnn.bench.ours import Minicnn
from minicnn.commands import bench

SETTINGS = [{}, {"optimizer": "foreach"}, {"optimizer": "fused"}, {"channels_last": True, "optimizer": "fused"}]


@pytest.fixture
def here(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "peaks", lambda say: {"flops": 2e9, "bandwidth": 1e9})

    def run(*words):
        status = cli.main([str(word) for word in words])
        return status, *capsys.readouterr()
    return run


def test_a_network(here, tmp_path):
    status, out, err = here("bench", "lenet5:2", "--against", "torch", "--no-tuning", "--rounds", 2, "--threads", 1, "--json", "found.json")
    assert status == 0, err
    network, = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["networks"]
    ours, theirs = network["timings"]
    assert [ours["label"], theirs["label"]] == ["minicnn", "torch"] and set(network["ratios"]) == {"torch"} and "÷ torch" in out
    assert ours["losses"] == pytest.approx(theirs["losses"], rel=1e-5)
    assert {timing["environment"]["threads"] for timing in network["timings"]} == {1}
    assert theirs["environment"]["environment"].get("OMP_WAIT_POLICY") == os.environ.get("OMP_WAIT_POLICY")    # nothing of ours


def test_an_operation_and_an_optimiser(here, tmp_path):
    words = ("--shape", "LeNet", "--against", "torch", "--rounds", 2, "--json", "found.json")
    status, out, err = here("bench", "avg_pool2d", "optimizer", *words)
    assert status == 0, err
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    directions = {("avg_pool2d", "forward"), ("avg_pool2d", "backward"), ("optimizer", "step")}
    assert {(row["op"], row["direction"]) for row in found["layers"]} == directions
    assert all(len(row["theirs"]) == 2 and row["ratio"] > 0 for row in found["layers"])
    assert set(found["geometric_means"]) == {"forward", "backward", "step"} and "÷ torch" in out


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_every_setting_of_pytorch_computes_the_same(training, tmp_path):
    """In this process, with the NumPy kernels; a network with batch norm, additions and what is written over."""
    from minicnn.bench.torch_worker import Torch
    ours, settings = Minicnn(), {"backend": "reference"}
    ours.choose(settings)
    try:
        ours.prepare(str(tmp_path), "shufflenet_v2_0.5" if not training else "resnet20", 2, training)
        expected = ours.load(str(tmp_path), training, settings)
        for chosen in SETTINGS if training else [{}, {"channels_last": True}]:
            found = Torch().load(str(tmp_path), training, chosen)
            assert np.allclose(found["losses"], expected["losses"], rtol=1e-4), chosen
            assert np.allclose(found["scores"], expected["scores"], atol=1e-4 * np.abs(expected["scores"]).max()), chosen
    finally:
        ours.chosen.close()
