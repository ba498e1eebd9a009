"""Lines: what the fast CPU kernels do with rows of numbers between the tiles (simd.py): copy, turn (transpose) and mix them.

A compiler vectorises such a loop by itself, but ends it number by number: of a row of 14, all 14. Here the last register of a row is
loaded and stored under a mask, so that a short row costs one step, and nothing beyond its end is touched.

All take flat arrays of one float type and places in them; nothing is checked.
"""
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from .jit import intrinsic, jit
from .simd import begin, INT, lanes, POINTER, Writer


def pointer(context, builder, signature, values, array: int, place: int) -> Any:
    """The address of an element: the arguments number `array` and number `place` of an intrinsic."""
    type_ = signature.args[array]
    data = context.make_array(type_)(context, builder, values[array]).data
    return builder.gep(builder.bitcast(data, POINTER), [values[place]], source_etype=context.get_value_type(type_.dtype))


def write_steps(function: ir.Function, count: Any, writer: Writer, step: Callable[[Any, Any], None]) -> None:
    """Calls step(place, mask) for the registers of a row of `count` numbers: for those that are filled in a loop, for the rest masked."""
    builder, before = writer.builder, writer.builder.block
    loop, tail, rest, end = (function.append_basic_block(name) for name in ("loop", "tail", "rest", "end"))
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
    builder.cbranch(builder.icmp_signed("<", whole, count), rest, end)
    builder.position_at_end(rest)
    step(whole, writer.mask(builder.sub(count, whole), 0))
    builder.branch(end)
    builder.position_at_end(end)


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
def copy(typingctx, target, at, source, place, count, more):
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
    """A function for jitted code, for a matrix A (m, n) of numbers:

        mix(target, at, apart, beside, source, place, down, across, count)  writes  Y = A · D · Aᵀ

    for many small matrices D (n, n) at once, one in each lane. Of number t < count,
    D[i, j] is source[place + i·down + j·across + t],  and Y[i, j] goes to target[at + i·apart + j·beside + t].
    """
    m, n = len(A), len(A[0])
    short = "_".join(f"{value:g}" for row in A for value in row)

    def write(module, real):
        name = f"minicnn_sandwich_{m}x{n}_{short}_{lanes(real)}x{real}"
        if name in module.globals:
            return module.globals[name]
        function = begin(module, name, [POINTER, INT, INT, POINTER, INT, INT, INT], "noinline")
        target, apart, beside, source, down, across, count = function.args
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        writer = Writer(builder, real)

        def places(pointer, rows, columns, size):
            return [writer.at(pointer, builder.add(builder.mul(rows, INT(i)), builder.mul(columns, INT(j))))
                    for i in range(size) for j in range(size)]
        numbers, results = places(source, down, across, n), places(target, apart, beside, m)

        def step(place, mask):
            D = [writer.load(writer.at(number, place), mask) for number in numbers]
            for i in range(m):
                row = [sum_of(writer, A[i], D[column::n]) for column in range(n)]              # row i of A · D
                for j in range(m):
                    writer.store(sum_of(writer, A[j], row), writer.at(results[i * m + j], place), mask)
        write_steps(function, count, writer, step)
        builder.ret_void()
        return function

    def mix(typingctx, target, at, apart, beside, source, place, down, across, count):
        def codegen(context, builder, signature, values):
            builder.call(write(builder.module, context.get_value_type(target.dtype)),
                         [pointer(context, builder, signature, values, 0, 1), values[2], values[3],
                          pointer(context, builder, signature, values, 4, 5), *values[6:]])
            return context.get_dummy_value()
        integer = types.int64
        return types.void(target, integer, integer, integer, source, integer, integer, integer, integer), codegen
    mix.__name__ = f"mix_{m}x{n}_{short}"
    return intrinsic(mix)


def write_turn(module: ir.Module, real: ir.Type) -> ir.Function:
    """The function turn(target, apart, source, pitch, rows, columns) of a module:  target[j·apart + i] = source[i·pitch + j].

    A transposition. Of n rows in n registers, rows 0 and 1, 2 and 3, … exchange their off-diagonal numbers; then, as if each 2×2 block
    were a number, rows 0 and 2, 1 and 3, …; and so on: log n rounds of n shuffles instead of n² numbers moved one by one.

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
def turn(typingctx, target, at, apart, source, place, pitch, rows, columns):
    """target[at + j·apart + i] = source[place + i·pitch + j]  for i < rows and j < columns, both at most LANES of the type."""
    def codegen(context, builder, signature, values):
        function = write_turn(builder.module, context.get_value_type(target.dtype))
        builder.call(function, [pointer(context, builder, signature, values, 0, 1), values[2],
                                pointer(context, builder, signature, values, 3, 4), *values[5:]])
        return context.get_dummy_value()
    integer = types.int64
    return types.void(target, integer, integer, source, integer, integer, integer, integer), codegen


def write_planes(module: ir.Module, real: ir.Type) -> ir.Function:
    """The function planes(target, apart, source, pitch, seen, written, count) of a module."""
    name = f"minicnn_planes_{lanes(real)}x{real}"
    if name in module.globals:
        return module.globals[name]
    function = begin(module, name, [POINTER, INT, POINTER, INT, INT, INT, INT], "noinline")
    target, apart, source, pitch, seen, written, count = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    writer = Writer(builder, real)
    seen, written = (builder.bitcast(builder.trunc(bits, ir.IntType(writer.lanes)), writer.bits) for bits in (seen, written))
    before, loop, end = builder.block, function.append_basic_block("loop"), function.append_basic_block("end")
    builder.cbranch(builder.icmp_signed(">", count, INT(0)), loop, end)
    builder.position_at_end(loop)
    i, row, place = builder.phi(INT), builder.phi(POINTER), builder.phi(POINTER)
    writer.store(writer.load(place, seen), row, written)
    after = builder.add(i, INT(1))
    for phi, first, following in ((i, INT(0), after), (row, target, writer.at(row, apart)), (place, source, writer.at(place, pitch))):
        phi.add_incoming(first, before)
        phi.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", after, count), loop, end)
    builder.position_at_end(end)
    builder.ret_void()
    return function


@intrinsic
def planes(typingctx, target, at, apart, source, place, pitch, seen, written, count):
    """The same register of `count` planes:  target[at + i·apart + lane] = source[place + i·pitch + lane], or 0, for i < count.

    seen, written: bits, one a lane. Only lanes that are written are changed; those that are not seen are not read, and become 0.
    """
    def codegen(context, builder, signature, values):
        function = write_planes(builder.module, context.get_value_type(target.dtype))
        builder.call(function, [pointer(context, builder, signature, values, 0, 1), values[2],
                                pointer(context, builder, signature, values, 3, 4), *values[5:]])
        return context.get_dummy_value()
    integer = types.int64
    return types.void(target, integer, integer, source, integer, integer, integer, integer, integer), codegen


@jit
def workspace(count, like):
    """`count` numbers of the type of `like`, for the time of a task, from the beginning of a cache line: no register straddles two."""
    line = 64 // like.itemsize
    block = np.empty(count + line, like.dtype)
    first = -(block.ctypes.data // like.itemsize) % line
    return block[first:first + count]
