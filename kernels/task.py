"""Tasks: compiled functions that run many times at once, on many threads, and that compiled functions call by name, like BLAS.

    @task("int64, T[:,::1], T[::1]")                  the types as Numba writes them, T for the floating-point type
    def rows(number, x, out): …

    rows.run(count, x, out)                           rows(number, x, out) for number = 0 … count − 1, on as many threads as there are

Why not prange: Numba makes of it four modules, one inside the other, and copies whatever the loop calls into each of them, to be
optimised and translated again every time; that costs five times the compilation of the loop. A task is compiled once for each
floating-point type, and what runs it is a few instructions that hand its address to Numba's threads.

A task can call another one, by a name under which its address is registered, and is then small itself:

    call_rows = rows.call

    @task("int64, T[:,:,::1], T[:,::1]")
    def planes(n, x, out):
        for i in range(len(x[n])):
            call_rows((i, x[n], out[n]))              the arguments as one tuple

    rows.ready(x.dtype)                               before the first run: registers the name, compiles if need be
    planes.run(len(x), x, out)
"""
import re
from types import FunctionType
from typing import Any
from zlib import crc32

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.sigutils import normalize_signature
from numba.np.ufunc.parallel import _launch_threads

from . import threads
from .jit import compiled_callback, intrinsic, jit

INT, I32, BYTES = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()


class Task:
    def __init__(self, function, arguments: str):
        self.function, self.arguments = function, arguments
        self.symbol = f"minicnn_{function.__module__.rpartition('kernels.')[2].replace('.', '_')}_{function.__name__}"
        self.typed = place_of_type(arguments)
        self.compiled: dict = {}
        self.call = caller(self.symbol, arguments)
        self.launch = jit(launcher(self.symbol, arguments))

    def ready(self, dtype) -> None:
        """Compile for the floating-point type, or load what was compiled before, and make it known by name."""
        if dtype not in self.compiled:
            threads.start(_launch_threads)                  # which registers what launches a task
            self.compiled[dtype] = compiled_callback(self.function, signature(self.arguments, dtype))
            llvmlite.binding.add_symbol(f"{self.symbol}_{dtype}", self.compiled[dtype].address)

    def run(self, count: int, *arguments) -> None:
        """The task for number = 0 … count − 1, its first argument, on as many threads as kernels may use (see threads.claim)."""
        self.ready(arguments[self.typed - 1].dtype)
        several = threads.claim(count)
        try:
            self.launch(several, count, *arguments)
        finally:
            threads.release(several)


def signature(arguments: str, dtype) -> str:
    return "void(" + re.sub(r"\bT\b", str(dtype), arguments) + ")"


def place_of_type(arguments: str) -> int:
    """Which argument is the first array of T, and tells what T is."""
    depth = place = 0
    for at, letter in enumerate(arguments):
        if arguments.startswith("T[", at):
            return place
        depth += (letter in "([") - (letter in ")]")
        place += letter == "," and depth == 0
    raise ValueError(f"task: expected an array of T among the arguments, got {arguments!r}")


def declared(module, symbol: str, values) -> Any:
    """The task in an LLVM module, by its name."""
    return cgutils.get_or_insert_function(module, ir.FunctionType(ir.VoidType(), [v.type for v in values]), symbol)


def cast(context, builder, values, given, wanted) -> list:
    return [context.cast(builder, v, have, want) for v, have, want in zip(values, given, wanted, strict=True)]


def caller(symbol: str, expected: str) -> Any:
    """What jitted code calls with the arguments as one tuple: casts them and emits a call of the name."""
    def call(typingctx, arguments):
        dtype = arguments[place_of_type(expected)].dtype
        wanted, _ = normalize_signature(signature(expected, dtype))

        def codegen(context, builder, signature, values):
            values = cast(context, builder, cgutils.unpack_tuple(builder, values[0]), arguments, wanted)
            builder.call(declared(builder.module, f"{symbol}_{dtype}", values), values)
            return context.get_dummy_value()

        return types.void(arguments), codegen
    call.__name__ = f"call_{symbol}"
    return intrinsic(call)


def launcher(symbol: str, expected: str) -> Any:
    """launch(threads, count, *arguments): packs the arguments, and hands Numba's threads, or this thread alone, a function that unpacks
    them and calls the task.

    Numba's entry for a loop on many threads is  numba_parallel_for(function, arrays, sizes, steps, data, …): each thread calls
    function(arrays, sizes, steps, data) for its part of the numbers, with arrays[0] moved to the beginning of the part and its length in
    sizes[0]. An array that starts at address 0, in steps of 1, makes of the address the number itself; data leads to the arguments.
    """
    def emit(typingctx, several, count, arguments):
        dtype = arguments[place_of_type(expected) - 1].dtype
        wanted, _ = normalize_signature(signature(expected, dtype))
        name = f"{symbol}_{dtype}"

        def codegen(context, builder, signature, values):
            several, count, given = values
            packed = cast(context, builder, cgutils.unpack_tuple(builder, given), arguments, wanted[1:])
            structure = ir.LiteralStructType([v.type for v in packed])
            data = cgutils.alloca_once_value(builder, cgutils.make_anonymous_struct(builder, packed, structure))
            arrays, sizes, steps = (cgutils.alloca_once_value(builder, v) for v in (ir.Constant(BYTES, None), count, INT(1)))
            part, whole = write_part(builder.module, name, structure), [arrays, sizes, steps, builder.bitcast(data, BYTES)]
            with builder.if_else(builder.icmp_signed(">", several, INT(1))) as (on_many, on_this):
                with on_many:
                    parts = [builder.bitcast(part, BYTES), *whole, INT(0), INT(1), builder.trunc(several, I32)]
                    builder.call(declared(builder.module, "numba_parallel_for", parts), parts)
                with on_this:
                    builder.call(part, whole)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, arguments), codegen
    emit.__name__ = f"launch_{symbol}"

    # What a function encloses is part of its key in Numba's cache, and an intrinsic is not pickled alike in every process: so it is a
    # global name here, and the name of the function, which is that of its cache file, says which arguments it packs.
    def launch(several, count, *arguments):
        hand_over(several, count, arguments)  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
    made = FunctionType(launch.__code__, {"hand_over": intrinsic(emit)}, f"launch_{symbol}")
    made.__module__, made.__qualname__ = __name__, f"launch_{symbol}_{crc32(expected.encode()):08x}"
    return made


def write_part(module: ir.Module, name: str, structure: ir.LiteralStructType) -> ir.Function:
    """The function of a part: the task for each of its numbers, with the arguments that lie in `data`."""
    type_ = ir.FunctionType(ir.VoidType(), [BYTES.as_pointer(), INT.as_pointer(), INT.as_pointer(), BYTES])
    part = ir.Function(module, type_, f"{name}_part")
    part.linkage = "internal"
    arrays, sizes, _, data = part.args
    builder = ir.IRBuilder(part.append_basic_block())
    first = builder.ptrtoint(builder.load(arrays), INT)
    packed = builder.load(builder.bitcast(data, structure.as_pointer()))
    values = [builder.extract_value(packed, i) for i in range(len(structure.elements))]
    with cgutils.for_range(builder, builder.load(sizes)) as loop:
        builder.call(declared(module, name, [INT(0), *values]), [builder.add(first, loop.index), *values])
    builder.ret_void()
    return part


def task(arguments: str):
    """Decorator: a Task, which returns nothing.  arguments: their types as Numba writes them, T for the floating-point type."""
    return lambda function: Task(function, arguments)
