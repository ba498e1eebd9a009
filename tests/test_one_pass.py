"""The optimisers' one pass over all parameters: the bits of a step for each parameter alone, whatever their sizes and types."""
import numpy as np
import pytest

from minicnn import Tensor, optim
from minicnn.kernels.optimizer import cpu

from .test_kernels import load

SHAPES = [(3,), (1,), (2, 3, 5, 5), (cpu.PIECE,), (cpu.PIECE + 1,), (0,), (2 * cpu.PIECE - 1,), (5, 7)]
STATES = {"sgd": 1, "adam": 3, "adamw": 3, "rmsprop": 3, "adagrad": 1}


def calls(form: str) -> list:
    """A call for each shape, in both types, with options that differ from one to the next."""
    rng = np.random.default_rng(0)
    made = []
    for number, shape in enumerate(SHAPES):
        for dtype in (np.float32, np.float64):
            arrays = tuple(np.abs(rng.standard_normal(shape)).astype(dtype) for _ in range(2 + STATES[form]))
            made.append((arrays, options(form, number)))
    return made


def options(form: str, number: int) -> dict:
    lr, on = 0.1 / (1 + number), number % 2 == 1
    common = dict(lr=lr, weight_decay=0.01 * number, maximize=on)
    if form == "sgd":
        return dict(common, momentum=0.9 * on, dampening=0.0, nesterov=on)
    if form in ("adam", "adamw"):
        return dict(common, beta1=0.9, beta2=0.99, eps=1e-8, amsgrad=on, t=number + 1)
    if form == "rmsprop":
        return dict(common, alpha=0.9, eps=1e-8, momentum=0.5 * on, centered=on, eps_inside=on)
    return dict(common, lr_decay=0.1, eps=1e-10, t=number + 1)


@pytest.mark.parametrize("form", STATES)
def test_together_gives_the_bits_of_one_by_one(form):
    kernel, together, alone = load(form, "numba"), calls(form), calls(form)
    kernel.steps(together)
    for arrays, options in alone:
        kernel.step(*arrays, **options)
    for (a, _), (b, _) in zip(together, alone):
        assert all(x.tobytes() == y.tobytes() for x, y in zip(a, b))
    untouched = calls(form)
    assert all(a[0].tobytes() != b[0].tobytes() for (a, _), (b, _) in zip(together, untouched) if a[0].size)


def test_a_parameter_that_changed_its_shape_is_refused():
    """The kernel goes by addresses: a state of another size would be read and written beyond its end."""
    p = Tensor(np.ones(8, np.float32), requires_grad=True)
    sgd = optim.SGD([p], lr=0.1, momentum=0.9)
    p.grad = Tensor(np.ones(8, np.float32))
    sgd.step()
    p.data, p.grad = np.ones(4096, np.float32), Tensor(np.ones(4096, np.float32))
    with pytest.raises(ValueError, match=r"\(4096,\), its state \(8,\)"):
        sgd.step()


def test_a_state_that_does_not_lie_in_one_run_is_brought_into_one():
    p = Tensor(np.ones((4, 3), np.float32), requires_grad=True)
    sgd = optim.SGD([p], lr=1.0, momentum=0.5)
    p.grad = Tensor(np.zeros((4, 3), np.float32))
    sgd.step()
    buffer = np.arange(12, dtype=np.float32).reshape(3, 4).T
    sgd.state[p]["momentum_buffer"] = buffer.copy(order="F")
    sgd.step()
    assert np.array_equal(p.data, 1 - 0.5 * buffer)
