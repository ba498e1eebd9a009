"""The pytest plugin in a project of somebody else, who has minicnn installed and nothing else of it: no conftest, no setting."""
import configparser
import os
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minicnn as mc
from minicnn import pytest_plugin
from minicnn.kernels.random import default_generator

pytest_plugins = "pytester"
ROOT = Path(__file__).resolve().parents[2]
HEAD = """
import numpy as np, pytest, minicnn as mc

def forward(x): return x * x
def backward(g, x): return 2 * g * x
def wrong(g, x): return 2.001 * g * x
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """project(text, *options) -> the result of pytest on a file with that text, in a process of its own."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    site = pytester.mkdir("site")                          # what an installation leaves for pytest to find
    installed = site / "minicnn_engine-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: minicnn-engine\nVersion: 0.1.0\n")
    (installed / "entry_points.txt").write_text(f"[pytest11]\n{settings['options.entry_points']['pytest11']}\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(ROOT)]))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("PYTEST_PLUGINS", raising=False)

    def run(text: str, *options: str, head: str = HEAD) -> pytest.RunResult:
        pytester.makepyfile(test_mine=head + text)
        return pytester.runpytest_subprocess("--strict-markers", "-v", *options)
    return run


def names(result: pytest.RunResult) -> list[str]:
    """The tests that passed, as they are called."""
    return [line.split(" PASSED")[0].partition("::")[2] for line in result.outlines if " PASSED" in line]


def test_the_marker_runs_the_test_for_each_shape_backend_and_dtype(project):
    result = project("""
SEEN = []

@pytest.mark.gradcheck(backends=("reference", "numba"), dtypes=("float64",), shapes=[(2, 3), (4,)], tolerance=1e-5)
def test_my_layer(gradcheck, shape):
    report = gradcheck(forward, [gradcheck.randn(shape)], backward=backward)
    assert report and report.tolerance == 1e-5 and report.rows[0].shape == shape
    assert mc.get_backend() == gradcheck.backend and gradcheck.shape == shape and gradcheck.dtype == "float64"

@pytest.mark.gradcheck(shapes=[[(2, 3), (3, 4)], {"x": (2, 3), "bias": ()}, (0, 3)])
def test_shapes(gradcheck, shape):
    SEEN.append(gradcheck.randn(shape))

@pytest.mark.gradcheck(cases=[("ones", 1.0), ("twos", 2.0)], backends=["reference"])
class TestCases:
    def test_case(self, gradcheck, case, backend):
        SEEN.append((case, backend))

    @pytest.mark.gradcheck(cases=[("threes", 3.0)])
    @pytest.mark.parametrize("mine", [7])
    def test_nearer(self, gradcheck, case, mine):
        SEEN.append((case, mine))

def test_no_marker(gradcheck):
    gradcheck(lambda x: (x * x).sum(), mc.randn(3))
    assert [x.shape for x in SEEN[0]] == [(2, 3), (3, 4)] and {k: x.shape for k, x in SEEN[1].items()} == {"x": (2, 3), "bias": ()}
    assert SEEN[3:] == [(1.0, "reference"), (2.0, "reference"), (3.0, 7)]

def test_other():
    pass
""", "-m", "gradcheck")
    result.assert_outcomes(passed=11, deselected=1)
    assert names(result) == [
        "test_my_layer[2x3-reference-float64]", "test_my_layer[2x3-numba-float64]", "test_my_layer[4-reference-float64]",
        "test_my_layer[4-numba-float64]", "test_shapes[2x3,3x4]", "test_shapes[x=2x3,bias=scalar]", "test_shapes[0x3]",
        "TestCases::test_case[ones-reference]", "TestCases::test_case[twos-reference]", "TestCases::test_nearer[threes-reference-7]",
        "test_no_marker"]


def test_a_failure_shows_the_report_and_the_users_line_alone_and_saves_a_picture(project, pytester):
    text = """
@pytest.mark.gradcheck(shapes=[(2, 3)])
def test_wrong(gradcheck, shape):
    gradcheck(forward, [gradcheck.randn(shape)], backward=wrong)

def test_raises(gradcheck):
    gradcheck(forward, [np.ones(3)], backward=lambda g, x: g[7])
"""
    (pytester.path / "pics").mkdir()
    taken = pytester.path / "pics" / "test_mine.py-test_wrong-2x3.png"
    taken.write_text("somebody's")
    result = project(text, "--gradcheck-pictures", "pics")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines([
        ">*gradcheck(forward, ?gradcheck.randn(shape)?, backward=wrong)", "E *gradcheck FAILED: largest error *",
        "E *finite differences say*, backward says*", "E *picture: *test_mine.py-test_wrong-2x3-2.png",
        "*gradcheck FAILED*", "E *IndexError*test_mine.py, line *"])
    assert "pytest_plugin.py" not in result.stdout.str() and "gradcheck.py" not in result.stdout.str()
    assert taken.read_text() == "somebody's"
    assert (pytester.path / "pics" / "test_mine.py-test_wrong-2x3-2.png").read_bytes().startswith(b"\x89PNG")


FLOAT32 = """
def sigmoid(x): return 1 / (1 + np.exp(-x))
def log_sum(x): return np.log(np.exp(x).sum(keepdims=True))
def log_sum_backward(g, x): return g * np.exp(x) / np.exp(x).sum()
single = pytest.mark.gradcheck(dtypes=["float32"])

@single
def test_right(gradcheck, dtype):
    x = gradcheck.randn(3, 4)
    assert x.dtype == dtype == "float32" and gradcheck.randn(2).dtype == "float32"
    report = gradcheck(sigmoid, [x], backward=lambda g, x: g * sigmoid(x) * (1 - sigmoid(x)))
    assert "in float32 the gradients are off by" in str(report)

@single
def test_layers(gradcheck):                                # the bias before the batch norm has a gradient of zero
    nn = mc.nn
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(3 * 3 * 2, 4))
    gradcheck(net, gradcheck.randn(3, 2, 5, 4))
    gradcheck(lambda x, labels: mc.functional.cross_entropy(x, labels), [gradcheck.randn(3, 4), np.array([0, 3, 1])])

@single
def test_overflow(gradcheck):
    with np.errstate(all="ignore"):
        gradcheck(log_sum, [100 + gradcheck.randn(4)], backward=log_sum_backward)

@single
def test_cancellation(gradcheck):
    gradcheck(forward, [gradcheck.randn(4)], backward=lambda g, x: g * ((x + 1e4) ** 2 - x * x - 1e8) / 1e4)

@single
def test_dtype(gradcheck):
    gradcheck(forward, [gradcheck.randn(4)], backward=lambda g, x: 2 * g * x * np.ones(4))
"""


def test_in_float32_the_gradients_are_those_of_float64(project):
    result = project(FLOAT32)
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(["*_ test_overflow*", "E *in float32: the gradient of input 0 is off by nan*",
                                 "*_ test_cancellation*", "E *in float32: the gradient of input 0 is off by *rounding explains*",
                                 "*_ test_dtype*", "E *in float32: the gradient of input 0 is float64; keep the dtype*"])


def test_random_numbers_come_from_the_name_of_the_test_in_any_worker(project, pytester):
    project("""
@pytest.mark.gradcheck(shapes=[(3,), (4,)])
@pytest.mark.parametrize("time", [0, 1])
def test_draws(gradcheck, shape, time, request):
    np.savez(request.node.name, gradcheck.randn(2), mc.randn(2).numpy())
""", "-n", "2", "--dist", "loadgroup").assert_outcomes(passed=4)
    for name in ("test_draws[3-0]", "test_draws[3-1]", "test_draws[4-0]", "test_draws[4-1]"):
        drawn, seed = np.load(pytester.path / f"{name}.npz"), zlib.crc32(f"test_mine.py::{name}".encode())
        before, _ = default_generator.state, mc.manual_seed(seed)
        assert (drawn["arr_0"] == np.random.default_rng(seed).standard_normal(2)).all() and (drawn["arr_1"] == mc.randn(2).numpy()).all()
        default_generator.state = before


@pytest.mark.parametrize("keywords, said", [
    ({"shpaes": [(2, 3)]}, " takes no keyword 'shpaes'; did you mean 'shapes'? It takes cases, shapes, backends, dtypes, tolerance"),
    ({"shapes": (2, 3)}, ": shapes should be a list, each of it a tuple (2, 3), a list of tuples or a dict name -> tuple; got 2 in it"),
    ({"backends": "numba"}, ": backends should be a list, got 'numba'"),
    ({"dtypes": ["float16"]}, ": dtypes are 'float64' and 'float32', got 'float16'"),
    ({"cases": [1, 2]}, ": cases should be a list of pairs (id, anything), got 1 in it"),
    ({"tolerance": 0}, ": tolerance should be a positive number, got 0"),
], ids=lambda p: next(iter(p)) if isinstance(p, dict) else "")
def test_a_marker_that_means_nothing_is_refused(keywords, said):
    node = SimpleNamespace(name="test_mine", iter_markers=lambda name: [SimpleNamespace(args=(), kwargs=keywords)])
    with pytest.raises(pytest.fail.Exception) as caught:
        pytest_plugin.marked(node)
    assert str(caught.value) == f"test_mine: pytest.mark.gradcheck{said}"


def test_mistakes_of_use_are_explained(project):
    result = project("""
def test_nothing(gradcheck):
    gradcheck()

def test_keyword(gradcheck):
    gradcheck(forward, [np.ones(3)], backwards=backward)

def test_integers(gradcheck):
    gradcheck(lambda x: x, np.arange(3))

@pytest.mark.gradcheck(backends=["nubma"])
def test_backend(gradcheck):
    pass

@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.gradcheck(shapes=[(2, 3)]))])
def test_late(gradcheck, x):
    pass
""")
    result.assert_outcomes(failed=3, errors=2)
    result.stdout.fnmatch_lines_random([
        "*the fixture gradcheck: missing a required argument: 'fn'. Call gradcheck(fn, inputs), where fn is *keywords backward, options*",
        "*the fixture gradcheck: got an unexpected keyword argument 'backwards'. Call gradcheck(fn, inputs)*",
        "*nothing to check*", "*there is no CPU backend 'nubma'; choose*", "*shapes come too late in the marks of a pytest.param*"])
    assert "pytest_plugin.py" not in result.stdout.str()


def test_a_marker_without_keywords_ends_the_collection(project):
    result = project("""
@pytest.mark.gradcheck((2, 3))
def test_mine(gradcheck):
    pass
""")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["test_mine: pytest.mark.gradcheck takes keywords only (cases, shapes, *), got (2, 3)"])


def test_where_it_is_not_used_the_checks_are_not_loaded(project):
    """And what another project calls gradcheck is left alone."""
    result = project("""
import sys
import pytest

@pytest.mark.gradcheck("theirs", shapes=3)
def test_theirs():
    assert "minicnn.checks" not in sys.modules
""", "-p", "minicnn.pytest_plugin", "-p", "no:hypothesispytest", head="")
    result.assert_outcomes(passed=1)


def test_the_example_of_the_readme(project):
    chapter = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n### In your own tests\n")[2]
    result = project(chapter.partition("```python\n")[2].partition("```")[0], head="")
    result.assert_outcomes(passed=4)
    assert "test_softplus[2x3-float32]" in names(result)


def test_pytest_tells_of_it(project):
    project("", "--markers").stdout.fnmatch_lines(["@pytest.mark.gradcheck(shapes=, backends=, dtypes=, cases=, tolerance=): *"])
    project("", "--fixtures").stdout.fnmatch_lines(["gradcheck*", "*minicnn.gradcheck, failing the test with the whole report*"])
