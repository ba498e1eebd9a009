// What the normalisations share: mean and variance in one pass over the numbers, and x̂.
//
// Mean and variance.  Σx² − n·μ² would lose its digits where the mean is large. So a thread takes its numbers minus `near`, a mean of its
// own first ones, and keeps the sums in double. Its result is (count, mean, S), with S the sum of squares about the mean; two such results
// join into one:
//
//     away = mean_b − mean_a      share = count_b / (count_a + count_b)
//     mean = mean_a + away·share      S = S_a + S_b + away²·count_a·share
//
// (Chan, Golub, LeVeque, "Algorithms for Computing the Sample Variance: Analysis and Recommendations", 1983, equation 2.1.) The lanes of a
// warp join in five steps, then its warps; always in one order, so that every run gives the same bits.
//
// x̂ = (x − μ) / √(σ² + ε) in the type of the array, since most GPUs do 2 to 64 times as many operations in float as in double. `centre` is
// μ rounded: near μ the difference x − centre is exact. What the rounding cut off is the same for all x, and comes back as `rest`:
//
//     x̂ = (x − centre) · inverse + rest        inverse = 1/√(σ² + ε)        rest = (centre − μ) · inverse
//
// T is the type of the arrays, Real that of the arithmetic: double also for float arrays where so few numbers are normalised that all of
// their digits may cancel (two numbers become ±1 whatever they are, and their gradient 0).
#pragma once
#include "common.cuh"

// W neighbours, read or written at once: a pack of 16 bytes where rows begin at multiples of 16 bytes, else one number.
template <typename T, int W> struct alignas(W * sizeof(T)) Unit { T v[W]; };
template <int W, typename T> __device__ inline Unit<T, W>* units(T* p) { return reinterpret_cast<Unit<T, W>*>(p); }
template <int W, typename T> __device__ inline const Unit<T, W>* units(const T* p) { return reinterpret_cast<const Unit<T, W>*>(p); }

// For each of so many units, by some thread of a block.
#define FOR_EACH_UNIT(u, count) for (int u = threadIdx.x; u < (int)(count); u += blockDim.x)

// body(w), w.value being the W that fits rows of so many numbers in all these arrays.
template <int W> struct Width { static constexpr int value = W; };
template <typename T, class Body>
__device__ inline void in_units(long row, Body body, const T* a, const T* b = nullptr, const T* c = nullptr, const T* d = nullptr) {
    if (packs_of(row, a, b, c, d) * Pack<T>::COUNT == row) body(Width<Pack<T>::COUNT>{});
    else body(Width<1>{});
}

struct Moments { double count, mean, S; };

__device__ inline Moments join(Moments a, Moments b) {
    const double count = a.count + b.count, away = b.mean - a.mean, share = count > 0 ? b.count / count : 0;
    return {count, a.mean + away * share, a.S + b.S + away * away * a.count * share};
}

__device__ inline Moments warp_join(Moments v) {
    for (int distance = 16; distance; distance /= 2) {
        const Moments other = {__shfl_xor_sync(ALL_LANES, v.count, distance), __shfl_xor_sync(ALL_LANES, v.mean, distance),
                               __shfl_xor_sync(ALL_LANES, v.S, distance)};
        v = threadIdx.x & distance ? join(other, v) : join(v, other);                    // the lower lane first: the same bits in both
    }
    return v;
}

// Of a block of whole warps, in every thread.
__device__ inline Moments block_join(Moments v) {
    __shared__ Moments of_warps[32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    v = warp_join(v);
    __syncthreads();                                                                    // an earlier call may still be reading of_warps
    if (lane == 0) of_warps[warp] = v;
    __syncthreads();
    return warp_join(lane < warps ? of_warps[lane] : Moments{});
}

// The moments of the numbers of one thread, which takes them unit by unit. The W numbers of a unit are summed as differences to the first.
template <typename Real, int W> struct Gathered {
    double near = 0, sum = 0, square = 0, inside = 0;                                   // Σ and Σ² of the units' means − near; Σ S of units
    long count = 0;                                                                     // of units

    template <typename T> __device__ void take(const Unit<T, W>& u) {
        const Real first = u.v[0];
        Real total = 0, S = 0;
        for (int j = 1; j < W; ++j) total += Real(u.v[j]) - first;
        const Real middle = total / W;
        for (int j = 0; j < W; ++j) {
            const Real d = Real(u.v[j]) - first - middle;
            S += d * d;
        }
        const double mean = double(first) + middle;
        if (count++ == 0) near = mean;
        const double d = mean - near;
        sum += d;
        square += d * d;
        inside += S;
    }
    __device__ Moments moments() const {
        if (!count) return {};
        const double offset = sum / count;
        return {double(W) * count, near + offset, inside + W * (square - sum * offset)};
    }
};

template <typename Real> struct Normal {
    Real centre, inverse, rest;
    __device__ Real operator()(Real x) const { return fma(x - centre, inverse, rest); }
};

template <typename Real> __device__ inline Normal<Real> normal(double mean, double inverse) {
    const Real centre = mean;
    return {centre, Real(inverse), Real((centre - mean) * inverse)};
}
