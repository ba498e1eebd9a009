"""Archives: the one that comes with minicnn, a user's own, and everything that can be wrong with one."""
import io
import zipfile

import numpy as np
import pytest

from minicnn import data

GOOD = {"train_images": np.arange(6 * 4 * 5, dtype=np.uint8).reshape(6, 4, 5), "train_labels": np.array([0, 1, 2, 0, 1, 2]),
        "test_images": np.zeros((2, 4, 5), np.uint8), "test_labels": np.array([2, 0], np.uint8)}


@pytest.fixture
def archive(tmp_path):
    def write(**changes):
        path = tmp_path / "mine.npz"
        np.savez_compressed(path, **{name: array for name, array in {**GOOD, **changes}.items() if array is not None})
        return path
    return write


def test_mnist5k():
    train, test = data.load("mnist5k")
    assert train.images.shape == (4000, 1, 28, 28) and (train.counts == 400).all() and (test.counts == 100).all()
    assert data.names() == ["mnist5k"] and len(data.mnist5k(train=False)) == 1000
    with pytest.raises(ValueError, match="read-only"):
        train.images[0] = 0


def test_a_users_archive(archive):
    train, test = data.load(str(archive()))
    assert train.images.shape == (6, 1, 4, 5) and np.array_equal(train.images[:, 0], GOOD["train_images"])
    assert train.labels.dtype == np.int64 and train.classes == ("0", "1", "2") and test.labels.tolist() == [2, 0]


def test_colour_images_may_have_their_channels_last(archive):
    last = np.arange(6 * 4 * 5 * 3, dtype=np.uint32).astype(np.uint8).reshape(6, 4, 5, 3)
    train, test = data.load(archive(train_images=last, test_images=last[:2]))
    assert train.images.shape == (6, 3, 4, 5) and np.array_equal(train.images, last.transpose(0, 3, 1, 2))
    train, test = data.load(archive(train_images=last.transpose(0, 3, 1, 2), test_images=last[:2].transpose(0, 3, 1, 2)))
    assert np.array_equal(train.images, last.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("changes, message", [
    (dict(test_labels=None, train_labels=None), r"has no train_labels, test_labels; it has test_images, train_images"),
    (dict(train_images=GOOD["train_images"] / 255), r"train_images is float64; it should be uint8, 0 to 255"),
    (dict(train_labels=GOOD["train_labels"] * 1.0), r"train_labels is float64; it should be whole numbers"),
    (dict(train_labels=np.array(list("abcabc"), object)), r"train_labels is object"),
    (dict(train_labels=GOOD["train_labels"][:5]), r"6 train_images but 5 train_labels; there should be one label an image"),
    (dict(train_images=GOOD["train_images"][:0], train_labels=GOOD["train_labels"][:0]), r"train_images is empty, shape \(0, 4, 5\)"),
    (dict(train_images=GOOD["train_images"][0]), r"train_images has shape \(4, 5\); it should be \(N, H, W\)"),
    (dict(train_labels=GOOD["train_labels"][:, None]), r"train_labels has shape \(6, 1\); it should be \(N,\)"),
    (dict(test_images=np.zeros((2, 5, 5), np.uint8)), r"train_images are \(4, 5\), test_images \(5, 5\); they should be alike"),
    (dict(train_labels=GOOD["train_labels"] + 1), r"there is a 3 but no 0; labels that start from 1: subtract 1"),
    (dict(train_labels=GOOD["train_labels"] - 1), r"0, 1, … without a gap, but -1 is negative"),
    (dict(train_labels=GOOD["train_labels"] * 2), r"there is a 4 but no 1$"),
    (dict(train_labels=GOOD["train_labels"] * 0), r"all train_labels are 0; there is nothing to tell apart"),
    (dict(test_labels=np.array([0, 7])), r"test_labels has a 7, which is out of range: train_labels are 0 to 2"),
])
def test_what_is_wrong_is_said(archive, changes, message):
    with pytest.raises(ValueError, match=message) as raised:
        data.load(archive(**changes))
    assert "mine.npz" in str(raised.value)


def test_a_missing_file_a_folder_and_a_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file: .*nothing.npz. An archive holds train_images, "):
        data.load(tmp_path / "nothing.npz")
    with pytest.raises(ValueError, match="is a folder, not an .npz archive"):
        data.load(tmp_path)
    with pytest.raises(ValueError, match="unknown data set 'mnist5'; did you mean 'mnist5k'?"):
        data.load("mnist5")


def test_wrong_magic_truncation_and_damage(archive, tmp_path):
    path = archive()
    whole = path.read_bytes()
    for content, message in ((b"\x93NUMPY" + whole, r"is not an .npz archive: it starts with b'\\x93NUM'"), (b"", "it starts with b''"),
                             (whole[:len(whole) // 2], "is damaged or truncated"), (whole[:-30], "is damaged or truncated")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            data.load(path)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive_:
        entry = archive_.getinfo("train_images.npy")
    damaged = bytearray(whole)
    damaged[entry.header_offset + 120] ^= 0xFF                         # inside the compressed pixels
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="mine.npz"):
        data.load(path)


def test_a_header_that_promises_more_than_there_is_takes_no_memory(archive, tmp_path):
    """A file of 2 KB whose header says 200 GB is refused before anything is allocated."""
    path = tmp_path / "mine.npz"
    with zipfile.ZipFile(path, "w") as file:
        for name, array in GOOD.items():
            stream = io.BytesIO()
            if name == "train_images":
                np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (200_000_000, 32, 32)})
            else:
                np.lib.format.write_array(stream, array)
            file.writestr(name + ".npy", stream.getvalue())
    with pytest.raises(ValueError, match=r"train_images of shape \(200000000, 32, 32\) takes 204,800,000,000 bytes, the file holds 0"):
        data.load(path)


def test_an_archive_cannot_run_code(tmp_path):
    class Bomb:
        def __reduce__(self):
            return print, ("this must not be printed",)
    path = tmp_path / "mine.npz"
    np.savez(path, **{**GOOD, "train_labels": np.array([Bomb()] * 6, object)})
    with pytest.raises(ValueError, match="train_labels is object"):
        data.load(path)


def npz(path, entry="{}.npy", **changed):
    """An archive whose entries are called as `entry` says; some are given bytes."""
    with zipfile.ZipFile(path, "w") as file:
        for name, array in GOOD.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, array)
            file.writestr(entry.format(name), changed.get(name, stream.getvalue()))
    return path


def test_entries_need_no_npy_at_their_end(tmp_path):
    train, _ = data.load(npz(tmp_path / "mine.npz", "{}"))
    assert np.array_equal(train.images[:, 0], GOOD["train_images"])


HEADERS = [b"{'descr':'|u1',(((", b"(" * 500, b"{'a': " * 3000, b"{'descr': 3, 4: 5}", b"\n\n\n  x\n y", b" " * 20_000 + b"{}",
           b"{'descr': [], 'fortran_order': False, 'shape': (3,)}", b"\xff\x00"]


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: repr(header[:20]))
def test_a_header_of_nonsense_is_one_line(tmp_path, header):
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with pytest.raises(ValueError, match="mine.npz: train_images is ") as raised:
        data.load(npz(tmp_path / "mine.npz", train_images=content))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x09\x09\x10\x00", b"\x93NUMPY\x01\x00\xff\x00{'descr'", b"a picture"])
def test_an_entry_that_is_no_array_is_one_line(tmp_path, content):
    with pytest.raises(ValueError, match="mine.npz: train_images is not a NumPy array") as raised:
        data.load(npz(tmp_path / "mine.npz", train_images=content))
    assert "\n" not in str(raised.value)


def test_a_picture_of_too_many_pixels(tmp_path, monkeypatch, recwarn):
    from PIL import Image

    from minicnn.data.picture import read_picture
    Image.new("L", (30, 50)).save(tmp_path / "large.png")
    for limit in (1000, 500):                                          # Pillow warns above its limit, and refuses above twice that
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ValueError, match=r"large.png has too many pixels to be read \(.*\); make it smaller") as raised:
            read_picture(tmp_path / "large.png", 1, 28, 28)
        assert "\n" not in str(raised.value)
    assert not recwarn.list
