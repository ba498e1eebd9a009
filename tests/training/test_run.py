"""The run folder, configurations, and the one look at the test images."""
import json
from dataclasses import replace

import numpy as np
import pytest

import minicnn as mc
from minicnn import data, models, optim
from minicnn.models.recipe import Recipe
from minicnn.training import Config, RunFolder, configure, load_run, make_optimizer, make_schedule, make_trainer, train, transforms
from minicnn.training import procedure
from minicnn.training.progress import Silent

from .tiny import tiny_archive


@pytest.fixture
def config(tmp_path):
    with mc.use_backend("reference"):
        yield configure("lenet5", data=str(tiny_archive(tmp_path)), seed=3, epochs=2, batch_size=18)


def test_a_whole_training_leaves_a_whole_folder(tmp_path, config):
    run = RunFolder.create(tmp_path / "run", config.as_dict())
    measured = train(config, run)
    assert {path.name for path in run.path.iterdir()} == {
        "config.json", "last.safetensors", "last.json", "best.safetensors", "best.json", "metrics.jsonl", "result.json",
        "curves.png", "confusion.png", ".lock"}
    result = run.result
    assert result is not None
    assert result["test_accuracy"] == measured.accuracy and result["test_images"] == 20
    assert np.array_equal(result["confusion"], measured.confusion)
    assert all((run.path / name).read_bytes()[:4] == b"\x89PNG" for name in ("curves.png", "confusion.png"))
    assert len((run.path / "metrics.jsonl").read_text().splitlines()) == 2

    again, model, training_part, test_part = load_run(run)
    assert again == config and not model.training and len(training_part) == 60 and len(test_part) == 20
    assert all(np.array_equal(run.load_best()[name], tensor.data) for name, tensor in model.state_dict().items())


def test_the_test_images_are_looked_at_once_after_all_epochs(tmp_path, config, monkeypatch):
    events = []

    class Watched(np.ndarray):
        def __getitem__(self, which):
            events.append(("test images", len(which)))
            return np.asarray(self)[which]

    def spied_load(name):
        training_part, test_part = data.load(name)
        object.__setattr__(test_part, "images", test_part.images.view(Watched))
        return training_part, test_part

    class Watch(Silent):
        def record(self, record, of, improved):
            events.append(("epoch", record["epoch"]))
    monkeypatch.setattr(procedure, "load", spied_load)
    train(config, RunFolder.create(tmp_path / "run", config.as_dict()), Watch())
    assert events == [("epoch", 1), ("epoch", 2), ("test images", 20)]


def test_an_existing_folder_is_never_overwritten(tmp_path):
    run = RunFolder.create(tmp_path / "run", {"model": "x"})
    with pytest.raises(FileExistsError, match=r"run exists and is not overwritten; go on with it by --resume .*run, or choose an"):
        RunFolder.create(run.path, {})
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("")
    with pytest.raises(FileExistsError, match=r"notes exists and is not overwritten; choose another --out"):
        RunFolder.create(tmp_path / "notes", {})
    (tmp_path / "empty").mkdir()
    assert RunFolder.create(tmp_path / "empty", {"a": 1}).config == {"a": 1}
    names = [RunFolder.numbered(tmp_path / "runs", "lenet5", {}).path.name for _ in range(3)]
    assert names == ["lenet5-1", "lenet5-2", "lenet5-3"] and run.config == {"model": "x"}


def test_what_is_wrong_with_a_folder_is_said(tmp_path, config):
    with pytest.raises(FileNotFoundError, match="no run folder .*nowhere"):
        RunFolder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="is not a run folder: it has no config.json"):
        RunFolder(tmp_path)
    run = RunFolder.create(tmp_path / "run", config.as_dict())
    with pytest.raises(FileNotFoundError, match=r"has no best.safetensors: its training has not finished an epoch yet; go on by --resume"):
        load_run(run)
    mc.save({"weight": np.ones(1)}, run.path / "last.safetensors")
    with pytest.raises(ValueError, match="last.safetensors holds weights alone, not the state of a training"):
        run.load_last()
    (run.path / "config.json").write_text('{"model": ')
    with pytest.raises(ValueError, match="config.json is damaged"):
        _ = run.config


def test_a_configuration_survives_json(config):
    assert Config.from_dict(json.loads(json.dumps(config.as_dict()))) == config
    with pytest.raises(ValueError, match="the configuration has no seed"):
        Config.from_dict({name: value for name, value in config.as_dict().items() if name != "seed"})


def test_the_validation_images_do_not_depend_on_the_seed():
    parts = [make_trainer(configure("lenet5", seed=seed), data.mnist5k()) for seed in (0, 1)]
    assert len(parts[0].validation.dataset) == 400 and len(parts[0].loader.dataset) == 3600
    assert np.array_equal(parts[0].validation.dataset.images, parts[1].validation.dataset.images)
    assert not np.array_equal(parts[0].loader.order(0), parts[1].loader.order(0))


def test_a_training_set_too_small_to_hold_a_tenth_out(tmp_path):
    with pytest.raises(ValueError, match="4 training images are too few: a tenth of them is held out"):
        make_trainer(configure("lenet5"), data.mnist5k()[:4])


@pytest.mark.parametrize("name", models.names())
def test_every_recipe_can_be_made(name):
    recipe, layer = models.info(name).recipe, mc.nn.Linear(2, 2)
    optimizer = make_optimizer(recipe, layer)
    schedule = make_schedule(recipe, optimizer, steps_per_epoch=2)
    assert optimizer.param_groups[0]["lr"] > 0 and schedule is not None
    channels = len(recipe.mean)
    images = np.random.default_rng(0).integers(0, 256, (2, channels, 30, 28), np.uint8)
    prepared = transforms(replace(recipe, image_size=32), training=True)(images, data.Draws(0, 0, np.arange(2)))
    assert prepared.shape == (2, channels, 32, 32) and np.isfinite(prepared).all()


@pytest.mark.parametrize("name", ["lenet5", "alexnet", "resnet20", "googlenet_aux", "mobilenet_v3_small", "shufflenet_v2_0.5"])
def test_a_training_by_the_models_own_recipe_can_start(name):
    trainer = make_trainer(configure(name), data.mnist5k())
    images, _ = next(trainer.loader.batches())
    outputs = trainer.model.train()(mc.meta(images.shape))
    assert (outputs[0] if isinstance(outputs, tuple) else outputs).shape == (len(images), 10)


def rates(recipe, steps_per_epoch):
    layer = mc.nn.Linear(1, 1)
    optimizer = make_optimizer(recipe, layer)
    schedule, found = make_schedule(recipe, optimizer, steps_per_epoch), []
    for parameter in layer.parameters():
        parameter.grad = mc.zeros(*parameter.shape)                     # type: ignore[assignment]
    for _ in range(recipe.epochs * steps_per_epoch):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return np.array(found)


def test_schedules_run_over_the_whole_training():
    with mc.use_backend("reference"):
        assert (rates(Recipe(lr=0.1, epochs=3), 4) == 0.1).all()
        cosine = rates(Recipe(lr=0.1, epochs=10, schedule="cosine"), 10)
        assert np.abs(cosine - 0.05 * (1 + np.cos(np.pi * np.arange(100) / 100))).max() < 1e-9
        warm = rates(Recipe(lr=0.1, epochs=10, schedule="cosine", warmup_epochs=2), 10)
        assert warm[[0, 20]] == pytest.approx([0.1 / 21, 0.1]) and (np.diff(warm[:20]) > 0).all() and (np.diff(warm[20:]) < 0).all()
        step = rates(Recipe(lr=0.1, epochs=4, schedule="step", schedule_options={"step_size": 2, "gamma": 0.1}), 5)
        assert step == pytest.approx(np.repeat([0.1, 0.01], 10))
        multi = rates(Recipe(lr=0.1, epochs=4, schedule="multi_step", schedule_options={"milestones": [1, 3]}), 5)
        assert multi == pytest.approx(np.repeat([0.1, 0.01, 0.001], [5, 10, 5]))
        decay = rates(Recipe(lr=0.1, epochs=4, schedule="exponential", schedule_options={"gamma": 0.5}), 5)
        assert decay[::5] == pytest.approx([0.1, 0.05, 0.025, 0.0125])
        one = rates(Recipe(lr=0.1, epochs=10, schedule="one_cycle", optimizer="adam"), 10)
        assert one.max() == pytest.approx(0.1, rel=0.02) and one[0] == pytest.approx(0.004) and one[-1] < 1e-5
        assert rates(Recipe(lr=0.1, epochs=4, schedule="polynomial"), 5)[10] == pytest.approx(0.05)


def test_schedules_without_options():
    """Of 12 steps: thirds are 4 steps; a half and three quarters 6 and 9; 1 % is reached where the training ends."""
    with mc.use_backend("reference"):
        assert rates(Recipe(lr=1.0, epochs=3, schedule="step"), 4) == pytest.approx(np.repeat([1, 0.1, 0.01], 4))
        assert rates(Recipe(lr=1.0, epochs=3, schedule="multi_step"), 4) == pytest.approx(np.repeat([1, 0.1, 0.01], [6, 3, 3]))
        assert rates(Recipe(lr=1.0, epochs=3, schedule="exponential"), 4) == pytest.approx(0.01 ** (np.arange(12) / 12))
        warm = rates(Recipe(lr=1.0, epochs=4, schedule="step", warmup_epochs=1), 3)
        assert warm[3:] == pytest.approx(np.repeat([1, 0.1, 0.01], 3))
        assert len(rates(Recipe(lr=1.0, epochs=1, schedule="step"), 1)) == 1


def test_another_schedule_does_not_get_the_options_of_the_recipes_own():
    lenet = configure("lenet5", schedule="step").recipe
    assert lenet.schedule_options == {} and configure("lenet5", schedule="step", schedule_options={"gamma": 0.5}).recipe.schedule_options


def test_an_option_that_a_schedule_does_not_have_is_told():
    with pytest.raises(ValueError, match="the schedule 'cosine' cannot have the schedule_options {'bad': 1}: .*'bad'"):
        make_schedule(Recipe(schedule="cosine", schedule_options={"bad": 1}), optim.SGD(mc.nn.Linear(1, 1).parameters(), lr=0.1), 5)
