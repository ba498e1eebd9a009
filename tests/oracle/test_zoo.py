"""The same weights, the same answer: networks of torchvision and timm, with random weights, against ours.

Each registered key map loads their state_dict into our network. In evaluation the scores agree, in float32, and after one step of SGD the
updated weights and the step itself agree, in float64: to 1e-4 of the largest. What does not matter here is turned off: dropout.

With random weights some networks lose all digits of float32 on the way (timm's SE-ResNet-101 and 152: scores of 1e5, and PyTorch's own
float32 is 0.15 of the largest away from its float64). Only where the oracle is that far from itself, the scores are compared in float64.

    pytest -m slow tests/oracle/test_zoo.py             all of them; one of each family is in the default suite
"""
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import minicnn as mc                                                                  # noqa: E402
import minicnn.functional as F                                                        # noqa: E402
from minicnn import Tensor, models                                                    # noqa: E402

from .compare import error                                                            # noqa: E402
from .frameworks import arrays, build, framework                                      # noqa: E402

for library in ("torchvision", "timm"):
    try:
        framework(library)
    except ImportError as missing:
        pytest.skip(f"{library} is not installed: {missing}", allow_module_level=True)

SOURCES = [(name, source) for name in models.names() for source in models.info(name).keys]
QUICK: dict[str, tuple[str, str]] = {}       # of each family the network with the fewest parameters; the others are slow
for name, source in SOURCES:
    family = models.info(name).family
    if family not in QUICK or models.info(name).params < models.info(QUICK[family][0]).params:
        QUICK[family] = name, source
TOLERANCE = 1e-4


def images(model, info):
    """Two images: a small oblong where the network takes one, else of the paper's size."""
    C, H, W = info.input_shape
    for h, w in ((64, 96), (96, 128), (160, 128)):
        if model.any_size and model.takes((2, C, h, w)) and h <= H:
            return np.random.default_rng(0).standard_normal((2, C, h, w)).astype(np.float32)
    return np.random.default_rng(0).standard_normal((2, C, H, W)).astype(np.float32)


@pytest.mark.parametrize("name, source", [
    pytest.param(*pair, id="-".join(pair), marks=[] if pair in QUICK.values() else [pytest.mark.slow]) for pair in SOURCES])
def test_same_weights_same_answer(name, source):
    theirs = build(source)
    ours = models.create(name)
    for module in ours.modules():
        if hasattr(module, "p") and isinstance(module, mc.nn.Dropout):
            module.p = 0.0
    start = arrays(theirs)
    ours.load_state_dict(models.translate(start, ours, source))
    x, labels = images(ours, models.info(name)), np.array([3, 5])

    def answers():
        with torch.no_grad(), mc.no_grad():
            return ours.eval()(Tensor(x)).numpy(), theirs.eval()(torch.from_numpy(x)).numpy()

    found, expected = answers()
    ours, theirs = ours.double(), theirs.double()              # in training, planes of a few pixels normalise the last digits away
    x = x.astype(np.float64)
    if error(found, expected) >= TOLERANCE:
        exact, oracle = answers()
        assert error(expected, oracle) >= TOLERANCE, "float32 loses no digits in the oracle"
        assert error(exact, oracle) < TOLERANCE
    optimizer = mc.optim.SGD(ours.parameters(), lr=0.01)
    scores = ours.train()(Tensor(x))
    F.cross_entropy(scores, Tensor(labels)).backward()
    optimizer.step()
    step = torch.optim.SGD(theirs.parameters(), lr=0.01)
    scores = theirs.train()(torch.from_numpy(x))
    torch.nn.functional.cross_entropy(scores[0] if isinstance(scores, tuple) else scores, torch.from_numpy(labels)).backward()
    step.step()
    before, updated = models.translate(start, ours, source), models.translate(arrays(theirs), ours, source)
    state = ours.state_dict()
    wrong, parameters = {}, dict(ours.named_parameters())
    for key, value in updated.items():
        if value.dtype.kind == "f":
            # the step itself, which is small beside a weight, agrees too, where it is more than the rounding of its sum
            change = np.abs(value - before[key]).max()
            assert change > 0 or key not in parameters or value.ndim < 2, f"{key} did not move"
            wrong[key] = error(state[key].numpy(), value), float(np.abs(state[key].numpy() - value).max() / (change + 1e-9))
    assert wrong and max(max(pair) for pair in wrong.values()) < TOLERANCE, sorted(wrong.items(), key=lambda item: -max(item[1]))[:5]
