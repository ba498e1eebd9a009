// Group normalisation: a group's numbers lie in one run of memory, and a block takes one group after another.
//
//     forward    normalise: the moments of the group, then y
//     backward   plane_sums: Σg and Σg·x̂ of every plane, by a warp each. Weighted with γ they add up to the two sums of the group that dx
//                asks for (gradient); added over the images, in order, they are dβ and dγ (add_images).
//
// What a block has just read lies in the cache when it reads it again. How mean, variance and x̂ are computed, and what Real is:
// ../cuda/normalise.cuh.
//
// x, y, g, dx: (N, C, P), P numbers of a plane, or (N·G, width, P): N·G groups of `width` channels.  weight, bias: (C,) or nullptr.
// statistics (N·G, 2): μ and 1/√(σ² + ε).  sums (2, N, C): Σg, Σg·x̂.
#include "normalise.cuh"

#define FOR_EACH_GROUP(k, groups) for (long k = blockIdx.x; k < (groups); k += gridDim.x)

template <typename T, typename Real>
__global__ void normalise(const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, T* __restrict__ y,
                          double* __restrict__ statistics, long groups, int G, int width, int P, double eps) {
    FOR_EACH_GROUP(k, groups) in_units(P, [&](auto unit) {
        constexpr int W = decltype(unit)::value;
        const unsigned count = width * P / W;
        const auto* in = units<W>(x) + k * count;
        auto* out = units<W>(y) + k * count;
        Gathered<Real, W> mine;
        FOR_EACH_UNIT(u, count) mine.take(in[u]);
        const Moments all = block_join(mine.moments());
        const double inverse = 1 / sqrt(all.S / all.count + eps);
        const Normal<Real> found = normal<Real>(all.mean, inverse);
        if (threadIdx.x == 0) {
            statistics[2 * k] = all.mean;
            statistics[2 * k + 1] = inverse;
        }
        FOR_EACH_UNIT(u, count) {
            const int c = k % G * width + u * W / P;
            const Real factor = weight ? weight[c] : T(1), offset = bias ? bias[c] : T(0);
            Unit<T, W> v = in[u];
            for (int j = 0; j < W; ++j) v.v[j] = fma(found(v.v[j]), factor, offset);
            out[u] = v;
        }
    }, x, y);
}

template <typename T, typename Real>
__global__ void plane_sums(const T* __restrict__ g, const T* __restrict__ x, const double* __restrict__ statistics,
                           double* __restrict__ sums, long planes, int width, int P) {
    const int lane = threadIdx.x % 32, warps = blockDim.x / 32;
    for (long plane = blockIdx.x * (long)warps + threadIdx.x / 32; plane < planes; plane += (long)gridDim.x * warps)
        in_units(P, [&](auto unit) {
            constexpr int W = decltype(unit)::value;
            const auto *upstream = units<W>(g + plane * P), *seen = units<W>(x + plane * P);
            const Normal<Real> normalised = normal<Real>(statistics[2 * (plane / width)], statistics[2 * (plane / width) + 1]);
            double sum_1 = 0, sum_x = 0;
            for (int u = lane; u < P / W; u += 32) {
                const Unit<T, W> of_y = upstream[u], v = seen[u];
                Real of_1 = 0, of_x = 0;                                       // of a unit in Real, then in double
                for (int j = 0; j < W; ++j) {
                    of_1 += of_y.v[j];
                    of_x += of_y.v[j] * normalised(v.v[j]);
                }
                sum_1 += of_1;
                sum_x += of_x;
            }
            sum_1 = warp_sum(sum_1);
            sum_x = warp_sum(sum_x);
            if (lane == 0) {
                sums[plane] = sum_1;
                sums[planes + plane] = sum_x;
            }
        }, g, x);
}

template <typename T, typename Real>
__global__ void gradient(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ weight,
                         const double* __restrict__ statistics, const double* __restrict__ sums, T* __restrict__ dx, long groups, int G,
                         int width, int P) {
    FOR_EACH_GROUP(k, groups) in_units(P, [&](auto unit) {
        constexpr int W = decltype(unit)::value;
        const unsigned count = width * P / W;
        const auto *upstream = units<W>(g) + k * count, *seen = units<W>(x) + k * count;
        auto* out = units<W>(dx) + k * count;
        const Normal<Real> normalised = normal<Real>(statistics[2 * k], statistics[2 * k + 1]);
        const T* of_group = weight ? weight + k % G * width : nullptr;         // γ of its channels
        double sum_1 = 0, sum_x = 0;
        for (int c = threadIdx.x; c < width; c += blockDim.x) {
            const double factor = of_group ? of_group[c] : T(1);
            sum_1 += factor * sums[k * width + c];
            sum_x += factor * sums[groups * width + k * width + c];
        }
        const Real along_1 = block_sum(sum_1) / (width * P), along_x = block_sum(sum_x) / (width * P);
        FOR_EACH_UNIT(u, count) {
            const Real factor = of_group ? of_group[u * W / P] : T(1);
            const Unit<T, W> v = seen[u];
            Unit<T, W> of_y = upstream[u];
            for (int j = 0; j < W; ++j) of_y.v[j] = normalised.inverse * (factor * of_y.v[j] - along_1 - along_x * normalised(v.v[j]));
            out[u] = of_y;
        }
    }, g, x, dx);
}

template <typename T>
__global__ void add_images(T* __restrict__ grad_weight, T* __restrict__ grad_bias, const double* __restrict__ sums, int N, int C) {
    FOR_EACH(c, C) {
        double of_weight = 0, of_bias = 0;
        for (long n = 0; n < N; ++n) {
            of_bias += sums[n * C + c];
            of_weight += sums[(N + n) * C + c];
        }
        grad_weight[c] = of_weight;
        grad_bias[c] = of_bias;
    }
}
