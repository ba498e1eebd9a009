"""The graph itself: edges, freeing, counting writes, and what it says when it is used wrongly."""
import gc
import weakref

import numpy as np
import pytest

import minicnn as mc
import minicnn.functional as F
from minicnn import Tensor
from minicnn.tensor import Op


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def test_gradients_of_several_paths_add_up():
    x = leaf(2.0)
    y = x * x                        # dy/dx = 4
    (y * x + y).sum().backward()     # x³ + x² → 3x² + 2x = 16
    assert x.grad.numpy() == [16.0]


def test_grads_accumulate_over_calls_and_can_be_cleared():
    x = leaf(1.0, 2.0)
    for _ in range(2):
        (x * 3).sum().backward()
    assert np.array_equal(x.grad.numpy(), [6, 6])
    x.grad = None
    (x * 3).sum().backward()
    assert np.array_equal(x.grad.numpy(), [3, 3])


def test_two_leaves_never_share_one_gradient_array():
    a, b, u = leaf(1.0, 2.0), leaf(3.0, 4.0), Tensor(np.ones(2))
    (a + b).backward(u)
    assert not np.shares_memory(a.grad.data, b.grad.data) and not np.shares_memory(a.grad.data, u.data)
    a.grad.data[:] = 7               # and they are one's own to write to, also where a broadcast made them
    assert np.array_equal(b.grad.numpy(), [1, 1]) and np.array_equal(u.numpy(), [1, 1])
    x = leaf(1.0, 2.0)
    x.sum().backward()
    x.grad.data[0] = 5
    assert np.array_equal(x.grad.numpy(), [5, 1])


def test_a_very_deep_graph_needs_no_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y + 1e-3
    y.backward()
    assert x.grad.numpy() == [1.0]
    del y                            # nor does freeing it


def test_third_order():
    x = leaf(2.0)
    y = x ** 4
    for expected in (32.0, 48.0, 48.0):                # 4x³, 12x², 24x
        (y,) = mc.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected, abs=1e-12)


def test_backward_is_reentrant():
    """A backward inside a backward: an Op whose gradient is itself computed with the engine."""
    class Inner(Op):
        def forward(self, x):
            self.x = x
            return x ** 3

        def backward(self, g, needs):
            t = Tensor(self.x, requires_grad=True)
            with mc.enable_grad():
                (t ** 3).sum().backward()
            return (g * t.grad.numpy(),)

    x = leaf(2.0, 3.0)
    (Inner.apply(x) * 2).sum().backward()
    assert np.allclose(x.grad.numpy(), [24, 54], rtol=1e-14)


def test_needs_says_which_gradients_are_wanted():
    seen = []

    class Spy(Op):
        def forward(self, *arrays):
            return sum(arrays)

        def backward(self, g, needs):
            seen.append(list(needs))
            return tuple(g if need else None for need in needs)

    Spy.apply(leaf(1.0), Tensor([2.0], dtype=np.float64), leaf(3.0)).backward()
    assert seen == [[True, False, True]]


def test_a_tensor_in_between_dies_while_its_graph_lives():
    x = leaf(1.0, 2.0)
    between = x.exp()
    result = (between * 2).sum()
    watch = weakref.ref(between)
    del between
    assert watch() is None
    result.backward()
    assert np.allclose(x.grad.numpy(), 2 * np.exp([1, 2]))


def test_graphs_are_freed_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = ((x * x).exp() + x).sum()
        op = weakref.ref(y.op)
        del y
        assert op() is None
    finally:
        gc.enable()


def test_backward_frees_what_forward_kept_as_it_goes():
    x = leaf(*range(5))
    y = (x * x).exp().sum()
    exponential = y.op.edges[0][0].edges[0][0]          # the reshape of the sum, the sum, exp
    kept = weakref.ref(exponential.y)
    y.backward()
    assert kept() is None and exponential.released


def test_through_a_freed_graph():
    x = leaf(1.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="Mul: backward has been through this graph and freed it; pass retain_graph=True"):
        y.backward()
    z = x * x
    z.backward(retain_graph=True)
    z.backward()
    assert x.grad.item() == 6.0


def test_no_grad_and_detach():
    x = leaf(1.0)
    with mc.no_grad():
        assert not (x * 2).requires_grad
        with mc.enable_grad():
            assert (x * 2).requires_grad
    assert (x * 2).requires_grad and not x.detach().requires_grad and np.shares_memory(x.detach().data, x.data)

    @mc.no_grad()
    def f():
        return x * 2
    assert not f().requires_grad and not f().requires_grad


def test_writes_that_backward_would_miss():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    with mc.no_grad():
        x.write([5.0, 5.0])
    with pytest.raises(RuntimeError, match="Mul: a tensor that its backward reads was changed in place after the forward"):
        y.backward()
    y = x.exp()
    total = y.sum()
    with mc.no_grad():
        y[0] = 0.0
    with pytest.raises(RuntimeError, match="Exp: a tensor that its backward reads was changed"):
        total.backward()


@pytest.mark.parametrize("view", [lambda x: x.reshape(2, 1), lambda x: x[1:], lambda x: x.detach()], ids=["reshape", "slice", "detach"])
def test_a_write_through_a_view_counts_too(view):
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    with mc.no_grad():
        view(x)[0] = 9.0
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_a_write_that_nobody_reads_is_allowed():
    x = leaf(1.0, 2.0)
    y = (x + 1).sum()                # the gradient of a sum does not depend on x
    with mc.no_grad():
        x.write([5.0, 5.0])
    y.backward()
    assert np.array_equal(x.grad.numpy(), [1, 1])


@pytest.mark.parametrize("do, error, text", [
    (lambda: leaf(1.0, 2.0).exp().backward(), RuntimeError, r"a tensor of shape \(2,\) needs a gradient of that shape"),
    (lambda: leaf(1.0, 2.0).exp().backward(Tensor([1.0])), ValueError, r"the gradient has shape \(1,\), the tensor \(2,\)"),
    (lambda: Tensor([1.0]).backward(), RuntimeError, "has no graph; was it computed under no_grad"),
    (lambda: Tensor([1, 2], requires_grad=True), TypeError, "only floating-point tensors have gradients, this one is int64"),
    (lambda: Tensor(["a"]), TypeError, "expected whole or floating-point numbers of at most 64 bits, got an array of dtype"),
    (lambda: leaf(1.0).write([2.0]), RuntimeError, "write inside `with no_grad"),
    (lambda: leaf(1.0).__setitem__(0, 2.0), RuntimeError, "compute a new one with where or cat"),
    (lambda: leaf(1.0) + leaf(1.0, 2.0, 3.0) + leaf(1.0, 2.0), ValueError, r"add: shapes \(3,\) and \(2,\) do not broadcast"),
    (lambda: leaf(1.0, 2.0).item(), ValueError, r"expected a tensor with one element, this one has shape \(2,\)"),
    (lambda: leaf(1.0, 2.0).reshape(3), ValueError, r"reshape: 2 elements of shape \(2,\) do not fit into \(3,\)"),
    (lambda: leaf(1.0, 2.0).sum(1), IndexError, r"has dimensions -1 … 0, got 1"),
    (lambda: F.cat([]), ValueError, "expected at least one tensor"),
    (lambda: F.cat([mc.zeros(2, 3), mc.zeros(3, 2)], 1), ValueError, r"may differ in dimension 1 only, got shapes \(2, 3\), \(3, 2\)"),
    (lambda: leaf(1.0).to("gpu"), ValueError, r"expected a device \(cpu, cuda, meta\) or a dtype, got 'gpu'"),
    (lambda: mc.grad(Tensor([1.0]), leaf(1.0)), RuntimeError, "an output does not take part in a graph"),
    (lambda: bool(leaf(1.0, 2.0)), ValueError, r"the truth of a tensor of shape \(2,\) is ambiguous"),
])
def test_errors_say_what_came_and_what_to_do(do, error, text):
    with pytest.raises(error, match=text):
        do()


def test_numpy_on_the_left_is_the_tensors_business():
    y = np.ones(3) * Tensor(np.arange(3.0), requires_grad=True)
    assert isinstance(y, Tensor) and y.requires_grad


def test_tensors_are_themselves_in_sets_and_print_readably():
    x = leaf(1.0, 2.0)
    assert x in {x} and Tensor([1.0]) not in [] and (x == x).numpy().all()
    assert repr(Tensor([1.5], requires_grad=True)) == "Tensor([1.5], requires_grad=True)"
    assert repr(mc.meta(2, 3)) == "Tensor(shape=(2, 3), device='meta')"
    assert "op=Mul" in repr(x * 2)


def test_what_a_type_checker_sees_is_what_a_tensor_has():
    from minicnn.functional.methods import METHODS
    from minicnn.signatures import TensorMethods
    written = {name for name in vars(TensorMethods) if not name.startswith("__") or name in METHODS}
    assert written - {"__hash__"} == set(METHODS)


def test_grad_visits_only_what_leads_to_the_inputs():
    visited = []

    class Spy(Op):
        def forward(self, x, name):
            return x * 1.0

        def backward(self, g, needs):
            visited.append(self.options["name"])
            return (g,)

    x, y = leaf(1.0), leaf(2.0)
    mc.grad(Spy.apply(x, name="x") + Spy.apply(y, name="y"), x)
    assert visited == ["x"]
