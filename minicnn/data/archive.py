"""A user's own data: a NumPy archive (.npz) of train_images, train_labels, test_images and test_labels.

Images are uint8, (N, H, W) for grey ones, (N, H, W, 3) or (N, 3, H, W) for colour; labels are whole numbers from 0 on. What the headers
of the four arrays say is checked before any memory is taken, and nothing in the file can run code (no pickles).
"""
import os
import tokenize
import zipfile
import zlib
from math import prod
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np

from .dataset import Dataset

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
DEFLATE = 1032                                 # the most that deflate, or stored zeros, can shrink anything
LAYOUT = f"An archive holds {', '.join(ARRAYS)}: np.savez_compressed(path, train_images=…, …)"


def load_archive(path: str | os.PathLike) -> tuple[Dataset, Dataset]:
    """The training and the test part of an archive.  FileNotFoundError or ValueError, with the file's name, if it is not as above."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no such file: {path}. {LAYOUT}")
    if not path.is_file():
        raise ValueError(f"{path} is a folder, not an .npz archive. {LAYOUT}")
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic != b"PK\x03\x04":
            raise ValueError(f"{path} is not an .npz archive: it starts with {magic!r}. {LAYOUT}")
        with zipfile.ZipFile(path) as archive:
            entries = check_headers(path, archive)
            arrays = {name: _read(archive, entries[name]) for name in ARRAYS}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged or truncated ({error}); copy or make it again") from error
    except MemoryError as error:
        raise ValueError(f"{path} does not fit into memory") from error
    return _datasets(path, arrays)


def check_headers(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Names, dtypes, shapes and sizes, from the headers alone.  The entries of the archive by name, with or without .npy."""
    entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
    missing = [name for name in ARRAYS if name not in entries]
    if missing:
        raise ValueError(f"{path} has no {', '.join(missing)}; it has {', '.join(sorted(entries)) or 'nothing'}. {LAYOUT}")
    shapes, total = {}, 0
    for name in ARRAYS:
        entry = entries[name]
        with archive.open(entry) as stream:
            shape, dtype = _header(path, name, stream)
            size = prod(shape) * dtype.itemsize
            stored = entry.file_size - stream.tell()
        images = name.endswith("images")
        if dtype.hasobject or (dtype != np.uint8 if images else dtype.kind not in "iu"):
            raise ValueError(f"{path}: {name} is {dtype}; it should be {'uint8, 0 to 255' if images else 'whole numbers (uint8, int64 …)'}")
        if images and not (len(shape) == 3 or len(shape) == 4 and (shape[3] in (1, 3) or shape[1] in (1, 3))):
            raise ValueError(f"{path}: {name} has shape {shape}; it should be (N, H, W), (N, H, W, 3) or (N, 3, H, W)")
        if not images and len(shape) != 1:
            raise ValueError(f"{path}: {name} has shape {shape}; it should be (N,), one number an image")
        if prod(shape) == 0:
            raise ValueError(f"{path}: {name} is empty, shape {shape}")
        if size != stored or size > DEFLATE * (entry.compress_size + 1):
            raise ValueError(f"{path}: {name} of shape {shape} takes {size:,} bytes, the file holds {max(stored, 0):,}; "
                             f"copy or make it again")
        shapes[name], total = shape, total + size
    for part in ("train", "test"):
        images, labels = shapes[f"{part}_images"][0], shapes[f"{part}_labels"][0]
        if images != labels:
            raise ValueError(f"{path}: {images:,} {part}_images but {labels:,} {part}_labels; there should be one label an image")
    if shapes["train_images"][1:] != shapes["test_images"][1:]:
        raise ValueError(f"{path}: train_images are {shapes['train_images'][1:]}, test_images {shapes['test_images'][1:]}; "
                         f"they should be alike")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names and total > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise ValueError(f"{path} holds {total / 2**30:,.1f} GiB, more than this machine's memory")
    return entries


def _header(path: Path, name: str, stream) -> tuple[tuple[int, ...], np.dtype]:
    """What the beginning of an .npy says.  NumPy reads it as a Python literal, which may go wrong in all these ways."""
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise ValueError(f"it is of version {version}")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        with catch_warnings():
            simplefilter("ignore")                               # about Python 2, or the nonsense that is told below
            shape, _, dtype = read(stream)
        return shape, dtype
    except (ValueError, TypeError, LookupError, AttributeError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ValueError(f"{path}: {name} is not a NumPy array ({reason:.100}); make the archive again. {LAYOUT}") from error


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(entry) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _datasets(path: Path, arrays: dict[str, np.ndarray]) -> tuple[Dataset, Dataset]:
    labels = arrays["train_labels"]
    known = np.unique(labels)
    if known[0] < 0 or known[-1] != len(known) - 1:
        absent = next((i for i in range(len(known)) if i != known[i]), None)
        what = f"{int(known[0])} is negative" if known[0] < 0 else f"there is a {int(known[-1])} but no {absent}"
        advice = "; labels that start from 1: subtract 1" if known[0] == 1 else ""
        raise ValueError(f"{path}: train_labels should be 0, 1, … without a gap, but {what}{advice}")
    if len(known) < 2:
        raise ValueError(f"{path}: all train_labels are {int(known[0])}; there is nothing to tell apart")
    strange = np.setdiff1d(arrays["test_labels"], known)
    if len(strange):
        raise ValueError(f"{path}: test_labels has a {int(strange[0])}, which is out of range: train_labels are 0 to {len(known) - 1}")
    classes = tuple(str(i) for i in range(len(known)))
    train, test = (Dataset(_channels_first(arrays[f"{part}_images"]), arrays[f"{part}_labels"].astype(np.int64), classes, path.stem)
                   for part in ("train", "test"))
    return train, test


def _channels_first(images: np.ndarray) -> np.ndarray:
    """(N, H, W) or (N, H, W, C) → (N, C, H, W)"""
    if images.ndim == 3:
        return images[:, None]
    return images if images.shape[3] not in (1, 3) else np.ascontiguousarray(images.transpose(0, 3, 1, 2))
