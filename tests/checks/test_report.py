"""What a failed check tells: the worst element, a map and a picture of the error, JSON, and a hypothesis with its evidence."""
import json

import numpy as np
import pytest

import minicnn as mc
from minicnn.checks.picture import heat_map
from minicnn.checks.report import Report, Row

RNG = np.random.default_rng(0)


def square(x):
    return x * x


def wrong_at(place, factor=1.5):
    def backward(g, x):
        dx = 2 * g * x
        dx[place] *= factor
        return dx
    return backward


@pytest.fixture
def failed():
    x = RNG.uniform(1, 2, (3, 7))
    return mc.gradcheck(square, [x], backward=wrong_at((1, 4)), name="a square")


def test_the_text_names_the_element_and_both_values(failed):
    text = str(failed)
    assert text.startswith("a square: gradcheck FAILED") and "BAD input 0 (3, 7)" in text and "at (1, 4): finite differences say" in text
    row = failed.worst
    assert row.index == (1, 4) and abs(row.analytic / row.numeric - 1.5) < 1e-6


def test_the_heat_map_shows_where(failed):
    head, *lines = heat_map(failed.worst)
    assert len(lines) == 3 and all(len(line) == 9 for line in lines)
    assert lines[0].strip("| ") == lines[2].strip("| ") == "" and lines[1][1 + 4] in "▓█" and lines[1].count(" ") == 6


def test_a_large_array_fits_on_the_screen():
    values = np.zeros((2, 50, 300))
    other = values.copy()
    other[1, 49, 299] = 1
    head, *lines = heat_map(Row("input 0", values.shape, 1, 1.0, numeric_values=values, analytic_values=other))
    assert len(lines) <= 12 and max(map(len, lines)) <= 66 and lines[-1].rstrip("|").endswith("█")


def test_the_picture_is_a_png_of_the_worst_input(failed, tmp_path):
    failed.save_picture(tmp_path / "wrong.png")
    assert (tmp_path / "wrong.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    large = mc.gradcheck(square, [RNG.standard_normal(500)], backward=wrong_at(3, -1))
    large.save_picture(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > 5_000
    with pytest.raises(ValueError, match="before anything was measured"):
        Report(1e-6, problems=["forward raised"]).save_picture(tmp_path / "none.png")


def test_json_has_all_of_it(failed):
    found = json.loads(json.dumps(failed.as_dict(), allow_nan=False))
    assert not found["passed"] and found["rows"][0]["index"] == [1, 4] and found["name"] == "a square" and found["seconds"] > 0
    nan = mc.gradcheck(square, [np.ones(3)], backward=lambda g, x: np.where(np.arange(3) == 1, np.nan, 2 * g * x))
    found = json.loads(json.dumps(nan.as_dict(), allow_nan=False))
    assert not found["passed"] and found["rows"][0]["error"] == "nan" and "nan at (1,)" in found["problems"][0]


def test_one_wrong_cell_among_fifty_thousand_is_found_and_located():
    x = RNG.uniform(1, 2, (50, 1000))
    report = mc.gradcheck(square, [x], backward=wrong_at((31, 777), 1.001))
    assert not report and report.worst.index == (31, 777)


def test_kinks_are_counted_and_passed_beside():
    x = RNG.standard_normal((4, 5))
    x[1, :3] = 0
    report = mc.gradcheck(lambda t: t.relu() + abs(t), x)
    assert report and report.kinks == report.rows[0].kinks == 3 and "3 of 20 probes lay on a kink" in str(report)
    wrong = mc.gradcheck(np.abs, [np.zeros((3, 4))], backward=lambda g, x: -g * np.sign(x))     # right at every kink, wrong beside
    assert not wrong and wrong.kinks == 12


def test_the_curve_is_a_v_where_the_gradient_is_right_and_flat_where_it_is_wrong():
    x = RNG.standard_normal((3, 4))
    steps, right = mc.gradcheck(np.sin, [x], backward=lambda g, x: g * np.cos(x)).rows[0].curve
    assert right.min() < 1e-8 and right[0] > 1e3 * right.min() and right[-1] > 10 * right.min() and list(steps) == sorted(steps)[::-1]
    _, wrong = mc.gradcheck(np.sin, [x], backward=lambda g, x: 1.1 * g * np.cos(x)).rows[0].curve
    assert wrong.min() > 0.05


@pytest.mark.parametrize("backward, cause, words", [
    (lambda g, x, w: (g @ w.T, x.T @ g / 4), "factor", "the batch size N, 4"),
    (lambda g, x, w: (-g @ w.T, x.T @ g), "factor", "wrong in sign"),
    (lambda g, x, w: (np.ones_like(g) @ w.T, x.T @ g), "upstream ignored", "does not depend on grad_output"),
    (lambda g, x, w: (0 * x, x.T @ g), "zeros", "never computed"),
    (lambda g, x, w: (g @ w.T, x[:1].T @ g[:1]), "part of the outputs", "only the first of 4 along axis 0"),
    (lambda g, x, w: (g @ w.T, (x.T @ g)[::-1]), "flipped", "along axis 0"),
    (lambda g, x, w: (g @ w.T, (g.T @ x).reshape(w.shape)), "reshaped", "where a transpose (1, 0) is needed"),
], ids=["mean over the batch", "sign", "upstream", "zeros", "first image", "flipped", "reshaped"])
def test_patterns_in_numbers_are_told_of_functions_nobody_knows(backward, cause, words):
    inputs = [RNG.standard_normal((4, 3)), RNG.standard_normal((3, 5))]
    report = mc.gradcheck(lambda x, w: x @ w + 0.1, inputs, backward=backward)
    assert not report
    assert report.hypotheses[0].cause == cause and words in str(report), report


def test_an_operation_is_recognised_by_its_outputs_and_its_mistake_named():
    def pool(x):
        return np.stack([x[:, :, i:i + 5:2, j:j + 5:2] for i in range(3) for j in range(3)]).max(0)

    def overwrites(g, x):
        dx = np.zeros_like(x)
        for n, c, p, q in np.ndindex(*g.shape):
            window = x[n, c, 2 * p:2 * p + 3, 2 * q:2 * q + 3]
            dx[n, c, 2 * p:2 * p + 3, 2 * q:2 * q + 3] = np.where(window == window.max(), g[n, c, p, q], 0)
        return dx
    report = mc.gradcheck(pool, [RNG.standard_normal((2, 2, 7, 7))], backward=overwrites)
    assert not report and report.hypotheses[0].cause.startswith("max_pool2d: ") and "+=" in str(report)


def test_like_says_what_it_needs():
    def check(like):
        return mc.gradcheck(square, [np.ones(3)], backward=lambda g, x: 2 * g * x, like=like)
    with pytest.raises(ValueError, match="did you mean 'conv2d'"):
        check("conv2")
    with pytest.raises(ValueError, match="linear does not take these inputs"):
        check("linear")
    report = check("conv2d")
    assert not report and "conv2d does not give these outputs" in str(report) and "stride=…" in str(report)


def test_like_finds_the_usual_options_and_takes_fewer_inputs():
    def bn(x, weight):
        return weight * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)

    def without_the_mean(g, x, weight):
        scale = np.sqrt(x.var(0) + 1e-5)
        return g * weight / scale, (g * (x - x.mean(0)) / scale).sum(0)
    report = mc.gradcheck(bn, [RNG.standard_normal((5, 3)), RNG.uniform(1, 2, 3)], backward=without_the_mean, like="batch_norm")
    assert not report and report.hypotheses[0].cause.startswith("batch_norm: "), report
