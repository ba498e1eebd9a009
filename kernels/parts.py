"""Large NumPy calls in parts, on many threads.

Sums of gradients, concatenations and the like move memory and compute next to nothing. One thread does not get all that memory can give:
two do it in six tenths of the time. NumPy lets other Python threads run while it works, so that a call can be cut along the first axis,

    part 0    out[:1] = a[:1] + b[:1]        another thread
    part 1    out[1:] = a[1:] + b[1:]        this one

and nothing has to be compiled. Every number is computed as before, wherever the cuts lie: the same bits with any number of threads.
"""
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import lru_cache
from typing import Any

import numpy as np

from .threads import get_num_threads

LARGE = 1 << 20                        # numbers: with fewer this thread is done before another one has woken up


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="minicnn")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)          # threads do not come along


def by_parts(function: Callable[..., Any], *arrays) -> None:
    """function(*arrays), which writes to some of them and treats each index of their first axis, of one length in all, alone."""
    first = arrays[0]
    count = min(get_num_threads(), len(first)) if isinstance(first, np.ndarray) and first.size >= LARGE and first.ndim else 1
    if count < 2:
        function(*arrays)
        return
    bounds = [len(first) * i // count for i in range(count + 1)]
    *others, mine = [[a[start:stop] for a in arrays] for start, stop in zip(bounds, bounds[1:])]
    try:
        others = [_pool().submit(copy_context().run, function, *part) for part in others]  # (np.errstate holds there too)
    except RuntimeError:                                           # the interpreter is ending, and starts nothing any more
        function(*arrays)
        return
    try:
        function(*mine)
    finally:
        for other in others:
            other.result()
