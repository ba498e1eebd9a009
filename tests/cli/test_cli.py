"""The command line: what it prints, its exit status, and that a user's mistake is one clear line."""
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from minicnn import cli

from ..training.tiny import tiny_archive

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "MINICNN_BACKEND": "reference", "PYTHONIOENCODING": "utf-8"}
TEXT: dict = {"env": ENVIRONMENT, "text": True, "encoding": "utf-8"}


def command(*words, cwd):
    """`minicnn words…` in a process of its own."""
    return subprocess.run([sys.executable, "-m", "minicnn", *map(str, words)], cwd=cwd, timeout=120, capture_output=True, **TEXT)


@pytest.fixture
def here(capsys, tmp_path, monkeypatch):
    """`minicnn words…` in this process: (status, stdout, stderr), in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        status = cli.main([str(word) for word in words])
        return status, *capsys.readouterr()
    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of two epochs on 60 images, and what the command printed."""
    folder = tmp_path_factory.mktemp("finished")
    tiny_archive(folder)
    done = command("train", "lenet5", "--data", "tiny.npz", "--epochs", 2, "--batch-size", 18, "--no-augment", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def accuracy(printed):
    """The one line that tells it."""
    line, = (line for line in printed.splitlines() if line.startswith("test accuracy"))
    return line


def test_train_prints_the_test_accuracy_and_how_to_go_on(finished):
    folder, printed = finished
    lines = printed.splitlines()
    assert re.match(r"lenet5 on .*tiny.npz, 32×32 pixels, batches of 18, 2 epochs, seed 0 → runs.lenet5-1$", lines[0])
    assert sum(line.startswith("epoch ") for line in lines) == 2 and "validation loss" in lines[1]
    at = next(i for i, line in enumerate(lines) if line.startswith("test accuracy"))
    assert re.fullmatch(r"test accuracy \d+\.\d%", lines[at])
    assert re.fullmatch(r"go on:  minicnn predict runs.lenet5-1 image.png", lines[at + 1])
    assert re.fullmatch(r" +minicnn evaluate runs.lenet5-1", lines[at + 2])
    config = json.loads((folder / "runs/lenet5-1/config.json").read_text(encoding="utf-8"))
    assert config["recipe"]["augment"] == {} and config["recipe"]["batch_size"] == 18 and config["backend"] == "reference"


def test_evaluate_gives_the_same_number_again(finished):
    folder, printed = finished
    done = command("evaluate", "runs/lenet5-1", cwd=folder)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == accuracy(printed) and "class 0: " in done.stdout


def test_resuming_a_finished_run_shows_its_result(finished):
    folder, printed = finished
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "runs/lenet5-1").iterdir()}
    done = command("train", "--resume", "runs/lenet5-1", cwd=folder)
    assert done.returncode == 0 and "is finished" in done.stdout and accuracy(done.stdout) == accuracy(printed)
    assert before == {path.name: path.stat().st_mtime_ns for path in (folder / "runs/lenet5-1").iterdir()}


def test_predict_reads_a_drawn_picture(finished):
    folder, _ = finished
    picture = Image.new("RGB", (120, 200), "white")
    ImageDraw.Draw(picture).line([(30, 40), (90, 40), (50, 160)], fill=(0, 0, 90), width=12)
    picture.save(folder / "seven.png")
    done = command("predict", "runs/lenet5-1", "seven.png", "seven.png", cwd=folder)
    assert done.returncode == 0, done.stderr
    answer = r"^seven.png: [012]   \(dark on light: inverted, cut out and scaled to \d+×20 in 28×28\)$"
    assert len(re.findall(answer, done.stdout, re.M)) == 2
    shares = [float(share) for share in re.findall(r"█+ (\d+\.\d)%$", done.stdout, re.M)]
    assert sum(shares) / 2 == pytest.approx(100, abs=2)


def test_predict_refuses_what_is_no_picture(finished, here):
    folder, _ = finished
    status, out, err = here("predict", folder / "runs/lenet5-1", "none.png")
    assert (status, out) == (2, "") and err == "minicnn predict: no such file: none.png\n"
    Path("text.png").write_text("not a picture")
    Image.new("L", (50, 50), 255).save("blank.png")
    assert here("predict", folder / "runs/lenet5-1", "text.png")[2].startswith("minicnn predict: text.png is not an image that can be read")
    blank = "minicnn predict: blank.png: the picture is blank: there is nothing to read\n"
    assert here("predict", folder / "runs/lenet5-1", "blank.png")[2] == blank


def test_ctrl_c_stops_cleanly_and_resume_ends_where_an_unbroken_run_does(tmp_path):
    tiny_archive(tmp_path, train=200, test=20)
    options = ("--data", "tiny.npz", "--epochs", 6, "--batch-size", 20)
    whole = command("train", "lenet5", *options, "--out", "whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    words = [sys.executable, "-m", "minicnn", "train", "lenet5", *map(str, options), "--out", "parts"]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **TEXT)
    deadline = time.monotonic() + 60
    while not (tmp_path / "parts" / "metrics.jsonl").exists():          # the first epoch is done
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == "" and out.rstrip().endswith("everything is saved. Go on: minicnn train --resume parts")
    assert not (tmp_path / "parts" / "result.json").exists()

    rest = command("train", "--resume", "parts", cwd=tmp_path)
    assert rest.returncode == 0 and "going on at epoch" in rest.stdout, rest.stderr
    assert (tmp_path / "parts/best.safetensors").read_bytes() == (tmp_path / "whole/best.safetensors").read_bytes()
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("parts", "whole")]
    assert results[0] == results[1]


MISTAKES = [
    (("train", "lenet55"), "minicnn train: there is no model 'lenet55'; did you mean 'lenet5'?"),
    (("train",), "minicnn train: which model? There are: "),
    (("train", "lenet5", "--epoch", "3"), "minicnn train: there is no option --epoch, did you mean --epochs?; see minicnn train --help"),
    (("train", "lenet5", "--lr", "nan"), "minicnn train: argument --lr: expected a number above 0, got nan"),
    (("train", "lenet5", "--lr", "-0.1"), "minicnn train: argument --lr: expected a number above 0"),
    (("train", "lenet5", "--lr", "inf"), "minicnn train: argument --lr: expected a number above 0"),
    (("train", "lenet5", "--epochs", "0"), "minicnn train: argument --epochs: expected a whole number of at least 1, got 0"),
    (("train", "lenet5", "--batch-size", "0"), "minicnn train: argument --batch-size: expected a whole number of at least 1, got 0"),
    (("train", "lenet5", "--batch-size", "many"), "minicnn train: argument --batch-size: expected a whole number, got 'many'"),
    (("train", "lenet5", "--seed", "-1"), "minicnn train: argument --seed: expected a whole number of at least 0, got -1"),
    (("train", "lenet5", "--momentum", "1"), "minicnn train: argument --momentum: expected a number of at least 0 and below 1, got 1"),
    (("train", "lenet5", "--optimizer", "sdg"), "minicnn train: argument --optimizer: invalid choice: 'sdg'"),
    (("train", "lenet5", "--data", "mnist5"), "minicnn train: unknown data set 'mnist5'; did you mean 'mnist5k'?"),
    (("train", "lenet5", "--data", "none.npz"), "minicnn train: no such file: "),
    (("train", "lenet5", "--device", "gpu"), "minicnn train: unknown device 'gpu'"),
    (("train", "lenet5", "--device", "cuda"), "minicnn train: device 'cuda' cannot be used"),
    (("train", "lenet5", "--device", "meta"), "minicnn train: device 'meta' has shapes but no values"),
    (("train", "lenet5", "extra"), "minicnn train: unexpected 'extra'; see minicnn train --help"),
    (("train", "--resume", "nowhere"), "minicnn train: no run folder nowhere"),
    (("train", "lenet5", "--out", "."), "minicnn train: . exists and is not overwritten; choose another --out"),
    (("evaluate", "nowhere"), "minicnn evaluate: no run folder nowhere"),
    (("predict", "nowhere", "a.png"), "minicnn predict: no run folder nowhere"),
    (("predict",), "minicnn predict: the following arguments are required: RUN, IMAGE"),
    (("summary", "lenet5", "--input", "1,x,3"),
     "minicnn summary: argument --input: expected channels, height, width, such as 3,224,224, got '1,x,3'"),
    (("gradcheck", "con2d"), "minicnn gradcheck: there is neither an operation nor a model 'con2d'; did you mean 'conv2d'?"),
    (("bench", "lenet55"), "minicnn bench: there is no model 'lenet55'; did you mean 'lenet5'?"),
    (("bench", "fourier"), "minicnn bench: there is no model 'fourier'; there are "),
    (("bench", "lenet5:none"), "minicnn bench: lenet5:none: after the colon comes the batch size, such as lenet5:4"),
    (("bench", "lenet5", "--against", "tch"), "minicnn bench: --against tch: expected torch, reference, or an algorithm of conv2d: "),
    (("bench", "conv2d", "--against", "reference"), "minicnn bench: --against reference: an operation is measured in all its algorithms"),
    (("bench", "conv2d", "lenet5"), "minicnn bench: conv2d is an operation, lenet5 is for networks; measure them one after the other"),
    (("bench", "lenet5", "--shape", "VGG"), "minicnn bench: --shape is for operations, such as minicnn bench conv2d; there are "),
    (("bench", "conv2d", "--shape", "none"), "minicnn bench: --shape none: no shape of conv2d has this in its name; there are LeNet conv1"),
    (("bench", "conv2d", "--algorithm", "none"), "minicnn bench: --algorithm none: conv2d has depthwise, direct, "),
    (("bench", "lenet5", "--all"), "minicnn bench: --all are all networks; leave out lenet5"),
    (("bench", "lenet5", "--json", "a.txt"), "minicnn bench: --json a.txt: the name should end in .json"),
    (("bench", "lenet5", "--chart", "none/a.png"), "minicnn bench: --chart none/a.png: there is no such folder"),
    (("bench", "lenet5", "--rounds", "0"), "minicnn bench: argument --rounds: expected a whole number of at least 1, got 0"),
    (("profile", "lenet5", "--chart", "a.txt"), "minicnn profile: --chart: a.txt is no picture: the name should end in .png, .svg or .pdf"),
    (("show", "conv2"), "minicnn show: no operation 'conv2' in kernels/; did you mean 'conv2d'?"),
    (("data", "nothing.npz"), "minicnn data: no such file: nothing.npz"),
    (("trian", "lenet5"), "minicnn: there is no command 'trian'; did you mean train?"),
]


@pytest.mark.parametrize("words, message", MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_is_one_line_and_status_2(here, words, message):
    Path("something").write_text("so that . is not empty")
    status, out, err = here(*words)
    assert (status, out) == (2, "") and err.startswith(message) and err.count("\n") == 1 and not Path("runs").exists()


def test_a_resumed_run_keeps_its_options(finished, here):
    run = finished[0] / "runs/lenet5-1"
    status, _, err = here("train", "--resume", run, "--lr", "0.1", "--seed", "0")
    assert status == 2 and "--resume goes on with the run's own options, so --lr, --seed cannot be given" in err
    status, _, err = here("train", "lenet_caffe", "--resume", run)
    assert status == 2 and "is a run of lenet5, not of lenet_caffe" in err


def test_an_existing_run_is_not_overwritten(finished, here):
    run = finished[0] / "runs/lenet5-1"
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    status, _, err = here("train", "lenet5", "--out", run)
    assert status == 2 and f"{run} exists and is not overwritten; go on with it by --resume {run}, or choose another --out" in err
    assert before == {path.name: path.read_bytes() for path in run.iterdir()}


def test_a_truncated_checkpoint_is_told(finished, here, tmp_path):
    import shutil
    run = tmp_path / "copy"
    shutil.copytree(finished[0] / "runs/lenet5-1", run)
    content = (run / "best.safetensors").read_bytes()
    (run / "best.safetensors").write_bytes(content[:len(content) // 2])
    status, out, err = here("evaluate", run)
    assert (status, out) == (2, "") and err.startswith("minicnn evaluate: load: ")
    assert "best.safetensors is not a whole safetensors file" in err


def test_every_command_has_help_with_examples(here):
    status, out, _ = here("--help")
    wanted = {"train", "evaluate", "predict", "models", "summary", "gradcheck", "show", "profile", "bench", "data"}
    assert status == 0 and set(cli.names()) >= wanted
    for name in cli.names():
        assert re.search(rf"^  {name} +\S", out, re.M)
        status, text, err = here(name, "--help")
        assert (status, err) == (0, "") and text.startswith(f"usage: minicnn {name}") and "examples:\n  minicnn" in text
        for example in re.findall(r"^  minicnn (.*)", text, re.M):
            words = re.split(r"\s{2,}", example)[0].split()
            cli.parser(words[0]).parse(words[1:])                   # every example is one that the command takes
    assert here()[0] == 2 and here("--version")[1].startswith("minicnn ")


def listed(printed):
    """Names of the architectures in the order in which `minicnn models` prints them."""
    return re.findall(r"^ \d{4}   .+?  ([a-z]\S*_?\S*)", printed, re.M)


def test_models_for_a_purpose(here):
    names = listed(here("models", "--for", "mobile")[1])
    assert {"mobilenet_v2", "shufflenet_v2_1.0", "efficientnet_b0"} <= set(names) and not {"resnet18", "vgg16"} & set(names)
    names = listed(here("models", "--for", "accuracy")[1])
    assert names.index("efficientnet_b7") < names.index("resnet152_v1_5") < names.index("alexnet_owt") and "lenet5_1998" not in names
    names = listed(here("models", "--for", "budget", "--params", "2M", "--macs", "0.4G")[1])
    assert {"shufflenet_v2_0.5", "mobilenet_v1_0.5"} <= set(names) and not {"resnet20_cifar", "squeezenet1_0", "mobilenet_v2"} & set(names)
    assert set(listed(here("models", "googlenet")[1])) == {"googlenet", "googlenet_aux", "googlenet_torchvision", "googlenet_d2l",
                                                           "googlenet_seed_keras"}
    for words, text in ((("--for", "budget"), "--for budget needs a limit: --macs, --params or --memory, such as --params 10M"),
                        (("resnet", "--params", "1k"), "nothing fits; the smallest, plain20_cifar, has 269,722 parameters"),
                        (("resnt18",), "there is no model 'resnt18'; did you mean 'resnet18'?"),
                        (("--macs", "fast"), "expected an amount such as 600M or 1.5G, got 'fast'"),
                        (("--memory", "0"), "expected an amount"), (("--for", "fun"), "invalid choice")):
        status, _, err = here("models", *words)
        assert status == 2 and text in err and err.count("\n") == 1


def test_the_small_commands(here):
    status, out, _ = here("models")
    assert status == 0 and re.search(r"1998 +LeCun +lenet5_textbook \(lenet5\) +61\.7 k +417 k +1×32×32", out)
    assert re.search(r"2015 +He +resnet50_v1_5 \(resnet50\) +25\.6 M +4\.09 G +3×224×224 +76\.1", out)
    status, out, _ = here("summary", "lenet5")
    assert status == 0 and "61,706" in out and "LeCun" in out
    status, out, _ = here("summary", "googlenet_aux", "--training", "--stages")
    assert status == 0 and "13,378,280" in out and "1,591,044,096" in out and re.search(r"^ auxiliary +", out, re.M)
    status, out, _ = here("data")
    assert status == 0 and "mnist5k: 10 classes, images of 1×28×28" in out and "4,000 images; of each class 400" in out
    assert here("data", "mnist5k", "--out", "digits.png")[0] == 0 and Image.open("digits.png").size == (280, 280)
    assert here("data", "mnist5k", "--out", "digits.png")[0] == 2
    status, out, _ = here("show", "linear")
    assert status == 0 and "def spec" in out and "def forward" in out
    status, out, _ = here("gradcheck", "linear", "--backend", "reference")
    assert status == 0 and re.search(r"^ok +linear +reference ", out, re.M)
    status, out, _ = here("profile", "lenet5", "--batch", "2", "--backend", "reference", "--no-roofline")
    assert status == 0 and "conv2d" in out and "roof" not in out
    status, out, _ = here("profile", "lenet5", "--batch", "2", "--backend", "reference", "--by", "module", "--chart", "roof.png")
    assert status == 0 and "body.c3" in out and "roof  reached" in out and "GB/s from and to memory" in out
    assert Image.open("roof.png").size[0] > 500 and here("profile", "lenet5", "--chart", "roof.png")[0] == 2


def test_a_failed_gradcheck_has_status_1(here):
    from minicnn import kernels

    with kernels.replace("tanh", backward=lambda grad_output, x: grad_output * (1.01 - np.tanh(x) ** 2)):
        status, out, _ = here("gradcheck", "tanh", "--backend", "reference")
    assert status == 1 and re.search(r"^FAILED +tanh +reference ", out, re.M) and "BAD" in out


def test_the_command_starts_fast():
    """Without training, the heavy packages stay out."""
    code = ("import sys; from minicnn.cli import main; main(['--help']); main(['train', '--epochs', '0']); "
            "print([m for m in ('numba', 'scipy', 'matplotlib', 'rich', 'PIL') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, **TEXT)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout


def test_kernels_being_compiled_is_said_once():
    numba = pytest.importorskip("numba")
    from minicnn.training.progress import compiling_told
    notes = []
    with compiling_told(notes.append, "numba"):
        numba.njit(lambda x: x + 1)(np.float32(1))
        numba.njit(lambda x: x + 2)(np.float32(1))
    assert len(notes) == 1 and notes[0].startswith("compiling the kernels for this processor")


def test_a_batch_that_memory_does_not_hold(here, monkeypatch):
    from minicnn.commands import train
    monkeypatch.setattr(train, "free_memory", lambda device: 3e9)
    status, _, err = here("train", "resnet18", "--batch-size", 4000, "--image-size", 224)
    assert status == 2 and "a batch of 3600 images of 1×224×224 needs about" in err and "3.0 GB are free; use a smaller --batch-size" in err
    assert not Path("runs").exists() and err.count("\n") == 1
