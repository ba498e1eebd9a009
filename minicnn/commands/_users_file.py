"""Functions out of a file of the user's, for commands that take FILE.py:NAME."""
import difflib
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any


def names_a_file(word: str) -> bool:
    """Whether a word means functions of a file: layers.py, layers.py:f, folder/layers.py:f,g."""
    return word.endswith(".py") or ".py:" in word


def functions(word: str) -> list[tuple[str, Any]]:
    """FILE.py:NAME or FILE.py:NAME,NAME -> (name, what the file has under it).  The file is run.

    FileNotFoundError; ValueError where the file cannot be run, with its line, or has no such name, with those that it has.
    """
    file, _, wanted = word.rpartition(":") if ".py:" in word else (word, "", "")
    module = load(Path(file).expanduser().resolve(), file)
    own = [name for name, value in vars(module).items()
           if callable(value) and not name.startswith("_") and getattr(value, "__module__", None) in (module.__name__, None)]
    there = f"it has {', '.join(own)}" if own else "it has no functions"
    if not wanted:
        raise ValueError(f"{file}: which function? {there}; write {file}:{','.join(own[:1]) or 'NAME'}")
    found = []
    for name in map(str.strip, wanted.split(",")):
        if not hasattr(module, name):
            near = difflib.get_close_matches(name, own, 1)
            raise ValueError(f"{file} has no {name!r}; " + (f"did you mean {near[0]!r}? " if near else "") + there)
        if not callable(getattr(module, name)):
            raise ValueError(f"{file}: {name} is no function but {type(getattr(module, name)).__name__}; {there}")
        found.append((name, getattr(module, name)))
    return found


def load(path: Path, shown: str) -> ModuleType:
    """A file as a module; run from its text, so that what was saved a moment ago counts, and with its folder first on sys.path.

    shown: how the user wrote it, for errors.
    """
    module = ModuleType(path.stem if path.stem not in sys.modules else f"users_{path.stem}")
    module.__file__ = str(path)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise type(error)(error.errno, error.strerror, shown) from None
    before = list(sys.path)
    sys.modules[module.__name__], sys.path[:0] = module, [str(path.parent)]
    try:
        exec(compile(text, str(path), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        raise ValueError(f"{shown} cannot be run: {told(error, path)}") from error
    finally:
        sys.path[:] = before
        del sys.modules[module.__name__]                   # a file called matplotlib.py shall not be in the way of the real one
    return module


def told(error: BaseException, path: Path) -> str:
    """What a file raised, with the line of it, or of a neighbour, where that happened."""
    if isinstance(error, SyntaxError):
        return f"{Path(error.filename or path).name}, line {error.lineno}: {error.msg}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).parent == path.parent]
    place = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}: " if frames else ""
    if isinstance(error, SystemExit):
        return f"{place}it ends the program (SystemExit); keep that under  if __name__ == \"__main__\":"
    first, *_ = str(error).splitlines() or [""]
    return f"{place}{type(error).__name__}: {first}"
