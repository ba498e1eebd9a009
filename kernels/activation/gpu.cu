// Activations: functions of one number, applied to every element.
//
// An activation is two formulas of one element: its value, and the gradient that goes back through it. The loop around them is written
// once. It waits for memory alone, so it reads and writes 16 bytes at a time, four floats or two doubles: a warp then asks for 512 bytes
// with one instruction. What is left over at the end is done number by number. Formulas compute in double, so that float results are exact
// but for their rounding. The chips of data centres have time for it while they wait; one with few double units pays for it.
#include "common.cuh"

constexpr double ROOT_HALF = 0.70710678118654752440, DENSITY = 0.39894228040143267794, SLOPE = 0.79788456080286535588;

__device__ inline double logistic(double x) {                    // by e^(−|x|) ≤ 1, which never overflows
    const double e = exp(-fabs(x));
    return (x < 0 ? e : 1.0) / (1.0 + e);
}
__device__ inline double normal_distribution(double x) { return 0.5 * erfc(-ROOT_HALF * x); }
__device__ inline double cube_slope(double x) { return SLOPE * (x + 0.044715 * x * x * x); }

// value(x, a) and gradient(g, kept, a): a is the option; kept the output where gpu.py says so, else the input. NaN is not ≤ 0: it travels.
#define FORMULA(NAME, KEPT, VALUE, GRADIENT)                                                       \
    struct NAME {                                                                                  \
        __device__ static double value(double x, double a) { return VALUE; }                       \
        __device__ static double gradient(double g, double KEPT, double a) { return GRADIENT; }    \
    };
FORMULA(Relu, y, x <= 0 ? 0 : x, y <= 0 ? 0 : g)
FORMULA(Relu6, y, x <= 0 ? 0 : x >= 6 ? 6 : x, y <= 0 || y >= 6 ? 0 : g)
FORMULA(LeakyRelu, x, x > 0 ? x : a * x, x > 0 ? g : a * g)
FORMULA(Elu, x, x <= 0 ? a * expm1(x) : x, x <= 0 ? g * a * exp(x) : g)
FORMULA(Sigmoid, y, logistic(x), g * y * (1 - y))
FORMULA(Tanh, y, tanh(x), g * (1 - y * y))
FORMULA(ScaledTanh, y, 1.7159 * tanh(2.0 / 3 * x), g * (1.7159 * 2 / 3 - 2.0 / 3 / 1.7159 * y * y))
FORMULA(Silu, x, x * logistic(x), g * logistic(x) * (1 + x * (1 - logistic(x))))
FORMULA(GeluExact, x, x * normal_distribution(x), g * (normal_distribution(x) + x * DENSITY * exp(-0.5 * x * x)))
FORMULA(GeluTanh, x, 0.5 * x * (1 + tanh(cube_slope(x))),
        g * (0.5 * (1 + tanh(cube_slope(x))) +
             0.5 * x * (1 - tanh(cube_slope(x)) * tanh(cube_slope(x))) * SLOPE * (1 + 3 * 0.044715 * x * x)))
FORMULA(HardSigmoid, x, x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6, x > -3 && x < 3 ? g / 6 : 0)
FORMULA(HardSwish, x, x <= -3 ? 0 : x >= 3 ? x : x * ((x + 3) / 6), x <= -3 ? 0 : x < 3 ? g * (x / 3 + 0.5) : g)

template <typename T, class Formula> __global__ void value(const T* __restrict__ x, T* __restrict__ y, double a, long count) {
    const long packs = packs_of(count, x, y);
    FOR_EACH(i, packs) {
        Pack<T> p = pack(x)[i];
        for (int j = 0; j < p.COUNT; ++j) p.v[j] = Formula::value(p.v[j], a);
        pack(y)[i] = p;
    }
    FOR_EACH_FROM(packs * Pack<T>::COUNT, i, count) y[i] = Formula::value(x[i], a);
}

template <typename T, class Formula>
__global__ void gradient(const T* __restrict__ g, const T* __restrict__ kept, T* __restrict__ dx, double a, long count) {
    const long packs = packs_of(count, g, kept, dx);
    FOR_EACH(i, packs) {
        const Pack<T> k = pack(kept)[i];
        Pack<T> p = pack(g)[i];
        for (int j = 0; j < p.COUNT; ++j) p.v[j] = Formula::gradient(p.v[j], k.v[j], a);
        pack(dx)[i] = p;
    }
    FOR_EACH_FROM(packs * Pack<T>::COUNT, i, count) dx[i] = Formula::gradient(g[i], kept[i], a);
}
