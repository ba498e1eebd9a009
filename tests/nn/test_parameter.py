"""Values that are drawn when first looked at, and are the same whenever that is."""
import copy
import pickle
import time

import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, nn


def seeded(build, seed=7):
    mc.manual_seed(seed)
    return build()


def test_values_do_not_depend_on_when_and_in_which_order_they_are_drawn():
    first, second = (seeded(lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.Linear(4, 5))) for _ in range(2))
    expected = {name: p.data.copy() for name, p in first.named_parameters()}
    mc.rand(10)                                                       # numbers drawn in between change nothing
    for name, p in reversed(list(second.named_parameters())):
        assert np.array_equal(p.data, expected[name])
    third = seeded(lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.Linear(4, 5)), seed=8)
    assert not np.array_equal(third[0].weight.data, expected["0.weight"])


def test_a_network_of_a_hundred_million_weights_is_built_in_milliseconds():
    start = time.perf_counter()
    model = nn.Linear(10_000, 10_000)
    assert time.perf_counter() - start < 0.1
    assert model.weight.shape == (10_000, 10_000) and model.weight.numel() == 10 ** 8 and model.weight.dtype == np.float32
    assert not model.weight.drawn
    assert repr(model) and not model.weight.drawn


def test_what_is_drawn_is_kept():
    p = nn.init.normal_(nn.Parameter.lazy((3, 4)))
    array = p.data
    assert p.drawn and p.data is array and p.requires_grad and p.grad is None and p.version[0] == 0


def test_loading_skips_the_draw():
    def refuse(key, shape, dtype):
        raise AssertionError("drawn although values were loaded")
    p = nn.Parameter.lazy((2, 2), refuse)
    p.load(np.arange(4.0).reshape(2, 2))
    assert p.data.tolist() == [[0, 1], [2, 3]] and p.dtype == np.float32 and p.drawn


def test_conversion_before_and_after_the_draw_gives_the_same_values():
    early, late = (seeded(lambda: nn.Linear(5, 4)) for _ in range(2))
    assert late.weight.data.dtype == np.float32
    early.to("float64")
    late.to("float64")
    assert early.weight.dtype == late.weight.dtype == np.float64
    assert np.array_equal(early.weight.data, late.weight.data)


def test_meta_has_no_values_and_undrawn_ones_come_back():
    layer, twin = (seeded(lambda: nn.Linear(5, 4)) for _ in range(2))
    layer.to("meta")
    assert layer.weight.shape == (4, 5) and layer.weight.data.strides == (0, 0)
    assert np.array_equal(layer.to("cpu").weight.data, twin.weight.data)


def test_a_copy_has_its_own_values():
    layer = seeded(lambda: nn.Linear(3, 2))
    undrawn = copy.deepcopy(layer)
    layer.weight.data[...] = 0
    drawn = copy.deepcopy(layer)
    drawn.weight.data[...] = 1
    assert not layer.weight.data.any() and undrawn.weight.data.any()
    assert np.array_equal(undrawn.weight.data, seeded(lambda: nn.Linear(3, 2)).weight.data)
    assert np.array_equal(pickle.loads(pickle.dumps(undrawn)).weight.data, undrawn.weight.data)


def test_a_parameter_from_an_array_shares_it_and_asks_for_gradients():
    array = np.ones((2, 3), np.float64)
    p = nn.Parameter(array)
    assert p.data is array and p.requires_grad and p.drawn and isinstance(p, Tensor)
    (p * 2).sum().backward()
    assert p.grad.numpy().tolist() == [[2, 2, 2], [2, 2, 2]]


@pytest.mark.parametrize("make, text", [
    (lambda: nn.Parameter(np.zeros(3, np.int64)), "floating-point"),
    (lambda: nn.Parameter.lazy((3,), dtype="int32"), "floating-point"),
])
def test_only_floating_point_numbers_are_learnt(make, text):
    with pytest.raises(TypeError, match=text):
        make()


def test_initialising_again_counts_as_a_write():
    p = nn.init.ones_(nn.Parameter.lazy((2,)))
    y = (p * p).sum()
    nn.init.zeros_(p)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()
