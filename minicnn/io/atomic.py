"""Files that are either the old ones or the new ones, whatever happens in between."""
import os
import tempfile
from pathlib import Path


def write(path: str | os.PathLike, content: bytes) -> None:
    """Replace a file as a whole: written beside it, forced to the disk, then renamed over it.

    After a crash at any moment the path holds all of the old content or all of the new.  OSError as from any writing.
    """
    path = Path(path)
    handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, 0o666 & ~_umask())             # mkstemp makes files that nobody else may read
        os.replace(aside, path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """The renaming itself forced to the disk.  Windows cannot, and does so by itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
