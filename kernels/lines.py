"""Lines: what the fast CPU kernels do with rows of numbers between the tiles (simd.py): copy them, turn them, mix them.

A compiler vectorises such a loop by itself, but ends it number by number: of a row of 14, all 14. Here the last register of a row is
loaded and stored under a mask, so that a short row costs one step, and nothing beyond its end is touched.

All take flat arrays of one float type and places in them; nothing is checked.
"""
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .jit import jit
from .simd import begin, INT, lanes, POINTER, Writer


def pointer(context, builder, signature, values, array: int, place: int) -> Any:
    """The address of an element: the arguments number `array` and number `place` of an intrinsic."""
    type_ = signature.args[array]
    data = context.make_array(type_)(context, builder, values[array]).data
    return builder.gep(builder.bitcast(data, POINTER), [values[place]], source_etype=context.get_value_type(type_.dtype))


def write_steps(function: ir.Function, count: Any, writer: Writer, step: Callable[[Any, Any], None]) -> None:
    """Calls step(place, mask) for the registers of a row of `count` numbers: for those that are filled in a loop, for the rest masked."""
    builder, before = writer.builder, writer.builder.block
    loop, tail = function.append_basic_block("loop"), function.append_basic_block("tail")
    whole = builder.and_(count, INT(-writer.lanes))
    builder.cbranch(builder.icmp_signed(">", whole, INT(0)), loop, tail)
    builder.position_at_end(loop)
    place = builder.phi(INT)
    step(place, None)
    after = builder.add(place, INT(writer.lanes))
    place.add_incoming(INT(0), before)
    place.add_incoming(after, loop)
    builder.cbranch(builder.icmp_signed("<", after, whole), loop, tail)
    builder.position_at_end(tail)
    step(whole, writer.mask(builder.sub(count, whole), 0))


def write_copy(module: ir.Module, real: ir.Type) -> ir.Function:
    """The function copy(target, source, count, more) of a module."""
    name = f"minicnn_copy_{lanes(real)}x{real}"
    if name in module.globals:
        return module.globals[name]
    function = begin(module, name, [POINTER, POINTER, INT, real], "alwaysinline")
    target, source, count, more = function.args
    writer = Writer(ir.IRBuilder(function.append_basic_block("entry")), real)
    extra = writer.spread(more)

    def step(place, mask):
        number = writer.load(writer.at(source, place), mask)
        writer.store(writer.builder.fadd(number, extra), writer.at(target, place), mask)
    write_steps(function, count, writer, step)
    writer.builder.ret_void()
    return function


@intrinsic
def _copy(typingctx, target, at, source, place, count, more):
    """target[at + i] = source[place + i] + more  for i < count."""
    def codegen(context, builder, signature, values):
        function = write_copy(builder.module, context.get_value_type(target.dtype))
        builder.call(function, [pointer(context, builder, signature, values, 0, 1), pointer(context, builder, signature, values, 2, 3),
                                *values[4:]])
        return context.get_dummy_value()
    integer = types.int64
    return types.void(target, integer, source, integer, integer, target.dtype), codegen


def sum_of(writer: Writer, factors: tuple, registers: list) -> Any:
    """Σ factor · register; a factor 0 costs nothing, ±1 an addition."""
    total = None
    for factor, register in zip(factors, registers):
        if factor and total is None:
            total = register if factor == 1 else writer.builder.fmul(writer.constant(factor), register)
        elif factor in (1, -1):
            total = (writer.builder.fadd if factor == 1 else writer.builder.fsub)(total, register)
        elif factor:
            total = writer.fma(writer.constant(factor), register, total)
    return total


def sandwich(A: tuple) -> Any:
    """A function for jitted code, for a matrix A (m, n) of numbers:  mix(target, at, apart, source, place, places, count)  writes

        Y = A · D · Aᵀ    for many small matrices D (n, n) at once, one in each lane:

    D[i, j] of number t is source[place + places[i·n + j] + t], and Y[i, k] goes to target[at + (i·m + k)·apart + t], for t < count.
    """
    m, n = len(A), len(A[0])
    short = "_".join(f"{value:g}" for row in A for value in row)

    def write(module, real):
        name = f"minicnn_sandwich_{m}x{n}_{short}_{lanes(real)}x{real}"
        if name in module.globals:
            return module.globals[name]
        function = begin(module, name, [POINTER, INT, POINTER, POINTER, INT], "noinline")
        target, apart, source, places, count = function.args
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        writer = Writer(builder, real)
        rows = [writer.at(source, builder.load(builder.gep(places, [INT(i)], source_etype=INT), typ=INT)) for i in range(n * n)]
        results = [writer.at(target, builder.mul(apart, INT(i))) for i in range(m * m)]

        def step(place, mask):
            D = [writer.load(writer.at(row, place), mask) for row in rows]
            for i in range(m):
                row = [sum_of(writer, A[i], D[column::n]) for column in range(n)]              # row i of A · D
                for k in range(m):
                    writer.store(sum_of(writer, A[k], row), writer.at(results[i * m + k], place), mask)
        write_steps(function, count, writer, step)
        builder.ret_void()
        return function

    @intrinsic
    def mix(typingctx, target, at, apart, source, place, places, count):
        def codegen(context, builder, signature, values):
            table = context.make_array(places)(context, builder, values[5]).data
            builder.call(write(builder.module, context.get_value_type(target.dtype)),
                         [pointer(context, builder, signature, values, 0, 1), values[2],
                          pointer(context, builder, signature, values, 3, 4), builder.bitcast(table, POINTER), values[6]])
            return context.get_dummy_value()
        integer = types.int64
        return types.void(target, integer, integer, source, integer, places, integer), codegen
    return mix


def write_turn(module: ir.Module, real: ir.Type) -> ir.Function:
    """The function turn(target, apart, source, pitch, rows, columns) of a module:  target[j·apart + i] = source[i·pitch + j].

    Of n rows in n registers, every second pair of neighbours changes its off-diagonal numbers, then every second pair of pairs, and so
    on: log n rounds of n shuffles instead of n² numbers moved one by one.

        a0 a1 a2 a3         a0 b0 a2 b2         a0 b0 c0 d0
        b0 b1 b2 b3    1    a1 b1 a3 b3    2    a1 b1 c1 d1
        c0 c1 c2 c3   ──►   c0 d0 c2 d2   ──►   a2 b2 c2 d2
        d0 d1 d2 d3         c1 d1 c3 d3         a3 b3 c3 d3
    """
    n = lanes(real)
    name = f"minicnn_turn_{n}x{real}"
    if name in module.globals:
        return module.globals[name]
    function = begin(module, name, [POINTER, INT, POINTER, INT, INT, INT], "noinline")
    target, apart, source, pitch, rows, columns = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    writer = Writer(builder, real)
    across, down = writer.mask(columns, 0), writer.mask(rows, 0)
    nothing = ir.Constant(writer.bits, [0] * n)
    registers = []
    for i in range(n):                                       # a row that does not exist is read under an empty mask: zeros
        exists = builder.icmp_signed("<", INT(i), rows)
        registers.append(writer.load(writer.at(source, builder.mul(pitch, INT(i))), builder.select(exists, across, nothing)))
    step = 1
    while step < n:
        for i in range(n):
            if not i & step:
                a, b = registers[i], registers[i + step]
                first = [lane if not lane & step else n + lane - step for lane in range(n)]
                second = [lane + step if not lane & step else n + lane for lane in range(n)]
                registers[i], registers[i + step] = (
                    builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), n), order)) for order in (first, second))
        step *= 2
    for j in range(n):
        exists = builder.icmp_signed("<", INT(j), columns)
        writer.store(registers[j], writer.at(target, builder.mul(apart, INT(j))), builder.select(exists, down, nothing))
    builder.ret_void()
    return function


@intrinsic
def _turn(typingctx, target, at, apart, source, place, pitch, rows, columns):
    """target[at + j·apart + i] = source[place + i·pitch + j]  for i < rows and j < columns, both at most LANES of the type."""
    def codegen(context, builder, signature, values):
        function = write_turn(builder.module, context.get_value_type(target.dtype))
        builder.call(function, [pointer(context, builder, signature, values, 0, 1), values[2],
                                pointer(context, builder, signature, values, 3, 4), *values[5:]])
        return context.get_dummy_value()
    integer = types.int64
    return types.void(target, integer, integer, source, integer, integer, integer, integer), codegen


# Intrinsics: type checkers would miss their first argument.
copy: Any = _copy
turn: Any = _turn


@jit
def workspace(count, like):
    """`count` numbers of the type of `like`, for the time of a task, from the beginning of a cache line: no register straddles two."""
    line = 64 // like.itemsize
    block = np.empty(count + line, like.dtype)
    first = -(block.ctypes.data // like.itemsize) % line
    return block[first:first + count]
