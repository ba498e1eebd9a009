"""minicnn step-kernel: what it prints, the page it writes, and that a mistake is one clear line."""
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from minicnn import cli, kernels
from minicnn.inspect import kernel_page
from minicnn.inspect.kernel_run import KernelRun, run_kernels
from minicnn.inspect.kernel_words import elements, number, ranges
from minicnn.kernels.cuda import loader
from minicnn.kernels.cuda.emulator.recording import Array, Launch, MEETS, WAITS, WRITES

from ..cuda.on_device import needs_cuda

pytestmark = needs_cuda
POOL = "max_pool2d", "--case", "2x2"


@pytest.fixture
def here(capsys, tmp_path, monkeypatch):
    """`minicnn step-kernel words…` in an empty folder: (status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        status = cli.main(["step-kernel", *map(str, words)])
        return status, *capsys.readouterr()
    return run


def squeezed(text: str) -> str:
    """Without the spaces and line ends that tables bring."""
    return re.sub(r"\s+", " ", text)


# ---- the terminal

def test_conv2d(here):
    status, out, err = here("conv2d")
    assert (status, err) == (0, "")
    words = squeezed(out)
    assert "conv2d, case 'plain': 2×3×5×6, 4×3×3×3, 4; float32" in words
    assert "▶ 1 forward_tiles<float> 1×1×1 256×1×1 x 2×3×5×6, w 4×3×3×3, bias 4, y 2×4×3×4, shape 16 int32" in words
    assert "256 512 for (int j = 0; j < 4; ++j) sums[i][j] += As[k][row + i] * Bs[k][column + j]; loads As (shared), Bs (shared)" in words
    # 27 taps in two turns of 16: two barriers each, which part five phases
    assert re.findall(r"phase (\d) \| barrier, cuda/product.cuh:(\d+) ← gpu.cu:\d+ \| phase (\d)", out) == [
        ("0", "55", "1"), ("1", "63", "2"), ("2", "55", "3"), ("3", "63", "4")]
    x = dict(zip(("x", "w"), kernels.module("conv2d", "cases").CASES[0].arrays(np.random.default_rng(0))))
    assert f"loads w[0, 0, 0, 0] = {x['w'][0, 0, 0, 0]:.4g}" in words and f"loads x[0, 0, 0, 0] = {x['x'][0, 0, 0, 0]:.4g}" in words
    # 16 threads of a half warp read every fourth column: columns 0 and 32 lie in one bank
    assert re.search(r"product.cuh:62 loads Bs shared 4096 2 rounds 1 2 2-way bank conflicts", words)


def test_a_warp(here):
    """That of conv2d's tiles on its 1×1 case, which has one phase."""
    status, out, _ = here("conv2d", "--algorithm", "tiles", "--case", "one number", "--warp", 0)
    assert status == 0 and "warp 0: threads 0–31, in step" in out
    assert "loads Bs[0, 0] … Bs[0, 60], every 4th; Bs[0, 0] … Bs[0, 60], every 4th 2-way bank conflict" in squeezed(out)
    assert "stores Bs[0, 0] … Bs[0, 31] no bank conflict" in squeezed(out)


def test_another_rung_backward_and_a_launch_by_name(here):
    status, out, _ = here("conv2d", "--algorithm", "naive", "--backward", "--launch", "gradient_bias", "--block", 2, "--thread", 1)
    words = squeezed(out)
    assert status == 0 and "▶ 3 gradient_bias<float> 4×1×1 256×1×1 g 2×4×3×4, db 4" in words and "block (2, 0, 0) of 4×1×1" in words
    assert "1 gradient_x_naive<float>" in words and "2 gradient_weight_naive<float>" in words
    assert re.search(r"loads g\[0, 2, 0, 1\] = -?\d", words) and "lanes of the warp exchange numbers, 5 times" in words
    assert here("conv2d", "--algorithm", "naive", "--backward", "--launch", 3, "--block", 2, "--thread", 1)[1] == out


def test_who_touches_an_element(here):
    """Windows of 2×2 that do not overlap: x[0, 0, 1, 5] is in window (0, 2), which is the third thread's."""
    status, out, _ = here(*POOL, "--element", "x[0,0,1,5]")
    assert status == 0 and "read by thread 2 of block" in out and "written by nobody" in out and "the walk" not in out
    value = kernels.module("max_pool2d", "cases").CASES[0].arrays(np.random.default_rng(0))[0][0, 0, 1, 5]
    assert re.search(rf"max_pool2d/gpu.cu:\d+ ← .*loads +2 +{re.escape(f'{value:.4g}')}", out)
    assert "written by thread 7 of block" in here(*POOL, "--element", "y[0, 0, 1, 3]")[1]


def test_a_step_of_an_optimizer(here):
    status, out, _ = here("sgd", "--dtype", "float64", "--steps", 2)
    assert status == 0 and "sgd, case 'plain'" in out and "sgd<double>" in out and "; --steps " in out
    assert here("optimizer", "--dtype", "float64", "--steps", 2)[1] == out                # the first of the family


def test_whatever_the_environment_says(here, monkeypatch):
    """A GPU is not asked for, and nothing is left behind."""
    from minicnn.kernels.cuda import where
    monkeypatch.setattr(where, "_chosen", ["gpu"])
    monkeypatch.setattr(where, "_gpu", lambda: pytest.fail("a GPU was looked for"))
    assert here("relu")[0] == 0 and where._chosen == ["gpu"] and where.launching == {}


@pytest.mark.parametrize("words, said", [
    (("conv3d",), "no operation 'conv3d' in kernels/; did you mean 'conv2d'?"),
    (("conv2d", "--algorithm", "fast"), "conv2d has no algorithm 'fast'; there are: naive, im2col, tiles, tensor_cores, depthwise"),
    (("relu", "--algorithm", "fast"), "relu has no algorithm 'fast'; it has one alone"),
    (("conv2d", "--case", "pad"), "more than one case of conv2d is called 'pad'; there are: 'padding', 'padding wider than x', 'uneven"),
    (("relu", "--case", "nonsense"), "no case of relu is called 'nonsense'; there are: 'odd sizes'"),
    (("adam", "--backward"), "adam is an optimizer: it has a step, and no backward"),
    (("matmul",), "matmul launches no kernel of its own here"),
    ((*POOL, "--launch", 2), "there is no launch 2; there are: 1 forward<float, Sliding, 1>"),
    ((*POOL, "--launch", "backward"), "no launch is of a kernel 'backward'; there are: 1 forward<float, Sliding, 1>"),
    ((*POOL, "--block", 1), "--block 1: forward<float, Sliding, 1> has 1, numbered from 0"),
    ((*POOL, "--thread", 256), "--thread 256: forward<float, Sliding, 1> has 256, numbered from 0"),
    ((*POOL, "--warp", 8), "--warp 8: forward<float, Sliding, 1> has 8, numbered from 0"),
    ((*POOL, "--element", "g[0]"), "--element: forward<float, Sliding, 1> has no array 'g'; there are: x 2×3×6×8, y 2×3×3×4"),
    ((*POOL, "--element", "x[0, 3]"), "x has the shape 2×3×6×8; there is no element x[0, 3]"),
    ((*POOL, "--element", "x["), "--element: expected a name and places, such as x[0,1], got 'x['"),
    (("relu", "--thread", "1", "--warp", "0"), "argument --warp: not allowed with argument --thread"),
    (("relu", "--tread", "1"), "there is no option --tread, did you mean --thread?"),
    (("relu", "--overwrite"), "--overwrite belongs to --html FILE"),
    (("relu", "--html", "page.html", "--element", "x[0]"), "--element is for the terminal"),
    (("relu", "--html", "nowhere/page.html"), "nowhere/page.html: No such file or directory"),
])
def test_mistakes(here, words, said):
    status, out, err = here(*words)
    assert status == 2 and out == "" and err.count("\n") == 1 and err.startswith(f"minicnn step-kernel: {said}"), err
    assert not list(Path().iterdir())


def test_without_a_compiler(here, monkeypatch):
    for kept in ("module", "kernel_of"):
        monkeypatch.setattr(loader, kept, getattr(loader, kept).__wrapped__)
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert here("relu") == (2, "", "minicnn step-kernel: CXX=no-such-compiler: there is no such program; unset CXX for g++\n")
    monkeypatch.setattr(sys, "platform", "darwin")
    said = "minicnn step-kernel: emulated CUDA needs the compiler g++, which is used on Linux alone, not on darwin\n"
    assert here("relu") == (2, "", said)


def test_a_fault_in_a_kernel_is_walked_up_to(here, monkeypatch, tmp_path):
    """As somebody who edits a kernel meets it: the walk ends at the fault, which is told, and the exit status is 1."""
    gpu, copy = kernels.module("max_pool2d", "gpu"), tmp_path / "edited" / "gpu.cu"
    source = gpu.kernels.path.read_text(encoding="utf-8")
    assert source.count("y[j] = best") == 1
    copy.parent.mkdir()
    copy.write_text(source.replace("y[j] = best", "y[j + 72] = best"), encoding="utf-8")
    monkeypatch.setattr(gpu.kernels, "path", copy)
    status, out, err = here(*POOL)
    walk = out.partition("the walk of thread 0")[2].partition("what the loads and stores")[0]
    assert status == 1 and "x[0, 0, 1, 1] =" in squeezed(walk) and "stores" not in walk
    assert re.search(r"write outside y\[72\], of 72 elements at gpu.cu:\d+, block 0 thread \(0, 0, 0\)", err)
    assert "found a fault" in out.partition("its lines")[0]
    assert here(*POOL, "--html", "fault.html")[0] == 1
    faults = json.loads(re.search(r'id="walk">(.*?)</script>', Path("fault.html").read_text(encoding="utf-8"))[1])["faults"]
    assert any(fault.startswith("write outside y[72]") for fault in faults)


def test_a_kernel_that_does_not_compile(here, monkeypatch, tmp_path):
    """What g++ found first is in the one line that the command shows."""
    gpu, copy = kernels.module("max_pool2d", "gpu"), tmp_path / "edited" / "gpu.cu"
    copy.parent.mkdir()
    copy.write_text(gpu.kernels.path.read_text(encoding="utf-8").replace("y[j] = best", "y[j] = worst"), encoding="utf-8")
    monkeypatch.setattr(gpu.kernels, "path", copy)
    status, _, err = here(*POOL)
    assert status == 2 and re.search("refuses it: edited/gpu.cu:.*error: .worst. was not declared", err)


def test_a_rung_that_does_not_fit_and_products_of_cublas_are_told(here):
    status, out, err = here("conv2d", "--algorithm", "depthwise")
    assert status == 2 and out == "" and "depthwise does not fit the case 'plain'" in err and "forward_tiles<float>" in err
    assert "forward_depthwise<float>" in here("conv2d", "--algorithm", "depthwise", "--case", "depthwise")[1]
    assert "and a product of cuBLAS, " in here("linear")[1]


@pytest.mark.slow
@pytest.mark.parametrize("backward", (False, True), ids=("forward", "backward"))
@pytest.mark.parametrize("op", kernels.names())
def test_every_operation(here, op, backward):
    form = getattr(kernels.module(op, "gpu"), op, None)
    if op == "matmul" or backward and hasattr(form, "step"):
        pytest.skip("launches no kernel")
    status, out, err = here(op, *["--backward"] * backward)
    assert (status, err) == (0, "") and "the walk of thread 0" in out and re.search(r"loads|stores", out)
    assert here(op, *["--backward"] * backward, "--html", "page.html")[0] == 0


# ---- the page

class Page(HTMLParser):
    """Tags and what is in scripts; AssertionError for tags that do not close."""
    VOID = {"meta", "input", "link", "img", "br"}

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.content: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data):
        if self.open:
            self.content.setdefault(self.open[-1], []).append(data)


def page_of(text: str) -> tuple[Page, dict]:
    page = Page(text)
    data, _ = page.content["script"]
    return page, json.loads(data)


@pytest.fixture(scope="module")
def walked() -> tuple[KernelRun, Launch]:
    """conv2d, naive."""
    run = run_kernels("conv2d", algorithm="naive")
    return run, run.launch(None)


def test_the_page_is_one_file_that_needs_no_other(here):
    status, out, err = here("conv2d", "--algorithm", "naive", "--html", "walk.html", "--thread", 40)
    assert (status, err) == (0, "") and out.startswith("walk.html: conv2d, naive, case 'plain'")
    text = Path("walk.html").read_text(encoding="utf-8")
    page, data = page_of(text)
    assert "http://" not in text and "https://" not in text and "url(" not in text and "@import" not in text
    assert not {"link", "img", "iframe"} & set(page.tags) and page.tags.count("script") == 2
    assert not {"src", "href"} & {name for name, _ in page.attributes} and not [n for n, _ in page.attributes if n.startswith("on")]
    assert "prefers-color-scheme: dark" in text and all(f"{key}:" in text for key in ("ArrowRight", "ArrowLeft", "PageDown"))
    assert (data["first"], data["lane"], data["lanes"]) == (32, 8, 32)
    status, out, err = here("conv2d", "--algorithm", "naive", "--html", "walk.html")
    said = "--html walk.html: the file exists; choose another name, or add --overwrite"
    assert (status, out, err) == (2, "", f"minicnn step-kernel: {said}\n")
    assert Path("walk.html").read_text(encoding="utf-8") == text
    assert here("conv2d", "--algorithm", "naive", "--html", "walk.html", "--overwrite")[0] == 0
    assert page_of(Path("walk.html").read_text(encoding="utf-8"))[1]["first"] == 0


def test_the_page_says_what_was_recorded(walked, tmp_path):
    """For each of the 32 threads, the steps of the page in which it takes part are its own loads and stores, in its order."""
    run, launch = walked
    kernel_page.write_page(tmp_path / "page.html", run, launch, thread=64)
    _, data = page_of((tmp_path / "page.html").read_text(encoding="utf-8"))
    touching = [step for step in data["steps"] if step["act"] not in (MEETS, WAITS)]
    for lane in range(32):
        shown = [(data["places"][s["place"]]["line"], s["act"], s["array"], s["lanes"][lane], s["values"][lane])
                 for s in touching if s["lanes"][lane] is not None]
        assert shown == [(step.place.line, a.act, a.array, a.index, ", ".join(map(number, a.values)))
                         for step in launch.walk(64 + lane) for a in step.accesses]
    sources = data["sources"]["conv2d/gpu.cu"]["lines"]
    assert sources == (Path(kernels.module("conv2d").__file__).parent / "gpu.cu").read_text(encoding="utf-8").splitlines()
    stored = [s for s in touching if s["act"] == WRITES]
    assert len(stored) == 1 and sources[data["places"][stored[0]["place"]]["line"] - 1].strip() == "y[i] = sum;"


def test_the_page_stores_what_the_formula_says(walked):
    """What the threads leave in y, read from the pages of all warps, is the convolution."""
    run, launch = walked
    x, w, b = kernels.module("conv2d", "cases").CASES[0].arrays(np.random.default_rng(0))
    expected, _ = kernels.load("conv2d", "reference").forward(x, w, b, **kernels.module("conv2d", "cases").CASES[0].options)
    found = np.full(expected.size, np.nan)
    for warp in range(launch.threads // 32):
        data = kernel_page.page_data(run, launch, 32 * warp)
        for step in data["steps"]:
            if step["act"] == WRITES:
                for index, value in zip(step["lanes"], step["values"]):
                    if index is not None:
                        found[index] = float(value)
    np.testing.assert_allclose(found, expected.reshape(-1), rtol=2e-3, atol=2e-3)


def test_readers_in_the_page(walked):
    """Of x[0, 0, 0, 0] reads the first output of each of 4 channels; w[0, 0, 0, 0] all 12 of channel 0, in both images."""
    run, launch = walked
    arrays = {a["name"]: a for a in kernel_page.page_data(run, launch, 0)["arrays"]}
    assert arrays["x"]["who"][0] == ["0, 12, 24, 36", ""] and arrays["w"]["who"][0] == ["0–11, 48–59", ""]
    assert arrays["y"]["who"][13] == ["", "13"] and arrays["x"]["planes"] == list(range(6))


def test_nothing_in_the_page_is_taken_for_markup(walked, tmp_path):
    _, launch = walked
    title = "</title></script><script>alert(1)</script><b>DATA SCRIPT &amp;"
    kernel_page.write_page(tmp_path / "page.html", KernelRun("conv2d", title, [launch]), launch)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page, data = page_of(text)
    assert page.tags.count("script") == 2 and "b" not in page.tags and data["title"] == title
    assert "<" not in page.content["script"][0] and "innerHTML" not in text and "document.write" not in text


@pytest.mark.skipif(shutil.which("node") is None, reason="node, which reads the page's program, is not installed")
def test_the_program_of_the_page_can_be_read():
    subprocess.run(["node", "--check", kernel_page.HERE / "kernel_page.js"], check=True)


# ---- words

def test_ranges():
    assert ranges([5, 0, 1, 2, 9, 8]) == "0–2, 5, 8, 9" and ranges([]) == "" and ranges([7]) == "7"


@pytest.mark.parametrize("indices, wide, said", [
    ([0, 1, 2, 3], 1, "x[0, 0] … x[0, 3]"),
    ([3] * 8, 1, "x[0, 3] by 8 lanes"),
    ([0, 8, 16], 1, "x[0, 0] … x[2, 0], every 8th"),
    ([2, 1, 0], 1, "x[0, 2] … x[0, 0], backwards"),
    ([0, 4, 8], 4, "x[0, 0] … x[1, 3]"),
    ([5], 1, "x[0, 5]"), ([0, 1, 9, 10], 1, "x[0, 0] … x[0, 1]; x[1, 1] … x[1, 2]"),
    ([0, 20, 1, 21, 2, 22, 3, 23, 4, 24], 1, "x[0, 0], x[2, 4]; x[0, 1], x[2, 5]; x[0, 2], x[2, 6]; x[0, 3], x[2, 7]; … 1 more"),
])
def test_elements(indices, wide, said):
    assert elements(Array("x", (4, 8), np.dtype("f4"), False), indices, wide) == said
