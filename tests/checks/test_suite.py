"""The suite exercises every Op, sees kinks, and the command `minicnn gradcheck` checks a user's file."""
import json
from pathlib import Path

import numpy as np
import pytest

from minicnn import cli, kernels, models, nn
from minicnn.checks import networks, suite
from minicnn.checks.basics import BASICS
from minicnn.checks.layers import LAYERS
from minicnn.checks.report import Report
from minicnn.checks.subject import subject_of
from minicnn.device import cuda_available
from minicnn.functional.kernel_op import KernelOp
from minicnn.observers import observe
from minicnn.tensor import Op


def with_a_backward(cls=Op):
    """All Ops of minicnn.functional that can be applied and differentiated."""
    for sub in cls.__subclasses__():
        named = sub.kernel is not None if issubclass(sub, KernelOp) else "Elementwise" != sub.__name__
        if sub.__module__.startswith("minicnn.functional.") and named and sub.backward is not Op.backward:
            yield sub
        yield from with_a_backward(sub)


def test_every_op_is_exercised(monkeypatch):
    """An Op that is missing here needs a row in minicnn/checks/basics.py, or cases in kernels/."""
    def once(fn, inputs, *, options, constants=(), **rest):
        subject = subject_of(fn, inputs, None, options, constants)
        subject.gradients([np.ones(y.shape) for y in subject.outputs()])
        return Report(1e-6)
    monkeypatch.setattr(suite, "gradcheck", once)
    seen = set()
    with observe(lambda event: seen.add(type(event.op)) if event.moment == "backward" else None):
        for op in suite.operations():
            next(suite.check_operation(op, "reference"))
        for name in BASICS:
            list(suite.check_basic(name))
    every = set(with_a_backward())
    assert len(every) > 60
    assert not every - seen, f"no check reaches {', '.join(sorted(cls.__name__ for cls in every - seen))}"


@pytest.mark.parametrize("name", BASICS)
def test_basic_operations(name):
    for _, report in suite.check_basic(name):
        assert report, report


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["reference", "numba"])
@pytest.mark.parametrize("op", suite.operations())
def test_second_order_of_operations(op, backend):
    reports = [report for _, report in suite.check_operation(op, backend, drawn=4, second=True)]
    assert all(reports) and len(reports) > 4, [str(report) for report in reports if not report]


@pytest.mark.slow
@pytest.mark.parametrize("name", BASICS)
def test_second_order_of_basic_operations(name):
    for _, report in suite.check_basic(name, second=True):
        assert report, report


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_second_order_of_layers(name):
    for _, report in suite.check_layer(name, "reference", second=True):
        assert report, report


def test_every_layer_has_a_row():
    layers = {f"nn.{name}" for name in nn.__all__ if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)}
    assert layers - {"nn.Module", "nn.ModuleList"} == set(LAYERS)


@pytest.mark.parametrize("backend", ["reference", "numba"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, backend):
    reports = dict(suite.check_layer(name, backend))
    assert set(reports) == {"training", "evaluation"}
    for report in reports.values():
        assert report, report
        more = {"input 1"} if name == "nn.MSELoss" else set()              # its target
        assert {row.name for row in report.rows} == {"input 0", *more, *(n for n, _ in LAYERS[name][0]().named_parameters())}


@pytest.mark.parametrize("op", ["relu", "max_pool2d", "softmax"])
def test_cases_on_kinks_are_checked(op):
    reports = dict(suite.check_operation(op, "reference", drawn=2))
    assert {"drawn 1", "drawn 2"} <= set(reports)
    for report in reports.values():
        assert report, report
    assert op == "softmax" or sum(report.kinks for report in reports.values()) > 0
    assert not any("inf" in case for case in reports)


def test_a_wrong_convention_at_a_kink_fails():
    with kernels.replace("relu", backward=lambda grad_output, x: grad_output * (x >= 0)):
        failed = {case: report for case, report in suite.check_operation("relu", "reference") if not report}
    assert list(failed) == ["kinks and extremes"] and "by the convention for kinks" in str(failed["kinks and extremes"])


def test_drawn_cases_depend_on_the_seed_alone():
    def drawn(seed):
        return [(case.shapes, case.options, arrays[0].tobytes()) for case, arrays in suite.cases("conv2d", seed, 5)][-5:]
    assert drawn(1) == drawn(1) != drawn(2)


def test_the_smallest_images_of_a_model():
    assert networks.smallest_image(models.create("lenet5"), (1, 32, 32)) == (1, 32, 32)
    assert networks.smallest_image(models.create("resnet18"), (3, 224, 224)) == (3, 33, 33)       # 2 images · 2×2 pixels at the end
    report = networks.check_model("resnet20_cifar", smallest=True)
    assert report and report.name == "resnet20_cifar, 2 images of 3×5×5", report


MY_LAYERS = '''
import numpy as np
from neighbour import twice
from minicnn import Op, Tensor, nn

def linear_forward(x, weight, bias):
    return x @ weight.T + (0 if bias is None else bias)

def linear_backward(grad_output, x, weight, bias):
    g, rows = grad_output.reshape(-1, len(weight)), x.reshape(-1, x.shape[-1])
    return grad_output @ weight, g.T @ rows, None if bias is None else g.sum(0)

def without_bias(x, weight):
    return x @ weight.T

def without_bias_backward(grad_output, x, weight):
    return linear_backward(grad_output, x, weight, None)[:2]

def plain_conv(x, w, stride):
    P, Q = ((n - m) // s + 1 for n, m, s in zip(x.shape[2:], w.shape[2:], stride))
    y = np.zeros((len(x), len(w), P, Q))
    for p, q in np.ndindex(P, Q):
        h, v = p * stride[0], q * stride[1]
        y[:, :, p, q] = np.tensordot(x[:, :, h:h + w.shape[2], v:v + w.shape[3]], w, ((1, 2, 3), (1, 2, 3)))
    return y

def plain_conv_backward(g, x, w, stride):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for p, q in np.ndindex(*g.shape[2:]):
        part = np.s_[:, :, p * stride[0]:p * stride[0] + w.shape[2], q * stride[1]:q * stride[1] + w.shape[3]]
        dx[part] += np.tensordot(g[:, :, p, q], w, 1)
        dw += np.tensordot(g[:, :, p, q], x[part], (0, 0))
    return dx, dw

def bias_of_the_mean(grad_output, x, weight, bias):
    dx, dw, db = linear_backward(grad_output, x, weight, bias)
    return dx, dw, None if db is None else db / len(x)

def conv(x, weight, stride, pad):
    return x

def square(x):
    return twice(x * x) / 2

class Square(Op):
    def forward(self, x):
        self.x = x
        return x * x
    def backward(self, g, needs):
        return (2 * g * self.x,)

class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 2)
    def forward(self, x):
        return self.inner(x).relu()

def wrong(x):
    return Tensor(x.numpy() * 2)

class Sized(nn.Module):
    def __init__(self, size):
        super().__init__()

number = 3
'''


@pytest.fixture
def here(capsys, tmp_path, monkeypatch):
    """`minicnn gradcheck words…` beside layers.py: (status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    Path("layers.py").write_text(MY_LAYERS)
    Path("neighbour.py").write_text("def twice(x):\n    return 2 * x\n")
    Path("broken.py").write_text("x = 1\nraise RuntimeError('no luck')\n")
    Path("syntax.py").write_text("def f(:\n")

    def run(*words):
        status = cli.main(["gradcheck", *words])
        return status, *capsys.readouterr()
    return run


RIGHT = ["linear_forward,linear_backward --like linear", "without_bias,without_bias_backward --like linear --drawn 20",
         "plain_conv,plain_conv_backward --like conv2d --drawn 2",
         "without_bias,without_bias_backward --shape 3x4 --shape 2x4", "square --shape 3x4", "Square --shape 5", "Layer --shape 2x3",
         "Layer --shape 2x3 --drawn 2 --backend reference", "square --shape 3 --second"]


@pytest.mark.parametrize("words", RIGHT)
def test_right_functions_of_a_users_file(here, words):
    name, *options = words.split()
    status, out, err = here(f"layers.py:{name}", *options)
    assert status == 0 and "all gradients agree" in out and not err, out + err


def test_a_failure_is_told_once_in_full_and_drawn(here, monkeypatch):
    monkeypatch.setattr(Report, "save_picture", lambda report, path, overwrite: Path(path).write_text(report.name))  # a real one is slow
    status, out, _ = here("layers.py:linear_forward,bias_of_the_mean", "--like", "linear", "--drawn", "0",
                          "--json", "all.json", "--pictures", "wrong")
    assert status == 1 and out.count("gradcheck FAILED") == 1 and "\nalso " in out and "perhaps: " in out
    found = json.loads(Path("all.json").read_text())
    pictures = sorted(Path("wrong").iterdir())
    assert len(pictures) == sum(not report["passed"] for report in found) > 1
    before = [picture.read_bytes() for picture in pictures]
    status, out, _ = here("layers.py:linear_forward,bias_of_the_mean", "--like", "linear", "--drawn", "0", "--quiet",
                          "--pictures", "wrong")
    assert status == 1 and out.startswith("FAILED") and [picture.read_bytes() for picture in pictures] == before
    assert len(list(Path("wrong").iterdir())) > len(before)


def test_json_on_standard_output(here):
    status, out, err = here("add", "--json", "-")
    assert status == 0 and {report["passed"] for report in json.loads(out)} == {True} and "all gradients agree" in err


def test_what_the_engine_says_is_a_report(here):
    status, out, err = here("layers.py:wrong", "--shape", "3")
    assert (status, err) == (1, "") and "the graph is cut" in out


MISTAKES = {
    "layers.py:squar --shape 3": "layers.py has no 'squar'; did you mean 'square'? it has linear_forward, ",
    "layers.py:number --shape 3": "layers.py: number is no function but int",
    "layers.py": "layers.py: which function? it has linear_forward",
    "layer.py:f --shape 3": "layer.py: No such file or directory",
    "broken.py:f --shape 3": "broken.py cannot be run: broken.py, line 2: RuntimeError: no luck",
    "syntax.py:f --shape 3": "syntax.py cannot be run: syntax.py, line 1: ",
    "layers.py:square": "layers.py:square: give the shape of each input",
    "layers.py:square --shape 3 --shape 3": "square(x) cannot be called with 2 inputs",
    "add layers.py:square --shape 3 --shape 3": "square(x) cannot be called with 2 inputs",
    "layers.py:Sized --shape 3": "layers.py:Sized: Sized() raised TypeError",
    "layers.py:square --like lineer": "no operation 'lineer' to compare with; did you mean 'linear'?",
    "layers.py:square,square --shape 3 --second": "--second needs one function of Tensors",
    "layers.py:conv,conv --like conv2d": "conv(x, weight, stride, pad) cannot be called as conv2d is",
    "layers.py:square --shape 3xx": "argument --shape: expected sizes such as 3x4",
    "relu --shape 3": "--shape is for functions of your own",
    "relu --json nowhere/all.json": "--json nowhere/all.json: there is no such folder",
    "relu --json layers.py": "--json layers.py: the name should end in .json",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_one_line_and_status_2(here, words):
    status, out, err = here(*words.split())
    assert (status, out) == (2, "") and err.startswith(f"minicnn gradcheck: {MISTAKES[words]}") and err.count("\n") == 1, out + err


def test_ctrl_c_prints_what_was_done(here, monkeypatch):
    def two_and_stop(name, device, **options):
        yield from list(suite.check_basic("add"))[:2]
        raise KeyboardInterrupt
    from minicnn.commands import _gradcheck_tasks
    monkeypatch.setattr(_gradcheck_tasks, "check_basic", two_and_stop)
    status, out, _ = here("add", "sub", "--json", "done.json")
    assert status == 130 and "stop    add" in out and "stopped after 2 of about 12 cases" in out and "sub" not in out
    assert len(json.loads(Path("done.json").read_text())) == 2


@pytest.mark.skipif(cuda_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(here):
    status, out, err = here("relu", "--device", "cuda")
    assert status == 2 and out == "" and err.startswith("minicnn gradcheck: device 'cuda' cannot be used: ") and err.count("\n") == 1


def test_a_family_is_all_its_members(here):
    status, out, _ = here("softmax", "activation", "--backend", "reference", "--drawn", "0")
    assert status == 0 and "scaled_tanh" in out and out.count("ok  ") >= 12
