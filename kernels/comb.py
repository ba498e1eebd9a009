"""Every second number of a row, as vector instructions: what convolutions with a stride of 2 read, and their gradients write.

    take          a b c d e f g h  ──►  a c e g                  two registers in, one out
    interleave    a c e g,  b d f h  ──►  a b c d e f g h
    take_every    take, for any stride

As in lines.py: flat arrays of one float type and places in them; the last registers are masked; nothing is checked.
"""
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from .jit import intrinsic, jit
from .lines import copy, pointer
from .simd import INT, Writer


def select(writer: Writer, pair: list, order: list) -> Any:
    """A register of the lanes, numbered through a pair of registers."""
    first, second = pair
    return writer.builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(ir.IntType(32), writer.lanes), order))


def write_pairs(writer: Writer, count: Any, step) -> None:
    """step(place, left) for each pair of registers of a row of `count` numbers; left: None, or, for the last, the numbers that it has."""
    builder, pair = writer.builder, INT(2 * writer.lanes)
    count = builder.select(builder.icmp_signed(">", count, INT(0)), count, INT(0))
    whole = builder.and_(count, INT(-2 * writer.lanes))
    with cgutils.for_range_slice(builder, INT(0), whole, pair, INT) as (place, _):
        step(place, None)
    left = builder.sub(count, whole)
    with builder.if_then(builder.icmp_signed(">", left, INT(0))):
        step(whole, left)


@intrinsic
def take(typingctx, target, at, source, place, count):
    """target[at + i] = source[place + 2i] for i < count.  source[place + 2·count − 1] is not read."""
    def codegen(context, builder, signature, values):
        to, seen = pointer(context, builder, signature, values, 0, 1), pointer(context, builder, signature, values, 2, 3)
        writer = Writer(builder, context.get_value_type(target.dtype))

        def step(first, left):
            masks = [left and writer.mask(left, register) for register in (0, 1)]
            pair = [writer.load(writer.at(writer.at(seen, first), INT(i * writer.lanes)), mask) for i, mask in enumerate(masks)]
            half = left and writer.mask(builder.lshr(builder.add(left, INT(1)), INT(1)), 0)
            writer.store(select(writer, pair, list(range(0, 2 * writer.lanes, 2))), writer.at(to, builder.lshr(first, INT(1))), half)

        write_pairs(writer, builder.sub(builder.shl(values[4], INT(1)), INT(1)), step)
        return context.get_dummy_value()
    integer = types.int64
    return types.void(target, integer, source, integer, integer), codegen


@intrinsic
def interleave(typingctx, target, at, source, even, odd, count):
    """target[at + 2i] = source[even + i] and target[at + 2i + 1] = source[odd + i], up to `count` numbers in all."""
    def codegen(context, builder, signature, values):
        to = pointer(context, builder, signature, values, 0, 1)
        sources = [pointer(context, builder, signature, values, 2, place) for place in (3, 4)]
        writer = Writer(builder, context.get_value_type(target.dtype))
        n = writer.lanes

        def step(first, left):
            pair = []
            for odd, seen in enumerate(sources):
                half = left and writer.mask(builder.lshr(builder.add(left, INT(1 - odd)), INT(1)), 0)
                pair.append(writer.load(writer.at(seen, builder.lshr(first, INT(1))), half))
            for register in (0, 1):
                order = [lane // 2 + lane % 2 * n for lane in range(register * n, (register + 1) * n)]
                cell = writer.at(writer.at(to, first), INT(register * n))
                writer.store(select(writer, pair, order), cell, left and writer.mask(left, register))

        write_pairs(writer, values[5], step)
        return context.get_dummy_value()
    integer = types.int64
    return types.void(target, integer, source, integer, integer, integer), codegen


@jit(inline=True)
def take_every(stride, target, at, source, place, count):
    """target[at + i] = source[place + i·stride]  for i < count."""
    if stride == 1:
        copy(target, at, source, place, count, target.dtype.type(0))
    elif stride == 2:
        take(target, at, source, place, count)
    else:
        for i in range(count):
            target[at + i] = source[place + i * stride]
