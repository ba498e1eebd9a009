"""Dot products, as vector instructions: the tile for operands that both run along the sum, and that are too large to be transposed.

The tile of kernels/simd.py spreads a number over a register and multiplies it with a row. Where instead the sum runs along the rows of both
operands, as in  y[n, k] = Σ_c x[n, c] · w[k, c],  a register holds some terms of one sum, and its lanes are added up at the end:

                      w0      w1      w2             for each register of the rows:  load w0, w1, w2          3 loads
                    ┌───────┬───────┬───────┐                                        load x0 … x7             8 loads
         x0   ────► │ sum00 │ sum01 │ sum02 │                                        sum += x · w            24 FMAs
         …          │   …   │   …   │   …   │
         x7   ────► │ sum70 │ sum71 │ sum72 │        24 sums in 24 of the 32 registers, 16 terms of each at a time
                    └───────┴───────┴───────┘

Every row of w is read once, from its beginning to its end, three at a time: as fast as memory gives it.
"""
from llvmlite import ir
from numba import types

from .jit import intrinsic
from .simd import begin, BIT, INT, lanes, POINTER, ROWS, VECTORS, Writer

ARGUMENTS = [INT, POINTER, INT, INT, POINTER, INT, INT, POINTER, INT, BIT]


def write_dots(module: ir.Module, real: ir.Type) -> ir.Function:
    """The function dots(length, a, pitch_a, rows_a, b, pitch_b, rows_b, c, pitch_c, add) of a module: see `dots`."""
    name = f"minicnn_dots_{ROWS}x{VECTORS}_{lanes(real)}x{real}"
    if name in module.globals:
        return module.globals[name]
    function = begin(module, name, ARGUMENTS, "noinline")
    length, a, pitch_a, rows_a, b, pitch_b, rows_b, c, pitch_c, add = function.args
    entry, loop, tail = (function.append_basic_block(block) for block in ("entry", "loop", "tail"))
    builder = ir.IRBuilder(entry)
    writer = Writer(builder, real)

    def rows(start, pitch, count, most):
        """Where the rows begin; the last one again in the place of those that do not exist."""
        last, starts = builder.sub(count, INT(1)), []
        for i in range(most):
            number = builder.select(builder.icmp_signed("<", INT(i), count), INT(i), last)
            starts.append(writer.at(start, builder.mul(number, pitch)))
        return starts

    rows_of_a, rows_of_b = rows(a, pitch_a, rows_a, ROWS), rows(b, pitch_b, rows_b, VECTORS)

    def step(place, mask, sums):
        loaded = [writer.load(writer.at(row, place), mask) for row in rows_of_b]
        new = []
        for row, line in zip(rows_of_a, sums):
            register = writer.load(writer.at(row, place), mask)
            new.append([writer.fma(register, other, total) for other, total in zip(loaded, line)])
        return new

    whole = builder.and_(length, INT(-writer.lanes))
    builder.cbranch(builder.icmp_signed(">", whole, INT(0)), loop, tail)
    builder.position_at_end(loop)                            # for place in range(0, whole, lanes):
    place = builder.phi(INT)
    sums = [[builder.phi(writer.vector) for _ in rows_of_b] for _ in rows_of_a]
    new = step(place, None, sums)
    after = builder.add(place, INT(writer.lanes))
    builder.cbranch(builder.icmp_signed("<", after, whole), loop, tail)
    place.add_incoming(INT(0), entry)
    place.add_incoming(after, loop)

    builder.position_at_end(tail)                            # the rest, under a mask
    ends = [[builder.phi(writer.vector) for _ in rows_of_b] for _ in rows_of_a]
    for i in range(ROWS):
        for j in range(VECTORS):
            for phi in (sums[i][j], ends[i][j]):
                phi.add_incoming(writer.zero, entry)
                phi.add_incoming(new[i][j], loop)
    ends = step(whole, writer.mask(builder.sub(length, whole), 0), ends)

    total = writer.function(f"llvm.vector.reduce.fadd.v{writer.lanes}{writer.letter}", real, [real, writer.vector])
    zero = ir.Constant(real, 0.0)
    for i in range(ROWS):
        for j in range(VECTORS):
            exists = builder.and_(builder.icmp_signed("<", INT(i), rows_a), builder.icmp_signed("<", INT(j), rows_b))
            with builder.if_then(exists):
                cell = writer.at(c, builder.add(builder.mul(pitch_c, INT(i)), INT(j)))
                start = builder.select(add, builder.load(cell, align=writer.align, typ=real), zero)
                result = builder.call(total, [zero, ends[i][j]], fastmath=("reassoc", "nsz"))
                builder.store(builder.fadd(start, result), cell, align=writer.align)
    builder.ret_void()
    return function


@intrinsic
def dots(typingctx, length, a, pitch_a, rows_a, b, pitch_b, rows_b, c, pitch_c, add):
    """c[i·pitch_c + j] = Σ_l a[i·pitch_a + l] · b[j·pitch_b + l], added to what is there if `add`.

    i < rows_a ≤ ROWS, j < rows_b ≤ VECTORS.  For jitted code.  a, b, c: arrays of one float type; only the addresses of their first
    elements are used, and nothing is checked.
    """
    def codegen(context, builder, signature, values):
        pointers = {place: context.make_array(signature.args[place])(context, builder, values[place]).data for place in (1, 4, 7)}
        function = write_dots(builder.module, context.get_value_type(c.dtype))
        builder.call(function, [builder.bitcast(pointers[place], POINTER) if place in pointers else value
                                for place, value in enumerate(values)])
        return context.get_dummy_value()
    integer = types.int64
    return types.void(integer, a, integer, integer, b, integer, integer, c, integer, types.boolean), codegen
