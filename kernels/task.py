"""Tasks: compiled functions that parallel loops call by name, as they call BLAS.

Numba makes of a prange four modules, one inside the other, and copies whatever the loop calls into each of them, to be optimised and
translated again every time: a large body costs five times its compilation. A task stays outside. It is compiled once for each
floating-point type, its address is registered under a name, and all that the loop holds is a call of that name.

    @task("int64, T[:, :, ::1], T[::1]")                      T: float32 or float64
    def tile(number, x, out): …
    call_tile = tile.call

    @jit(parallel=True)
    def run(x, out):
        for i in prange(len(x)):
            call_tile((i, x[i], out[i]))                      the arguments as one tuple

    tile.ready(x.dtype)                                       before the first run: registers the name, compiles if need be
    run(x, out)
"""
import re
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.sigutils import normalize_signature
from numba.extending import intrinsic

from .jit import FAST, cache_of


class Task:
    def __init__(self, function, arguments: str):
        self.function, self.arguments = function, arguments
        self.symbol = f"minicnn_{function.__module__.rpartition('kernels.')[2].replace('.', '_')}_{function.__name__}"
        self.compiled = {}
        self.call = self._caller()

    def signature(self, dtype) -> str:
        return "void(" + re.sub(r"\bT\b", str(dtype), self.arguments) + ")"

    def ready(self, dtype: np.dtype) -> None:
        """Compile for the floating-point type, or load what was compiled before, and make it known by name."""
        if dtype not in self.compiled:
            with cache_of(self.function):
                self.compiled[dtype] = numba.cfunc(self.signature(dtype), cache=True, fastmath=FAST, error_model="numpy")(self.function)
            llvmlite.binding.add_symbol(f"{self.symbol}_{dtype}", self.compiled[dtype].address)

    def _caller(self) -> Any:
        """What jitted code calls: looks up the type among the arrays, casts the arguments and emits a call of the name."""
        @intrinsic
        def call(typingctx, arguments):
            dtype = next(a.dtype for a in arguments if isinstance(a, types.Array) and isinstance(a.dtype, types.Float))
            wanted, _ = normalize_signature(self.signature(dtype))

            def codegen(context, builder, signature, values):
                given = cgutils.unpack_tuple(builder, values[0])
                values = [context.cast(builder, v, have, want) for v, have, want in zip(given, arguments, wanted, strict=True)]
                function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [v.type for v in values]),
                                                          f"{self.symbol}_{dtype}")
                builder.call(function, values)
                return context.get_dummy_value()

            return types.void(arguments), codegen
        return call


def task(arguments: str):
    """Decorator: a Task, which returns nothing.  arguments: their types as Numba writes them, T for the floating-point type."""
    return lambda function: Task(function, arguments)
