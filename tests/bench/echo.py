"""A process for the tests of turns: it does what it is told, also what a good one would not."""
import os
import sys
import time

from minicnn.bench.turns import serve


def fail(kind: str) -> None:
    raise {"ValueError": ValueError, "KeyError": KeyError, "MemoryError": MemoryError}[kind]("it went wrong")


def burn(seconds: float) -> None:
    """Leave a thread behind that computes on while nobody asks."""
    import threading
    end = time.perf_counter() + seconds

    def work():
        while time.perf_counter() < end:
            pass
    threading.Thread(target=work, daemon=True).start()


def leave(status: int) -> None:
    print("a last word", file=sys.stderr, flush=True)
    os._exit(status)


if __name__ == "__main__":
    serve({"echo": lambda **words: words, "chatter": lambda: print("a library says something"), "fail": fail, "leave": leave, "burn": burn,
           "environment": lambda name: os.environ.get(name)})
