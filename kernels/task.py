"""Tasks: compiled functions that run many at a time, or that other compiled functions call by name, as they call BLAS.

Numba makes of a prange four modules, one inside the other, and copies whatever the loop calls into each of them, to be optimised and
translated again every time: a large body costs five times its compilation, and the smallest loop a second. A task stays outside. It is
compiled once for each floating-point type, and its address is registered under a name; what uses it holds no more than a call of that name.

    @task("int64, T[:, :, ::1], T[::1]")                      T: float32 or float64
    def tile(number, x, out): …
    call_tile, launch_tile = tile.call, tile.launch

    @jit
    def run(x, out):
        call_tile((0, x, out))                                once, here
        launch_tile(len(x), (x, out))                         number = 0 … len(x) − 1, on all threads

    tile.ready(x.dtype)                                       before the first run: registers the name, compiles if need be
    run(x, out)

launch hands the numbers to Numba's own pool of threads (its entry for generalised ufuncs), in one run of neighbours for each thread. The
arguments lie in one record that all threads read.
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
        self.call, self.launch = self._caller(), self._launcher()

    def signature(self, dtype) -> str:
        return "void(" + re.sub(r"\bT\b", str(dtype), self.arguments) + ")"

    def ready(self, dtype: np.dtype) -> None:
        """Compile for the floating-point type, or load what was compiled before, and make it known by name."""
        if dtype not in self.compiled:
            with cache_of(self.function):
                self.compiled[dtype] = numba.cfunc(self.signature(dtype), cache=True, fastmath=FAST, error_model="numpy")(self.function)
            llvmlite.binding.add_symbol(f"{self.symbol}_{dtype}", self.compiled[dtype].address)

    def _typed(self, given: Any, skipped: int) -> tuple[str, list]:
        """The name for the type that is found among the arrays, and the types of the arguments but the first `skipped`."""
        dtype = next(a.dtype for a in given if isinstance(a, types.Array) and isinstance(a.dtype, types.Float))
        wanted, _ = normalize_signature(self.signature(dtype))
        return f"{self.symbol}_{dtype}", list(wanted[skipped:])

    def _caller(self) -> Any:
        """What jitted code calls with a tuple: casts the arguments and emits a call of the name."""
        @intrinsic
        def call(typingctx, arguments):
            name, wanted = self._typed(arguments, 0)

            def codegen(context, builder, signature, values):
                values = cast(context, builder, values[0], arguments, wanted)
                builder.call(named(builder.module, name, [v.type for v in values]), values)
                return context.get_dummy_value()

            return types.void(arguments), codegen
        return call

    def _launcher(self) -> Any:
        """What jitted code calls with a count and a tuple: puts the arguments into a record and starts the threads."""
        @intrinsic
        def launch(typingctx, count, arguments):
            name, wanted = self._typed(arguments, 1)

            def codegen(context, builder, signature, values):
                number = context.cast(builder, values[0], signature.args[0], types.int64)
                values = cast(context, builder, values[1], arguments, wanted)
                record = ir.LiteralStructType([v.type for v in values])
                slot = cgutils.alloca_once(builder, record)
                for place, value in enumerate(values):
                    builder.store(value, cgutils.gep_inbounds(builder, slot, 0, place))
                run_on_threads(builder, write_each(builder.module, name, record), number, slot)
                return context.get_dummy_value()

            return types.void(count, arguments), codegen
        return launch


BYTES, NUMBER = ir.IntType(8).as_pointer(), ir.IntType(64)
EACH = ir.FunctionType(ir.VoidType(), [BYTES.as_pointer(), NUMBER.as_pointer(), NUMBER.as_pointer(), BYTES])


def named(module: ir.Module, name: str, arguments: list, result: ir.Type | None = None) -> ir.Function:
    """A function that stands elsewhere, by its name."""
    return cgutils.get_or_insert_function(module, ir.FunctionType(result or ir.VoidType(), arguments), name)


def cast(context, builder, packed, given, wanted: list) -> list:
    """The members of a tuple, as the types that are wanted."""
    members = cgutils.unpack_tuple(builder, packed)
    return [context.cast(builder, v, have, want) for v, have, want in zip(members, given, wanted, strict=True)]


def write_each(module: ir.Module, name: str, record: ir.LiteralStructType) -> ir.Function:
    """The function of a module that a thread runs:  for number in first … first + count − 1: the task of that name (number, *record).

    It has the form of a generalised ufunc's loop: args[0] is where a thread begins, which is here the first number itself, dimensions[0]
    how many it takes, steps[0] is 1, and data the record.
    """
    each = ir.Function(module, EACH, module.get_unique_name(f"{name}_each"))
    each.linkage = "internal"
    builder = ir.IRBuilder(each.append_basic_block("entry"))
    args, dimensions, _, data = each.args
    first, count = builder.ptrtoint(builder.load(args), NUMBER), builder.load(dimensions)
    place = builder.bitcast(data, record.as_pointer())
    values = [builder.load(cgutils.gep_inbounds(builder, place, 0, i)) for i in range(len(record.elements))]
    task_ = named(module, name, [NUMBER, *(v.type for v in values)])
    with cgutils.for_range(builder, count, intp=NUMBER) as loop:
        builder.call(task_, [builder.add(first, loop.index), *values])
    builder.ret_void()
    return each


def run_on_threads(builder: ir.IRBuilder, each: ir.Function, count: Any, record: Any) -> None:
    """Emits: each for count numbers, on the threads of Numba's pool; by the caller alone if there is but one thread, or one number."""
    args, size, step = (cgutils.alloca_once(builder, type_) for type_ in (BYTES, NUMBER, NUMBER))
    builder.store(ir.Constant(BYTES, None), args)
    builder.store(count, size)
    builder.store(NUMBER(1), step)
    data = builder.bitcast(record, BYTES)
    threads = builder.call(named(builder.module, "get_num_threads", [], NUMBER), [])
    alone = builder.or_(builder.icmp_signed("<", count, NUMBER(2)), builder.icmp_signed("<", threads, NUMBER(2)))
    with builder.if_else(alone) as (here, there):
        with here:
            builder.call(each, [args, size, step, data])
        with there:
            # parallel_for(loop, args, dimensions, steps, data, inner dimensions, arrays, threads)
            pool = named(builder.module, "numba_parallel_for", [BYTES] * 5 + [NUMBER] * 3)
            pointers = [builder.bitcast(v, BYTES) for v in (each, args, size, step)]
            builder.call(pool, [*pointers, data, NUMBER(0), NUMBER(1), threads])


def task(arguments: str):
    """Decorator: a Task, which returns nothing.  arguments: their types as Numba writes them, T for the floating-point type."""
    return lambda function: Task(function, arguments)
