"""Training learns, keeps the best, stops cleanly and goes on bit for bit."""
import json
import os
import signal

import numpy as np
import pytest

import minicnn as mc
from minicnn import data
from minicnn.kernels.random import default_generator
from minicnn.training import RunFolder, Stopped, Trainer, confusion_matrix, evaluate
from minicnn.training.progress import Silent

from .tiny import tiny_trainer


@pytest.fixture(autouse=True)
def reference_kernels():
    with mc.use_backend("reference"):                  # nothing here depends on the kernels, and these need no compiling
        yield


class CtrlC(Silent):
    """Presses Ctrl-C after a number of batches."""

    def __init__(self, after):
        self.after, self.notes = after, []

    def batch(self, number, loss, accuracy):
        self.after -= 1
        if self.after == 0:
            os.kill(os.getpid(), signal.SIGINT)

    def note(self, text):
        self.notes.append(text)


def without_seconds(history):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]


def outcome(trainer):
    """Everything that a training leaves, as bytes and numbers."""
    state = trainer.state()
    weights = {name: tensor.data.tobytes() for name, tensor in state["model"].items()}
    averages = {name: array.tobytes() for name, array in state["average"]["values"].items()}
    trainer.load_best()
    assert trainer.best is not None
    best = {name: tensor.data.tobytes() for name, tensor in trainer.model.state_dict().items()}
    return weights, averages, best, without_seconds(trainer.history), trainer.best["epoch"], default_generator.state


def test_it_learns_and_says_how_well():
    trainer = tiny_trainer(epochs=6)
    history = trainer.fit()
    assert [record["epoch"] for record in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1]["loss"] < history[0]["loss"] / 3 and history[-1]["validation_accuracy"] == 1
    assert history[-1]["lr"] == pytest.approx(0, abs=1e-9)


def test_two_runs_give_the_same_bits_and_another_seed_others():
    first, second, other = (tiny_trainer(seed=seed) for seed in (0, 0, 1))
    results = []
    for trainer, seed in ((first, 0), (second, 0), (other, 1)):
        mc.manual_seed(seed)
        trainer.fit()
        results.append(outcome(trainer))
    assert results[0] == results[1] and results[0][0] != results[2][0]


@pytest.mark.parametrize("after", [1, 4, 6, 7, 17], ids=lambda n: f"after-batch-{n}")
def test_stopped_and_resumed_gives_the_bits_of_never_stopped(tmp_path, after):
    """An epoch has 6 batches, a training 18: stopped at the start, inside, at the end of an epoch, and before the last batch."""
    whole = tiny_trainer(RunFolder.create(tmp_path / "whole", {}))
    whole.fit()

    progress, run = CtrlC(after), RunFolder.create(tmp_path / "parts", {})
    with pytest.raises(Stopped):
        tiny_trainer(run, progress).fit()
    assert progress.notes == ["stopping after this batch (Ctrl-C again: at once)"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    state = run.load_last()
    assert state is not None and (state["epoch"], state["batch"]) == divmod(after, 6)

    rest = tiny_trainer(run)
    mc.manual_seed(99)                                            # whatever was drawn in between
    rest.load_state(state)
    rest.fit()
    assert outcome(rest)[:5] == outcome(whole)[:5]
    lines = [[json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()] for name in ("whole", "parts")]
    assert without_seconds(lines[0]) == without_seconds(lines[1]) and len(lines[0]) == 3
    assert all((tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes() for name in ("best.safetensors",))


def test_ctrl_c_at_the_very_end_finishes():
    trainer = tiny_trainer(progress=CtrlC(18))
    assert len(trainer.fit()) == 3


def test_a_second_ctrl_c_interrupts_at_once():
    class Twice(CtrlC):
        def batch(self, number, loss, accuracy):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as raised:
        tiny_trainer(progress=Twice(0)).fit()
    assert raised.type is KeyboardInterrupt and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_best_weights_are_those_of_the_best_validation(tmp_path, monkeypatch):
    """Accuracies 0.5, 0.8, 0.8 (a lower loss), 0.8 (a higher one), 0.7: epoch 3 is kept."""
    from minicnn.training import trainer as module
    measured = iter([(0.5, 1.0), (0.8, 0.9), (0.8, 0.4), (0.8, 0.5), (0.7, 0.1)])

    class Fake:
        def __init__(self, accuracy, loss):
            self.accuracy, self.loss = accuracy, loss
    monkeypatch.setattr(module, "evaluate", lambda *_, **__: Fake(*next(measured)))
    kept = {}

    class Watch(Silent):
        def record(self, record, of, improved):
            assert trainer.average is not None
            kept[record["epoch"]] = improved, {name: array.copy() for name, array in trainer.average.values.items()}
    run = RunFolder.create(tmp_path / "run", {})
    trainer = tiny_trainer(run, Watch(), epochs=5)
    trainer.fit()
    assert [kept[epoch][0] for epoch in range(1, 6)] == [True, True, True, False, False] and trainer.best == trainer.history[2]
    trainer.load_best()
    for name, parameter in trainer.model.named_parameters():
        assert np.array_equal(parameter.data, kept[3][1][name]) and np.array_equal(run.load_best()[name], kept[3][1][name])
    assert json.loads((run.path / "best.json").read_text())["epoch"] == 3


def test_an_average_of_the_weights():
    """a ← a + (1 − d)(w − a) with d = min(decay, (1 + t)/(10 + t)); inside `applied` the model has it, after it its own."""
    from minicnn.training.average import WeightAverage
    layer = mc.nn.Linear(1, 1)
    average = WeightAverage(layer, 0.5)
    expected = float(layer.weight.data[0, 0])
    for t in range(1, 12):
        with mc.no_grad():
            layer.weight.write(np.full((1, 1), t, np.float32))
        average.update()
        expected += (1 - min(0.5, (1 + t) / (10 + t))) * (t - expected)
    with average.applied():
        assert float(layer.weight.data[0, 0]) == pytest.approx(expected, rel=1e-6)
    assert float(layer.weight.data[0, 0]) == 11


def test_a_loss_that_is_no_number_stops_with_advice():
    text = r"the loss became (nan|inf) in epoch \d+, batch \d+, at learning rate 1e\+38: try a tenth of it, --lr 1e\+37"
    with pytest.raises(FloatingPointError, match=text):
        trainer = tiny_trainer(lr=1e38)
        trainer.schedule = None
        with np.errstate(all="ignore"):
            trainer.fit()


def test_evaluate_counts_and_leaves_the_mode():
    class Knows(mc.nn.Module):
        """Takes an image's class for what its brightness says; it is wrong about class 2."""

        def forward(self, x):
            assert not self.training
            level = np.round(x.data.reshape(len(x.data), -1).max(1) * 255).astype(int)
            return mc.Tensor(np.eye(3, dtype=np.float32)[np.minimum(level, 1)] * 50)
    images = np.repeat(np.arange(3, dtype=np.uint8), [4, 3, 2])
    dataset = data.Dataset(np.broadcast_to(images[:, None, None, None], (9, 1, 2, 2)), images.astype(int), ("a", "b", "c"))
    model = Knows()
    measured = evaluate(model, data.Loader(dataset, 4))
    assert measured.confusion.tolist() == [[4, 0, 0], [0, 3, 0], [0, 2, 0]] and measured.accuracy == 7 / 9 and measured.images == 9
    assert measured.loss == pytest.approx(2 * 50 / 9, rel=1e-5) and model.training
    assert confusion_matrix(np.array([0, 1, 1]), np.array([1, 1, 0]), 2).tolist() == [[0, 1], [1, 1]]


def test_a_model_with_too_few_outputs_is_told():
    dataset = data.Dataset(np.zeros((4, 1, 2, 2), np.uint8), np.zeros(4, int), ("a", "b", "c"))
    model = mc.nn.Sequential(mc.nn.Flatten(), mc.nn.Linear(4, 2))
    with pytest.raises(ValueError, match="evaluate: the model has 2 outputs, the data 3 classes"):
        evaluate(model, data.Loader(dataset, 4))


def test_load_best_before_any_epoch():
    with pytest.raises(RuntimeError, match="load_best: no epoch is done yet"):
        tiny_trainer().load_best()
    assert isinstance(tiny_trainer(), Trainer)
