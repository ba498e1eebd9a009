"""Correlations of planes: the gradients of stencils' weights (stencil.py), as vector instructions.

The gradient of a weight is one number: the sum, over all positions, of the upstream gradient times what this weight saw there. A sum is
kept in a register, lane by lane, until all rows are through; a few rows of the upstream gradient wait in registers, and every row of x
is loaded once for a column of the window and multiplied with all those that saw it through some row of it:

                       x           a window of 3 rows, 4 rows of the upstream gradient g:
         ┌──────┐   ┌──────┐
      g0 │      │   │      │ 0     row 2 of x was seen  by g0 through w[2, s]
      g1 │      │   │      │ 1                          by g1 through w[1, s]
      g2 │      │   │      │ 2                          by g2 through w[0, s]
      g3 │      │   │      │ …
         └──────┘   └──────┘       12 multiplications with 6 loads, added to 3 sums; 3 columns of the window at a time

Columns beyond the end of a row are masked out in both: 0 · NaN would be NaN.
"""
from collections.abc import Iterator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from .jit import intrinsic
from .simd import INT, Writer
from .stencil import Sums, address, entry, further, write_band

HEIGHT = 4                       # rows of the upstream gradient in registers
SUMS = 9                         # sums in registers, or those of one band, if they are more


def together(band: int) -> int:
    """Columns of the window, of so many rows, whose sums are kept at the same time."""
    return max(1, SUMS // band)


def rounded(taps: int, many: int) -> int:
    """Taps, of which `many` are taken together: a multiple of that."""
    return -(-taps // many) * many


def write_windows(writer: Writer, image: Any, image_at: Any, tap: Any, taps: Any, many: int) -> list:
    """What taps tap … tap + many − 1 see first; those beyond the last see what it sees."""
    windows, last = [], writer.builder.sub(taps, INT(1))
    for t in range(many):
        index = writer.builder.add(tap, INT(t))
        index = writer.builder.select(writer.builder.icmp_signed("<", index, last), index, last)
        windows.append(writer.at(image, entry(writer, image_at, index)))
    return windows


def write_columns(writer: Writer, columns: Any) -> Iterator[tuple[Any, Any]]:
    """(j, mask) for every register of columns; a mask for the last, if it is not filled."""
    builder = writer.builder
    whole = builder.and_(columns, INT(-writer.lanes))
    with cgutils.for_range_slice(builder, INT(0), whole, INT(writer.lanes), INT) as (j, _):
        yield j, None
    rest = builder.sub(columns, whole)
    with builder.if_then(builder.icmp_signed(">", rest, INT(0))):
        yield whole, writer.mask(rest, 0)


def lane_sums(writer: Writer, registers: list) -> Any:
    """One register with the sum of all lanes of each of the registers, at most as many as there are lanes.

    In each round two registers become one: the halves of a and of b are added, (a0 + a1, b0 + b1), then the quarters, and so on.
    """
    builder, size = writer.builder, writer.lanes
    while size > 1:
        size //= 2
        pairs = [(registers[i], registers[i + 1] if i + 1 < len(registers) else writer.zero) for i in range(0, len(registers), 2)]
        registers = []
        for pair in pairs:
            halves = []
            for odd in (0, 1):
                order = [lane for lane in range(2 * writer.lanes) if lane // size % 2 == odd]
                halves.append(builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(ir.IntType(32), writer.lanes), order)))
            registers.append(builder.fadd(*halves))
    return registers[0]


def add_sums(writer: Writer, registers: list, totals: Any) -> None:
    """totals[i] += the sum of the lanes of register i; totals are float64."""
    builder, double = writer.builder, ir.DoubleType()
    for first in range(0, len(registers), writer.lanes):
        some = registers[first:first + writer.lanes]
        order = ir.Constant(ir.VectorType(ir.IntType(32), len(some)), list(range(len(some))))
        sums, wide = builder.shuffle_vector(lane_sums(writer, some), writer.zero, order), ir.VectorType(double, len(some))
        if writer.real != double:
            sums = builder.fpext(sums, wide)
        place = builder.gep(totals, [INT(first)], source_etype=double)
        builder.store(builder.fadd(builder.load(place, align=8, typ=wide), sums), builder.bitcast(place, wide.as_pointer()), align=8)


@intrinsic
def accumulate(typingctx, band, step, many, tap, planes, taps, totals, gradient, gradient_apart, gradient_pitch,
                image, image_apart, image_at, image_pitch, rows, columns):
    """`correlate` for as many taps from `tap` on as are kept together."""
    if not isinstance(band, types.IntegerLiteral):
        return None                                            # Numba asks again, with the numbers that the signature names

    def codegen(context, builder, signature, values):
        (_, _, _, tap, planes, taps, totals, gradient, gradient_apart, gradient_pitch, image, image_apart, image_at,
         image_pitch, rows, columns) = values
        writer, height = Writer(builder, context.get_value_type(signature.args[7].dtype)), band.literal_value
        windows = write_windows(writer, image, image_at, tap, taps, many.literal_value)
        sums = Sums(writer, len(windows) * height, writer.zero)

        def write_step(count, plane, i, j, mask):
            """Adds the products of `count` rows of the gradient from row i on, in one register of columns from column j on."""
            place, gradients = further(writer, gradient, builder.mul(plane, gradient_apart), builder.mul(i, gradient_pitch), j), []
            for _ in range(count):
                gradients.append(writer.load(place, mask))
                place = writer.at(place, gradient_pitch)
            for t, window in enumerate(windows):
                down = builder.mul(builder.mul(i, INT(step.literal_value)), image_pitch)
                seen = further(writer, window, builder.mul(plane, image_apart), down, j)
                for i_of_strip, r, register in write_band(writer, height, step.literal_value, count, seen, image_pitch, mask):
                    sums.add(t * height + r, gradients[i_of_strip], register)

        rest = builder.srem(rows, INT(HEIGHT))
        most = builder.sub(rows, rest)
        with cgutils.for_range(builder, planes) as plane:
            with cgutils.for_range_slice(builder, INT(0), most, INT(HEIGHT), INT) as (i, _):
                for j, mask in write_columns(writer, columns):
                    write_step(HEIGHT, plane.index, i, j, mask)
            for count in range(1, HEIGHT):
                with builder.if_then(builder.icmp_signed("==", rest, INT(count))):
                    for j, mask in write_columns(writer, columns):
                        write_step(count, plane.index, most, j, mask)
        place = builder.gep(totals, [builder.mul(tap, INT(height))], source_etype=ir.DoubleType())
        add_sums(writer, [sums[i] for i in range(len(sums.registers))], place)
        return context.get_dummy_value()

    return types.void(band, step, many, tap, planes, taps, totals, gradient, gradient_apart, gradient_pitch, image, image_apart, image_at,
                      image_pitch, rows, columns), codegen


def correlate(band, step, many, planes, taps, totals, gradient, gradient_apart, gradient_pitch, image, image_apart, image_at, image_pitch,
              rows, columns):
    """totals[t, r] += Σ_i Σ_j  gradient[i·gradient_pitch + j] · image[image_at[t] + (i·step + r)·image_pitch + j]

    for t < taps and r < band; over i < rows, j < columns and several planes, gradient_apart and image_apart numbers apart.
    `many` columns of the window are taken together.  totals: float64, of `rounded` taps, those beyond arbitrary; what one call adds is
    summed in the type of the arrays.
    """
    for tap in range(0, taps, many):
        accumulate(band, step, many, tap, planes, taps, totals, gradient, gradient_apart, gradient_pitch, image, image_apart, image_at,
                   image_pitch, rows, columns)


CORRELATE = "int64, int64, CPointer(float64), CPointer(T), int64, int64, CPointer(T), int64, CPointer(int64), int64, int64, int64"


def correlate_address(band: int, step: int, dtype) -> int:
    """The address of `correlate`, for stencil.call."""
    return address(correlate, CORRELATE, band, step, together(band), np.dtype(dtype))


# Groups of several channels.  A tile of channels of the gradient by taps of the window: a matrix product whose sums are registers.

CHANNELS, TAPS = 8, 3            # 24 sums, as in the tile of simd.py: 11 loads for 24 multiplications


@intrinsic
def accumulate_tile(typingctx, height, channel, tap, planes, channels, taps, totals, gradient, gradient_apart, gradient_step,
                     gradient_pitch, image, image_apart, image_at, image_pitch, rows, columns):
    """`correlate_channels` for `height` channels of the gradient and TAPS taps."""
    def codegen(context, builder, signature, values):
        (height, channel, tap, planes, channels, taps, totals, gradient, gradient_apart, gradient_step, gradient_pitch,
         image, image_apart, image_at, image_pitch, rows, columns) = values
        writer, end = Writer(builder, context.get_value_type(signature.args[7].dtype)), builder.append_basic_block("end")
        windows = write_windows(writer, image, image_at, tap, taps, TAPS)
        first = writer.at(gradient, builder.mul(channel, gradient_step))
        heights = builder.switch(height, end)
        for count in range(1, CHANNELS + 1):
            block = builder.append_basic_block(f"height{count}")
            heights.add_case(INT(count), block)
            builder.position_at_end(block)
            sums = Sums(writer, TAPS * count, writer.zero)
            with cgutils.for_range(builder, planes) as plane, cgutils.for_range(builder, rows) as row:
                cells = further(writer, first, builder.mul(plane.index, gradient_apart), builder.mul(row.index, gradient_pitch))
                seen = builder.add(builder.mul(plane.index, image_apart), builder.mul(row.index, image_pitch))
                for j, mask in write_columns(writer, columns):
                    registers = [writer.load(further(writer, window, seen, j), mask) for window in windows]
                    cell = writer.at(cells, j)
                    for k in range(count):
                        number = writer.load(cell, mask)
                        for t, register in enumerate(registers):
                            sums.add(t * count + k, number, register)
                        cell = writer.at(cell, gradient_step)
            for t in range(TAPS):
                to = builder.add(builder.mul(builder.add(tap, INT(t)), channels), channel)
                add_sums(writer, [sums[t * count + k] for k in range(count)], builder.gep(totals, [to], source_etype=ir.DoubleType()))
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(height, channel, tap, planes, channels, taps, totals, gradient, gradient_apart, gradient_step, gradient_pitch,
                      image, image_apart, image_at, image_pitch, rows, columns), codegen


def correlate_channels(band, step, many, planes, channels, taps, totals, gradient, gradient_apart, gradient_step, gradient_pitch,
                       image, image_apart, image_at, image_pitch, rows, columns):
    """totals[t, k] += Σ_i Σ_j  gradient[k·gradient_step + i·gradient_pitch + j] · image[image_at[t] + i·image_pitch + j]

    for t < taps and k < channels; otherwise as `correlate`.  band, step: 1; many: TAPS.
    """
    k = 0
    while k < channels:                                        # tiles of CHANNELS, the last two of about equal height
        left = channels - k
        height = left if left <= CHANNELS else CHANNELS if left >= 2 * CHANNELS else (left + 1) >> 1
        for tap in range(0, taps, many):
            accumulate_tile(height, k, tap, planes, channels, taps, totals, gradient, gradient_apart, gradient_step, gradient_pitch,
                            image, image_apart, image_at, image_pitch, rows, columns)
        k += height


CORRELATE_CHANNELS = ("int64, int64, int64, CPointer(float64), CPointer(T), int64, int64, int64, "
                      "CPointer(T), int64, CPointer(int64), int64, int64, int64")


def correlate_channels_address(dtype) -> int:
    """The address of `correlate_channels`, for stencil.call."""
    return address(correlate_channels, CORRELATE_CHANNELS, 1, 1, TAPS, np.dtype(dtype))
