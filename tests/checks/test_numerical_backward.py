"""numerical_backward: an Op without a backward gets one, says so once, and a network trains on it."""
import warnings

import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, nn, optim
from minicnn.checks import numerical
from minicnn.tensor import Op

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def nobody_warned(monkeypatch):
    monkeypatch.setattr(numerical, "_warned", set())


def gradients(fn, *arrays):
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    y = fn(*tensors)
    y.backward(Tensor(np.cos(np.arange(y.data.size)).reshape(y.shape).astype(y.dtype)))
    return [t.grad.numpy() for t in tensors]


def test_the_gradient_is_that_of_the_op():
    @mc.numerical_backward
    class Product(Op):
        def forward(self, a, b, *, power):
            return a @ b ** power
    a, b = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 2))
    with pytest.warns(UserWarning, match="Product has no backward: .* up to 40 forwards"):
        found = gradients(lambda a, b: Product.apply(a, b, power=2), a, b)
    for g, right in zip(found, gradients(lambda a, b: a @ (b * b), a, b)):
        assert np.abs(g - right).max() < 1e-8 * np.abs(right).max()


def test_only_what_is_asked_for_is_computed_and_integers_pass_through():
    calls = []

    @mc.numerical_backward
    def pick(x, w, index):
        calls.append(1)
        return (x * w)[index]
    x, w = Tensor(RNG.standard_normal((4, 3)), requires_grad=True), Tensor(RNG.standard_normal((4, 3)))
    with pytest.warns(UserWarning, match="pick"):
        pick(x, w, Tensor(np.array([2, 0, 2]))).sum().backward()
    assert len(calls) == 1 + 2 * 12 and w.grad is None
    right = np.array([1, 0, 2, 0])[:, None] * w.numpy()
    assert np.abs(x.grad.numpy() - right).max() < 1e-8


def test_it_warns_once():
    square = mc.numerical_backward(lambda x: x * x)
    with pytest.warns(UserWarning):
        gradients(square, np.ones(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradients(square, np.ones(2))


def test_a_backward_of_its_own_is_left_alone():
    class Square(Op):
        def forward(self, x):
            self.x = x
            return x * x

        def backward(self, g, needs):
            return (2 * self.x * g,)
    before = Square.backward
    assert mc.numerical_backward(Square) is Square and Square.backward is before


def test_random_numbers_are_those_of_the_forward():
    from minicnn.kernels.random import default_generator, uniform

    @mc.numerical_backward
    class Noisy(Op):
        def forward(self, x):
            return x * uniform(default_generator.next_key(), x.shape, dtype=np.float64)
    mc.manual_seed(3)
    x = Tensor(RNG.standard_normal(5), requires_grad=True)
    with pytest.warns(UserWarning):
        y = Noisy.apply(x)
    mc.manual_seed(9)
    y.sum().backward()
    assert np.abs(x.grad.numpy() - y.numpy() / x.numpy()).max() < 1e-8


def test_a_network_trains_on_it_and_gets_the_same_float32_gradients():
    @mc.numerical_backward
    def my_linear(x, weight, bias):
        return x @ weight.T + bias

    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.activation, self.outer = nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)

        def forward(self, x):
            return my_linear(self.activation(my_linear(x, self.inner.weight, self.inner.bias)), self.outer.weight, self.outer.bias)
    mc.manual_seed(0)
    model = Mine()
    x = Tensor(RNG.standard_normal((16, 3)).astype(np.float32))
    target = Tensor((x.numpy() ** 2).sum(1, keepdims=True))
    optimizer, losses = optim.SGD(model.parameters(), lr=0.05), []
    with pytest.warns(UserWarning, match="my_linear"):
        for _ in range(40):
            loss = ((model(x) - target) * (model(x) - target)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert model.inner.weight.grad.dtype == np.float32 and losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("thing, text", [(Op, "Op has no forward"), (3, "got 3"), (int, "got <class 'int'>")])
def test_misuse(thing, text):
    with pytest.raises(TypeError, match=text):
        mc.numerical_backward(thing)
