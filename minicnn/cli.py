"""The command `minicnn`.

A subcommand is one file of commands/: its docstring is its help (the first line says what it does, the rest shows examples),
arguments(parser) names its options, run(args) does it. A new file is a new subcommand. Each imports what it needs when it runs, so
that `minicnn --help` answers at once.

A mistake of the user's makes one clear line on stderr and exit status 2; Ctrl-C 130. MINICNN_TRACEBACK=1 shows where an error came from.
"""
import argparse
import difflib
import importlib
import inspect
import io
import os
import pkgutil
import sys
from types import ModuleType
from typing import NoReturn

USERS_MISTAKES = (ValueError, OSError, ImportError, FloatingPointError, MemoryError)


def names() -> list[str]:
    """The subcommands."""
    from . import commands
    return sorted(file.name.replace("_", "-") for file in pkgutil.iter_modules(commands.__path__) if not file.name.startswith("_"))


def command(name: str) -> ModuleType:
    """The file of a subcommand."""
    return importlib.import_module(f"{__package__}.commands.{name.replace('-', '_')}")


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line, with the nearest option where there is one."""

    def __init__(self, *args, **options):
        super().__init__(*args, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

    def parse(self, arguments: list[str]) -> argparse.Namespace:
        parsed, unknown = self.parse_known_args(arguments)
        if unknown:
            word = unknown[0].partition("=")[0]
            near = difflib.get_close_matches(word, list(self._option_string_actions), 1) if word.startswith("-") else []
            if not word.startswith("-"):
                self.error(f"unexpected {word!r}")
            self.error(f"there is no option {word}" + (f", did you mean {near[0]}?" if near else ""))
        return parsed


def parser(name: str) -> Parser:
    """The parser of a subcommand."""
    module = command(name)
    summary, _, rest = (inspect.getdoc(module) or "").partition("\n")
    found = Parser(prog=f"minicnn {name}", description=summary, epilog=rest.strip())
    module.arguments(found)
    return found


def overview() -> str:
    """What `minicnn --help` prints."""
    listed = [f"  {name:<11} {(inspect.getdoc(command(name)) or '').partition(chr(10))[0]}" for name in names()]
    return "\n".join(["minicnn: convolutional networks to read, to step through and to use", "", "usage: minicnn COMMAND …", "",
                      *listed, "", "start with  minicnn train lenet5", "then        minicnn COMMAND --help   shows options and examples"])


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")               # a terminal without "×" shows "?" instead of failing
    try:
        return _main(given)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:                                    # | head has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (*USERS_MISTAKES, RuntimeError) as error:
        from .kernels.cuda.emulator import CudaError           # no compiler, or a kernel that somebody edited
        if os.environ.get("MINICNN_TRACEBACK") or isinstance(error, RuntimeError) and not isinstance(error, (*USERS_MISTAKES, CudaError)):
            raise
        print(f"minicnn {given[0]}: {_told(error)}", file=sys.stderr)
        return 2


def _told(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    first, *rest = str(error).splitlines() or [type(error).__name__]
    return first + (f" (… {len(rest)} lines more, by MINICNN_TRACEBACK=1)" if rest else "")


def _main(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        print(overview())
        return 0 if given else 2
    if given[0] == "--version":
        from . import __version__
        print(f"minicnn {__version__}")
        return 0
    if given[0] not in names():
        near = difflib.get_close_matches(given[0], names(), 1)
        advice = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names())}"
        print(f"minicnn: there is no command {given[0]!r}; {advice}", file=sys.stderr)
        return 2
    try:
        args = parser(given[0]).parse(given[1:])
    except SystemExit as exit:                                 # argparse ends a program for --help and for mistakes alike
        return exit.code if isinstance(exit.code, int) else 2
    return command(given[0]).run(args) or 0
