"""Modules: what is registered, found, saved, loaded, hooked and printed."""
# what is wrong here is wrong on purpose
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false, reportOptionalMemberAccess=false
from collections import OrderedDict

import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, nn
from minicnn.observers import observe


class Scaled(nn.Module):
    """y = a·x + b, of basic operations alone"""

    def __init__(self, a=2.0):
        super().__init__()
        self.a = nn.Parameter(np.full((1,), a, np.float32))
        self.register_buffer("b", np.ones(1, np.float32))

    def forward(self, x):
        return x * self.a + self.b


class Tree(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Scaled()
        self.blocks = nn.ModuleList([nn.Sequential(OrderedDict(inner=Scaled(3.0)))])

    def forward(self, x):
        return self.blocks[0].inner(self.first(x))            # reaches past the Sequential: its name must still be known


def test_what_is_found_and_under_which_name():
    tree = Tree()
    assert [name for name, _ in tree.named_modules()] == ["", "first", "blocks", "blocks.0", "blocks.0.inner"]
    assert [name for name, _ in tree.named_parameters()] == ["first.a", "blocks.0.inner.a"]
    assert [name for name, _ in tree.named_buffers()] == ["first.b", "blocks.0.inner.b"]
    assert list(tree.state_dict()) == ["first.a", "first.b", "blocks.0.inner.a", "blocks.0.inner.b"]
    assert [name for name, _ in tree.named_children()] == ["first", "blocks"]
    assert tree.get_submodule("blocks.0.inner") is tree.blocks[0].inner
    with pytest.raises(AttributeError, match="has no module 'blocks.1'"):
        tree.get_submodule("blocks.1")


def test_shared_parameters_count_once_and_load_under_both_names():
    tree = Tree()
    tree.blocks[0].inner.a = tree.first.a
    assert len(list(tree.parameters())) == 1
    assert {"first.a", "blocks.0.inner.a"} <= set(tree.state_dict())
    shared = nn.Sequential(tree.first, tree.first)
    assert len(list(shared.modules())) == 2 and len(list(shared.parameters())) == 1


def test_assignment():
    tree = Tree()
    tree.first.a = None
    assert "first.a" not in dict(tree.named_parameters())
    with pytest.raises(TypeError, match="Scaled.a is a Parameter: assign a Parameter or None, not float"):
        Scaled().a = 3.0
    with pytest.raises(TypeError, match="Tree.first is a Module"):
        tree.first = 1
    tree.extra = Scaled()
    assert "extra.a" in tree.state_dict()
    del tree.extra
    assert "extra.a" not in tree.state_dict()
    with pytest.raises(AttributeError, match="Tree has no attribute 'extra'"):
        print(tree.extra)
    tree.label = "plain"
    assert tree.label == "plain" and {"first", "label"} <= set(dir(tree))


def test_assignment_before_init_says_what_to_do():
    class Early(nn.Module):
        def __init__(self):
            self.layer = nn.ReLU()
    with pytest.raises(AttributeError, match=r"Early: cannot assign 'layer' yet; call super\(\).__init__\(\) first"):
        Early()


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module has no forward: define"):
        nn.Module()(1)


@pytest.mark.parametrize("name, text", [("a", "already has an attribute"), ("x.y", "has no dot"), ("forward", "already has an attribute")])
def test_buffer_names(name, text):
    with pytest.raises(KeyError, match=text):
        Scaled().register_buffer(name, np.zeros(1))


def test_a_transient_buffer_is_not_saved():
    layer = Scaled()
    layer.register_buffer("scratch", np.zeros(2), persistent=False)
    assert "scratch" in dict(layer.named_buffers()) and "scratch" not in layer.state_dict()


def test_modes_gradients_and_apply():
    tree, seen = Tree(), []
    assert tree.eval() is tree and not tree.blocks[0].inner.training
    assert tree.train().first.training
    tree.requires_grad_(False)
    assert not any(p.requires_grad for p in tree.parameters())
    tree.requires_grad_()
    tree(Tensor(np.ones(3, np.float32))).sum().backward()
    assert tree.first.a.grad.numpy().tolist() == [9.0]        # d/da of 3·(a·1 + 1) + 1, three times
    tree.zero_grad(set_to_none=False)
    assert tree.first.a.grad.numpy().tolist() == [0.0]
    tree.zero_grad()
    assert tree.first.a.grad is None
    tree.apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Scaled", "Scaled", "Sequential", "ModuleList", "Tree"]


def test_to_converts_floats_in_place_and_leaves_integers():
    layer = nn.BatchNorm2d(3)
    weight = layer.weight
    assert layer.to(np.float64) is layer and layer.weight is weight and weight.dtype == np.float64
    assert layer.running_var.dtype == np.float64 and layer.num_batches_tracked.dtype == np.int64
    assert layer.float().running_mean.dtype == np.float32 and layer.to(dtype="float64").weight.dtype == np.float64
    with pytest.raises(ValueError, match="expected a device .* got 'gpu'"):
        layer.to("gpu")
    with pytest.raises(TypeError, match="got int32"):
        layer.to(np.int32)


def test_state_dict_round_trip():
    source, target = Tree(), Tree()
    source.load_state_dict({**source.state_dict(), "first.a": np.array([5.0])})
    state = source.state_dict()
    assert not state["first.a"].requires_grad and state["first.a"].data is source.first.a.data
    assert target.load_state_dict(state) == ([], [])
    assert target.first.a.data.tolist() == [5.0] and target.first.a.data is not source.first.a.data
    assert target.first.a.dtype == np.float32


def test_a_state_dict_that_does_not_fit_is_refused_whole():
    layer = nn.Linear(3, 2)
    before = layer.weight.data.copy()
    state = {"wieght": np.zeros((2, 3)), "bias": np.zeros(3), "more": np.zeros(1)}
    with pytest.raises(KeyError) as caught:
        layer.load_state_dict(state)
    assert str(caught.value) == """load_state_dict: this state_dict does not fit Linear; nothing was loaded
  missing:
    weight
  unexpected:
    wieght   (did you mean weight?)
    more
  wrong shape:
    bias: (3,) was given, the model has (2,)"""
    assert isinstance(caught.value, ValueError) and np.array_equal(layer.weight.data, before)
    with pytest.raises(ValueError, match="wrong shape"):
        layer.load_state_dict(state, strict=False)
    found = layer.load_state_dict({"weight": np.ones((2, 3)), "more": np.zeros(1)}, strict=False)
    assert found.missing_keys == ["bias"] and found.unexpected_keys == ["more"] and layer.weight.data.all()


@pytest.mark.parametrize("state, error, text", [
    ([1, 2], TypeError, "expected a dict of tensors by name"),
    ({"weight": "abc", "bias": np.zeros(2)}, TypeError, "weight should be a tensor or an array of numbers, got str"),
    ({"weight": mc.meta(2, 3), "bias": np.zeros(2)}, ValueError, "weight is on device 'meta'"),
])
def test_what_is_no_state_dict(state, error, text):
    with pytest.raises(error, match=text):
        nn.Linear(3, 2).load_state_dict(state)


def test_a_long_list_is_cut():
    many = nn.Sequential(*(Scaled() for _ in range(20)))
    with pytest.raises(KeyError, match=r"… and 32 more"):
        many.load_state_dict({})


def test_hooks_see_change_and_go_away():
    layer, seen = Scaled(), []
    before = layer.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 10,))
    after = layer.register_forward_hook(lambda module, inputs, output: seen.append((inputs[0].item(), output.item())))
    x = Tensor(np.array(1.0, np.float32))
    assert layer(x).item() == 21 and seen == [(10, 21)]
    before.remove()
    with layer.register_forward_hook(lambda module, inputs, output: -output):
        assert layer(x).item() == -3
    after.remove()
    assert layer(x).item() == 3 and len(seen) == 2


def test_observers_hear_full_names():
    tree, paths = Tree(), []
    with observe(lambda event: paths.append(event.path) if event.moment == "forward" else None):
        y = tree(Tensor(np.ones(1, np.float32)))
        y = y + 1
        tree.first(y)                                         # called on its own, it is the outermost
    assert paths == ["first", "first", "blocks.0.inner", "blocks.0.inner", "", "", ""]


def test_names_are_restored_after_an_error():
    class Broken(nn.Module):
        def forward(self, x):
            raise ZeroDivisionError
    from minicnn.observers import module_path
    with observe(lambda event: None), pytest.raises(ZeroDivisionError):
        nn.Sequential(Broken())(1)
    assert module_path == []


def test_repr_reads_like_the_architecture():
    model = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 8, (3, 5), padding=(1, 2), groups=1, bias=False), norm=nn.BatchNorm2d(8),
                                      rest=nn.Sequential(nn.MaxPool2d(2), nn.LeakyReLU())))
    assert repr(model) == """Sequential(
  (conv): Conv2d(3, 8, kernel_size=(3, 5), stride=(1, 1), padding=(1, 2), bias=False)
  (norm): BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
  (rest): Sequential(
    (0): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
    (1): LeakyReLU(negative_slope=0.01)
  )
)"""


def test_sequential_is_a_list():
    a, b, c = nn.ReLU(), nn.Tanh(), nn.Sigmoid()
    model = nn.Sequential(a, b).append(c)
    assert list(model) == [a, b, c] and len(model) == 3 and model[-1] is c and list(model[1:]) == [b, c]
    model[0] = c
    assert model[0] is c
    with pytest.raises(IndexError, match="index 3 is out of range, there are 3 modules"):
        model[3]
    with pytest.raises(TypeError, match="'0' should be a Module, got type; pass an instance, not the class"):
        nn.Sequential(nn.ReLU)


def test_module_list_is_not_called():
    layers = nn.ModuleList([nn.ReLU()])
    layers.append(nn.Tanh())
    assert len(layers) == 2 and isinstance(layers[1:], nn.ModuleList) and [name for name, _ in layers.named_children()] == ["0", "1"]
    with pytest.raises(NotImplementedError, match="a ModuleList is not called"):
        layers(1)


@pytest.mark.parametrize("count", [1.7, float("nan"), float("inf"), 1e300])
def test_a_buffer_that_counts_takes_whole_numbers_alone(count):
    norm = nn.BatchNorm2d(2)
    state = {**{name: tensor.data.copy() + 1 for name, tensor in norm.state_dict().items()}, "num_batches_tracked": np.array(count)}
    with pytest.raises(ValueError, match="num_batches_tracked: .* was given, the model counts in whole numbers"):
        norm.load_state_dict(state)
    assert float(norm.running_mean.data[0]) == 0                       # nothing was loaded
    norm.load_state_dict({**state, "num_batches_tracked": np.array(3.0)})
    assert int(norm.num_batches_tracked.data) == 3
