"""The pytest plugin of minicnn: the fixture and the marker `gradcheck`, in the tests of any project.

    @pytest.mark.gradcheck(shapes=[(2, 3), (4, 5)], backends=("reference", "numba"))
    def test_my_layer(gradcheck, shape):
        gradcheck(my_forward, [gradcheck.randn(shape)], backward=my_backward)

pytest imports this file at every start, and with it minicnn and NumPy, about a quarter of a second. What the fixture does, and all that it
needs, is in minicnn/checks/fixture.py and loaded when a test asks for it.
"""
import difflib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# keyword of the marker -> argument of the test; the order is that of a test's id
AXES = {"cases": "case", "shapes": "shape", "backends": "backend", "dtypes": "dtype"}
ALLOWED = (*AXES, "tolerance")
DTYPES = ("float64", "float32")
MARKER = ("gradcheck(shapes=, backends=, dtypes=, cases=, tolerance=): a test of gradients, with minicnn's fixture `gradcheck`. It runs "
          "once for each of the shapes [(2, 3), …], backends ('reference', 'numba'), dtypes ('float64', 'float32') and cases "
          "[(id, anything), …]; the test may ask for shape, backend, dtype and case. tolerance: the largest relative error (1e-6).")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("minicnn")
    group.addoption("--gradcheck-pictures", metavar="DIR", help="save a picture of each gradient check that fails in DIR")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    if config.option.gradcheck_pictures:                   # workers of pytest-xdist may stand elsewhere
        config.option.gradcheck_pictures = os.path.abspath(config.option.gradcheck_pictures)


def is_shape(shape: Any) -> bool:
    return isinstance(shape, tuple) and all(isinstance(n, int) and n >= 0 for n in shape)


def shape_id(shape: Any) -> str:
    """2x3, or 2x3,4 for the shapes of two inputs, or x=2x3,bias=4 where they have names."""
    if isinstance(shape, dict):
        return ",".join(f"{name}={shape_id(s)}" for name, s in shape.items())
    return ",".join(map(shape_id, shape)) if isinstance(shape, list) else "x".join(map(str, shape)) or "scalar"


def wrong(where: str, text: str) -> None:
    pytest.fail(f"{where}: {text}", pytrace=False)


def marked(node: Any) -> dict[str, Any]:
    """What the gradcheck markers of a test, its class and its module say together; the nearer one counts.  Fails on nonsense."""
    found, mark = {}, "pytest.mark.gradcheck"
    for marker in node.iter_markers("gradcheck"):
        if marker.args:
            wrong(node.name, f"{mark} takes keywords only ({', '.join(ALLOWED)}), got {marker.args[0]!r}")
        for key, value in marker.kwargs.items():
            if key not in ALLOWED:
                near = difflib.get_close_matches(key, ALLOWED, 1)
                wrong(node.name, f"{mark} takes no keyword {key!r}{f'; did you mean {near[0]!r}?' if near else ''} "
                                 f"It takes {', '.join(ALLOWED)}")
            if key in AXES and (isinstance(value, (str, dict)) or not hasattr(value, "__iter__")):
                wrong(node.name, f"{mark}: {key} should be a list, got {value!r}")
            found.setdefault(key, list(value) if key in AXES else value)
    for shape in found.get("shapes", ()):
        several = shape if isinstance(shape, list) else list(shape.values()) if isinstance(shape, dict) else [shape]
        if not all(map(is_shape, several)):
            wrong(node.name, f"{mark}: shapes should be a list, each of it a tuple (2, 3), a list of tuples or a dict name -> tuple; "
                             f"got {shape!r} in it")
    for dtype in found.get("dtypes", ()):
        if dtype not in DTYPES:
            wrong(node.name, f"{mark}: dtypes are {' and '.join(map(repr, DTYPES))}, got {dtype!r}")
    for case in found.get("cases", ()):
        if not (isinstance(case, tuple) and len(case) == 2 and isinstance(case[0], str)):
            wrong(node.name, f"{mark}: cases should be a list of pairs (id, anything), got {case!r} in it")
    if not (isinstance(found.get("tolerance", 1e-6), (int, float)) and found.get("tolerance", 1e-6) > 0):
        wrong(node.name, f"{mark}: tolerance should be a positive number, got {found['tolerance']!r}")
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "gradcheck" not in metafunc.fixturenames:           # another project's marker may have this name
        return
    found = marked(metafunc.definition)
    for key, argument in AXES.items():
        if key in found:
            values = found[key]
            ids = [case[0] if key == "cases" else shape_id(case) if key == "shapes" else str(case) for case in values]
            if argument not in metafunc.fixturenames:      # the fixture wants to know it, even where the test does not
                metafunc.fixturenames.append(argument)
            metafunc.parametrize(argument, [case[1] for case in values] if key == "cases" else values, ids=ids)


def pytest_itemcollected(item: pytest.Item) -> None:
    """-m gradcheck selects every test with the fixture."""
    if "gradcheck" in getattr(item, "fixturenames", ()) and item.get_closest_marker("gradcheck") is None:
        item.add_marker("gradcheck")


@pytest.fixture
def gradcheck(request: pytest.FixtureRequest) -> Iterator[Any]:
    """minicnn.gradcheck, failing the test with the whole report where gradients are wrong: gradcheck(fn, inputs, backward=…).

    gradcheck.randn(*shape) draws normal numbers of the test's dtype, gradcheck.rng is their generator, gradcheck.backend, .dtype, .shape
    and .case say what @pytest.mark.gradcheck(shapes=[(2, 3)], backends=("reference", "numba")) made of this run. All random numbers,
    minicnn's too, start from a seed that is made of the test's id.
    """
    from minicnn.checks.fixture import checking
    node = request.node
    found, params = marked(node), getattr(getattr(node, "callspec", None), "params", {})
    for key in AXES:
        if key in found and AXES[key] not in params:
            wrong(node.name, f"{key} come too late in the marks of a pytest.param: put @pytest.mark.gradcheck on the function")
    file, _, name = node.location                          # not node.nodeid: pytest-xdist may add a group to that
    test = f"{Path(file).as_posix()}::{name}"
    with checking(test, zlib.crc32(test.encode()), request.config.option.gradcheck_pictures, found.get("tolerance"),
                  **{argument: params[argument] for key, argument in AXES.items() if key in found}) as checker:
        yield checker
