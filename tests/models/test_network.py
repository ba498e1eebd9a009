"""What all architectures share: sizes that do not fit, features of any stage, budgets, weights under other names, auxiliary losses."""
# what is wrong here is wrong on purpose
# pyright: reportArgumentType=false
from pathlib import Path

import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, data, models, nn
from minicnn.models import Published, Recipe, budget, registry
from minicnn.models.keys import rename
from minicnn.training import configure, make_trainer, transforms


def small(num_classes=4, in_channels=3, width=4):
    """A network of two stages, for tests."""
    stem = nn.Conv2d(in_channels, width, 3, 2)
    body = {"one": nn.Sequential(nn.Conv2d(width, 2 * width, 3), nn.ReLU()), "two": nn.MaxPool2d(2)}
    head = nn.Sequential(dict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(2 * width, num_classes)))
    return models.Network(stem, body, head, (in_channels, 17, 17))


@pytest.fixture
def registered():
    before = dict(registry._models), dict(registry._aliases)
    rules = ((r"^first\.", "stem."), (r"^second\.", "body.one.0."), (r"^last\.", "head.fc."), (r"^counter$", ""))
    models.model("small", params=108 + 4 + 288 + 8 + 36, macs=17_088, input_shape=(3, 17, 17), year=2026, paper="tests",
                 aliases=("smallest",), published=Published(50.0), keys={"elsewhere": rules})(small)
    yield models.info("small")
    registry._models.clear(), registry._models.update(before[0])
    registry._aliases.clear(), registry._aliases.update(before[1])


def test_a_new_architecture_needs_its_registration_alone(registered):
    model = models.create("smallest", num_classes=7)
    table = mc.summary(model, registered.input_shape)
    assert table.model == "small" and models.create("small")(mc.meta(2, 3, 17, 17)).shape == (2, 4)
    assert mc.summary(models.create("small"), (3, 17, 17)).params == registered.params and registered.family == "test_network"
    assert registered.recipe == Recipe() and registered.summary == "A network of two stages, for tests."


def test_the_example_of_the_readme(registered):
    """It is run as it stands there, and its numbers are right."""
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    code = text.partition("<!-- example: a new architecture -->\n```python\n")[2].partition("```")[0]
    exec(compile(code, "README.md", "exec"), {"__name__": "minicnn.models.tiny"})
    found = models.info("tiny")
    table = mc.summary(found.build(), found.input_shape)
    assert (table.params, table.macs) == (found.params, found.macs)
    features = models.create("tiny", features=True)(mc.meta(1, *found.input_shape))
    assert {name: y.shape[1:] for name, y in features.items()} == found.stages


@pytest.mark.parametrize("shape, text", [
    ((2, 3, 8, 20), "small: images of 3×8×20 are too small"),
    ((2, 3, 8, 20), "the smallest that fit are 3×9×9, and it was made for 3×17×17"),
    ((2, 3, 6, 6), "F.interpolate(x, (9, 9), mode='bilinear')"), ((2, 1, 17, 17), "build the model with in_channels=1"),
    ((3, 17, 17), "add the batch dimension"),
    ((2, 3), "a batch of shape (N, 3, H, W) is needed"),
    ((2, 17, 17, 3), "channels come second here: x.permute(0, 3, 1, 2)"),
])
def test_images_that_do_not_fit(registered, shape, text):
    with pytest.raises(ValueError) as caught:
        models.create("small")(mc.meta(*shape))
    assert text in str(caught.value)
    with pytest.raises(ValueError) as caught:                       # as computed, not only as planned
        models.create("small")(Tensor(np.zeros(shape, np.float32)))
    assert text in str(caught.value)


def test_an_error_that_is_not_about_the_size_stays_itself():
    model = models.Network(nn.Conv2d(3, 4, 3), {"one": nn.Conv2d(5, 4, 3)}, nn.Flatten(), (3, 17, 17))
    with pytest.raises(ValueError, match=r"conv2d: input has 4 channels"):
        model(mc.meta(1, 3, 9, 9))


def test_features_of_any_stage(registered):
    x = Tensor(np.random.default_rng(0).standard_normal((2, 3, 17, 19)).astype(np.float32))
    network = models.create("small")
    both = models.create("small", features=("stem", "one"))
    both.load_state_dict(network.state_dict(), strict=False)
    found = both(x)
    assert list(found) == ["stem", "one"] and "body.two" not in dict(both.named_modules())
    assert np.array_equal(found["one"].numpy(), network.body[0](network.stem(x)).numpy())
    assert list(models.create("small", features="two")(x)) == ["two"] and set(both.state_dict()) < set(network.state_dict())
    assert list(models.create("small", features=True)(x)) == ["stem", "one", "two"]
    for wanted, text in ((("three",), "there is no stage 'three'; there are stem, one, two"), ((), "features of no stage")):
        with pytest.raises(ValueError, match=text):
            models.create("small", features=wanted)


def test_budgets(registered, monkeypatch):
    monkeypatch.setattr(budget, "names", lambda: ["small", "lenet5_textbook"])
    found = models.largest("small", macs=1e6)
    assert found is registered and models.largest("test_network", params=1e6) is found
    assert [info.name for info in models.fitting(macs=1e6)] == ["small", "lenet5_textbook"]
    outputs = 4 * 64 + 2 * 8 * 36 + 8 * 9 + 8 + 4                   # stem, convolution and ReLU, pool, average, scores
    assert budget.memory("small") == 4 * (registered.params + outputs)
    for call, text in ((lambda: models.largest("small", macs=100), "no small fits 100 multiply-adds; the smallest, small, needs 17,088"),
                       (lambda: models.largest("smal", macs=1e9), "there is no family 'smal'; there are lenet, test_network"),
                       (lambda: models.largest("lenet5", macs=5e5, params=6e4), "no lenet5 fits 60,000 parameters"),
                       (lambda: models.largest("small"), "give a limit"),
                       (lambda: models.largest("small", params=-1), "params should be a number above 0, got -1"),
                       (lambda: models.largest("small", macs=float("nan")), "should be a number above 0"),
                       (lambda: models.fitting(watts=3), "a budget has macs, params, memory, got 'watts'")):
        with pytest.raises(ValueError) as caught:
            call()
        assert text in str(caught.value)


def test_the_largest_efficientnet_that_fits():
    assert models.largest("efficientnet", macs=1e9).name == "efficientnet_b2"
    assert models.largest("efficientnet", params=8e6, macs=5e8).name == "efficientnet_b0"
    members = [models.info(f"efficientnet_b{i}") for i in range(8)]
    for member in members[:3]:
        assert models.largest("efficientnet_b", memory=budget.memory(member.name)) is member
    with pytest.raises(ValueError, match="no efficientnet_b fits 1,000,000 parameters; the smallest, efficientnet_b0, needs 5,288,548"):
        models.largest("efficientnet_b", params=1e6)


def test_weights_under_other_names(registered):
    model = models.create("small")
    theirs = {"first.weight": np.ones((4, 3, 3, 3)), "first.bias": np.ones(4),
              "second.weight": np.ones((8, 4, 3, 3)), "second.bias": np.ones(8),
              "last.weight": np.full((4, 8, 1, 1), 3.0), "last.bias": np.ones(4), "counter": np.ones(())}
    state = models.translate(theirs, model, "elsewhere")
    assert set(state) == set(model.state_dict()) and state["head.fc.weight"].shape == (4, 8)
    model.load_state_dict(state)
    assert rename("counter", registered.keys["elsewhere"]) is None and rename("a", lambda key: key + "b") == "ab"
    for change, text in (({"first.bias": np.ones(5)}, "first.bias of shape (5,) (stem.bias has (4,))"),
                         ({"more": np.ones(1)}, "more (would be more)"), ({"stem.bias": np.ones(4)}, "stem.bias (a second stem.bias)")):
        with pytest.raises(ValueError) as caught:
            models.translate({**theirs, **change}, model, "elsewhere")
        assert text in str(caught.value)
    with pytest.raises(ValueError, match="nothing for head.fc.bias"):
        models.translate({name: a for name, a in theirs.items() if name != "last.bias"}, model, "elsewhere")
    with pytest.raises(ValueError, match="small has no rules for weights of 'torchvision.x'; there are rules for elsewhere"):
        models.translate(theirs, model, "torchvision.x")


def test_auxiliary_heads_learn_by_their_weights():
    """The gradient of a training step is that of the weighted sum of the losses, taken apart here."""
    class Two(nn.Module):
        loss_weights = (1.0, 0.25)

        def __init__(self):
            super().__init__()
            self.main, self.auxiliary = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x):
            x = x.mean((2, 3))
            return (self.main(x), self.auxiliary(x)) if self.training else self.main(x)
    images = data.Dataset(np.random.default_rng(0).integers(0, 255, (6, 3, 4, 4), np.uint8), np.arange(6) % 2, ("a", "b"))
    from minicnn.training import Trainer
    mc.manual_seed(0)
    network = Two()
    start = {name: p.numpy().copy() for name, p in network.named_parameters()}
    loader = data.Loader(images, 6, transform=data.Normalise())
    Trainer(network, mc.optim.SGD(network.parameters(), lr=1.0), loader, loader, epochs=1).fit()
    x = np.asarray(next(loader.batches())[0]).mean((2, 3))
    for head, weight in (("main", 1.0), ("auxiliary", 0.25)):
        scores = x @ start[f"{head}.weight"].T + start[f"{head}.bias"]
        p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True) - np.eye(2)[np.arange(6) % 2]
        step = start[f"{head}.weight"] - weight * p.T @ x / 6
        assert np.abs(getattr(network, head).weight.numpy() - step).max() < 1e-6


def test_recipes_fit_small_grey_images():
    """A network for photographs gets small digits at the smallest size that it takes; LeNet-5 stays at its own."""
    digits = data.mnist5k()
    for name, size in (("resnet18", 32), ("alexnet_2012", 96), ("lenet5", 32), ("vit_b16", 224)):
        recipe = configure(name).recipe
        assert recipe.image_size == size, name
        assert len(recipe.mean) == 1 and transforms(recipe, training=False)(digits.images[:2]).shape == (2, 1, size, size)
    assert configure("resnet18", image_size=48).recipe.image_size == 48
    augmented = configure("resnet18", augment={"crop": 0.5, "flip": True, "colour": 0.2, "lighting": 0.1}).recipe
    draws = data.Draws(0, 0, np.arange(2))
    y = transforms(augmented, training=True)(digits.images[:2], draws)
    assert y.shape == (2, 1, 32, 32) and y.dtype == np.float32 and not np.array_equal(y, transforms(augmented, False)(digits.images[:2]))
    with pytest.raises(ValueError, match="cannot have the optimizer_options"):
        make_trainer(configure("lenet5", optimizer_options={"speed": 3}), digits)
