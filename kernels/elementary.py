"""choose, gate, fma, exp and expm1, for the inner loops of Numba kernels: arithmetic without branches and calls.

The compiler turns a loop into vector instructions, 4 or 8 numbers at a time, if nothing in it jumps. The exp of the C library is a
call, and `a if condition else b` may become a jump (a mispredicted one costs 10 ns); here both are written so that they do not.

    e^x = 2^k · e^r        k = round(x / ln 2),  r = x − k·ln 2,  so |r| ≤ ln 2 / 2
    e^r − 1 = r + r²/2! + … + r¹³/13!            the Taylor series: what it leaves out is below 5·10⁻¹⁸
    2^k                    a float64 with k + 1023 in its exponent bits

For x ≤ 0 alone: activations need e^(−|x|), which never overflows. All in float64, whatever the arrays are: one polynomial for both
types. Relative error 4·10⁻¹⁶ near 0, and, as k·ln 2 is rounded, 3·10⁻¹⁴ at −700; from there on e^x counts as 0.
"""
from math import factorial, log

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import register_jitable

from .jit import intrinsic

LN2, PER_LN2 = log(2), 1 / log(2)
LOWEST = -700.0                                        # e^−700 = 10^−304, almost the smallest float64
C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13 = (1 / factorial(i) for i in range(2, 14))


@intrinsic
def choose(typingctx, condition, a, b):
    """a where the condition holds, else b, as float64: both are computed, and one is selected without a jump."""
    def codegen(context, builder, signature, arguments):
        flag, *values = arguments
        return builder.select(flag, *(context.cast(builder, v, t, types.float64) for v, t in zip(values, (a, b))))
    return types.float64(types.boolean, a, b), codegen


@intrinsic
def gate(typingctx, number, y, floor):
    """The number, and 0 where y ≤ floor, all of one type. NaN is not ≤ anything: it goes through, and a floor of NaN lets everything."""
    if not number == y == floor:
        return None

    def codegen(context, builder, signature, arguments):
        number_, y_, floor_ = arguments
        return builder.select(builder.fcmp_ordered("<=", y_, floor_), ir.Constant(number_.type, 0.0), number_)
    return number(number, number, number), codegen


@intrinsic
def fma(typingctx, a, b, c):
    """a·b + c of one type. The compiler may rearrange sums and products that it sees, one way here and another there; this it does not:
    the same bits in every loop that it stands in."""
    if not a == b == c:
        return None

    def codegen(context, builder, signature, arguments):
        real = arguments[0].type                           # fused where the CPU can, else a product and a sum
        return builder.call(builder.module.declare_intrinsic("llvm.fmuladd", [real], ir.FunctionType(real, [real] * 3)), arguments)
    return a(a, a, a), codegen


@intrinsic
def float64_of_bits(typingctx, bits):
    """The float64 whose 64 bits are those of an int64."""
    def codegen(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())
    return types.float64(types.int64), codegen


@register_jitable
def split(x):
    """(e^r − 1, 2^k) of e^x = 2^k · e^r.  LOWEST ≤ x ≤ 0, not NaN."""
    k = np.floor(x * PER_LN2 + 0.5)
    r = x - k * LN2
    p = C8 + r * (C9 + r * (C10 + r * (C11 + r * (C12 + r * C13))))
    p = C2 + r * (C3 + r * (C4 + r * (C5 + r * (C6 + r * (C7 + r * p)))))
    return r + r * r * p, float64_of_bits((np.int64(np.int32(k)) + 1023) << 52)


@register_jitable
def exp(x):
    """e^x for x ≤ 0, as float64; NaN for NaN."""
    p, power = split(choose(x > LOWEST, x, LOWEST))
    return choose(x > LOWEST, power * p + power, choose(x <= LOWEST, 0.0, x))


@register_jitable
def expm1(x):
    """e^x − 1 for x ≤ 0, as float64, exact to the last digits near 0 too; NaN for NaN."""
    p, power = split(choose(x > LOWEST, x, LOWEST))
    return choose(x > LOWEST, power * p + (power - 1.0), choose(x <= LOWEST, -1.0, x))
