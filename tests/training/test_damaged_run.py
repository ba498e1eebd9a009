"""What can be wrong with a run folder, each told in one line before anything is changed."""
import copy
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minicnn as mc
from minicnn import cli
from minicnn.training import RunFolder, Stopped, configure, train
from minicnn.training.progress import Silent
from minicnn.training.run import read_json, write_json

from .test_trainer import CtrlC
from .tiny import tiny_archive


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run of two epochs of 3 batches, stopped after 4 of the batches, and its state."""
    folder = tmp_path_factory.mktemp("kept")
    with mc.use_backend("reference"):
        config = configure("lenet5", data=str(tiny_archive(folder)), epochs=2, batch_size=18, augment={})
        run = RunFolder.create(folder / "run", config.as_dict())
        with pytest.raises(Stopped):
            train(config, run, CtrlC(4))
    return run


@pytest.fixture
def run(kept, tmp_path):
    shutil.copytree(kept.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


@pytest.fixture
def told(capsys, monkeypatch, tmp_path):
    """`minicnn words…` is refused with status 2 and one line: that line."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        status = cli.main([str(word) for word in words])
        err = capsys.readouterr().err
        assert status == 2 and err.count("\n") == 1 and err.startswith(f"minicnn {words[0]}: "), err
        return err
    return call


STATES = [
    (dict(generator=...), "the state should be with generator"), (dict(sums=...), "the state should be with sums"),
    (dict(generator=None), "generator should be a list of 2, got None"), (dict(generator=[0, -1]), "generator should be two whole numbers"),
    (dict(schedule=None), "schedule should be a dict, got None"), (dict(schedule={}), "schedule should be with "),
    (dict(epoch="1"), "epoch should be a whole number from 0 to 2, got '1'"), (dict(epoch=-1), "got -1"), (dict(epoch=99), "got 99"),
    (dict(epoch=True), "got True"), (dict(batch=9999), "batch should be a whole number from 0 to 2, got 9999"),
    (dict(history=5), "history should be a list of 1 records"), (dict(history=[]), "a list of 1 records, one an epoch, got []"),
    (dict(history=[{}]), r"history[0] should be a dict with epoch 1"), (dict(best=None), "best should be one of the records"),
    (dict(optimizer=3), "optimizer should be a dict"), (dict(optimizer={"state": 3}), "optimizer should be a dict"),
    (dict(sums={}), "sums should be with loss"), (dict(average={}), "average should be None, got {}"),
    (dict(model={}), "model should be with "), (dict(model=...), "not the state of a training"),
    (dict(model=5), "not the state of a training"),
    (dict(sums={"loss": 0.0, "correct": 0, "images": 0}), "sums.images should be 18"),
]


@pytest.mark.parametrize("changes, message", STATES, ids=[str(changes) for changes, _ in STATES])
def test_a_checkpoint_with_another_content_is_refused(run, told, changes, message):
    state = {name: value for name, value in {**(run.load_last() or {}), **changes}.items() if value is not ...}
    mc.save(state, run.path / "last.safetensors", overwrite=True)
    before = (run.path / "best.safetensors").read_bytes()
    err = told("train", "--resume", run.path)
    assert message in err and "last.safetensors" in err and (run.path / "best.safetensors").read_bytes() == before


@pytest.mark.parametrize("change, message", [
    (lambda o: o.update(state=3), "optimizer.state should be a dict, got 3"),
    (lambda o: o["state"].update({"99": {}}), "optimizer.state should be for parameters 0 to 9, got '99'"),
    (lambda o: o["state"].update({"0": {}}), "as for the other parameters"),
    (lambda o: o["state"]["0"].update(momentum_buffer=np.ones(3, np.float32)), "optimizer.state.0.momentum_buffer should be an array of"),
    (lambda o: o["param_groups"][0].update(lr=None), "optimizer.param_groups.0.lr should be a finite number, got None"),
    (lambda o: o["param_groups"][0].update(params=[0] * 10), "optimizer.param_groups.0.params should be "),
])
def test_an_optimizer_with_another_content_is_refused(run, told, change, message):
    state = copy.deepcopy(run.load_last())
    change(state["optimizer"])
    mc.save(state, run.path / "last.safetensors", overwrite=True)
    assert message in told("train", "--resume", run.path)


@pytest.mark.parametrize("content", [[1, 2], 3, "text"])
def test_a_checkpoint_that_is_no_dict_is_refused(run, told, content):
    mc.save(content, run.path / "last.safetensors", overwrite=True)
    assert f"holds a {type(content).__name__}, not the state of a training" in told("train", "--resume", run.path)
    mc.save(content, run.path / "best.safetensors", overwrite=True)
    assert "best.safetensors should hold a dict of arrays" in told("evaluate", run.path)


def test_weights_of_another_model_are_one_line_with_the_file(run, told):
    mc.save({"weight": np.ones(2)}, run.path / "best.safetensors", overwrite=True)
    assert "best.safetensors: load_state_dict: this state_dict does not fit Network" in told("evaluate", run.path)


def test_a_missing_checkpoint_does_not_start_again(run, told):
    (run.path / "last.safetensors").unlink()
    before = (run.path / "best.safetensors").read_bytes()
    assert "last.safetensors is missing, so there is nothing to go on from" in told("train", "--resume", run.path)
    assert (run.path / "best.safetensors").read_bytes() == before


def test_a_run_stopped_before_its_first_batch_is_whole_begins_again(tmp_path, kept):
    """After a crash between the first best weights and their checkpoint there is the one of the start."""
    class Crash(Silent):
        def epoch(self, number, of, batches):
            raise MemoryError
    with mc.use_backend("reference"):
        config = configure("lenet5", data=kept.config["data"], epochs=2, batch_size=18, augment={})
        run = RunFolder.create(tmp_path / "again", config.as_dict())
        with pytest.raises(MemoryError):
            train(config, run, Crash())
        state = run.load_last()
        assert state is not None and (state["epoch"], state["batch"]) == (0, 0)
        train(config, run)
    assert run.result is not None


def test_missing_best_weights_are_told_before_training_goes_on(run, told):
    (run.path / "best.safetensors").unlink()
    for words in (("train", "--resume"), ("evaluate",)):
        assert "best.safetensors, the best weights, is gone, and no other file of the run holds them" in told(*words, run.path)
    assert read_json(run.path / "last.json")["batch"] == 1                          # nothing was trained


@pytest.mark.parametrize("content", ["{}", "[]", '{"test_accuracy": "x"}'])
def test_a_result_without_numbers(run, told, content):
    (run.path / "result.json").write_text(content)
    assert "result.json has no number for test_" in told("train", "--resume", run.path)


@pytest.mark.parametrize("change, message", [
    (None, "config.json should hold a dict"), ({"recipe": []}, "config.json: Recipe: expected a dict"),
    ({"options": 3}, "config.json: options should be a dict"), ({"options": {"num_classes": 3}}, "config.json: options should be a dict"),
    ({"data": 3}, "config.json: data should be a name"), ({"device": "tpu"}, "config.json: unknown device 'tpu'"),
    pytest.param({"device": "cuda"}, "device 'cuda' cannot be used", marks=pytest.mark.skipif(mc.cuda_available(), reason="there is one")),
    ({"model": []}, "no model []"),
    ({"seed": "x"}, "got 'x'"), ({"backend": 3}, "backend 3"), ({"recipe": {"schedule_options": 3}}, "schedule_options should be a dict"),
    ({"recipe": {"schedule_options": {"bad": 1}}}, "cannot have the schedule_options {'bad': 1}"),
    ({"recipe": {"mean": 3}}, "mean should be a tuple"), ({"recipe": {"augment": 3}}, "augment should be"),
    ({"recipe": {"betas": [0.9, "x"]}}, "betas should be a tuple"), ({"recipe": {"strange": 3}}, "unknown strange"),
])
def test_a_configuration_with_another_content(run, told, change, message):
    config = run.config
    if change and isinstance(change.get("recipe"), dict):
        change = {"recipe": {**config["recipe"], **change["recipe"]}}
    write_json(run.path / "config.json", None if change is None else {**config, **change})
    assert message in told("train", "--resume", run.path)


def test_other_data_under_the_same_name(run, told, tmp_path):
    config = run.config
    (tmp_path / "data").mkdir()
    run.write_config({**config, "data": str(tiny_archive(tmp_path / "data", seed=0))})       # the same images at another place
    assert cli.main(["evaluate", str(run.path)]) == 0
    path = tiny_archive(tmp_path / "data", seed=1)
    for words in (("evaluate",), ("train", "--resume")):
        assert f"{path} has other images or labels than when {run.path} was trained" in told(*words, run.path)
    assert cli.main(["evaluate", str(run.path), "--data", str(path)]) == 0


def test_two_processes_cannot_train_in_one_folder(run, told):
    with run.locked():
        assert f"another process is training in {run.path}" in told("train", "--resume", run.path)
    assert cli.main(["train", "--resume", str(run.path)]) == 0 and run.result is not None


def test_a_process_that_died_holds_nothing(run):
    code = f"import os; from minicnn.training import RunFolder; RunFolder({str(run.path)!r}).locked().__enter__(); os._exit(1)"
    root = str(Path(__file__).parents[2])
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}).returncode == 1
    with run.locked():
        pass


def test_a_place_for_runs_that_is_no_folder(told, tmp_path):
    (tmp_path / "runs").symlink_to("/nowhere/x")
    assert "runs is not a folder (a file, or a link to nowhere)" in told("train", "lenet5", "--epochs", 1)
    assert "runs exists and is not overwritten" in told("train", "lenet5", "--epochs", 1, "--out", "runs")
    (tmp_path / "runs").unlink()
    (tmp_path / "runs").write_text("")
    assert "runs is not a folder" in told("train", "lenet5", "--epochs", 1)


def test_ctrl_c_while_a_command_is_being_imported(monkeypatch, capsys):
    monkeypatch.setattr(cli, "command", lambda name: os.kill(os.getpid(), signal.SIGINT))
    assert cli.main(["train", "lenet5"]) == 130 and capsys.readouterr().err == "stopped\n"
