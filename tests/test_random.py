"""Philox against its published answers, what is drawn from it, and dropout, which lives on it."""
import math

import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import kernels
from minicnn.kernels import random
from minicnn.kernels.random import Key

BACKENDS = ("reference", "numba")


@pytest.mark.parametrize("counter, key, words", [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
], ids=("zeros", "ones", "pi"))
def test_philox_known_answers(counter, key, words):
    """The vectors that Random123, the authors' own library, is tested with (kat_vectors, philox4x32 10)."""
    counter, key, words = ([int(word, 16) for word in text.split()] for text in (counter, key, words))
    found = random.philox(np.array(counter, np.uint32), key[0] | key[1] << 32)
    assert found.dtype == np.uint32 and found.tolist() == words


@pytest.mark.parametrize("counter, key, words", [
    (0, Key(0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    (0x85a308d3_243f6a88, Key(0x299f31d0_a4093822, 0x03707344_13198a2e), "d16cfe09 94fdcceb 5001e420 24126ea1"),
], ids=("zeros", "pi"))
def test_philox_of_numba_known_answers(counter, key, words):
    cpu = kernels.module("dropout", "cpu")
    found = np.zeros(8, np.uint32)
    cpu.draw(np.int64(np.uint64(counter).astype(np.int64)), np.uint64(key.seed), np.uint64(key.stream), found)
    assert found[:4].tolist() == [int(word, 16) for word in words.split()]


def test_a_stream_is_one_sequence():
    """What is drawn first does not depend on how much is drawn, and every part of the key counts."""
    key = Key(5, 7)
    assert np.array_equal(random.bits(key, 1001)[:10], random.bits(key, 10))
    others = [Key(6, 7), Key(5, 8), Key(5 + (1 << 32), 7), Key(5, 7 + (1 << 32))]
    streams = [random.bits(k, 64).tobytes() for k in (key, *others)]
    assert len(set(streams)) == len(streams)


def test_uniform():
    u = random.uniform(Key(1, 2), (400, 250))
    assert u.dtype == np.float32 and u.min() >= 0 and u.max() < 1
    assert np.array_equal(u, random.uniform(Key(1, 2), (400, 250), dtype=np.float64))              # exact in float32
    n, counts = u.size, np.bincount((u.ravel() * 16).astype(int), minlength=16)
    assert abs(u.mean() - 0.5) < 5 / math.sqrt(12 * n)                                             # five standard errors
    assert np.abs(counts - n / 16).max() < 5 * math.sqrt(n / 16)
    low_high = random.uniform(Key(1, 2), 1000, -3.0, 5.0, np.float64)
    assert low_high.min() >= -3 and low_high.max() < 5 and low_high.min() < -2.9 and low_high.max() > 4.9


def test_normal():
    z = random.normal(Key(1, 2), 100_001, mean=2.0, std=3.0, dtype=np.float64)
    standard, n = (z - 2) / 3, z.size
    assert np.isfinite(z).all() and abs(standard.mean()) < 5 / math.sqrt(n) and abs(standard.var() - 1) < 5 * math.sqrt(2 / n)
    assert abs((np.abs(standard) < 1).mean() - 0.6826894921) < 5 * math.sqrt(0.68 * 0.32 / n)


def test_permutation():
    order = random.permutation(Key(3, 4), 1000)
    assert sorted(order.tolist()) == list(range(1000))
    assert not np.array_equal(order, np.arange(1000)) and not np.array_equal(order, random.permutation(Key(3, 5), 1000))
    assert random.permutation(Key(3, 4), 0).size == 0
    first = np.array([random.permutation(Key(9, stream), 3)[0] for stream in range(900)])          # each of three a third of the time
    assert np.abs(np.bincount(first, minlength=3) - 300).max() < 5 * math.sqrt(900 * 2 / 9)


def test_generator_hands_out_keys_in_order():
    mc.manual_seed(11)
    assert [random.default_generator.next_key() for _ in range(3)] == [Key(11, 0), Key(11, 1), Key(11, 2)]
    state = random.default_generator.state
    key = random.default_generator.next_key()
    random.default_generator.state = state
    assert random.default_generator.next_key() == key


@pytest.mark.parametrize("seed", [-1, 2 ** 64, 1.5, "3", True, None])
def test_manual_seed_refuses(seed):
    with pytest.raises(ValueError, match="expected a whole number from 0"):
        mc.manual_seed(seed)


MASK_KEY = Key(0xDEADBEEF00000001, 1 << 40)
DRAWN = float(random.uniform(MASK_KEY, 8, dtype=np.float64)[7])          # p = u keeps element 7, a larger p drops it


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0, DRAWN, DRAWN + 2 ** -30, DRAWN - 2 ** -30])
def test_dropout_masks_are_identical_on_all_backends(p):
    """Bit for bit, in both types, with one thread and with two; also where p lies on a number drawn, or within less than 24 bits of it."""
    key, shape, threads = MASK_KEY, (3, 5, 21, 13), mc.get_num_threads()
    for channels in (False, True):
        expected = random.uniform(key, shape[:2] if channels else shape, dtype=np.float64) >= p
        expected = np.broadcast_to(expected.reshape(3, 5, 1, 1) if channels else expected, shape)
        for backend in BACKENDS:
            for dtype in (np.float32, np.float64):
                for count in (1, 2):
                    mc.set_num_threads(count)
                    try:
                        y, saved = kernels.load("dropout", backend).forward(np.ones(shape, dtype), p=p, key=key, channels=channels)
                    finally:
                        mc.set_num_threads(threads)
                    assert y.dtype == dtype and np.array_equal(y != 0, expected)
                    assert np.array_equal(y[expected], np.full(int(expected.sum()), 1 / (1 - p) if p < 1 else 0, dtype))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function, shape", [(F.dropout, (300, 400)), (F.dropout2d, (300, 400, 2, 1))])
def test_dropout_keeps_the_mean(function, shape, backend):
    mc.manual_seed(1)
    with mc.use_backend(backend):
        for p in (0.1, 0.5, 0.8):
            y = function(mc.Tensor(np.ones(shape, np.float32)), p).numpy()
            kept, units = float((y != 0).mean()), 120_000
            assert abs(kept - (1 - p)) < 5 * math.sqrt(p * (1 - p) / units)
            assert abs(float(y.mean(dtype=np.float64)) - 1) < 5 * math.sqrt(p / (1 - p) / units)
    if len(shape) == 4:
        assert np.array_equal(y[..., 0, 0], y[..., 1, 0])                                          # a channel as a whole


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("paper", [False, True])
def test_dropout_and_its_gradients(backend, paper):
    """backward and the backward of backward draw the mask of forward again; another call draws another."""
    rng = np.random.default_rng(0)
    x, g = mc.Tensor(rng.standard_normal((4, 3, 5)), requires_grad=True), rng.standard_normal((4, 3, 5))
    with mc.use_backend(backend):
        mc.manual_seed(2)
        y = F.dropout(x, 0.3, paper=paper)
        again = F.dropout(x, 0.3, paper=paper)
        mask = (y.numpy() != 0) * (1.0 if paper else 1 / 0.7)
        assert not np.array_equal(y.numpy(), again.numpy())
        np.testing.assert_allclose(y.numpy(), x.data * mask, rtol=1e-15)
        y.backward(mc.Tensor(g))
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.numpy(), g * mask, rtol=1e-15)

        mc.manual_seed(2)
        y = F.dropout(x * x, 0.3, paper=paper)
        (first,) = mc.grad(y, [x], mc.Tensor(g), create_graph=True)
        (second,) = mc.grad(first, [x], mc.Tensor(g))
        np.testing.assert_allclose(second.numpy(), 2 * g * g * mask, rtol=1e-14)                   # d/dx of 2·x·m·g, times g


def test_dropout_does_nothing_where_it_should_not():
    x = mc.Tensor(np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32))
    state = random.default_generator.state
    assert F.dropout(x, 0.5, training=False) is x and F.dropout2d(mc.Tensor(np.ones((1, 2, 3))), 0.5, False).numpy().all()
    assert np.array_equal(F.dropout(x, 0.25, training=False, paper=True).numpy(), x.data * np.float32(0.75))
    assert random.default_generator.state == state                                                # and draws nothing
    assert np.array_equal(F.dropout(x, 0.0).numpy(), x.data)
    assert np.array_equal(F.dropout(x, 1.0).numpy(), np.zeros((3, 4), np.float32))


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_dropout_refuses(p):
    x = mc.Tensor(np.ones((2, 3)))
    for training in (True, False):
        with pytest.raises(ValueError, match="should lie in 0 … 1"):
            F.dropout(x, p, training)
    with pytest.raises(ValueError, match="use dropout for single values"):
        F.dropout2d(x, 0.5)
