"""Models by name: other names and options, names that are taken or not there, and recipes."""
# what is wrong here is wrong on purpose
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false, reportOptionalMemberAccess=false
from pathlib import Path

import pytest

import minicnn as mc
from minicnn import models
from minicnn.models import registry


def test_aliases_and_options():
    assert models.info("lenet5") is models.info("lenet5_textbook")
    assert "lenet5" in models.names(aliases=True) and "lenet5" not in models.names()
    model = models.create("lenet5", num_classes=7, in_channels=3)
    assert mc.summary(model, (3, 32, 32)).rows[-1].output_shape == (7,)
    assert not any(p.drawn for p in model.parameters()) and {p.device for p in model.parameters()} == {"cpu"}


@pytest.mark.parametrize("call, text", [
    (lambda: models.create("lenet6"), "there is no model 'lenet6'; did you mean 'lenet5'?"),
    (lambda: models.info("LeNet5"), "there is no model 'LeNet5'; did you mean 'lenet5'?"),
    (lambda: models.info("qqqq"), "there is no model 'qqqq'; there are alexnet"),
    (lambda: models.info(5), "there is no model 5"),
    (lambda: models.create("lenet5", num_clases=3), "there is no option 'num_clases'; did you mean 'num_classes'?"),
    (lambda: models.create("lenet5", num_classes=0), "num_classes should be a whole number of at least 1, got 0"),
    (lambda: models.create("lenet5", pretrained=True), "there are no pretrained weights"),
    (lambda: models.create("lenet5_1998", num_classes=11), "distances to the drawings of ten digits; use at most 10"),
])
def test_wrong_names_and_options(call, text):
    with pytest.raises(ValueError) as caught:
        call()
    assert text in str(caught.value)


def test_a_name_is_given_once():
    before = dict(registry._models), dict(registry._aliases)
    for taken in ("lenet_caffe", "lenet5"):
        with pytest.raises(ValueError, match=f"the name '{taken}' is taken by minicnn.models.lenet"):
            models.model(taken, params=1, macs=1, input_shape=(1, 1, 1))(lambda: None)
    with pytest.raises(ValueError, match="is taken"):
        models.model("new", params=1, macs=1, input_shape=(1, 1, 1), aliases=("lenet5",))(lambda: None)
    assert (registry._models, registry._aliases) == before


@pytest.mark.parametrize("change, text", [
    (dict(lr=float("nan")), "lr should be a number above 0, got nan"),
    (dict(lr=-1), "lr should be"),
    (dict(epochs=0), "epochs should be a whole number above 0"),
    (dict(optimizer="sdg"), "optimizer should be one of sgd"),
    (dict(momentum=1.0), "momentum should be in"),
    (dict(augment={"blur": 1}), "augment should be a dict of numbers with keys among shift"),
    (dict(std=(0.0,)), "std should be above 0"),
])
def test_a_recipe_that_makes_no_sense(change, text):
    with pytest.raises(ValueError, match=text):
        models.Recipe(**change)


def test_a_recipe_survives_json():
    import json
    for name in models.names():
        recipe = models.info(name).recipe
        assert models.Recipe.from_dict(json.loads(json.dumps(recipe.as_dict()))) == recipe
    with pytest.raises(ValueError, match="unknown learning_rate"):
        models.Recipe.from_dict({"learning_rate": 1})
    with pytest.raises(TypeError):
        recipe.augment["shift"] = 3


def test_every_architecture_is_one_short_file():
    """A file a paper, which can be held beside it: none above 200 lines."""
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in Path(models.__file__).parent.glob("*.py")}
    assert len(lengths) > 40 and max(lengths.values()) <= 200, {name: n for name, n in lengths.items() if n > 200}
