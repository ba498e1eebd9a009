"""Vector tiles: the innermost loops of the fast CPU kernels, written down as vector instructions.

A CPU multiplies and adds a register full of numbers at once (FMA, fused multiply-add): 16 of float32 under AVX-512, 8 under AVX2, 4
under NEON and SSE. It can begin two such instructions in every cycle, but each takes four cycles to finish: so the peak needs at least
eight sums that do not wait for one another, and few loads beside them. A tile is a block of a matrix product that stays in registers:

                       b (one row for every k, VECTORS registers wide)
                       ┌────────┬────────┬────────┐
         a (ROWS       │ 0 … 15 │16 … 31 │32 … 47 │            for each k:  load the row of b                        3 loads
         numbers for   └────────┴────────┴────────┘                         for each of the rows of c:
         each k)       ┌────────┬────────┬────────┐                             spread a number of a over a register  8 loads
           a0          │ c00    │ c01    │ c02    │                             c += a · b                          24 FMAs
           …           │   …    │   …    │   …    │
           a7          │ c70    │ c71    │ c72    │            24 sums in 24 of the 32 registers; 11 loads for 24 FMAs
                       └────────┴────────┴────────┘

Loops that a compiler vectorises by itself do not do this: it keeps too few sums, and writes them back too often.

Rows of b stand at offsets that a table holds, one for each k. Where b is an image and the table holds the places of the taps of a
window, the product is a convolution: im2col without the copy (kernels/conv2d/flat.py).

Nothing outside an array is read or written: the last columns are loaded and stored under a mask, and a row that does not exist is not
stored. Which instructions there are is asked of the CPU; MINICNN_SIMD=avx2 or portable chooses narrower ones, for tests.
"""
import os
from dataclasses import dataclass
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@dataclass(frozen=True)
class Registers:
    """bytes: of a vector register.  rows, vectors: the shape of the tile that fits the registers there are."""
    name: str
    bytes: int
    rows: int
    vectors: int


SETS = {registers.name: registers for registers in (
    Registers("avx512", 64, 8, 3),                           # 32 registers: 24 sums, 3 of b, and a
    Registers("avx2", 32, 4, 3),                             # 16 registers: 12 sums, 3 of b, and a
    Registers("portable", 16, 4, 3))}


def of_this_cpu() -> str:
    """The widest registers that this CPU has."""
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return "avx512"
    return "avx2" if features.get("avx2") and features.get("fma") else "portable"


def chosen() -> Registers:
    """MINICNN_SIMD, or the widest.  ValueError for one that is unknown or that this CPU does not have."""
    best = of_this_cpu()
    name = os.environ.get("MINICNN_SIMD") or best
    allowed = list(SETS)[list(SETS).index(best):]
    if name not in allowed:
        raise ValueError(f"MINICNN_SIMD={name!r}: expected one of {', '.join(allowed)}, which this CPU has")
    return SETS[name]


REGISTERS = chosen()
BYTES, ROWS, VECTORS = REGISTERS.bytes, REGISTERS.rows, REGISTERS.vectors

INT, I32, BIT, POINTER = ir.IntType(64), ir.IntType(32), ir.IntType(1), ir.PointerType()


class Writer:
    """Writes vector instructions for float32 or float64 into an LLVM function."""

    def __init__(self, builder: ir.IRBuilder, real: ir.Type):
        self.builder, self.real = builder, real
        self.lanes, self.letter = lanes(real), "f32" if real == ir.FloatType() else "f64"
        self.vector, self.bits = ir.VectorType(real, self.lanes), ir.VectorType(BIT, self.lanes)
        self.zero = self.constant(0.0)
        self.align = BYTES // self.lanes

    def function(self, name: str, result: ir.Type, arguments: list[ir.Type]) -> Any:
        module = self.builder.module
        return module.globals.get(name) or ir.Function(module, ir.FunctionType(result, arguments), name)

    def at(self, pointer: Any, index: Any) -> Any:
        """The address of element `index`."""
        return self.builder.gep(pointer, [index], source_etype=self.real)

    def load(self, pointer: Any, mask: Any = None) -> Any:
        """A register of numbers; zero in the lanes that the mask leaves out, which are not read."""
        if mask is None:
            return self.builder.load(pointer, align=self.align, typ=self.vector)
        load = self.function(f"llvm.masked.load.v{self.lanes}{self.letter}.p0", self.vector, [POINTER, I32, self.bits, self.vector])
        return self.builder.call(load, [pointer, I32(self.align), mask, self.zero])

    def store(self, value: Any, pointer: Any, mask: Any = None) -> None:
        if mask is None:
            self.builder.store(value, self.builder.bitcast(pointer, self.vector.as_pointer()), align=self.align)
            return
        store = self.function(f"llvm.masked.store.v{self.lanes}{self.letter}.p0", ir.VoidType(), [self.vector, POINTER, I32, self.bits])
        self.builder.call(store, [value, pointer, I32(self.align), mask])

    def spread(self, number: Any) -> Any:
        """A register with the number in every lane."""
        nothing = ir.Constant(ir.VectorType(number.type, self.lanes), ir.Undefined)
        first = self.builder.insert_element(nothing, number, I32(0))
        return self.builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes))

    def constant(self, number: float) -> Any:
        return ir.Constant(self.vector, [ir.Constant(self.real, number)] * self.lanes)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a · b + c, rounded once."""
        return self.builder.call(self.function(f"llvm.fma.v{self.lanes}{self.letter}", self.vector, [self.vector] * 3), [a, b, c])

    def mask(self, count: Any, register: int) -> Any:
        """Which lanes of register number `register` of a row are among its first `count` numbers."""
        numbers = [register * self.lanes + lane for lane in range(self.lanes)]
        limit = self.spread(self.builder.trunc(count, I32))
        return self.builder.icmp_signed("<", ir.Constant(ir.VectorType(I32, self.lanes), numbers), limit)


def lanes(real: ir.Type) -> int:
    """Numbers in a register."""
    return BYTES // (4 if real == ir.FloatType() else 8)


def begin(module: ir.Module, name: str, arguments: list[ir.Type], attribute: str) -> ir.Function:
    """A new function without a result, for this module alone."""
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
    function.linkage = "internal"
    function.attributes.add(attribute)
    return function


# The tile.  K steps; a (K, rows) packed, or as it stands somewhere; the row of b for step k starts at b[offsets[k]]; c (·, pitch).
ARGUMENTS = [INT, POINTER, POINTER, POINTER, POINTER, INT, INT, INT, BIT, INT, POINTER]


def write_tile(module: ir.Module, real: ir.Type, rows: int, vectors: int, packed: bool) -> ir.Function:
    """The function tile(K, a, b, offsets, c, pitch, count, columns, add, apart, steps) of a module, written when it is first asked for.

    c[i, j] = Σ_k a[k, i] · b[offsets[k] + j], added to what is there if `add`, for i < count ≤ rows and j < columns ≤ vectors · lanes.
    a[k, i] stands at k·rows + i if packed, else at steps[k] + i·apart, and then only count numbers of it are read for every k.
    """
    width = lanes(real)
    name = f"minicnn_tile_{rows}x{vectors}_{width}x{real}{'' if packed else '_apart'}"
    if name in module.globals:
        return module.globals[name]
    function = begin(module, name, ARGUMENTS, "noinline")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    columns, end = function.args[7], function.append_basic_block("end")
    for used in range(1, vectors + 1):                       # as few registers as the columns fill, the last of them under a mask
        fits = builder.icmp_signed("<=" if used < vectors else "<", columns, INT(used * width))
        here, there = function.append_basic_block(f"masked{used}"), function.append_basic_block(f"more{used}")
        builder.cbranch(fits, here, there)
        write_product(function, real, here, end, rows, used, packed, masked=True)
        builder.position_at_end(there)
    whole = function.append_basic_block("whole")
    builder.branch(whole)
    write_product(function, real, whole, end, rows, vectors, packed, masked=False)
    builder.position_at_end(end)
    builder.ret_void()
    return function


def write_product(function: ir.Function, real: ir.Type, start: Any, end: Any, rows: int, vectors: int, packed: bool,
                  masked: bool) -> None:
    """One form of the tile, from the block `start` to the block `end`."""
    K, a, b, offsets, c, pitch, count, columns, add, apart, steps = function.args
    builder = ir.IRBuilder(start)
    writer = Writer(builder, real)
    masks = [None] * (vectors - 1) + [writer.mask(columns, vectors - 1) if masked else None]
    places = [INT(j * writer.lanes) for j in range(vectors)]
    loop, stores = function.append_basic_block("loop"), function.append_basic_block("stores")
    starts = [writer.at(a, INT(i)) for i in range(rows)]
    if not packed:                                           # a row that does not exist is read as the first
        starts = [writer.at(a, builder.select(builder.icmp_signed("<", INT(i), count), builder.mul(apart, INT(i)), INT(0)))
                  for i in range(rows)]
    builder.cbranch(builder.icmp_signed(">", K, INT(0)), loop, stores)

    builder.position_at_end(loop)                            # for k in range(K):
    k = builder.phi(INT)
    sums = [[builder.phi(writer.vector) for _ in range(vectors)] for _ in range(rows)]
    row = writer.at(b, builder.load(builder.gep(offsets, [k], source_etype=INT), typ=INT))
    loaded = [writer.load(writer.at(row, place), mask) for place, mask in zip(places, masks)]
    now = builder.mul(k, INT(rows)) if packed else builder.load(builder.gep(steps, [k], source_etype=INT), typ=INT)
    new = []
    for i in range(rows):
        factor = writer.spread(builder.load(writer.at(starts[i], now), align=writer.align, typ=real))
        new.append([writer.fma(factor, loaded[j], sums[i][j]) for j in range(vectors)])
    after = builder.add(k, INT(1))
    builder.cbranch(builder.icmp_signed("<", after, K), loop, stores)

    k.add_incoming(INT(0), start)
    k.add_incoming(after, loop)
    builder.position_at_end(stores)
    results = [[builder.phi(writer.vector) for _ in range(vectors)] for _ in range(rows)]
    for i in range(rows):
        for j in range(vectors):
            for phi in (sums[i][j], results[i][j]):
                phi.add_incoming(writer.zero, start)
                phi.add_incoming(new[i][j], loop)

    for i in range(rows):                                    # for i in range(count):
        exists, next_row = function.append_basic_block(f"row{i}"), function.append_basic_block(f"after{i}")
        builder.cbranch(builder.icmp_signed("<", INT(i), count), exists, end)
        builder.position_at_end(exists)
        target = writer.at(c, builder.mul(pitch, INT(i)))
        sets, adds = function.append_basic_block("sets"), function.append_basic_block("adds")
        builder.cbranch(add, adds, sets)
        for block in (sets, adds):
            builder.position_at_end(block)
            for value, place, mask in zip(results[i], places, masks):
                cell = writer.at(target, place)
                writer.store(builder.fadd(value, writer.load(cell, mask)) if block is adds else value, cell, mask)
            builder.branch(next_row)
        builder.position_at_end(next_row)
    builder.branch(end)


def tile(rows: int = ROWS, vectors: int = VECTORS, packed: bool = True) -> Any:
    """The tile as a function for jitted code:  tile(K, a, b, offsets, c, pitch, count, columns, add),  and behind that  apart, steps  if
    a is not packed.

    a, b, c: arrays of one float type, offsets, steps: int64 arrays; only the addresses of their first elements are used, so pass
    b[start:].  Nothing is checked: what offsets, steps and the pitch (in numbers, not bytes) lead to must lie within the arrays.
    """
    arrays = (1, 2, 3, 4) if packed else (1, 2, 3, 4, 10)

    def codegen(context, builder, signature, values):
        function = write_tile(builder.module, context.get_value_type(signature.args[4].dtype), rows, vectors, packed)
        given = [builder.bitcast(context.make_array(signature.args[place])(context, builder, value).data, POINTER) if place in arrays
                 else value for place, value in enumerate(values)]
        builder.call(function, [*given, INT(0), given[3]] if packed else given)
        return context.get_dummy_value()

    integer = types.int64

    @intrinsic
    def multiply(typingctx, K, a, b, offsets, c, pitch, count, columns, add):
        return types.void(integer, a, b, offsets, c, integer, integer, integer, types.boolean), codegen

    @intrinsic
    def multiply_apart(typingctx, K, a, b, offsets, c, pitch, count, columns, add, apart, steps):
        return types.void(integer, a, b, offsets, c, integer, integer, integer, types.boolean, integer, steps), codegen
    return multiply if packed else multiply_apart
