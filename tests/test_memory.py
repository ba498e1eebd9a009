"""The allocator's promises: a block lives as long as somebody can read it, no longer, and training takes no more memory with time."""
import gc
import threading

import numpy as np
import pytest

import minicnn as mc
from minicnn import kernels
from minicnn.kernels import memory

from .small_training import Training, batches

SHAPE = (64, 96)

VIEWS = {
    "slice": lambda a: a[3:5],
    "of a slice": lambda a: a[3:][1:, ::2],
    "transpose": lambda a: a.T,
    "reshape": lambda a: a.reshape(-1)[7:],
    "other dtype": lambda a: a.view(np.uint32),
    "diagonal": lambda a: a.diagonal(),
    "broadcast": lambda a: np.broadcast_to(a, (2, *SHAPE)),
    "strided": lambda a: np.lib.stride_tricks.as_strided(a, (4,), (8,)),
    "asarray": lambda a: np.asarray(a),
    "memoryview": lambda a: memoryview(a),
    "frombuffer": lambda a: np.frombuffer(a, np.float32),
    "iterator": lambda a: iter(a),
    "tensor": lambda a: mc.Tensor(a),
    "detached tensor": lambda a: mc.Tensor(a).detach(),
}


def address(array: np.ndarray) -> int:
    return array.ctypes.data


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_a_view_keeps_its_block(view):
    """While any view lives the block is not handed out; once the last is gone it is."""
    array = memory.empty(SHAPE, np.float32)
    array[...] = 1
    held, start = view(array), address(array)
    del array
    others = [memory.empty(SHAPE, np.float32) for _ in range(3)]
    assert start not in map(address, others)
    for other in others:
        other[...] = 2
    assert (np.asarray(next(held) if hasattr(held, "__next__") else getattr(held, "data", held)).view(np.float32) != 2).all()
    del other, others, held
    assert start in map(address, [memory.empty(SHAPE, np.float32) for _ in range(4)])


def test_blocks_return_and_are_counted():
    memory.release()
    before = memory.statistics()
    array = memory.empty((1000, 1000), np.float64)
    size = memory.statistics()["live"] - before["live"]
    assert 8_000_000 <= size <= 9_000_000
    start = address(array)
    del array
    assert memory.statistics()["live"] == before["live"] and memory.statistics()["idle"] == size
    again = memory.empty((500, 2000), np.float64)
    assert address(again) == start and memory.statistics()["idle"] == 0
    memory.reset_peak()
    more = memory.empty((1000, 1000), np.float64)
    assert memory.statistics()["peak"] == before["live"] + 2 * size
    del again, more
    memory.release()
    assert memory.statistics()["idle"] == 0


@pytest.mark.parametrize("shape, dtype", [((), "float32"), ((0, 3), "float64"), (5, "int32"), ((3, 5, 7), "uint8"), ((1025,), "float64")])
def test_arrays_are_as_asked_and_aligned(shape, dtype):
    array = memory.empty(shape, dtype)
    assert array.shape == (shape if isinstance(shape, tuple) else (shape,)) and array.dtype == dtype
    assert array.flags.c_contiguous and array.flags.writeable and address(array) % memory.ALIGNMENT == 0
    assert memory.owns(array) and memory.owns(array[...]) and not memory.owns(np.empty(shape, dtype))
    assert not memory.zeros(shape, dtype).any()


def test_too_much_is_refused_in_words():
    with pytest.raises(MemoryError, match=r"cannot allocate .* MiB for an array of shape \(1099511627776, 16\), float64; .* are in use"):
        memory.empty((1 << 40, 16), np.float64)


def test_threads_never_share_a_block():
    """Four threads write their own number into what they get, and find it again."""
    mixed_up = []

    def work(number):
        rng = np.random.default_rng(number)
        held = []
        for _ in range(1500):
            array = memory.empty(int(rng.integers(1, 400)), np.int64)
            array[...] = number
            held.append(array)
            if len(held) > 8:
                if not (held.pop(int(rng.integers(len(held)))) == number).all():
                    mixed_up.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not mixed_up


@pytest.mark.parametrize("backend", ["numba", "reference"])
def test_what_a_user_holds_is_never_overwritten(backend):
    """Logits, a gradient, a slice of a weight's gradient, saved while training goes on: their numbers stay."""
    with mc.use_backend(backend):
        training = Training()
        held = []
        for images, labels in batches(6):
            logits = training.network(mc.Tensor(images))
            training.step(images, labels)
            weight = next(iter(training.network.parameters()))
            assert weight.grad is not None
            arrays = [logits.numpy(), logits.numpy()[::2, 1:], weight.grad.numpy(), weight.grad.numpy()[1:, 0].T]
            del logits
            held.append((arrays, [a.copy() for a in arrays]))
    for arrays, copies in held:
        for a, copy in zip(arrays, copies):
            assert a.tobytes() == copy.tobytes()


@pytest.fixture
def no_collector():
    """Nothing is left to the collector of reference cycles: what is not freed at once stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_memory_is_flat_over_a_thousand_steps_of_training(no_collector):
    training = Training()
    given = list(batches(4))
    for images, labels in given * 5:
        training.step(images, labels)
    live, objects = memory.statistics()["live"], len(gc.get_objects())
    memory.reset_peak()
    peak = None
    for _ in range(250):
        for images, labels in given:
            training.step(images, labels)
        peak = peak or memory.statistics()["peak"]
    assert memory.statistics()["live"] == live
    assert memory.statistics()["peak"] == peak
    assert len(gc.get_objects()) <= objects + 20


def test_memory_is_flat_over_gradients_of_gradients(no_collector):
    import minicnn.functional as F
    rng = np.random.default_rng(0)
    x = mc.Tensor(rng.standard_normal((2, 2, 6, 5)), requires_grad=True)
    w = mc.Tensor(rng.standard_normal((3, 2, 3, 3)), requires_grad=True)

    def penalty():
        x.grad = w.grad = None
        (gradient,) = mc.grad(F.relu(F.conv2d(x, w)).sum(), [x], create_graph=True)
        (gradient * gradient).sum().backward()

    for _ in range(10):
        penalty()
    live, objects = memory.statistics()["live"], len(gc.get_objects())
    for _ in range(100):
        penalty()
    assert memory.statistics()["live"] == live
    assert len(gc.get_objects()) <= objects + 20


def test_kernels_return_what_they_borrowed():
    """After forward and backward nothing is live but what the caller holds."""
    rng = np.random.default_rng(0)
    x, w = (memory.empty(s, np.float32) for s in ((2, 3, 9, 8), (4, 3, 3, 3)))
    x[...], w[...] = rng.standard_normal(x.shape), rng.standard_normal(w.shape)
    kernel = kernels.load("conv2d", "numba")
    options = dict(stride=(1, 1), padding=((1, 1), (1, 1)), dilation=(1, 1), groups=1)
    before = memory.statistics()["live"]
    y, saved = kernel.forward(x, w, None, **options)
    gradients = kernel.backward(y, saved, (True, True, False))
    del y, saved, gradients
    assert memory.statistics()["live"] == before
