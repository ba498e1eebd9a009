"""Stencils: the innermost loops of convolutions whose output planes share nothing, as vector instructions.

In a depthwise convolution every output channel has a plane of x to itself. That is no matrix product, and a tile of one (simd.py) would
have a single row. What can be shared is what the windows have in common. A strip of y is one register of columns wide and up to HEIGHT
rows tall; every row of x that it sees is loaded once for each column of the window, and serves all the outputs that see it:

         x    0 ┌────────┐                                        a window of 3 rows, a strip of 8, column s of the window:
              1 ├────────┤
              2 ├────────┤ ── · w[2, s]  added to y0              24 multiplications with 10 loads of x and 3 of w;
              3 ├────────┤    · w[1, s]  added to y1              one output after the other would load x 24 times,
              … │   …    │    · w[0, s]  added to y2              and a CPU multiplies twice as fast as it loads
                └────────┘
                16 columns

Where an input plane is seen by several output channels, as in groups of channels, two of them are computed at once: a loaded row serves
both, and 16 sums, instead of 8, do not wait for one another.

The rows of a window that are taken together are a band. There are bands of the heights in BANDS, for steps of 1 and 2 rows of x from one
row of y to the next; a window of 9 rows is three bands of 3, and one that divides into no band, like one of 11, goes row by row, as 11
bands of height 1.

One function is compiled for each band, step, number of channels and type, when it is first asked for (`address`), and compiled loops call
it by its address (`call`): what no network needs costs nobody any time. It gets addresses (`at`) and checks nothing: what its tables and
pitches lead to must lie within the arrays. It writes no number beyond its columns, but reads up to a register beyond those of x.
"""
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from .jit import compiled_callback, intrinsic
from .simd import BYTES, INT, ROWS, Writer

HEIGHTS = {1: 8, 2: ROWS}        # channels at once -> rows of a strip: so many sums that do not wait for one another, in registers
BANDS = {1: (7, 5, 4, 3, 2), 2: (7, 5, 3)}                     # step -> heights, beside 1


def choose_band(rows: int, step: int) -> int:
    """The height of the bands that a window of so many rows is cut into."""
    return next((band for band in BANDS.get(step, ()) if rows and rows % band == 0), 1)


@lru_cache(maxsize=None)
def address(function, signature: str, band: int, step: int, many: int, dtype: np.dtype) -> int:
    """Where the machine code of a function stands, for a band, step, number taken together and type; compiled, or loaded from the cache."""
    text = f"void(literal({band}), literal({step}), literal({many}), {signature})".replace("T", str(dtype))
    compiled = compiled_callback(function, text)
    KEPT.append(compiled)
    return compiled.address


KEPT: list[Any] = []             # what has an address in use must not be collected


@intrinsic
def call(typingctx, function, arguments):
    """Calls a function by its address, with the arguments after band, step and many as a tuple."""
    def codegen(context, builder, signature, values):
        given = [context.cast(builder, value, kind, types.int64) if isinstance(kind, types.Integer) else value
                 for value, kind in zip(cgutils.unpack_tuple(builder, values[1]), arguments)]
        given = [INT(0), INT(0), INT(0), *given]               # these three are in the code
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in given])
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), given)
        return context.get_dummy_value()
    return types.void(types.int64, arguments), codegen


@intrinsic
def at(typingctx, array, place):
    """The address of an element of a flat array.  A slice would have its readers counted, up and down: 40 cycles."""
    def codegen(context, builder, signature, values):
        data = context.make_array(array)(context, builder, values[0]).data
        return builder.gep(data, [values[1]], source_etype=context.get_value_type(array.dtype))
    return types.CPointer(array.dtype)(array, types.int64), codegen


@intrinsic
def lanes_of(typingctx, pointer):
    """Numbers in a register, of the type that is pointed to."""
    return types.int64(pointer), lambda context, builder, signature, values: INT(BYTES * 8 // pointer.dtype.bitwidth)


class Sums:
    """Registers that loops add to."""

    def __init__(self, writer: Writer, count: int, first: Any):
        self.writer, self.registers = writer, [cgutils.alloca_once(writer.builder, writer.vector) for _ in range(count)]
        for register in self.registers:
            writer.builder.store(first, register)

    def add(self, i: int, a: Any, b: Any) -> None:
        """Number i += a · b."""
        self.writer.builder.store(self.writer.fma(a, b, self[i]), self.registers[i])

    def __getitem__(self, i: int) -> Any:
        return self.writer.builder.load(self.registers[i], typ=self.writer.vector)


def further(writer: Writer, pointer: Any, *steps: Any) -> Any:
    """The address so many numbers further on."""
    for step in steps:
        pointer = writer.at(pointer, step)
    return pointer


def entry(writer: Writer, table: Any, index: Any) -> Any:
    """A number of a table of int64."""
    return writer.builder.load(writer.builder.gep(table, [index], source_etype=INT), typ=INT)


def write_weights(writer: Writer, band: int, cell: Any, pitch: Any) -> list:
    """Each weight of a column of a band in a register of its own, spread."""
    weights = []
    for _ in range(band):
        weights.append(writer.spread(writer.builder.load(cell, typ=writer.real)))
        cell = writer.at(cell, pitch)
    return weights


def write_band(writer: Writer, band: int, step: int, rows: int, row: Any, pitch: Any, mask: Any = None) -> Iterator[tuple[int, int, Any]]:
    """Loads each row that `rows` outputs see through a band once: (i, r, register) for every output i, which sees it as row r."""
    for u in range((rows - 1) * step + band):
        outputs = [(i, u - i * step) for i in range(rows) if 0 <= u - i * step < band]
        if outputs:
            seen = writer.load(row, mask)
            for i, r in outputs:
                yield i, r, seen
        row = writer.at(row, pitch)


@intrinsic
def height_of(typingctx, many):
    """Rows of a strip, in machine code."""
    if isinstance(many, types.IntegerLiteral):                 # else Numba asks again, with the numbers that the signature names
        return types.int64(many), lambda context, builder, signature, values: INT(HEIGHTS[many.literal_value])


@intrinsic
def strip(typingctx, band, step, many, height, taps, weight, weight_place, weight_next, weight_at, weight_pitch,
           image, image_place, image_at, image_pitch, out, out_place, out_next, out_pitch, columns, bias, bias_place, bias_next):
    """A strip of `stencil`, of `height` rows."""
    if not isinstance(band, types.IntegerLiteral):
        return None

    def codegen(context, builder, signature, values):
        (_, _, _, height, taps, weight, weight_place, weight_next, weight_at, weight_pitch, image, image_place, image_at,
         image_pitch, out, out_place, out_next, out_pitch, columns, bias, bias_place, bias_next) = values
        channels, writer = range(many.literal_value), Writer(builder, context.get_value_type(signature.args[5].dtype))
        end = builder.append_basic_block("end")
        heights = builder.switch(height, end)
        for rows in range(1, HEIGHTS[many.literal_value] + 1):
            block = builder.append_basic_block(f"height{rows}")
            heights.add_case(INT(rows), block)
            builder.position_at_end(block)
            place, sums = writer.at(bias, bias_place), []
            for _ in channels:
                sums.append(Sums(writer, rows, writer.spread(builder.load(place, typ=writer.real))))
                place = writer.at(place, bias_next)
            with cgutils.for_range(builder, taps) as loop:
                first, weights = further(writer, weight, weight_place, entry(writer, weight_at, loop.index)), []
                for _ in channels:
                    weights.append(write_weights(writer, band.literal_value, first, weight_pitch))
                    first = writer.at(first, weight_next)
                row = further(writer, image, image_place, entry(writer, image_at, loop.index))
                for i, r, seen in write_band(writer, band.literal_value, step.literal_value, rows, row, image_pitch):
                    for c in channels:
                        sums[c].add(i, weights[c][r], seen)
            used = writer.mask(columns, 0)
            with builder.if_else(builder.icmp_signed(">=", columns, INT(writer.lanes)), likely=True) as (whole, part):
                for branch, mask in ((whole, None), (part, used)):
                    with branch:
                        first = writer.at(out, out_place)
                        for c in channels:
                            place = first
                            for i in range(rows):
                                writer.store(sums[c][i], place, mask)
                                place = writer.at(place, out_pitch)
                            first = writer.at(first, out_next)
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(band, step, many, height, taps, weight, weight_place, weight_next, weight_at, weight_pitch,
                      image, image_place, image_at, image_pitch, out, out_place, out_next, out_pitch, columns,
                      bias, bias_place, bias_next), codegen


def stencil(band, step, many, planes, taps, weight, weight_apart, weight_next, weight_at, weight_pitch, image, image_apart, image_at,
            image_pitch, out, out_apart, out_next, out_pitch, rows, columns, bias, bias_apart, bias_next):
    """out[i, j] = bias + Σ_t Σ_r  weight[weight_at[t] + r·weight_pitch] · image[image_at[t] + (i·step + r)·image_pitch + j]

    for i < rows, j < columns, t < taps and r < band; for `many` output channels, weight_next, out_next and bias_next numbers apart; and so
    for several planes, which stand weight_apart, image_apart … numbers apart.
    """
    most = height_of(many)
    for plane in range(planes):
        i = 0
        while i < rows:                                        # strips of `most` rows, the last two of about equal height
            left = rows - i
            height = left if left <= most else most if left >= 2 * most else (left + 1) >> 1
            for j in range(0, columns, lanes_of(out)):
                strip(band, step, many, height, taps, weight, plane * weight_apart, weight_next, weight_at, weight_pitch,
                      image, plane * image_apart + i * step * image_pitch + j, image_at, image_pitch,
                      out, plane * out_apart + i * out_pitch + j, out_next, out_pitch, columns - j, bias, plane * bias_apart, bias_next)
            i += height


STENCIL = ("int64, int64, CPointer(T), int64, int64, CPointer(int64), int64, CPointer(T), int64, CPointer(int64), int64, "
           "CPointer(T), int64, int64, int64, int64, int64, CPointer(T), int64, int64")


def stencil_address(band: int, step: int, many: int, dtype) -> int:
    """The address of `stencil`, for `call`."""
    return address(stencil, STENCIL, band, step, many, np.dtype(dtype))
